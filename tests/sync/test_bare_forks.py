"""Forks that run none of Python's hooks, as uWSGI's do: nothing of the parent's is used or waited for."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import sysconfig
import time
import urllib.request
from pathlib import Path

import pytest
from support.scripts import run, unix

from tilia_sync import Sandbox

pytestmark = unix

BARE = """
import ctypes
serving = Sandbox(wallet_delay=0)

def fork():
    # A thread that waits for the interpreter gets it meanwhile: without its forked child would wait for that thread.
    time.sleep(0.02)
    pid = ctypes.PyDLL(None).fork()
    if pid == 0:
        signal.alarm(12)
    return pid
"""


def run_forks(script: str) -> str:
    """Run a script whose forked children are ended by an alarm if they hang.

    A child that is forked while another thread waits for the interpreter's lock may hang in the interpreter itself,
    whatever it runs: then it is all done once more.
    """
    told = run(script)
    for _ in range(3):
        if "-14" not in told:
            break
        told = run(script)
    return told


def test_parent_and_child_work_after_a_bare_fork() -> None:
    assert (
        run_forks(
            BARE
            + """
with serving as sandbox, connect(sandbox, timeout=5) as tilia:
    tilia.payment_methods.list("a")
    if (child := fork()) == 0:
        started = time.monotonic()
        found = [tilia.payment_methods.list("b")]
        if (grandchild := fork()) == 0:
            os._exit(4 if tilia.payment_methods.list("c") == [] else 1)
        status = os.waitstatus_to_exitcode(os.waitpid(grandchild, 0)[1])
        found.append(tilia.payment_methods.list("d"))
        tilia.close()
        os._exit(status + 3 if found == [[], []] and time.monotonic() - started < 10 else 1)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), tilia.payment_methods.list("e"))
    # The token is shared, the connections are not.
    print(count(sandbox, "auth.token"))
"""
        )
        == "7 []\n1\n"
    )


def test_a_bare_fork_while_others_wait_for_answers() -> None:
    """The others wait for the network: a thread that waits for the interpreter itself leaves that unusable in the child."""
    assert (
        run_forks(
            BARE
            + """
with serving as sandbox, connect(sandbox, timeout=5) as tilia:
    tilia.payment_methods.list("a")
    sandbox.faults.add("payment_methods.list", Fault.LATENCY, seconds=1.5, times=4)
    threads = [threading.Thread(target=tilia.payment_methods.list, args=("slow",)) for _ in range(4)]
    seen = len(sandbox.requests)
    for thread in threads: thread.start()
    while len(sandbox.requests) < seen + 4:
        time.sleep(0.005)
    codes = []
    for _ in range(5):
        time.sleep(0.05)
        if (child := fork()) == 0:
            os._exit(7 if tilia.payment_methods.list("b") == [] else 1)
        codes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    for thread in threads: thread.join()
    print(codes)
"""
        )
        == "[7, 7, 7, 7, 7]\n"
    )


@pytest.mark.parametrize("where", ["cache", "identity", "pool", "stored"])
def test_a_bare_fork_while_another_thread_holds_a_lock(tmp_path: Path, where: str) -> None:
    assert (
        run_forks(
            BARE
            + f"""
from tilia_async.tokens import TokenCache
from tilia_async.tokens.file_store import FileTokenStore

cache = TokenCache(FileTokenStore("{tmp_path}/tokens"))

with serving as sandbox, connect(sandbox, timeout=5, token_cache=cache) as tilia:
    tilia.payment_methods.list("a")
    held = next(iter(cache._by_identity.values()))
    lock = {{"cache": cache, "identity": held, "stored": held._stored, "pool": tilia._client._pool}}[{where!r}]._lock
    held, forked = threading.Event(), threading.Event()

    def hold():
        with lock:
            held.set()
            forked.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    if (child := fork()) == 0:
        tilia.access_token(["search_accounts"])
        with connect(sandbox, timeout=5, token_cache=cache) as mine:
            listed = mine.payment_methods.list("b")
        os._exit(7 if listed == [] and tilia.payment_methods.list("b") == [] else 1)
    forked.set()
    thread.join()
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), tilia.payment_methods.list("c"))
"""
        )
        == "7 []\n"
    )


def test_a_token_that_is_on_its_way_in_the_parent_is_not_waited_for_in_the_child() -> None:
    script = (
        BARE
        + """
