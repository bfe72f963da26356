"""Connections of event loops that have ended: closed by whoever opened them, without a warning, in every process."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest
import uvloop
from support.forward_proxy import Certificates
from support.hostile import Connection
from support.interruption import elsewhere, sockets_to

from tilia_async import Operation, Repeat, Service, TiliaClient
from tilia_async.tokens import TokenCache

READ = Operation("things.read", "GET", Service.ACCOUNTS, "/v1/thing", dict[str, str], scopes=(), repeat=Repeat.SAFE)
TESTS = Path(__file__).resolve().parents[1]


async def answer(connection: Connection) -> None:
    while await connection.tokens() is not None:
        await connection.answer()


HEAD = """
import asyncio, gc, ssl, sys, threading, uvloop
from support.interruption import sockets_to
from tilia_async import Operation, Repeat, Service, TiliaClient, errors
from tilia_async.tokens import TokenCache

READ = Operation("things.read", "GET", Service.ACCOUNTS, "/v1/thing", dict[str, str], scopes=(), repeat=Repeat.SAFE)
port, loop_of, scheme, ca = int(sys.argv[1]), {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}[sys.argv[2]], sys.argv[3], sys.argv[4]
context = ssl.create_default_context(cafile=ca) if scheme == "https" else None

def client():
    return TiliaClient("id", "s3cret", f"{scheme}://127.0.0.1:{port}/{{service}}", token_cache=TokenCache(), ssl=context)

def run(coroutine):
    with asyncio.Runner(loop_factory=loop_of) as runner:
        return runner.run(coroutine)

async def call(tilia, times=3):
    await asyncio.gather(*(tilia.send(READ) for _ in range(times)))
"""

SCRIPTS = {
    "one run for each event": """
        tilia = client()
        for _ in range(4):
            run(call(tilia))
            assert sockets_to(port) == 0, sockets_to(port)
        """,
    "never closed, and garbage": """
        for _ in range(3):
            run(call(client()))
        gc.collect()
        assert sockets_to(port) == 0
        """,
    "garbage while the loop runs": """
        async def main():
            await call(client())
            gc.collect()
            while sockets_to(port):
                await asyncio.sleep(0.001)
        run(main())
        """,
    "closed in a later loop": """
        tilia = client()
        run(call(tilia))
        run(tilia.aclose())
        """,
    "a call is cut off by the end": """
        async def main(tilia):
            task = asyncio.create_task(call(tilia))
            await asyncio.sleep(0)
        tilia = client()
        run(call(tilia))
        run(main(tilia))
        run(call(tilia))
        assert sockets_to(port) == 0
        """,
    "closing is cancelled": """
        async def main(turns):
            tilia = client()
            await call(tilia)
            closing = asyncio.create_task(tilia.aclose())
            for _ in range(turns):
                await asyncio.sleep(0)
            closing.cancel()
            await asyncio.wait([closing])
            while sockets_to(port):
                await asyncio.sleep(0.001)
        for turns in range(1, 8):
            run(main(turns))
        """,
    "an exception ends the run": """
        async def main(tilia):
            await call(tilia)
            raise ZeroDivisionError
        tilia = client()
        for _ in range(3):
            try:
                run(main(tilia))
            except ZeroDivisionError:
                pass
            assert sockets_to(port) == 0
        """,
    "a generator calls as the loop ends": """
        async def items(tilia):
            try:
                yield 1
            finally:
                await call(tilia)
        async def main(tilia):
            global left
            left = items(tilia)
            await anext(left)
        tilia = client()
        run(call(tilia))
        run(main(tilia))
        run(tilia.aclose())
        """,
}
CLOSED_BARE = """
        tilia = client()
        for _ in range(3):
            loop = loop_of()
            loop.run_until_complete(call(tilia))
            loop.close()
        loop = loop_of()
        loop.run_until_complete(call(tilia))
        assert sockets_to(port) <= 3, sockets_to(port)
        loop.close()
        del tilia
        gc.collect()
        assert sockets_to(port) == 0, sockets_to(port)
        """


def run_script(body: str, loop: str, scheme: str, tmp_path: Path) -> None:
    certificates = Certificates()
    ca = tmp_path / "ca.pem"
    certificates.ca.cert_pem.write_to_path(str(ca))
    with elsewhere(answer, certificates.server() if scheme == "https" else None) as server:
        done = subprocess.run(
            [
                sys.executable,
                "-X",
                "dev",
                "-W",
                "error",
                "-c",
                HEAD + textwrap.dedent(body),
                str(server.port),
                loop,
                scheme,
                ca,
            ],
            env={**os.environ, "PYTHONPATH": f"{TESTS}:{TESTS / 'transport'}"},
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
    # What blocks the loop is looked at elsewhere.
    told = [line for line in done.stderr.splitlines() if not line.startswith("Executing <")]
    assert (done.returncode, told) == (0, [])


@pytest.mark.parametrize(
    ("scheme", "loop"),
    [
        ("http", "asyncio"),
        pytest.param("https", "uvloop", marks=pytest.mark.nightly),
        pytest.param("http", "uvloop", marks=pytest.mark.nightly),
        pytest.param("https", "asyncio", marks=pytest.mark.nightly),
    ],
)
@pytest.mark.parametrize("name", SCRIPTS)
def test_nothing_is_left_open(name: str, loop: str, scheme: str, tmp_path: Path, way: str) -> None:
    if way == "session":
        pytest.skip("the connections are the same")
    run_script(SCRIPTS[name], loop, scheme, tmp_path)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_loop_that_is_closed_without_its_end_leaves_nothing_open(scheme: str, tmp_path: Path, way: str) -> None:
    if way == "session":
        pytest.skip("the connections are the same")
    run_script(CLOSED_BARE, "asyncio", scheme, tmp_path)


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def test_a_client_closed_elsewhere_is_closed_in_the_loop_that_runs(loop: object) -> None:
    with elsewhere(answer) as server:
        tilia = TiliaClient("id", "s3cret", server.template, token_cache=TokenCache())
        called, over = threading.Event(), threading.Event()

        async def use() -> None:
            await tilia.send(READ)
            called.set()
            while sockets_to(server.port):  # noqa: ASYNC110 - nothing sets an event there
                await asyncio.sleep(0.001)
            over.set()

        def run() -> None:
            with asyncio.Runner(loop_factory=loop) as runner:  # type: ignore[arg-type]  # uvloop's is untyped
                runner.run(use())

        thread = threading.Thread(target=run)
        thread.start()
        called.wait()
        asyncio.run(tilia.aclose())
        assert over.wait(10)
        thread.join()
