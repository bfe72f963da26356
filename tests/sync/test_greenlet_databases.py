"""Waits beside the network where threads are greenlets: databases, their libraries, TLS, a file of tokens."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.forward_proxy import Certificates
from support.greenlets import greenlets, needs
from support.hostile import Connection
from support.interruption import elsewhere
from support.postgres import new_database
from support.scripts import unix

from tilia_sync import Sandbox

pytestmark = unix

LIBRARIES = pytest.mark.parametrize("library", ["gevent", pytest.param("eventlet", marks=pytest.mark.nightly)])

WRITERS = """
    with BlockLedger.open(URL) as ledger, client(timeout=10, ledger=ledger) as tilia:
        accounts = [tilia.accounts.register(f"{NAME}{n}", email=f"{NAME}{n}@mail.example").account_id for n in range(12)]
        ticks, blocked = [], []

        def tick():
            while len(blocked) < len(accounts):
                ticks.append(1)
                time.sleep(0.005)

        def block(account):
            blocked.append(tilia.accounts.block(account, reason="fraud").is_blocked)

        threads = [threading.Thread(target=tick), *(threading.Thread(target=block, args=(each,)) for each in accounts)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        report = tilia.bulk.unblock(accounts, concurrency=4)
        print(blocked == [True] * 12, len(ticks) > 1, report.complete, len(list(ledger.records())))
"""


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(wallet_delay=0) as running:
        yield running


@LIBRARIES
def test_a_ledger_in_postgresql(sandbox: Sandbox, library: str) -> None:
    async def told() -> str:
        async with new_database() as url:
            script = f"NAME, URL = {library!r}, {url!r}\n{textwrap.dedent(WRITERS)}"
            return await asyncio.to_thread(greenlets, sandbox, script, library)

    assert asyncio.run(told()) == "True True True 24\n"


@LIBRARIES
def test_a_ledger_in_sqlite_that_another_process_holds(sandbox: Sandbox, library: str, tmp_path: Path) -> None:
    """The ledger's thread waits for the other's lock meanwhile, and neither the loop nor a greenlet does."""
    path = tmp_path / "blocks.db"
    script = f"""
        with BlockLedger.open("sqlite:///{path}") as ledger, client(timeout=10, ledger=ledger) as tilia:
            account = tilia.accounts.register("eos-{library}", email="eos-{library}@mail.example").account_id
            list(ledger.records())
            import subprocess
            holder = subprocess.Popen([sys.executable, "-c", HOLDER], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            holder.stdout.readline()
            blocked, listed = [], []
            thread = threading.Thread(target=lambda: blocked.append(tilia.accounts.block(account).is_blocked))
            thread.start()
            for _ in range(5):
                listed.append(tilia.payment_methods.list("a"))
            print(len(listed), blocked)
            holder.communicate(b"")
            thread.join()
            print(blocked, len(list(ledger.records())))
    """
    holder = f"""
import sqlite3, sys
file = sqlite3.connect({str(path)!r}, isolation_level=None)
file.execute("BEGIN IMMEDIATE")
print(flush=True)
sys.stdin.read()
file.execute("ROLLBACK")
"""
    told = greenlets(sandbox, f"HOLDER = {holder!r}\n{textwrap.dedent(script)}", library)
    assert told.splitlines() == ["5 []", "[True] 1"]


@LIBRARIES
def test_the_libraries_of_a_ledger_are_loaded_beside_the_loop(sandbox: Sandbox, library: str, tmp_path: Path) -> None:
    """A library that takes long to import stops neither calls nor greenlets."""
    script = f"""
        import importlib.abc
        entered, go_on, ended = [], [], []

        class Slow(importlib.abc.MetaPathFinder):
            def find_spec(self, name, path, target=None):
                if name == "sqlalchemy.engine":
                    entered.append(1)
                    ends = time.monotonic() + 10
                    while not go_on and time.monotonic() < ends:
                        SLEEP(0.005)
                    ended.append("was let go" if go_on else "gave up")

        from tilia_async.os_threads import original
        SLEEP = original("time", "sleep")
        sys.meta_path.insert(0, Slow())
        found = []

        def open_ledger():
            with BlockLedger.open("sqlite:///{tmp_path}/blocks.db") as ledger:
                found.append(list(ledger.records()))

        with client(timeout=5) as tilia:
            tilia.payment_methods.list("a")
            thread = threading.Thread(target=open_ledger)
            thread.start()
            while not entered:
                time.sleep(0.005)
            print(tilia.payment_methods.list("b"), found)
            go_on.append(1)
            thread.join()
            print(found, ended)
    """
    assert greenlets(sandbox, script, library) == "[] []\n[[]] ['was let go']\n"


@LIBRARIES
def test_tls(sandbox: Sandbox, library: str, tmp_path: Path) -> None:
    async def answer(connection: Connection) -> None:
        while await connection.tokens() is not None:
            await connection.answer()

    certificates = Certificates()
    certificates.ca.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    with elsewhere(answer, certificates.server()) as server:
        told = greenlets(
            sandbox,
            f"""
            import ssl
            from tilia_async import Operation, Repeat, Service
            read = Operation("things.read", "GET", Service.ACCOUNTS, "/v1/thing", dict[str, str], scopes=(), repeat=Repeat.SAFE)
            template = "https://127.0.0.1:{server.port}/{{service}}"
            own = ssl.create_default_context(cafile="{tmp_path}/ca.pem")
            answers = []
            with TiliaClient("id", "s3cret", template, ssl=own, timeout=5) as tilia:
                threads = [threading.Thread(target=lambda: answers.append(tilia.send(read).value)) for _ in range(8)]
                for thread in threads: thread.start()
                for thread in threads: thread.join()
            print(answers == [{{}}] * 8)
            """,
            library,
        )
    assert told == "True\n"


def test_a_token_file_after_eventlet_came_late_says_what_to_do(sandbox: Sandbox, tmp_path: Path) -> None:
    """The library's lock is half replaced, which nobody can mend; the call goes on without the file."""
    needs("eventlet")
    script = f"""
import sys
from tilia_sync import TiliaClient
from tilia_async.tokens import TokenCache
from tilia_async.tokens.file_store import FileTokenStore
import eventlet
eventlet.monkey_patch()
cache = TokenCache(FileTokenStore("{tmp_path}/tokens"))
template = "http://127.0.0.1:{sandbox.port}/{{service}}"
with TiliaClient({sandbox.client_id!r}, {sandbox.client_secret!r}, template, token_cache=cache, timeout=5) as tilia:
    print(tilia.payment_methods.list("a"))
"""
    command = [sys.executable, "-W", "ignore", "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.stdout == "[]\n", done.stderr
    assert "call that before anything else is imported" in done.stderr
