"""Accounts of jobs that are undone, and their blocks."""

from __future__ import annotations

from support.blocking import BlockingTilia
from tilia_async import TiliaClient
from tilia_async.ledger import BlockLedger

X, Y = "acct_x", "acct_y"


async def by_call(tilia: TiliaClient, _ledger: BlockLedger, _served: BlockingTilia) -> object:
    return await tilia.accounts.block(X, "fraud", "ann")
