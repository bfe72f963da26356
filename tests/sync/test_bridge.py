"""The loop thread behind the synchronous clients; what ends or splits a process is tested in one of its own."""

import asyncio
import contextvars
import gc
import os
import signal
import subprocess
import sys
import textwrap
import threading
import traceback
import warnings

import pytest
from quick import QUICK

import tilia_sync
from tilia_async.sandbox import Fault
from tilia_async.tokens import TokenCache
from tilia_sync import RetryPolicy, Sandbox, TiliaClient, errors
from tilia_sync.bridge import LOOP_THREAD
from tilia_sync.loop_thread import THREAD_NAME

PRELUDE = """
import gc, os, signal, sys, threading, time
from tilia_sync import Sandbox, TiliaClient, RequestOptions, errors
from tilia_async.sandbox import Fault
"""


def run(script: str, *, expect: int = 0) -> str:
    """Run a script with all warnings as errors; its output, after it ended as expected and said nothing on stderr."""
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", PRELUDE + textwrap.dedent(script)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stderr) == (expect, ""), done.stderr
    return done.stdout


def client(sandbox: Sandbox) -> TiliaClient:
    return TiliaClient(
        sandbox.client_id, sandbox.client_secret, sandbox.environment, retry=QUICK, token_cache=TokenCache()
    )


def bridge_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == THREAD_NAME]


def test_one_thread_for_all_clients_and_none_after_the_last() -> None:
    assert bridge_threads() == []
    with Sandbox() as sandbox, client(sandbox) as one, client(sandbox) as two:
        one.payment_methods.list("a")
        two.payment_methods.list("a")
        assert len(bridge_threads()) == 1
        assert bridge_threads()[0].daemon
    assert bridge_threads() == []


def test_thirty_two_threads_share_one_client_and_one_token() -> None:
    with Sandbox() as sandbox, client(sandbox) as tilia:
        start = threading.Barrier(32)
        found: list[int] = []

        def work() -> None:
            start.wait()
            found.append(len(tilia.payment_methods.list("a")))

        threads = [threading.Thread(target=work) for _ in range(32)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert found == [0] * 32
        assert sum(request.operation == "auth.token" for request in sandbox.requests) == 1


def test_inside_a_running_loop_it_works_and_warns_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LOOP_THREAD, "_warned", False)
    with Sandbox() as sandbox, client(sandbox) as tilia:

        async def cell() -> None:
            with pytest.warns(RuntimeWarning, match="use tilia_async and await") as caught:
                tilia.payment_methods.list("a")
            assert caught[0].filename == __file__
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                tilia.payment_methods.list("a")

        asyncio.run(cell())


def test_on_its_own_thread_it_refuses_instead_of_waiting_for_itself() -> None:
    with Sandbox() as sandbox, client(sandbox) as tilia:

        async def inside() -> None:
            tilia.payment_methods.list("a")

        with pytest.raises(RuntimeError, match="would wait for itself"):
            LOOP_THREAD.run(inside())


VARIABLE: contextvars.ContextVar[str] = contextvars.ContextVar("VARIABLE", default="unset")


def test_context_variables_go_in_and_come_back() -> None:
    async def inside() -> str:
        before = VARIABLE.get()
        VARIABLE.set("from inside")
        return before

    VARIABLE.set("from outside")
    assert LOOP_THREAD.run(inside()) == "from outside"
    assert VARIABLE.get() == "from inside"
    LOOP_THREAD.stop()


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, GeneratorExit])
def test_an_exception_that_would_end_a_loop_is_its_callers_alone(error: type[BaseException]) -> None:
    async def leave() -> None:
        raise error

    async def stay() -> str:
        return "here"

    with pytest.raises(error):
        LOOP_THREAD.run(leave())
    assert LOOP_THREAD.run(stay()) == "here"
    LOOP_THREAD.stop()


def test_tracebacks_start_at_the_users_line_and_show_no_bridge(monkeypatch: pytest.MonkeyPatch) -> None:
    with Sandbox() as sandbox, client(sandbox) as tilia:
        for full in (False, True):
            monkeypatch.setenv("TILIA_SYNC_FULL_TRACEBACKS", "1" if full else "")
            with pytest.raises(errors.NotFoundError) as caught:
                tilia.accounts.get("acct_1")
            files = [os.path.basename(frame.filename) for frame in traceback.extract_tb(caught.value.__traceback__)]
            assert files[0] == os.path.basename(__file__)
            assert files[-1] == "caller.py"
            assert ("bridge.py" in files) is full


def test_an_abandoned_client_is_closed_by_the_garbage_collector() -> None:
    with Sandbox() as sandbox:
        tilia = client(sandbox)
        tilia.payment_methods.list("a")
        inner = tilia._client
        del tilia
        gc.collect()
        for _ in range(100):
            LOOP_THREAD.run(asyncio.sleep(0))
            if inner._pool.closed:
                break
        assert inner._pool.closed


def test_close_twice_and_call_after_close() -> None:
    with Sandbox() as sandbox:
        tilia = client(sandbox)
        assert "closed" not in repr(tilia)
        tilia.close()
        tilia.close()
        assert repr(tilia).endswith(", closed>")
        with pytest.raises(errors.ClientClosedError):
            tilia.payment_methods.list("a")
        with pytest.raises(errors.ClientClosedError), tilia:
            pass


def test_the_same_classes_of_errors() -> None:
    import tilia_async

    assert tilia_sync.errors is tilia_async.errors


def test_exit_without_close_is_silent() -> None:
    assert (
        run("""
        sandbox = Sandbox()
        sandbox.start()
        tilia = TiliaClient(sandbox.client_id, sandbox.client_secret, sandbox.environment)
        print(tilia.payment_methods.list("a"))
    """)
        == "[]\n"
    )


