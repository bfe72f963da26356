"""Doubt is called doubt, by every way that an account of a job can come to its end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from pathlib import Path

import pytest
import pytest_asyncio
from support.blocking import ANSWERS, BlockingTilia
from support.hostile import hostile_server
from support.job_reports import numbers
from support.ledgers import states
from support.scripted import DROPPED, Reply, ScriptedTilia, client_of, failing, ids, until

from tilia_async import RetryPolicy, TiliaClient, errors
from tilia_async.bulk import BulkOutcome, BulkReport
from tilia_async.bulk.failure_policy import state_of
from tilia_async.bulk.ledger_run import Admitted, LedgerRun
from tilia_async.bulk.work_item import WorkItem
from tilia_async.ledger import BlockLedger, RecordState, journal
from tilia_async.ledger.journal import Journal
from tilia_async.ledger.prepared import Transaction
from tilia_async.ledger.record import state_after

pytestmark = pytest.mark.asyncio

Start = Callable[..., Awaitable[tuple[ScriptedTilia, TiliaClient]]]

TWICE = RetryPolicy(attempts=2, initial=0.001, maximum=0.002)


@pytest.fixture
def served() -> BlockingTilia:
    return BlockingTilia()


@pytest_asyncio.fixture
async def tilia(served: BlockingTilia, ledger: BlockLedger) -> AsyncIterator[TiliaClient]:
    async with hostile_server(served.serve) as server:
        async with client_of(server.template, ledger=ledger, retry=TWICE) as client:
            yield client


def in_turn(*replies: Reply | None) -> Callable[[str, str], Awaitable[Reply | None]]:
    left: Iterator[Reply | None] = iter(replies)

    async def next_one(_action: str, _account_id: str) -> Reply | None:
        return next(left, None)

    return next_one


@pytest.mark.parametrize("action", ["block", "unblock"])
async def test_a_yes_that_says_the_opposite_is_unknown(
    tilia: TiliaClient, ledger: BlockLedger, served: BlockingTilia, action: str
) -> None:
    async def contradict(said: str, _account_id: str) -> Reply | None:
        return ANSWERS[said != "block"]

    served.after = contradict
    report = await getattr(tilia.bulk, action)(ids(3), job_id="wave")
    assert numbers(report) == {"UNKNOWN": 3}
    assert not report.complete
    for item in report.failures:
        assert item.error is not None
        assert item.error.took_effect is None
    assert set((await states(ledger, "wave")).values()) == {RecordState.UNKNOWN}
    assert [record async for record in ledger.blocked()] == []


@pytest.mark.parametrize("last", [failing(400), failing(403), failing(422), failing(409)])
@pytest.mark.parametrize("first", [DROPPED, failing(500), Reply(body=b"{"), Reply(502, b"<html>")])
async def test_a_refusal_after_an_attempt_in_doubt_leaves_doubt(
    tilia: TiliaClient, ledger: BlockLedger, served: BlockingTilia, first: Reply, last: Reply
) -> None:
    served.after, served.before = in_turn(first), in_turn(None, last)
    report = await tilia.bulk.block(["acct_1"], job_id="wave")
    assert served.blocked == {"acct_1"}
    assert numbers(report) == {"UNKNOWN": 1}
    (item,) = report.failures
    assert item.error is not None
    assert (type(item.error), item.error.took_effect) != (type(item.error), False)
    assert await states(ledger, "wave") == {"acct_1": RecordState.UNKNOWN}


@pytest.mark.parametrize("first", [failing(200), failing(408), failing(499), failing(425)])
@pytest.mark.parametrize("action", ["block", "unblock"])
async def test_an_answer_of_tilias_that_leaves_doubt_or_may_pass_is_asked_for_again(
    tilia: TiliaClient, served: BlockingTilia, first: Reply, action: str
) -> None:
    """A job does as a single call does, and as one that cannot be read."""
    served.after = in_turn(first)
    assert numbers(await getattr(tilia.bulk, action)(["acct_1"], job_id="wave")) == {"DONE": 1}
    assert served.sent == [(action, "acct_1")] * 2
    served.after = in_turn(first, first, first)
    served.sent.clear()
    report = await getattr(tilia.bulk, action)(["acct_2"], job_id="wave")
    assert len(served.sent) == 2, "within the retry policy"
    assert numbers(report) == {"FAILED" if first.status == 425 else "UNKNOWN": 1}


@pytest.mark.parametrize("status", [400, 404, 409, 422])
async def test_an_answer_that_would_come_again_is_asked_for_once(
    tilia: TiliaClient, served: BlockingTilia, status: int
) -> None:
    served.before = in_turn(failing(status))
    await tilia.bulk.block(["acct_1"], job_id="wave")
    assert len(served.sent) == 1


@pytest.mark.parametrize("last", [failing(400), failing(403), failing(422)])
async def test_an_earlier_runs_doubt_is_not_forgotten(
    tilia: TiliaClient, ledger: BlockLedger, served: BlockingTilia, last: Reply
) -> None:
    served.after = in_turn(DROPPED, DROPPED)
    assert numbers(await tilia.bulk.block(["acct_1"], job_id="wave")) == {"UNKNOWN": 1}

    async def refuse(_action: str, _account_id: str) -> Reply | None:
        return last

    served.before = refuse
    options = RetryPolicy(attempts=1, initial=0.001, maximum=0.002)
    async with client_of(tilia._requestor.environment.template, ledger=ledger, retry=options) as again:
        try:
            report = await again.bulk.block(["acct_1"], job_id="wave")
        except errors.BulkStoppedError as error:
            report = error.report
    assert numbers(report) == {"UNKNOWN": 1}
    assert await states(ledger, "wave") == {"acct_1": RecordState.UNKNOWN}


async def test_what_a_killed_run_had_in_hand_may_have_been_sent(
    tmp_path: Path, served: BlockingTilia, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def killed(*_arguments: object) -> None:
        """Say no last words."""

    async def hang(_action: str, _account_id: str) -> Reply | None:
        await asyncio.Event().wait()
        return None

    served.after = hang
    async with (
        hostile_server(served.serve) as server,
        BlockLedger.open(f"sqlite:///{tmp_path}/b.db", lease=1.0) as ledger,
        client_of(server.template, ledger=ledger) as tilia,
    ):
        with monkeypatch.context() as patched:
            patched.setattr("tilia_async.ledger.journal.Journal.settle", killed)
            patched.setattr("tilia_async.ledger.journal.Journal.end_run", killed)
            task = asyncio.create_task(tilia.bulk.block(["acct_1"], job_id="wave"))
            await until(lambda: served.blocked)
            task.cancel()
            await asyncio.wait([task])
        assert await states(ledger, "wave") == {"acct_1": RecordState.INTENDED}
        served.before = in_turn(failing(400))
        async with asyncio.timeout(10):
            assert numbers(await tilia.bulk.block(["acct_1"], job_id="wave")) == {"UNKNOWN": 1}


async def test_an_account_that_is_asked_about_the_token_keeps_its_doubt(start: Start, ledger: BlockLedger) -> None:
    """The token of the first attempt is refused, the second, to find out why, is lost, the third is refused."""
    replies = iter([failing(401), DROPPED, failing(400)])

    async def answer(_tilia: ScriptedTilia, _account_id: str) -> Reply:
        return next(replies)

    _, tilia = await start(answer, ledger=ledger, retry=RetryPolicy(attempts=3, initial=0.001, maximum=0.002))
    report = await tilia.bulk.block(["acct_1"], job_id="wave")
    assert numbers(report) == {"UNKNOWN": 1}
    assert await states(ledger, "wave") == {"acct_1": RecordState.UNKNOWN}


async def test_a_job_that_stops_says_what_it_did_not_send(start: Start, ledger: BlockLedger) -> None:
    """An account that was never sent is no doubt for the next run."""

    async def refuse(_tilia: ScriptedTilia, _account_id: str) -> Reply:
        return failing(401)

    scripted, tilia = await start(refuse, ledger=ledger)
    with pytest.raises(errors.BulkStoppedError):
        await tilia.bulk.block(ids(100), concurrency=4, job_id="wave")
    assert set((await states(ledger, "wave")).values()) == {RecordState.FAILED}
    scripted.answer = forbid
    report = await tilia.bulk.block(ids(100), concurrency=4, job_id="wave")
    assert numbers(report) == {"REFUSED": 100}


async def test_what_an_earlier_run_may_have_sent_is_not_called_unsent(
    start: Start, ledger: BlockLedger, served: BlockingTilia
) -> None:
    """The second run stops before it sends anything."""

    async def drop(_tilia: ScriptedTilia, _account_id: str) -> Reply:
        return DROPPED

    _, tilia = await start(drop, ledger=ledger)
    assert numbers(await tilia.bulk.block(["acct_1"], job_id="wave")) == {"UNKNOWN": 1}
    taken = asyncio.Event()

    async def ids_that_fail() -> AsyncIterator[str]:
        yield "acct_1"
        await taken.wait()
        raise KeyError("the source broke")

    class Taken(LedgerRun):
        async def admit(self, works: Sequence[WorkItem]) -> Admitted:
            admitted = await super().admit(works)
            taken.set()
            await asyncio.Event().wait()
            return admitted

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("tilia_async.bulk.service.LedgerRun", Taken)
        job = asyncio.create_task(tilia.bulk.block(ids_that_fail(), job_id="wave"))
        await taken.wait()
        await asyncio.sleep(0.05)
        job.cancel()
        await asyncio.wait([job])
    assert await states(ledger, "wave") == {"acct_1": RecordState.UNKNOWN}


async def test_what_was_done_and_could_not_be_written_is_not_called_unsent(
    tilia: TiliaClient, ledger: BlockLedger, served: BlockingTilia, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ledger is away for a moment, just when the block is to be confirmed."""
    enter = journal._enter

    def away(transaction: Transaction, entries: Sequence[object]) -> None:
        settled = [each.settlement.state for each in entries if isinstance(each, journal._Settled)]
        if RecordState.CONFIRMED in settled:
            raise errors.LedgerError("the disk is away")
        enter(transaction, entries)

    monkeypatch.setattr(journal, "_enter", away)
    with pytest.raises(errors.BulkStoppedError):
        await tilia.bulk.block(["acct_1"], job_id="wave")
    assert served.blocked == {"acct_1"}
    assert await states(ledger, "wave") == {"acct_1": RecordState.INTENDED}


