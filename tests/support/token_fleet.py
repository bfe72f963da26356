"""A fleet of processes that need a token at once.

Started with a store, its place, the URL of a sandbox and a client id. Reads the client's secret, then numbers of
processes to start; each says the token that it got.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from support.postgres import new_database
from support.redis_server import SERVER, new_prefix
from tilia_async import Environment, Scope, TiliaClient
from tilia_async.sandbox import Sandbox
from tilia_async.tokens import FileTokenStore, PostgresTokenStore, RedisTokenStore, SharedTokenStore, TokenCache

LEASE = 1.0

STORES: dict[str, Callable[..., SharedTokenStore]] = {
    "file": lambda path, _lease=LEASE: FileTokenStore(path),
    "postgres": lambda url, lease=LEASE: PostgresTokenStore(url, lease=lease),
    "redis": lambda prefix, lease=LEASE: RedisTokenStore(SERVER, prefix=prefix, lease=lease),
}
"""Stores by their kind, made of place and lease."""


@asynccontextmanager
async def new_place(kind: str, directory: Path) -> AsyncIterator[str]:
    """Return an empty place for a kind of store."""
    async with AsyncExitStack() as stack:
        if kind == "file":
            yield str(directory / "tokens")
        elif kind == "postgres":
            yield await stack.enter_async_context(new_database())
        else:
            yield await stack.enter_async_context(new_prefix())


class Fleet:
    """The processes, from outside."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def of(cls, kind: str, place: str, sandbox: Sandbox, lease: float = LEASE) -> Fleet:
        """Start none yet."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "support.token_fleet", kind, place, sandbox.environment.template),
            sandbox.client_id,
            str(lease),
            cwd=Path(__file__).parents[1],
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        assert process.stdin is not None
        process.stdin.write(f"{sandbox.client_secret}\n".encode())
        return cls(process)

    async def start(self, number: int) -> list[int]:
        """Start processes, and return their ids."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{number}\n".encode())
        return [int(pid) for pid in (await self._process.stdout.readline()).split()]

    async def tokens(self) -> list[str]:
        """Return what they got, when all have ended."""
        said, _ = await self._process.communicate(b"")
        assert self._process.returncode == 0
        return said.decode().split()


async def _ask(kind: str, place: str, url: str, client_id: str, lease: str, secret: str) -> str:
    cache = TokenCache(STORES[kind](place, float(lease)))
    async with TiliaClient(client_id, secret, Environment.at(url), token_cache=cache) as tilia:
        return (await tilia.access_token({Scope.READ_ACCOUNTS})).value


def _fork(*arguments: str) -> int:
    child = os.fork()
    if child == 0:
        os.write(1, f"{asyncio.run(_ask(*arguments))}\n".encode())
        os._exit(0)
    return child


def _main(kind: str, place: str, url: str, client_id: str, lease: str) -> None:
    # Forked, because starting eight interpreters is slow; nothing has been used yet but what is imported.
    STORES[kind](place)
    secret, *_ = sys.stdin.readline().split()
    for line in iter(sys.stdin.readline, ""):
        started = [_fork(kind, place, url, client_id, lease, secret) for _ in range(int(line))]
        os.write(1, f"{' '.join(map(str, started))}\n".encode())
    while True:
        try:
            os.wait()
        except ChildProcessError:
            return


if __name__ == "__main__":
    _main(*sys.argv[1:])
