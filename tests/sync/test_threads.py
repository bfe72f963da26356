"""A single loop thread behind all clients, for callers in any thread."""

import threading

import pytest
from support.quick import QUICK
from support.scripts import run

import tilia_async
import tilia_sync
from tilia_async.tokens import TokenCache
from tilia_sync import RetryPolicy, Sandbox, TiliaClient, errors


def test_one_named_thread_for_all_clients_and_none_after_the_last() -> None:
    assert run("""
        def bridges():
            return [thread.name for thread in threading.enumerate() if thread.name.startswith("tilia")]

        sandbox = Sandbox()
        one, two = TiliaClient("id", "secret", "staging"), None
        print("made", bridges())
        with sandbox:
            with connect(sandbox) as one, connect(sandbox) as two:
                one.payment_methods.list("a")
                two.payment_methods.list("a")
                print("two", bridges(), all(thread.daemon for thread in threading.enumerate()[1:]))
            print("none", bridges())
        one.close()
        print("after", bridges())
    """).splitlines() == ["made []", "two ['tilia-sync'] True", "none ['tilia-sync']", "after []"]


def test_thirty_two_threads_share_one_client_and_one_token() -> None:
    assert (
        run("""
        with Sandbox() as sandbox, connect(sandbox) as tilia:
            # Slow enough for all to come while the token is fetched.
            sandbox.faults.add("auth.token", Fault.LATENCY, seconds=0.3)
            start, found = threading.Barrier(32), []

            def work():
                start.wait()
                found.append(tilia.payment_methods.list("a"))

            threads = [threading.Thread(target=work) for _ in range(32)]
            for thread in threads: thread.start()
            for thread in threads: thread.join()
            print(found == [[]] * 32, count(sandbox, "auth.token"), count(sandbox, "payment_methods.list"))
    """)
        == "True 1 32\n"
    )


def test_calls_of_several_threads_are_under_way_at_once() -> None:
    assert (
        run("""
        with Sandbox() as sandbox, connect(sandbox) as tilia:
            tilia.payment_methods.list("a")
            sandbox.faults.add("payment_methods.list", Fault.LATENCY, seconds=0.3, times=None)
            started = time.monotonic()
            threads = [threading.Thread(target=tilia.payment_methods.list, args=("a",)) for _ in range(16)]
            for thread in threads: thread.start()
            for thread in threads: thread.join()
            print(0.3 <= time.monotonic() - started < 2)
    """)
        == "True\n"
    )


def test_a_thread_that_python_did_not_start_may_call() -> None:
    assert (
        run("""
        import _thread

        with Sandbox() as sandbox, connect(sandbox) as tilia:
            done = threading.Lock()
            done.acquire()
            found = []

            def work():
                found.append(tilia.payment_methods.list("a"))
                done.release()

            _thread.start_new_thread(work, ())
            done.acquire()
            print(found)
    """)
        == "[[]]\n"
    )


def test_a_module_may_call_while_it_is_imported() -> None:
    assert (
        run("""
        import importlib.util, tempfile, textwrap
        with Sandbox() as sandbox, connect(sandbox) as tilia, tempfile.TemporaryDirectory() as folder:
            sandbox.tilia = tilia
            sys.modules["settings"] = sandbox
            with open(folder + "/old_code.py", "w") as file:
                file.write("import settings; FOUND = settings.tilia.payment_methods.list('a')")
            sys.path.insert(0, folder)
            import old_code
            print(old_code.FOUND)
    """)
        == "[]\n"
    )


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


def test_closing_in_one_thread_ends_the_call_of_another() -> None:
    assert (
        run("""
        with Sandbox() as sandbox:
            tilia = connect(sandbox)
            tilia.payment_methods.list("a")
            sandbox.faults.add("payment_methods.list", Fault.RATE_LIMITED, retry_after=20)
            closing = once_it_arrives(sandbox, tilia.close)
            try:
                tilia.payment_methods.list("a")
            except errors.ClientClosedError as error:
                print(error.operation)
            closing.join()
    """)
        == "payment_methods.list\n"
    )


def test_close_twice_and_call_after_close() -> None:
    with Sandbox() as sandbox:
        tilia = TiliaClient(
            sandbox.client_id, sandbox.client_secret, sandbox.environment, retry=QUICK, token_cache=TokenCache()
        )
        assert "closed" not in repr(tilia)
        tilia.close()
        tilia.close()
        assert repr(tilia).endswith(", closed>")
        with pytest.raises(errors.ClientClosedError):
            tilia.payment_methods.list("a")
        with pytest.raises(errors.ClientClosedError):
            next(tilia.invoices.list("a"))
        with pytest.raises(errors.ClientClosedError), tilia:
            pass


def test_the_same_classes_of_errors() -> None:
    assert tilia_sync.errors is tilia_async.errors