async def forbid(_tilia: ScriptedTilia, _account_id: str) -> Reply:
    return failing(403)


async def test_the_farewell_remembers_what_is_in_doubt_and_not_in_flight(
    ledger: BlockLedger, served: BlockingTilia, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lost answer, and the job is cancelled while the account waits for its next attempt."""
    served.after = in_turn(DROPPED)
    # A wait is drawn, and may be next to nothing.
    monkeypatch.setattr("random.random", lambda: 1.0)
    patient = RetryPolicy(attempts=3, initial=30.0, maximum=60.0)
    async with hostile_server(served.serve) as server:
        async with client_of(server.template, ledger=ledger, retry=patient) as tilia:
            job = asyncio.create_task(tilia.bulk.block(["acct_1"], job_id="wave"))
            await until(lambda: served.blocked)
            await asyncio.sleep(0.05)
            assert len(served.sent) == 1
            job.cancel()
            await asyncio.wait([job])
    assert await states(ledger, "wave") == {"acct_1": RecordState.UNKNOWN}


async def test_nothing_is_sent_while_the_lease_is_not_live(
    tilia: TiliaClient, ledger: BlockLedger, served: BlockingTilia, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that slept longer than its lease: another may have its accounts in hand."""
    renewed, hold = asyncio.Event(), asyncio.Event()

    renew = Journal.renew_run

    async def slow_renewal(journal: Journal, run_id: str, lease: float) -> None:
        renewed.set()
        await hold.wait()
        await renew(journal, run_id, lease)

    monkeypatch.setattr("tilia_async.ledger.journal.Journal.renew_run", slow_renewal)
    admit = LedgerRun.admit

    async def admit_and_sleep(record: LedgerRun, works: Sequence[WorkItem]) -> Admitted:
        admitted = await admit(record, works)
        record._live_until = float("-inf")
        return admitted

    monkeypatch.setattr(LedgerRun, "admit", admit_and_sleep)
    job = asyncio.create_task(tilia.bulk.block(ids(3), job_id="wave"))
    async with asyncio.timeout(10):
        await renewed.wait()
        await asyncio.sleep(0.05)
        assert served.sent == [], "it was sent although the lease was over"
        hold.set()
        report = await job
    assert numbers(report) == {"DONE": 3}


@pytest.mark.parametrize("state", [RecordState.FAILED, RecordState.REFUSED])
async def test_the_state_of_a_doubtful_account_is_unknown(state: RecordState) -> None:
    refused = {
        RecordState.FAILED: errors.BadRequestError(status=400),
        RecordState.REFUSED: errors.ForbiddenError(status=403),
    }[state]
    work = WorkItem("acct_1")
    assert state_of(work, refused) is state
    work.doubtful = True
    assert state_of(work, refused) is RecordState.UNKNOWN
    missing = errors.NotFoundError(status=404)
    assert state_of(work, missing) is RecordState.NOT_FOUND
    assert (refused.took_effect, state_after(refused)) == (False, state)
    refused.took_effect = None
    assert state_after(refused) is RecordState.UNKNOWN, "the error itself is in doubt"


@pytest.mark.parametrize("outcome", list(BulkOutcome))
async def test_a_stopped_job_is_without_effect_only_if_all_its_accounts_are(outcome: BulkOutcome) -> None:
    report = BulkReport("undo", "undo-wave", 1, {**dict.fromkeys(BulkOutcome, 0), outcome: 1}, (), 0.1, stopped=True)
    cause = errors.LedgerError("the disk is gone")
    stopped = errors.BulkStoppedError("stopped", report=report, cause=cause, job_id="undo-wave", operation="bulk.undo")
    without = {BulkOutcome.NOT_FOUND, BulkOutcome.REFUSED, BulkOutcome.FAILED, BulkOutcome.KEPT}
    assert stopped.took_effect is (False if outcome in without else None)


@pytest.mark.parametrize("recorded", [False, True])
async def test_a_job_that_is_cancelled_says_at_most_once_what_is_in_doubt(
    ledger: BlockLedger, served: BlockingTilia, caplog: pytest.LogCaptureFixture, recorded: bool
) -> None:
    """With a ledger it is on record; without one a single line counts it, however many were in flight."""

    async def no_answer(_said: str, _account_id: str) -> Reply | None:
        await asyncio.Event().wait()
        return None

    served.after = no_answer
    async with hostile_server(served.serve) as server:
        async with client_of(server.template, ledger=ledger if recorded else None) as tilia:
            job = asyncio.create_task(tilia.bulk.block(ids(20), job_id="wave" if recorded else None, concurrency=8))
            await until(lambda: len(served.blocked) == 8)
            job.cancel()
            await asyncio.wait([job])
            assert job.cancelled()
    told = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len(told) == (0 if recorded else 1)
    assert all(each.startswith("bulk.block: cancelled with 8 accounts in doubt") for each in told)
    if recorded:
        assert list((await states(ledger, "wave")).values()).count(RecordState.UNKNOWN) == 8
