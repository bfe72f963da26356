"""While one greenlet of gevent or eventlet waits, the others go on."""

import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.greenlets import greenlets, needs
from support.scripts import unix

from tilia_sync import Sandbox

pytestmark = unix


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(wallet_delay=0) as running:
        yield running


@pytest.mark.parametrize(
    ("loop", "late"),
    [("uvloop", False), ("asyncio", True), pytest.param("asyncio", False, marks=pytest.mark.nightly)],
)
@pytest.mark.parametrize("library", ["gevent", "eventlet"])
def test_many_greenlets_wait_at_once(sandbox: Sandbox, library: str, late: bool, loop: str) -> None:
    sandbox.faults.add("payment_methods.list", "latency", seconds=0.4, times=50)
    told = greenlets(
        sandbox,
        """
        with client(timeout=5) as tilia:
            tilia.access_token(["read_payment_methods"])
            ticks, found = [], []

            def tick():
                while len(found) < 50:
                    ticks.append(1)
                    time.sleep(0.02)

            started = time.monotonic()
            threads = [threading.Thread(target=lambda: found.append(tilia.payment_methods.list("a"))) for _ in range(50)]
            threads.append(threading.Thread(target=tick))
            for thread in threads: thread.start()
            for thread in threads: thread.join()
            print(found == [[]] * 50, len(ticks) > 5, 0.4 < time.monotonic() - started < 4)
            before = len(os.listdir("/proc/self/fd")) if os.path.exists("/proc") else 0
        for _ in range(4):
            with client() as another:
                another.payment_methods.list("b")
        after = len(os.listdir("/proc/self/fd")) if os.path.exists("/proc") else 0
        print(after <= before)
        """,
        library,
        late=late,
        loop=loop,
    )
    assert told == "True True True\nTrue\n"


@pytest.mark.parametrize("library", ["gevent", "eventlet"])
def test_deadlines_and_timeouts_of_greenlets_end_a_call(sandbox: Sandbox, library: str) -> None:
    sandbox.faults.add("payment_methods.list", "latency", seconds=20, times=2)
    told = greenlets(
        sandbox,
        f"""
        from {library} import Timeout
        with client(timeout=30) as tilia:
            tilia.access_token(["read_payment_methods"])
            for limits in ([RequestOptions(timeout=0.3), 10], [RequestOptions(timeout=10), 0.3]):
                started = time.monotonic()
                try:
                    with Timeout(limits[1]):
                        tilia.payment_methods.list("a", options=limits[0])
                except (Timeout, errors.TransportError) as error:
                    print(type(error).__name__, 0.2 < time.monotonic() - started < 3, tilia._client._pool.busy)
            print(tilia.payment_methods.list("a"))
        """,
        library,
    )
    assert told == "DeadlineExceededError True 0\nTimeout True 0\n[]\n"


@pytest.mark.parametrize("library", ["gevent", pytest.param("eventlet", marks=pytest.mark.nightly)])
def test_jobs_a_ledger_a_token_file_and_notifications(sandbox: Sandbox, library: str, tmp_path: Path) -> None:
    told = greenlets(
        sandbox,
        f"""
        from wsgiref.simple_server import WSGIRequestHandler, make_server
        from tilia_async.tokens import TokenCache
        from tilia_async.tokens.file_store import FileTokenStore
        from tilia_async.webhooks import AccountBlockChanged
        from tilia_sync import WebhookReceiver

        class Silent(WSGIRequestHandler):
            def log_message(self, *arguments):
                pass

        cache = TokenCache(FileTokenStore("{tmp_path}/tokens"))
        with BlockLedger.open("sqlite:///{tmp_path}/blocks.db") as ledger, Sandbox(wallet_delay=0) as own:
            with connect(own, ledger=ledger, token_cache=cache, timeout=5) as tilia:
                accounts = [tilia.accounts.register(f"nyx{{n}}", email=f"nyx{{n}}@mail.example").account_id for n in range(8)]
                progress = []
                report = tilia.bulk.block(accounts, "fraud", concurrency=4, on_progress=progress.append)
                print(sum(report.counts.values()), len(list(tilia.bulk.stream_unblock(accounts))), progress[-1].total)
                receiver = WebhookReceiver(ledger=ledger, basic_auth=("tilia", "a password"))
                seen = []
                receiver.on(AccountBlockChanged)(lambda event: seen.append(tilia.accounts.get(event.account_id)))
                server = make_server("127.0.0.1", 0, receiver.wsgi, handler_class=Silent)
                serving = threading.Thread(target=server.serve_forever, daemon=True)
                serving.start()
                own.register_webhook(f"http://127.0.0.1:{{server.server_port}}/", basic_auth=("tilia", "a password"))
                tilia.accounts.block(accounts[0])
                own.notified()
                print(len(seen), [sent.answers for sent in own.notifications], len(list(ledger.history(accounts[0]))))
        """,
        library,
    )
    assert told == "8 8 8\n1 [[204]] 4\n"


def test_a_handler_that_gevents_hub_runs_may_call(sandbox: Sandbox) -> None:
    told = greenlets(
        sandbox,
        """
        import gevent
        found = []
        with client(timeout=5) as tilia, client(timeout=5) as other:
            tilia.payment_methods.list("a")
            signal.signal(signal.SIGALRM, lambda *_: (found.append(tilia.payment_methods.list("b")), other.close()))
            signal.setitimer(signal.ITIMER_REAL, 0.1)
            while not found:
                gevent.sleep(0.01)
            gevent.get_hub().loop.run_callback(lambda: found.append(tilia.payment_methods.list("c")))
            gevent.sleep(0.01)
            print(found)
        """,
        "gevent",
    )
    assert told == "[[], []]\n"


@pytest.mark.parametrize("preload", [pytest.param(False, marks=pytest.mark.nightly), True])
def test_gunicorn(tmp_path: Path, sandbox: Sandbox, preload: bool) -> None:
    pytest.importorskip("gunicorn")
    needs("gevent")
    (tmp_path / "application.py").write_text(
        """
import os
from tilia_sync import TiliaClient

tilia = TiliaClient.from_env(timeout=5)
if os.environ["PRELOADED"]:
    tilia.payment_methods.list("a")

def application(environ, start_response):
    found = tilia.payment_methods.list("a")
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(found).encode()]
"""
    )
    command = [sys.executable, "-W", "ignore", "-m", "gunicorn", "-k", "gevent", "--no-control-socket", "application"]
    server = subprocess.Popen(
        [*command, "--bind", "127.0.0.1:0", "--graceful-timeout", "5", *(["--preload"] if preload else [])],
        cwd=tmp_path,
        env={
            "TILIA_CLIENT_ID": sandbox.client_id,
            "TILIA_CLIENT_SECRET": sandbox.client_secret,
            "TILIA_ENVIRONMENT": f"http://127.0.0.1:{sandbox.port}/{{service}}",
            "PYTHONPATH": str(tmp_path),
            "PRELOADED": "yes" if preload else "",
        },
        stderr=subprocess.PIPE,
        text=True,
    )
    assert server.stderr is not None
    found = None
    try:
        for line in server.stderr:
            if found := re.search(r"Listening at: (http://127.0.0.1:\d+)", line):
                break
        assert found is not None
        answers = [urllib.request.urlopen(found[1], timeout=15).read().decode() for _ in range(8)]
    finally:
        server.terminate()
        rest = server.communicate(timeout=20)[1]
    assert answers == ["[]"] * 8
    for word in ("Traceback", "blocks the event loop", "TIMEOUT"):
        assert word not in rest