def test_ctrl_c_cancels_the_call_inside_and_the_client_stays_usable() -> None:
    out = run("""
        with Sandbox() as sandbox:
            with TiliaClient(sandbox.client_id, sandbox.client_secret, sandbox.environment) as tilia:
                tilia.payment_methods.list("a")
                sandbox.faults.add("payment_methods.list", Fault.LATENCY, seconds=20)
                seen = len(sandbox.requests)

                def interrupt():
                    while len(sandbox.requests) == seen:
                        time.sleep(0.01)
                    os.kill(os.getpid(), signal.SIGINT)

                threading.Thread(target=interrupt).start()
                started = time.monotonic()
                try:
                    tilia.payment_methods.list("a")
                except KeyboardInterrupt:
                    print("interrupted", time.monotonic() - started < 3, tilia._client._pool.busy)
                print(tilia.payment_methods.list("b"))
    """)
    assert out == "interrupted True 0\n[]\n"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_parent_and_child_work_after_fork() -> None:
    out = run("""
        import warnings
        warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)
        sandbox = Sandbox()
        sandbox.start()
        tilia = TiliaClient(sandbox.client_id, sandbox.client_secret, sandbox.environment)
        tilia.payment_methods.list("a")
        child = os.fork()
        if child == 0:
            print("child", tilia.payment_methods.list("b"), flush=True)
            tilia.close()
            os._exit(0)
        status = os.waitpid(child, 0)[1]
        print("parent", tilia.payment_methods.list("c"), status)
        print(sum(request.operation == "auth.token" for request in sandbox.requests))
        tilia.close()
        sandbox.close()
    """)
    assert out == "child []\nparent [] 0\n1\n"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_child_that_makes_no_call_exits_silently() -> None:
    out = run("""
        import warnings
        warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)
        sandbox = Sandbox()
        sandbox.start()
        tilia = TiliaClient(sandbox.client_id, sandbox.client_secret, sandbox.environment)
        tilia.payment_methods.list("a")
        child = os.fork()
        if child == 0:
            sys.exit(0)
        print(os.waitpid(child, 0)[1], tilia.payment_methods.list("c"))
    """)
    assert out == "0 []\n"


def test_a_client_made_at_import_starts_nothing() -> None:
    assert (
        run("""
        tilia = TiliaClient("id", "secret", "staging")
        print([thread.name for thread in threading.enumerate()])
    """)
        == "['MainThread']\n"
    )


def test_the_garbage_collector_never_waits_for_a_lock() -> None:
    """It may come by at any allocation, also while the thread is being started."""
    out = run("""
        gc.disable()
        keep = TiliaClient("id", "secret", "http://127.0.0.1:9/{service}", timeout=1)

        def call():
            try:
                keep.accounts.get("a")
            except errors.ConnectError:
                pass

        for threshold in range(1, 120, 7):
            box = [TiliaClient("id", "secret", "staging")]
            box.append(box)
            del box
            thread = threading.Thread(target=call, daemon=True)
            gc.set_threshold(gc.get_count()[0] + threshold, 1000, 1000)
            gc.enable()
            thread.start()
            thread.join(10)
            gc.disable()
            if thread.is_alive():
                print("hangs at", threshold, flush=True)
                os._exit(1)
            gc.collect()
        keep.close()
        print("done")
    """)
    assert out == "done\n"


def test_clients_that_come_and_go_in_threads_never_meet_a_dying_loop() -> None:
    with Sandbox() as sandbox:
        settings = (sandbox.client_id, sandbox.client_secret, sandbox.environment)
    failures: list[BaseException] = []

    def come_and_go() -> None:
        for _ in range(25):
            try:
                with TiliaClient(*settings, retry=RetryPolicy(attempts=1), token_cache=TokenCache()) as tilia:
                    tilia.payment_methods.list("a")
            except errors.ConnectError:
                # The sandbox is gone on purpose: what counts is that it is this error and no other.
                continue
            except BaseException as error:  # noqa: BLE001 - a thread's errors are looked at below
                failures.append(error)

    threads = [threading.Thread(target=come_and_go) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert bridge_threads() == []


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no interval timers here")
def test_an_alarm_that_raises_a_timeout_error_is_not_swallowed() -> None:
    out = run("""
        def too_late(number, frame):
            raise TimeoutError("the alarm")

        with Sandbox() as sandbox:
            with TiliaClient(sandbox.client_id, sandbox.client_secret, sandbox.environment) as tilia:
                tilia.payment_methods.list("a")
                sandbox.faults.add("payment_methods.list", Fault.LATENCY, seconds=20)
                signal.signal(signal.SIGALRM, too_late)
                signal.setitimer(signal.ITIMER_REAL, 0.2)
                started = time.monotonic()
                try:
                    tilia.payment_methods.list("a")
                except TimeoutError as error:
                    print(error, time.monotonic() - started < 3)
    """)
    assert out == "the alarm True\n"


def test_closing_in_one_thread_ends_the_call_of_another() -> None:
    with Sandbox() as sandbox:
        tilia = client(sandbox)
        tilia.payment_methods.list("a")
        sandbox.faults.add("payment_methods.list", Fault.RATE_LIMITED, retry_after=20)
        seen = len(sandbox.requests)
        ended: list[BaseException] = []

        def call() -> None:
            try:
                tilia.payment_methods.list("a")
            except errors.ClientClosedError as error:
                ended.append(error)

        thread = threading.Thread(target=call)
        thread.start()
        while len(sandbox.requests) == seen:
            LOOP_THREAD.run(asyncio.sleep(0))
        tilia.close()
        thread.join(5)
        assert not thread.is_alive()
        assert len(ended) == 1
