"""Ways to block an account, and clients that record it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import orjson
import pytest

import tilia_async.ledger.journal  # noqa: F401 - loaded late otherwise, and patched here by name
from support.hostile import Connection, hostile_server
from support.scripted import client_of
from tilia_async import Operation, RequestOptions, TiliaClient
from tilia_async.api import OPERATIONS
from tilia_async.ledger import BlockLedger, BlockRecord
from tilia_async.wire.operation import Repeat

BLOCK, UNBLOCK, CAPABILITY = (OPERATIONS[f"accounts.{name}"] for name in ("block", "unblock", "block_capability"))
Way = Callable[[TiliaClient, str, RequestOptions | None], Awaitable[object]]


def from_scratch(operation: Operation[object]) -> Operation[object]:
    """Make the declaration anew.

    As somebody writes it who knows nothing of what its answer must not say.
    """
    return Operation(
        operation.name,
        operation.method,
        operation.service,
        operation.path,
        operation.returns,
        scopes=operation.scopes,
        repeat=Repeat.SAFE,
    )


def capability_body(account: str) -> dict[str, str]:
    return {"account_id": account, "block_capability": "login", "block_reason": "account_close", "note": "by mail"}


BLOCKS: dict[str, Way] = {
    "typed": lambda tilia, account, options: tilia.accounts.block(account, "spam", options=options),
    "sent": lambda tilia, account, options: tilia.send(BLOCK, path={"account_id": account}, options=options),
    "sent, from scratch": lambda tilia, account, options: tilia.send(
        from_scratch(BLOCK), path={"account_id": account}, options=options
    ),
    "capability": lambda tilia, account, options: tilia.accounts.block_capability(
        account, note="by mail", options=options
    ),
    "capability, sent": lambda tilia, account, options: tilia.send(
        CAPABILITY, body=capability_body(account), options=options
    ),
    "capability, sent, from scratch": lambda tilia, account, options: tilia.send(
        from_scratch(CAPABILITY), body=capability_body(account), options=options
    ),
}


UNBLOCKS: dict[str, Way] = {
    "typed": lambda tilia, account, options: tilia.accounts.unblock(account, "appeal", options=options),
    "sent": lambda tilia, account, options: tilia.send(UNBLOCK, path={"account_id": account}, options=options),
    "sent, from scratch": lambda tilia, account, options: tilia.send(
        from_scratch(UNBLOCK), path={"account_id": account}, options=options
    ),
}
EVERY_WAY = pytest.mark.parametrize("way", BLOCKS)
DECLARED = pytest.mark.parametrize("operations", [None, "from scratch"])


def declarations(operations: str | None) -> dict[str, Operation[object]] | None:
    return None if operations is None else {each.name: from_scratch(each) for each in (BLOCK, UNBLOCK, CAPABILITY)}


def url_in(directory: Path) -> str:
    return f"sqlite:///{directory}/blocks.db"


async def listed(records: AsyncIterator[BlockRecord]) -> list[BlockRecord]:
    return [record async for record in records]


def answer_of(line: str, *, opposite: bool = False) -> bytes:
    """Return an answer to a block, or its contradiction."""
    if line.split()[1].endswith("/v2/block"):
        blocks = [] if opposite else {"account_id": "acct_1", "capability": "login", "issuer": "publisher"}
        return orjson.dumps({"account_id": "acct_1", "blocks": blocks})
    blocked = line.split()[1].endswith("/block") is not opposite
    return orjson.dumps({"status": "Success", "message": [], "codes": [], "payload": {"is_blocked": blocked}})


@attrs.define(eq=False)
class Answering:
    """A Tilia that does something before it answers.

    Attributes:
        arrived: the lines of the requests.
        meanwhile: what it does.
        opposite: its answer contradicts itself.
    """

    meanwhile: Callable[[], object] | None = None
    opposite: bool = False
    silent: bool = False
    arrived: list[str] = attrs.field(factory=list)
    came: asyncio.Event = attrs.field(factory=asyncio.Event)

    async def serve(self, connection: Connection) -> None:
        while (line := await connection.tokens()) is not None:
            self.arrived.append(line)
            if self.meanwhile is not None:
                self.meanwhile()
            self.came.set()
            if self.silent:
                await asyncio.Event().wait()
            await connection.answer(answer_of(line, opposite=self.opposite))


@asynccontextmanager
async def recorded_client(
    answering: Answering, directory: Path, **settings: object
) -> AsyncIterator[tuple[TiliaClient, BlockLedger]]:
    async with hostile_server(answering.serve) as server, BlockLedger.open(url_in(directory)) as ledger:
        async with client_of(server.template, ledger=ledger, **settings) as tilia:
            yield tilia, ledger
