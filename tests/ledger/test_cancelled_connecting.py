"""Connecting to a PostgreSQL that says nothing: who gives it up gets no password to see, and leaves no socket behind."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable

import pytest
from support.canaries import places, search
from support.listening import listening

from tilia_async import errors
from tilia_async.config import Credentials
from tilia_async.fleet.connections import connected
from tilia_async.ledger import BlockLedger
from tilia_async.secret import Secret
from tilia_async.tokens import Identity, PostgresTokenStore

PASSWORD = "canary-password"
MINE = Identity.of("https://auth.example/token", Credentials("id", Secret("a secret")))


async def load(url: str) -> None:
    await PostgresTokenStore(url).load(MINE)


async def connect(url: str) -> None:
    async with connected(Secret(url)):
        pass


async def read(url: str) -> None:
    async with BlockLedger.open(url) as ledger:
        await ledger.history("acct_1")


@pytest.mark.asyncio
@pytest.mark.parametrize("use", [load, connect, read])
async def test_connecting_that_is_cancelled_shows_no_password_and_closes_its_socket(
    use: Callable[[str], Awaitable[None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tilia_async.ledger.database.BUSY_SECONDS", 1.0)
    came, left = asyncio.Event(), asyncio.Event()

    async def say_nothing(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        came.set()
        await reader.read()
        left.set()

    async with listening(say_nothing) as port:
        gc.disable()
        try:
            using = asyncio.ensure_future(use(f"postgresql://user:{PASSWORD}@127.0.0.1:{port}/db"))
            await came.wait()
            using.cancel()
            with pytest.raises((asyncio.CancelledError, errors.LedgerError)) as caught:
                await using
            async with asyncio.timeout(5):
                await left.wait()
        finally:
            gc.enable()
    search([PASSWORD], places(caught.value))