with serving as sandbox, connect(sandbox, timeout=8) as tilia:
    tilia.payment_methods.list("a")
    sandbox.faults.add("auth.token", Fault.LATENCY, seconds=3)
    seen = len(sandbox.requests)
    thread = threading.Thread(target=tilia.access_token, args=(["search_accounts"],))
    thread.start()
    while len(sandbox.requests) == seen:
        time.sleep(0.005)
    if (child := fork()) == 0:
        started = time.monotonic()
        tilia.access_token(["search_accounts"])
        os._exit(7 if time.monotonic() - started < 2.5 else 1)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    thread.join()
"""
    )
    assert run_forks(script) == "7\n"


def test_a_ledger_is_opened_anew_in_a_bare_fork(tmp_path: Path) -> None:
    assert (
        run_forks(
            BARE
            + f"""
ledger = BlockLedger.open("sqlite:///{tmp_path}/blocks.db")
with serving as sandbox, ledger, connect(sandbox, timeout=5, ledger=ledger) as tilia:
    account = tilia.accounts.register("nyx", email="nyx@mail.example").account_id
    tilia.accounts.block(account)
    if (child := fork()) == 0:
        tilia.accounts.unblock(account)
        written = len(list(ledger.records()))
        ledger.close()
        os._exit(5 + written)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    tilia.accounts.block(account)
    print(code, [record.action.value for record in ledger.records()])
"""
        )
        == "7 ['block', 'unblock', 'block']\n"
    )


UWSGI = """
import contextlib
import os
import time
from tilia_sync import TiliaClient

tilia = TiliaClient.from_env(timeout=5)
preloaded = tilia.payment_methods.list("a")  # the master has a loop, a token and a connection
time.sleep(0.3)  # the loop's thread rests: uWSGI forks while any thread may have the interpreter, and its child has none

def application(environ, start_response):
    found = tilia.payment_methods.list("a")
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{os.getpid()} {found}".encode()]
"""


# A worker of uWSGI that has hardly begun sometimes misses the signal to end, or is interrupted in what Python does after
# a fork, also that of an application that imports nothing: its master kills it then, after a minute unless it is told
# otherwise.
@pytest.mark.parametrize("options", [[], ["--enable-threads", "--threads", "2"]])
def test_uwsgi(tmp_path: Path, options: list[str]) -> None:
    uwsgi = Path(sysconfig.get_path("scripts")) / "uwsgi"
    if not uwsgi.exists():
        pytest.skip("uWSGI is not installed")
    (tmp_path / "application.py").write_text(UWSGI)
    log = tmp_path / "uwsgi.log"
    command = [str(uwsgi), "--master", "--processes", "2", "--http-socket", "127.0.0.1:0", "--die-on-term", *options]
    with Sandbox() as sandbox, log.open("w") as written:
        server = subprocess.Popen(
            [*command, "--worker-reload-mercy", "3", "--need-app", "--wsgi", "application", "--pyhome", sys.prefix],
            cwd=tmp_path,
            env={
                "TILIA_CLIENT_ID": sandbox.client_id,
                "TILIA_CLIENT_SECRET": sandbox.client_secret,
                "TILIA_ENVIRONMENT": f"http://127.0.0.1:{sandbox.port}/{{service}}",
                "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
            },
            stderr=written,
            start_new_session=True,
        )
        try:
            while "spawned uWSGI worker 2" not in log.read_text():
                assert server.poll() is None, log.read_text()
                time.sleep(0.02)
            (place,) = re.findall(r"bound to TCP address (127\.0\.0\.1:\d+)", log.read_text())
            answers = [urllib.request.urlopen(f"http://{place}", timeout=10).read().decode() for _ in range(12)]
            assert "Traceback" not in log.read_text()
            server.terminate()
            server.wait(20)
        finally:
            # Its workers, too: what is left of a test that fails is blamed on others.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGKILL)
            server.wait()
        assert {answer.partition(" ")[2] for answer in answers} == {"[]"}
        assert str(server.pid) not in {answer.partition(" ")[0] for answer in answers}
        assert "tilia_" not in log.read_text().partition("SIGINT/SIGTERM received")[2]
        # The workers have the master's token.
        assert sum(request.operation == "auth.token" for request in sandbox.requests) == 1
