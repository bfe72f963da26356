"""A block whose answer says no, or that nobody knows of, is on record as in doubt."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.recorded_calls import (
    BLOCKS,
    DECLARED,
    EVERY_WAY,
    UNBLOCKS,
    Answering,
    declarations,
    listed,
    recorded_client,
)

import tilia_async.ledger.journal  # noqa: F401 - loaded late otherwise, and patched here by name
from tilia_async import errors
from tilia_async.bulk import BulkOutcome
from tilia_async.ledger import BlockAction, RecordState
from tilia_async.ledger.record import state_after


@pytest.mark.asyncio
@EVERY_WAY
@DECLARED
async def test_a_block_whose_answer_says_no_is_in_doubt(tmp_path: Path, way: str, operations: str | None) -> None:
    answering = Answering(opposite=True)
    async with recorded_client(answering, tmp_path, operations=declarations(operations)) as (tilia, ledger):
        with pytest.raises(errors.ResponseDecodeError) as doubted:
            await BLOCKS[way](tilia, "acct_1", None)
        (record,) = await ledger.history("acct_1")
        assert await listed(ledger.blocked()) == []
        assert [each.account_id async for each in ledger.pending()] == ["acct_1"]
    assert doubted.value.took_effect is None
    assert (record.state, record.error) == (RecordState.UNKNOWN, str(doubted.value))


@pytest.mark.asyncio
@pytest.mark.parametrize("way", UNBLOCKS)
@DECLARED
async def test_an_unblock_whose_answer_says_no_lifts_nothing(tmp_path: Path, way: str, operations: str | None) -> None:
    answering = Answering()
    async with recorded_client(answering, tmp_path, operations=declarations(operations)) as (tilia, ledger):
        await tilia.accounts.block("acct_1")
        answering.opposite = True
        with pytest.raises(errors.ResponseDecodeError) as doubted:
            await UNBLOCKS[way](tilia, "acct_1", None)
        record = (await ledger.history("acct_1"))[-1]
        assert [each.account_id async for each in ledger.blocked()] == ["acct_1"]
    assert doubted.value.took_effect is None
    assert (record.action, record.state) == (BlockAction.UNBLOCK, RecordState.UNKNOWN)


@pytest.mark.asyncio
@pytest.mark.parametrize("action", ["block", "unblock"])
@DECLARED
async def test_a_job_whose_answers_say_no_is_in_doubt(tmp_path: Path, action: str, operations: str | None) -> None:
    answering = Answering(opposite=True)
    async with recorded_client(answering, tmp_path, operations=declarations(operations)) as (tilia, ledger):
        job = tilia.bulk.block if action == "block" else tilia.bulk.unblock
        report = await job(["acct_1"], "spam", job_id="wave")
        (record,) = await ledger.history("acct_1")
        assert await listed(ledger.blocked()) == []
    assert dict(report.counts)[BulkOutcome.UNKNOWN] == 1
    assert record.state is RecordState.UNKNOWN


def every_error() -> list[type[errors.TiliaError]]:
    found = [errors.TiliaError]
    for kind in found:
        found += kind.__subclasses__()
    return [kind for kind in dict.fromkeys(found) if kind.__module__ == errors.__name__]


@pytest.mark.parametrize("kind", every_error(), ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("structured", [True, False])
def test_what_nobody_knows_is_on_record_as_unknown_whatever_it_is_called(
    kind: type[errors.TiliaError], structured: bool
) -> None:
    error = kind.__new__(kind)
    error.__dict__.update(took_effect=None, structured=structured)
    assert error.took_effect is None
    assert state_after(error) is RecordState.UNKNOWN
