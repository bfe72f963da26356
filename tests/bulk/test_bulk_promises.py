"""What users are promised of ``tilia.bulk``: from the design alone, observed at the server."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import datetime
from time import monotonic

import anyio
import attrs
import pytest
from support.canaries import places, search
from support.interruption import elsewhere, tasks_left
from support.scripted import (
    DONE,
    DROPPED,
    Reply,
    ScriptedTilia,
    at_once,
    blocks_sent,
    client_of,
    failing,
    ids,
    never,
    people,
    sandbox_client,
    until,
)

from tilia_async import Limits, RequestOptions, RetryPolicy, Scope, TiliaClient, errors
from tilia_async.api import OPERATIONS
from tilia_async.bulk import BulkItem, BulkOutcome, BulkProgress, BulkReport
from tilia_async.ledger import BlockLedger, RecordState
from tilia_async.sandbox import Fault, Sandbox

Start = Callable[..., Awaitable[tuple[ScriptedTilia, TiliaClient]]]

PATIENT = RetryPolicy(attempts=3, initial=0.001, maximum=0.002)
SMALL_MULTIPLE = 8


class UserError(Exception):
    """The user's own."""


def numbers(report: BulkReport) -> dict[str, int]:
    """The outcomes that there were."""
    return {outcome.name: number for outcome, number in report.counts.items() if number}


async def states(ledger: BlockLedger, job_id: str) -> dict[str, RecordState]:
    """The state of each account; fails where one has two records."""
    found: dict[str, RecordState] = {}
    async for record in ledger.records(job_id=job_id):
        assert record.account_id not in found, "an account has two records in one job"
        found[record.account_id] = record.state
    return found


# --- What a job comes to ---------------------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_each_account_is_blocked_once_and_the_report_says_so(sandbox: Sandbox) -> None:
    accounts = people(sandbox, 60)
    async with sandbox_client(sandbox) as tilia:
        report = await tilia.bulk.block(accounts, reason="ban wave 7", actor="ops@acme.example", concurrency=16)
    assert (report.action, report.total, numbers(report)) == ("block", 60, {"DONE": 60})
    assert report.counts.keys() == set(BulkOutcome)
    assert (report.failures, report.complete) == ((), True)
    assert 0 < report.elapsed < 60
    assert report.job_id
    assert sorted(blocks_sent(sandbox)) == sorted(accounts)
    assert all(sandbox.accounts[each].is_blocked for each in accounts)


@pytest.mark.asyncio
async def test_jobs_that_are_not_named_have_names_of_their_own(start: Start) -> None:
    _, tilia = await start()
    assert len({(await tilia.bulk.block(ids(1))).job_id for _ in range(3)}) == 3


@pytest.mark.asyncio
async def test_unblocking_tells_what_tilia_keeps_blocked_and_who_is_not_there(sandbox: Sandbox) -> None:
    ours, theirs = people(sandbox, 2)
    sandbox.block_as_tilia(theirs)
    async with sandbox_client(sandbox) as tilia:
        await tilia.bulk.block([ours])
        report = await tilia.bulk.unblock([ours, theirs, "acct_nobody"], reason="appeal", actor="ops")
    assert (report.action, report.total) == ("unblock", 3)
    assert numbers(report) == {"DONE": 1, "REFUSED": 1, "NOT_FOUND": 1}
    failures = {item.account_id: item for item in report.failures}
    assert failures.keys() == {theirs, "acct_nobody"}
    assert isinstance(failures[theirs].error, errors.ForbiddenError)
    assert isinstance(failures["acct_nobody"].error, errors.NotFoundError)
    assert report.complete, "another run would find nothing to do"
    assert (sandbox.accounts[ours].is_blocked, sandbox.accounts[theirs].is_blocked) == (False, True)


@pytest.mark.asyncio
async def test_looking_up_brings_the_accounts_that_there_are(sandbox: Sandbox) -> None:
    accounts = people(sandbox, 5)
    async with sandbox_client(sandbox) as tilia:
        report = await tilia.bulk.lookup([*accounts, "acct_nobody"])
        items = [item async for item in tilia.bulk.stream_lookup([*accounts, "acct_nobody"])]
    assert (report.action, report.total, numbers(report)) == ("lookup", 6, {"DONE": 5, "NOT_FOUND": 1})
    assert {each: account.username for each, account in report.accounts.items()} == {
        each: sandbox.accounts[each].username for each in accounts
    }
    found = {item.account_id: item.account for item in items}
    assert found.pop("acct_nobody") is None
    assert {each: account.account_id for each, account in found.items()} == {each: each for each in accounts}


@pytest.mark.asyncio
async def test_an_empty_job_sends_nothing_at_all(start: Start) -> None:
    scripted, tilia = await start()
    for action in (tilia.bulk.block, tilia.bulk.unblock, tilia.bulk.lookup):
        report = await action([])
        assert (report.total, numbers(report), report.failures, report.complete) == (0, {}, (), True)
    assert [item async for item in tilia.bulk.stream_block(())] == []
    assert (scripted.tokens, scripted.arrived) == (0, [])


@pytest.mark.asyncio
async def test_one_account_is_a_job_too(start: Start) -> None:
    scripted, tilia = await start()
    assert numbers(await tilia.bulk.block(iter(["acct_1"]), concurrency=1)) == {"DONE": 1}
    assert scripted.arrived == ["acct_1"]


@pytest.mark.asyncio
async def test_any_iterable_will_do(start: Start) -> None:
    _, tilia = await start()

    async def slowly() -> AsyncIterator[str]:
        for each in ids(20):
            await asyncio.sleep(0)
            yield each

    for accounts in (ids(20), tuple(ids(20)), set(ids(20)), dict.fromkeys(ids(20)), iter(ids(20)), slowly()):
        assert numbers(await tilia.bulk.block(accounts)) == {"DONE": 20}


@attrs.define(eq=False, slots=False)
class Unprintable:
    """No id, and nothing to be shown either."""

    def __repr__(self) -> str:
        raise UserError

    __str__ = __repr__


@pytest.mark.asyncio
async def test_a_bad_id_fails_and_stops_nothing(start: Start) -> None:
    scripted, tilia = await start()
    bad = [
        "",
        "a/b",
        "..",
        "x" * 37,
        " acct_1",
        "acct_\x00",
        "\ud800",
        None,
        7,
        b"acct_1",
        ["acct_1"],
        {},
        Unprintable(),
    ]
    accounts = [each for pair in zip(ids(len(bad)), bad, strict=True) for each in pair]
    report = await tilia.bulk.block(accounts)
    assert numbers(report) == {"DONE": len(bad), "FAILED": len(bad)}
    assert sorted(scripted.arrived) == sorted(ids(len(bad)))
    assert {type(item.error) for item in report.failures} == {errors.InvalidRequestError}
    assert {item.attempts for item in report.failures} == {0}
    assert {type(item.account_id) for item in report.failures} == {str}
    assert not report.complete


@pytest.mark.asyncio
async def test_a_bad_id_fails_with_a_ledger_too(start: Start, ledger: BlockLedger) -> None:
    scripted, tilia = await start(ledger=ledger)
    for _ in range(2):
        report = await tilia.bulk.block(["a/b", "acct_0", "\ud800", None, ["acct_1"]], job_id="wave")
        assert report.counts[BulkOutcome.FAILED] == 4
    assert scripted.arrived == ["acct_0"]
    assert (await states(ledger, "wave"))["acct_0"] is RecordState.CONFIRMED


@pytest.mark.asyncio
async def test_a_text_is_no_list_of_accounts(start: Start) -> None:
    scripted, tilia = await start()
    for text in ("acct_1", b"acct_1"):
        with pytest.raises((TypeError, errors.InvalidRequestError), match="account_ids"):
            await tilia.bulk.block(text)
    for nothing in (None, 7):
        with pytest.raises((TypeError, errors.InvalidRequestError), match="account_ids"):
            await tilia.bulk.block(nothing)
    assert scripted.arrived == []


NONSENSE = (
    ("concurrency", (0, -1, 2.5, True, "8")),
    ("reason", ("", 7)),
    ("actor", ("",)),
    ("review_at", (datetime(2030, 1, 1), "2030-01-01")),  # noqa: DTZ001 - naive on purpose
    ("job_id", ("",)),
    ("options", ({"timeout": 1},)),
    ("on_progress", ("print",)),
)


@pytest.mark.asyncio
async def test_a_setting_that_makes_no_sense_is_refused_before_anything_is_read(
    start: Start, ledger: BlockLedger
) -> None:
    scripted, tilia = await start(ledger=ledger)
    read: list[str] = []
    for name, values in NONSENSE:
        for value in values:
            for job in (tilia.bulk.block, tilia.bulk.stream_block):
                with pytest.raises((errors.InvalidRequestError, errors.ConfigurationError, TypeError), match=name):
                    await finished(job(noting(ids(3), read), **{name: value}))
    assert (read, scripted.arrived) == ([], [])
    assert [record async for record in ledger.records()] == []


async def finished(job: Awaitable[BulkReport] | AsyncIterator[BulkItem]) -> object:
    return await job if isinstance(job, Awaitable) else [item async for item in job]


def noting(accounts: list[str], read: list[str]) -> Iterator[str]:
    for each in accounts:
        read.append(each)
        yield each


@pytest.mark.asyncio
async def test_a_job_id_asks_for_a_ledger(start: Start) -> None:
    scripted, tilia = await start()
    read: list[str] = []
    for job in (tilia.bulk.block, tilia.bulk.unblock, tilia.bulk.stream_block, tilia.bulk.stream_unblock):
        with pytest.raises(errors.ConfigurationError, match="ledger"):
            await finished(job(noting(ids(3), read), job_id="wave"))
    assert (read, scripted.arrived) == ([], [])


@pytest.mark.asyncio
async def test_a_closed_client_says_so(start: Start) -> None:
    scripted, tilia = await start()
    await tilia.aclose()
    with pytest.raises((errors.ClientClosedError, errors.BulkStoppedError)) as caught:
        await tilia.bulk.block(ids(1000))
    assert isinstance(getattr(caught.value, "cause", caught.value), errors.ClientClosedError)
    assert scripted.arrived == []


@pytest.mark.asyncio
async def test_duplicates_do_no_harm(start: Start) -> None:
    scripted, tilia = await start()
    accounts = [*ids(5), *ids(5), *ids(60), *ids(60)]
    report = await tilia.bulk.block(accounts, concurrency=4)
    assert report.counts[BulkOutcome.DONE] + report.counts[BulkOutcome.SKIPPED] == report.total
    assert set(scripted.arrived) == set(ids(60))
    assert report.complete


@pytest.mark.asyncio
async def test_with_a_ledger_a_duplicate_is_skipped_wherever_it_comes(start: Start, ledger: BlockLedger) -> None:
    scripted, tilia = await start(ledger=ledger)
    accounts = ["acct_1", "acct_1", *ids(60), *ids(60), "acct_1"]
    report = await tilia.bulk.block(accounts, concurrency=4, job_id="wave")
    assert sorted(scripted.arrived) == sorted(ids(60))
    assert (report.total, numbers(report)) == (123, {"DONE": 60, "SKIPPED": 63})
    assert await states(ledger, "wave") == dict.fromkeys(ids(60), RecordState.CONFIRMED)


@pytest.mark.asyncio
async def test_an_attempt_that_failed_is_repeated_and_counted(start: Start) -> None:
    async def once_more(tilia: ScriptedTilia, account_id: str) -> Reply:
        again = account_id == "acct_3" and tilia.arrived.count(account_id) == 1
        return failing(500) if again else DONE

    _, tilia = await start(once_more, retry=PATIENT)
    items = [item async for item in tilia.bulk.stream_block(ids(6))]
    assert {item.account_id: item.attempts for item in items} == {**dict.fromkeys(ids(6), 1), "acct_3": 2}
    assert {item.outcome for item in items} == {BulkOutcome.DONE}
    assert {item.error for item in items} == {None}


@pytest.mark.asyncio
async def test_a_lost_answer_is_unknown_and_not_failed(start: Start) -> None:
    async def loses(_: ScriptedTilia, account_id: str) -> Reply:
        return DROPPED if account_id.endswith("7") else DONE

    _, tilia = await start(loses)
    report = await tilia.bulk.block(ids(60), concurrency=4)
    assert numbers(report) == {"DONE": 54, "UNKNOWN": 6}
    assert {type(item.error) for item in report.failures} == {errors.OutcomeUnknownError}
    assert not report.complete


@pytest.mark.asyncio
async def test_the_options_are_those_of_each_call(sandbox: Sandbox) -> None:
    accounts = people(sandbox, 3)
    async with sandbox_client(sandbox) as tilia:
        await tilia.bulk.block(accounts, options=RequestOptions(headers={"X-Wave": "7"}))
    sent = [each for each in sandbox.requests if each.operation == "accounts.block"]
    assert [each.headers.get("X-Wave") for each in sent] == ["7"] * 3


@pytest.mark.asyncio
async def test_a_corrected_declaration_is_used_by_jobs_too(sandbox: Sandbox) -> None:
    (account,) = people(sandbox, 1)
    corrected = attrs.evolve(OPERATIONS["accounts.block"], path="/v1/user-info/{account_id}/block")
    async with sandbox_client(sandbox, operations={"accounts.block": corrected}) as tilia:
        assert numbers(await tilia.bulk.block([account])) == {"DONE": 1}
    assert sandbox.requests[-1].path == f"/v1/user-info/{account}/block"


@pytest.mark.asyncio
async def test_a_thousand_failures_are_kept_and_all_are_counted(start: Start) -> None:
    _, tilia = await start()
    report = await tilia.bulk.block(["a/b"] * 1_500)
    assert (report.total, numbers(report), len(report.failures)) == (1_500, {"FAILED": 1_500}, 1_000)


@pytest.mark.asyncio
async def test_reports_and_items_can_be_pickled(start: Start) -> None:
    _, tilia = await start()
    report = await tilia.bulk.block(["acct_1", "a/b"])
    again = pickle.loads(pickle.dumps(report))
    assert (again.total, numbers(again), again.job_id) == (report.total, numbers(report), report.job_id)
    assert again.failures[0].account_id == "a/b"
    assert str(again.failures[0].error) == str(report.failures[0].error)


# --- Bounds -----------------------------------------------------------------------------------------------------------


@pytest.mark.asyncio
@pytest.mark.parametrize("concurrency", [1, 3, 24])
async def test_no_more_are_in_flight_than_allowed_and_as_many_if_nothing_speaks_against_it(
    start: Start, concurrency: int
) -> None:
    async def soon(_tilia: ScriptedTilia, _account_id: str) -> Reply:
        await asyncio.sleep(0.03)
        return DONE

    scripted, tilia = await start(soon)
    report = await tilia.bulk.block(iter(ids(10 + 8 * concurrency)), concurrency=concurrency)
    assert numbers(report) == {"DONE": 10 + 8 * concurrency}
    assert concurrency / 2 < scripted.peak <= concurrency


@attrs.define(eq=False)
class Source:
    """Accounts without end, and how many were taken of them."""

    taken: int = 0
    closed: bool = False

    def plain(self) -> Iterator[str]:
        try:
            while True:
                self.taken += 1
                yield f"acct_{self.taken}"
        finally:
            self.closed = True

    async def asynchronous(self) -> AsyncIterator[str]:
        for each in self.plain():
            yield each


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("asynchronous", "recorded"),
    [
        (False, False),
        (True, True),
        *(pytest.param(each, not each, marks=pytest.mark.nightly) for each in (False, True)),
    ],
)
async def test_the_accounts_are_read_a_little_ahead_of_the_answers(
    start: Start, ledger: BlockLedger, asynchronous: bool, recorded: bool
) -> None:
    source = Source()
    furthest = 0

    async def watches(scripted: ScriptedTilia, _account_id: str) -> Reply:
        nonlocal furthest
        await asyncio.sleep(0.001)
        furthest = max(furthest, source.taken - len(scripted.answered))
        if len(scripted.answered) > 80:
            await never(scripted, "")
        return DONE

    scripted, tilia = await start(watches, **({"ledger": ledger} if recorded else {}))
    accounts = source.asynchronous() if asynchronous else source.plain()
    with anyio.move_on_after(10) as scope:
        async with anyio.create_task_group() as group:
            group.start_soon(lambda: tilia.bulk.block(accounts, concurrency=4))
            await until(lambda: len(scripted.answered) > 80 and scripted.in_flight)
            await asyncio.sleep(0.05)
            group.cancel_scope.cancel()
    assert not scope.cancelled_caught
    furthest = max(furthest, source.taken - len(scripted.answered))
    assert furthest <= 4 * SMALL_MULTIPLE
    if asynchronous:
        # Nobody is in the middle of it any more.
        await accounts.aclose()


@pytest.mark.asyncio
async def test_a_consumer_that_waits_is_waited_for(start: Start) -> None:
    scripted, tilia = await start()
    source = Source()
    async with tilia.bulk.stream_block(source.plain(), concurrency=4) as items:
        await anext(aiter(items))
        await asyncio.sleep(0.1)
        assert len(scripted.arrived) <= 4 * SMALL_MULTIPLE
        assert source.taken <= 8 * SMALL_MULTIPLE


@pytest.mark.asyncio
async def test_a_slow_source_holds_nothing_up(start: Start) -> None:
    scripted, tilia = await start()
    more = asyncio.Event()

    async def slowly() -> AsyncIterator[str]:
        yield "acct_1"
        await more.wait()
        yield "acct_2"

    async with tilia.bulk.stream_block(slowly(), concurrency=8) as items:
        async with asyncio.timeout(2):
            assert (await anext(aiter(items))).account_id == "acct_1"
        more.set()
        assert [item.account_id async for item in items] == ["acct_2"]
    assert scripted.arrived == ["acct_1", "acct_2"]


# --- The pace ---------------------------------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_a_retry_after_holds_back_the_whole_job(start: Start) -> None:
    refused: list[float] = []
    seen: list[BulkProgress] = []

    async def limits(scripted: ScriptedTilia, _account_id: str) -> Reply:
        if len(scripted.arrived) == 60:
            refused.append(monotonic())
            return failing(429, Retry_After="0.5")
        # The others of that moment are answered a little later, while the job is held back.
        await asyncio.sleep(0.02)
        return DONE

    scripted, tilia = await start(limits, retry=PATIENT)
    report = await tilia.bulk.block(ids(120), concurrency=8, on_progress=seen.append)
    assert numbers(report) == {"DONE": 120}
    quiet = [at - refused[0] for at in scripted.arrived_at if 0.1 < at - refused[0] < 0.45]
    assert quiet == [], "requests while Tilia asked for quiet"
    assert any(0 < progress.holding <= 0.5 for progress in seen)
    assert seen[-1].holding == 0
    assert len(scripted.arrived) == 121, "only the refused one is sent again"


@pytest.mark.asyncio
async def test_the_pace_gives_way_to_server_errors_and_comes_back(start: Start) -> None:
    began = 0.0
    during: list[int] = []
    after: list[int] = []

    async def fails_for_a_while(scripted: ScriptedTilia, _account_id: str) -> Reply:
        passed = monotonic() - began
        if 0.2 < passed < 0.6:
            if passed > 0.4:
                during.append(scripted.in_flight)
            await asyncio.sleep(0.004)
            return failing(503)
        await asyncio.sleep(0.004)
        if passed > 1.0:
            after.append(scripted.in_flight)
        return DONE

    def until_it_is_over() -> Iterator[str]:
        number = 0
        while monotonic() - began < 1.3:
            number += 1
            yield f"acct_{number}"

    _, tilia = await start(fails_for_a_while, retry=PATIENT)
    began = monotonic()
    report = await tilia.bulk.block(until_it_is_over(), concurrency=32)
    assert set(numbers(report)) <= {"DONE", "UNKNOWN"}, "a 503 to a write does not say that nothing happened"
    in_the_outage = sum(during[-30:]) / len(during[-30:])
    assert in_the_outage <= 16
    assert max(after) >= 1.5 * in_the_outage
    assert max(after) > 12, "and not only a little"
    assert report.total > 100


@pytest.mark.asyncio
@pytest.mark.nightly
async def test_the_pace_gives_way_to_rising_latency(start: Start) -> None:
    """Eight at once are answered quickly; more than that only make each other slow."""
    flying: list[int] = []

    async def queues(scripted: ScriptedTilia, _account_id: str) -> Reply:
        flying.append(scripted.in_flight)
        await asyncio.sleep(0.008 * max(1.0, scripted.in_flight / 8) ** 2)
        return DONE

    _, tilia = await start(queues, limits=Limits(200, 200))
    report = await tilia.bulk.block(ids(500), concurrency=96)
    assert numbers(report) == {"DONE": 500}
    later = flying[250:]
    assert sum(later) / len(later) < 48


# --- Progress ---------------------------------------------------------------------------------------------------------


@pytest.mark.asyncio
@pytest.mark.parametrize("coroutine", [False, True])
async def test_progress_is_true(start: Start, coroutine: bool) -> None:
    seen: list[BulkProgress] = []

    async def later(progress: BulkProgress) -> None:
        await asyncio.sleep(0)
        seen.append(progress)

    _, tilia = await start()
    report = await tilia.bulk.block(["a/b", *ids(99)], concurrency=8, on_progress=later if coroutine else seen.append)
    assert numbers(report) == {"DONE": 99, "FAILED": 1}
    totals = [progress.total for progress in seen]
    assert totals == sorted(totals)
    assert totals[-1] == 100
    for progress in seen:
        assert sum(progress.counts.values()) == progress.total
        assert 0 <= progress.in_flight <= 8
        assert 1 <= progress.limit <= 8
        assert progress.elapsed >= 0
        assert progress.rate >= 0
        assert progress.holding == 0
    assert dict(seen[-1].counts) == dict(report.counts)
    assert seen[0].counts is not seen[-1].counts, "an earlier progress does not change"


@pytest.mark.asyncio
@pytest.mark.parametrize("coroutine", [False, pytest.param(True, marks=pytest.mark.nightly)])
async def test_a_progress_callback_that_raises_is_not_silenced_and_loses_nothing(
    start: Start, ledger: BlockLedger, coroutine: bool
) -> None:
    def raises(progress: BulkProgress) -> None:
        if progress.total >= 10:
            raise UserError("in the callback")

    async def raises_later(progress: BulkProgress) -> None:
        raises(progress)

    scripted, tilia = await start(ledger=ledger)
    with pytest.raises((UserError, errors.BulkStoppedError)) as caught:
        await tilia.bulk.block(
            ids(120), job_id="wave", concurrency=4, on_progress=raises_later if coroutine else raises
        )
    if isinstance(caught.value, errors.BulkStoppedError):
        assert "in the callback" in f"{caught.value.cause!r}"
    assert len(scripted.arrived) < 100
    first = await states(ledger, "wave")
    assert set(scripted.arrived) <= first.keys()
    assert {first[each] for each in scripted.answered} <= {RecordState.CONFIRMED, RecordState.UNKNOWN}
    async with asyncio.timeout(10):
        report = await tilia.bulk.block(ids(120), job_id="wave", concurrency=4)
    assert report.complete
    assert await states(ledger, "wave") == dict.fromkeys(ids(120), RecordState.CONFIRMED)


# --- What ends a job --------------------------------------------------------------------------------------------------


def stopped(
    caught: pytest.ExceptionInfo[errors.BulkStoppedError], job_id: str | None = None
) -> errors.BulkStoppedError:
    """The error, after what has to be true of each of them."""
    error = caught.value
    assert isinstance(error, errors.TiliaError)
    assert error.job_id == error.report.job_id
    assert job_id is None or error.job_id == job_id
    assert sum(error.report.counts.values()) == error.report.total
    assert not error.report.complete, "a job that stopped has something left to do"
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.job_id, again.report.total) == (str(error), error.job_id, error.report.total)
    assert (type(again.cause), str(again.cause)) == (type(error.cause), str(error.cause))
    assert numbers(again.report) == numbers(error.report)
    assert str(error.cause) in str(error) or type(error.cause).__name__ in str(error), "it says why"
    return error


@pytest.mark.asyncio
async def test_credentials_that_do_not_reach_stop_the_job_at_once(start: Start) -> None:
    async def refuses(_tilia: ScriptedTilia, _account_id: str) -> Reply:
        return failing(401)

    scripted, tilia = await start(refuses)
    source = Source()
    with pytest.raises(errors.BulkStoppedError) as caught:
        await tilia.bulk.block(source.plain(), concurrency=50)
    error = stopped(caught)
    assert isinstance(error.cause, errors.UnauthorizedError)
    assert scripted.tokens <= 2
    assert len(scripted.arrived) <= 200
    assert source.taken <= 50 * SMALL_MULTIPLE


@pytest.mark.asyncio
@pytest.mark.parametrize("streamed", [False, True])
async def test_a_scope_that_is_not_granted_stops_the_job_before_any_request(streamed: bool) -> None:
    async with Sandbox(scopes=[Scope.BLOCK_ACCOUNTS]) as sandbox, sandbox_client(sandbox) as tilia:
        with pytest.raises(errors.BulkStoppedError) as caught:
            await finished(tilia.bulk.stream_unblock(ids(500)) if streamed else tilia.bulk.unblock(ids(500)))
        assert isinstance(stopped(caught).cause, errors.TokenError | errors.MissingScopeError)
        assert blocks_sent(sandbox, "accounts.unblock") == []
        assert len(sandbox.requests) <= 2
        search([sandbox.client_secret], places(caught.value))


@pytest.mark.asyncio
async def test_fifty_accounts_that_answer_401_among_others_are_refused_and_make_at_most_two_token_requests(
    start: Start,
) -> None:
    async def minds_the_account(_tilia: ScriptedTilia, account_id: str) -> Reply:
        return failing(401) if account_id.endswith(("1", "6")) else DONE

    scripted, tilia = await start(minds_the_account)
    report = await tilia.bulk.block(ids(250), concurrency=16)
    assert numbers(report) == {"DONE": 200, "REFUSED": 50}
    assert all(isinstance(item.error, errors.UnauthorizedError) for item in report.failures)
    assert report.complete
    assert scripted.tokens <= 2


@pytest.mark.asyncio
async def test_an_account_of_its_own_mind_does_not_stop_the_job_by_coming_first(start: Start) -> None:
    """Else the same job, run again, would stop there for ever."""

    async def minds_the_account(_tilia: ScriptedTilia, account_id: str) -> Reply:
        return failing(401) if account_id == "acct_0" else DONE

    _, tilia = await start(minds_the_account)
    report = await tilia.bulk.block(ids(20), concurrency=1)
    assert numbers(report) == {"DONE": 19, "REFUSED": 1}


@pytest.mark.asyncio
async def test_accounts_that_are_all_forbidden_are_all_refused(sandbox: Sandbox) -> None:
    """Each for itself: Tilia has blocked them all, and lifts none of its blocks."""
    accounts = people(sandbox, 60)
    for each in accounts:
        sandbox.block_as_tilia(each)
    async with sandbox_client(sandbox) as tilia:
        report = await tilia.bulk.unblock(accounts, concurrency=16)
    assert (numbers(report), report.complete) == ({"REFUSED": 60}, True)


@pytest.mark.asyncio
async def test_accounts_that_are_all_unknown_to_tilia_stop_nothing(sandbox: Sandbox) -> None:
    async with sandbox_client(sandbox) as tilia:
        report = await tilia.bulk.block(ids(60), concurrency=16)
    assert (numbers(report), report.complete) == ({"NOT_FOUND": 60}, True)


@pytest.mark.asyncio
async def test_a_server_that_never_answers_stops_the_job(start: Start, ledger: BlockLedger) -> None:
    async def drops(_tilia: ScriptedTilia, _account_id: str) -> Reply:
        return DROPPED

    scripted, tilia = await start(drops, ledger=ledger)
    source = Source()
    with pytest.raises(errors.BulkStoppedError) as caught:
        await tilia.bulk.block(source.plain(), concurrency=16, job_id="wave")
    error = stopped(caught, "wave")
    assert isinstance(error.cause, errors.TransportError)
    assert numbers(error.report).keys() == {"UNKNOWN"}
    assert len(scripted.arrived) < 1_000
    kept = await states(ledger, "wave")
    assert {kept[each] for each in scripted.arrived} == {RecordState.UNKNOWN}


@pytest.mark.asyncio
async def test_a_server_that_hangs_stops_the_job_too(start: Start) -> None:
    scripted, tilia = await start(timeout=0.2)
    await tilia.bulk.block(ids(16), concurrency=16)
    scripted.answer = never
    with pytest.raises(errors.BulkStoppedError) as caught:
        await tilia.bulk.block(Source().plain(), concurrency=16)
    found = numbers(stopped(caught).report)
    assert found.keys() <= {"UNKNOWN", "FAILED"}
    assert found["UNKNOWN"] > found.get("FAILED", 0), "what was sent may have happened"


@pytest.mark.asyncio
async def test_where_nobody_listens_nothing_is_unknown(start: Start, unused_tcp_port: int) -> None:
    async with client_of(f"http://127.0.0.1:{unused_tcp_port}/{{service}}") as tilia:
        with pytest.raises(errors.BulkStoppedError) as caught:
            await tilia.bulk.block(Source().plain(), concurrency=8)
    error = stopped(caught)
    assert isinstance(error.cause, errors.TransportError)
    assert "UNKNOWN" not in numbers(error.report)
    assert "DONE" not in numbers(error.report)


@pytest.mark.asyncio
async def test_what_is_in_flight_when_a_job_stops_is_settled(start: Start, ledger: BlockLedger) -> None:
    """The credentials are withdrawn while others are being answered: those come to what they come to."""

    async def withdrawn(scripted: ScriptedTilia, account_id: str) -> Reply:
        if len(scripted.arrived) > 40:
            return failing(401)
        if len(scripted.arrived) > 30:
            await asyncio.sleep(0.15)
        return DONE

    scripted, tilia = await start(withdrawn, ledger=ledger)
    with pytest.raises(errors.BulkStoppedError) as caught:
        await tilia.bulk.block(Source().plain(), concurrency=8, job_id="wave")
    report = stopped(caught, "wave").report
    good = set(scripted.arrived[:40])
    assert report.counts[BulkOutcome.DONE] == 40
    kept = await states(ledger, "wave")
    assert {kept[each] for each in good} == {RecordState.CONFIRMED}
    assert set(scripted.arrived) <= kept.keys()


@pytest.mark.asyncio
async def test_after_a_stop_the_same_job_goes_on(start: Start, ledger: BlockLedger) -> None:
    broken = True

    async def out_of_order(scripted: ScriptedTilia, _account_id: str) -> Reply:
        return failing(401) if broken and len(scripted.arrived) > 20 else DONE

    scripted, tilia = await start(out_of_order, ledger=ledger)
    with pytest.raises(errors.BulkStoppedError):
        await tilia.bulk.block(ids(100), concurrency=4, job_id="wave")
    broken = False
    first = scripted.arrived[:20]
    scripted.arrived.clear()
    async with client_of(tilia_template(tilia), ledger=ledger) as again:
        async with asyncio.timeout(10):
            report = await again.bulk.block(ids(100), concurrency=4, job_id="wave")
    assert (report.total, report.counts[BulkOutcome.SKIPPED]) == (100, 20)
    assert not set(first) & set(scripted.arrived)
    assert await states(ledger, "wave") == dict.fromkeys(ids(100), RecordState.CONFIRMED), "a job's 401 is no account's"


@pytest.mark.asyncio
@pytest.mark.parametrize("left", [1, 3])
async def test_credentials_that_are_withdrawn_near_the_end_lose_no_account(
    start: Start, ledger: BlockLedger, left: int
) -> None:
    """However few are left: nobody has said that these may not be blocked."""
    withdrawn = True

    async def until_then(scripted: ScriptedTilia, _account_id: str) -> Reply:
        return failing(401) if withdrawn and len(scripted.arrived) > 40 else DONE

    scripted, tilia = await start(until_then, ledger=ledger)
    try:
        report = await tilia.bulk.block(ids(40 + left), concurrency=4, job_id="wave")
    except errors.BulkStoppedError as error:
        report = error.report
    withdrawn = False
    missing = set(ids(40 + left)) - set(scripted.arrived[:40])
    assert not report.complete, "they are still to be blocked"
    assert {record.account_id async for record in ledger.pending("wave")} == missing
    async with client_of(tilia_template(tilia), ledger=ledger) as again:
        assert (await again.bulk.block(ids(40 + left), concurrency=4, job_id="wave")).complete
    assert await states(ledger, "wave") == dict.fromkeys(ids(40 + left), RecordState.CONFIRMED)


@pytest.mark.asyncio
@pytest.mark.parametrize("asynchronous", [False, True])
async def test_a_source_that_raises_ends_the_job_in_order(
    start: Start, ledger: BlockLedger, asynchronous: bool
) -> None:
    def breaks_off() -> Iterator[str]:
        yield from ids(30)
        raise UserError("in the source")

    async def breaks_off_later() -> AsyncIterator[str]:
        for each in breaks_off():
            yield each

    scripted, tilia = await start(ledger=ledger)
    with pytest.raises((UserError, errors.BulkStoppedError)) as caught:
        await tilia.bulk.block(breaks_off_later() if asynchronous else breaks_off(), job_id="wave", concurrency=4)
    if isinstance(caught.value, errors.BulkStoppedError):
        assert "in the source" in f"{caught.value.cause!r}"
    kept = await states(ledger, "wave")
    assert set(scripted.arrived) <= kept.keys()
    assert {kept[each] for each in scripted.arrived} <= {RecordState.CONFIRMED, RecordState.UNKNOWN}
    async with asyncio.timeout(10):
        assert (await tilia.bulk.block(ids(30), job_id="wave")).complete
    assert await states(ledger, "wave") == dict.fromkeys(ids(30), RecordState.CONFIRMED)


@pytest.mark.asyncio
async def test_a_client_that_is_closed_ends_its_jobs_and_what_was_sent_is_unknown(
    start: Start, ledger: BlockLedger
) -> None:
    async def some_of_them(scripted: ScriptedTilia, _account_id: str) -> Reply:
        if len(scripted.arrived) > 10:
            await never(scripted, "")
        return DONE

    scripted, tilia = await start(some_of_them, ledger=ledger)
    job = asyncio.create_task(tilia.bulk.block(ids(100), concurrency=4, job_id="wave"))
    await until(lambda: scripted.in_flight >= 2)
    await tilia.aclose()
    with pytest.raises((errors.ClientClosedError, errors.BulkStoppedError)) as caught:
        async with asyncio.timeout(2):
            await job
    assert isinstance(getattr(caught.value, "cause", caught.value), errors.ClientClosedError)
    kept = await states(ledger, "wave")
    assert {kept[each] for each in set(scripted.arrived) - set(scripted.answered)} == {RecordState.UNKNOWN}


# --- Cancelling -------------------------------------------------------------------------------------------------------


def tilia_template(tilia: TiliaClient) -> str:
    return str(tilia._requestor.environment.template)


async def half_silent(scripted: ScriptedTilia, _account_id: str) -> Reply:
    """Twenty are answered, and every second one after them."""
    if len(scripted.arrived) > 20 and len(scripted.arrived) % 2:
        await never(scripted, "")
    return DONE


def some_hang(scripted: ScriptedTilia) -> bool:
    return len(scripted.arrived) > 24 and scripted.in_flight >= 2


async def by_task(tilia: TiliaClient, scripted: ScriptedTilia) -> None:
    job = asyncio.create_task(tilia.bulk.block(ids(100), concurrency=8, job_id="wave"))
    await until(lambda: some_hang(scripted))
    job.cancel()
    with pytest.raises(asyncio.CancelledError):
        await job


async def by_task_again_and_again(tilia: TiliaClient, scripted: ScriptedTilia) -> None:
    job = asyncio.create_task(tilia.bulk.block(ids(100), concurrency=8, job_id="wave"))
    await until(lambda: some_hang(scripted))
    while not job.done():
        job.cancel()
        await asyncio.sleep(0)
    with pytest.raises(asyncio.CancelledError):
        await job


async def by_scope(tilia: TiliaClient, scripted: ScriptedTilia) -> None:
    with anyio.CancelScope() as scope:
        async with anyio.create_task_group() as group:

            async def cancels() -> None:
                await until(lambda: some_hang(scripted))
                scope.cancel()

            group.start_soon(cancels)
            await tilia.bulk.block(ids(100), concurrency=8, job_id="wave")
    assert scope.cancelled_caught


async def by_leaving(tilia: TiliaClient, scripted: ScriptedTilia) -> None:
    async with tilia.bulk.stream_block(ids(100), concurrency=8, job_id="wave") as items:
        async for _ in items:
            if some_hang(scripted):
                break


async def by_closing(tilia: TiliaClient, scripted: ScriptedTilia) -> None:
    items = tilia.bulk.stream_block(ids(100), concurrency=8, job_id="wave")
    async for _ in items:
        if some_hang(scripted):
            break
    await items.aclose()
    await items.aclose()
    with pytest.raises(StopAsyncIteration):
        await anext(items)


async def by_raising(tilia: TiliaClient, scripted: ScriptedTilia) -> None:
    async def raises() -> None:
        async with tilia.bulk.stream_block(ids(100), concurrency=8, job_id="wave") as items:
            async for _ in items:
                if some_hang(scripted):
                    raise UserError

    with pytest.raises(UserError):
        await raises()


async def by_cancelling_the_reader(tilia: TiliaClient, scripted: ScriptedTilia) -> None:
    async def reads() -> None:
        async with tilia.bulk.stream_block(ids(100), concurrency=8, job_id="wave") as items:
            async for _ in items:
                pass

    reader = asyncio.create_task(reads())
    await until(lambda: some_hang(scripted))
    reader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reader


Way = Callable[[TiliaClient, ScriptedTilia], Awaitable[None]]
WAYS = (
    by_task_again_and_again,
    by_scope,
    by_closing,
    by_raising,
    *(pytest.param(way, marks=pytest.mark.nightly) for way in (by_task, by_leaving, by_cancelling_the_reader)),
)


@pytest.mark.asyncio
@pytest.mark.parametrize("way", WAYS)
async def test_a_job_that_is_cancelled_stops_at_once_and_what_was_in_flight_is_on_record(
    ledger: BlockLedger, way: Way
) -> None:
    scripted = ScriptedTilia(half_silent)
    with elsewhere(scripted.serve) as server:
        async with client_of(server.template, ledger=ledger) as tilia:
            await tilia.bulk.block(ids(2), job_id="before")
            before = tasks_left()
            scripted.arrived.clear()
            scripted.answered.clear()
            began = monotonic()
            async with asyncio.timeout(5):
                await way(tilia, scripted)
            ended = monotonic()
            assert ended - began < 2
            assert tasks_left() <= before
            # What was sent before may still arrive.
            await asyncio.sleep(0.02)
            sent = len(scripted.arrived)
            await asyncio.sleep(0.05)
            assert len(scripted.arrived) == sent, "requests after the end"
            kept = await states(ledger, "wave")
            unanswered = set(scripted.arrived) - set(scripted.answered)
            assert unanswered
            assert {kept[each] for each in unanswered} == {RecordState.UNKNOWN}
            assert set(scripted.arrived) <= kept.keys()
            pending = {record.account_id async for record in ledger.pending("wave")}
            assert unanswered <= pending

            scripted.answer = at_once
            confirmed = {each for each, state in kept.items() if state is RecordState.CONFIRMED}
            scripted.arrived.clear()
            async with asyncio.timeout(5):
                report = await tilia.bulk.block(ids(100), concurrency=8, job_id="wave")
            assert (report.counts[BulkOutcome.SKIPPED], report.complete) == (len(confirmed), True)
            assert not confirmed & set(scripted.arrived)
            assert await states(ledger, "wave") == dict.fromkeys(ids(100), RecordState.CONFIRMED)


@pytest.mark.asyncio
async def test_a_held_back_job_is_cancelled_at_once_too(start: Start) -> None:
    async def limits(_tilia: ScriptedTilia, _account_id: str) -> Reply:
        return failing(429, Retry_After="30")

    scripted, tilia = await start(limits, retry=PATIENT)
    job = asyncio.create_task(tilia.bulk.block(ids(100), concurrency=8))
    await until(lambda: scripted.answered)
    await asyncio.sleep(0.05)
    began = monotonic()
    job.cancel()
    with pytest.raises(asyncio.CancelledError):
        await job
    assert monotonic() - began < 1
    assert len(scripted.arrived) <= 16


@pytest.mark.asyncio
async def test_a_job_that_waits_for_its_source_is_cancelled_at_once_too(start: Start) -> None:
    async def waits() -> AsyncIterator[str]:
        yield "acct_1"
        await asyncio.Event().wait()

    scripted, tilia = await start()
    source = waits()
    job = asyncio.create_task(tilia.bulk.block(source))
    await until(lambda: scripted.answered)
    began = monotonic()
    job.cancel()
    with pytest.raises(asyncio.CancelledError):
        await job
    assert monotonic() - began < 1
    await source.aclose()


@pytest.mark.asyncio
async def test_a_stream_that_nobody_reads_starts_nothing(start: Start) -> None:
    scripted, tilia = await start()
    read: list[str] = []
    before = tasks_left()
    items = tilia.bulk.stream_block(noting(ids(10), read))
    await asyncio.sleep(0.02)
    assert (read, scripted.arrived) == ([], [])
    assert tasks_left() <= before
    await items.aclose()
    with pytest.raises(StopAsyncIteration):
        await anext(items)
    assert read == []


@pytest.mark.asyncio
async def test_a_stream_tells_each_account_once_and_then_why_it_stops(start: Start) -> None:
    async def out_of_order(scripted: ScriptedTilia, _account_id: str) -> Reply:
        return failing(401) if len(scripted.arrived) > 20 else DONE

    _, tilia = await start(out_of_order)
    told: list[str] = []

    async def tells() -> None:
        async for item in tilia.bulk.stream_block(Source().plain(), concurrency=4):
            told.append(item.account_id)  # noqa: PERF401 - what came before the error counts

    with pytest.raises(errors.BulkStoppedError) as caught:
        await tells()
    assert len(told) == len(set(told)) == stopped(caught).report.total


@pytest.mark.asyncio
async def test_two_jobs_of_one_client_do_not_mix(start: Start) -> None:
    _, tilia = await start()

    async def streamed(prefix: str) -> set[str]:
        accounts = [f"{prefix}{each}" for each in range(50)]
        return {item.account_id async for item in tilia.bulk.stream_block(accounts, concurrency=4)}

    first, second = await asyncio.gather(streamed("a"), streamed("b"))
    assert (len(first), len(second)) == (50, 50)
    assert all(each.startswith("a") for each in first)
    assert all(each.startswith("b") for each in second)


@pytest.mark.asyncio
async def test_tokens_that_expire_or_are_revoked_in_the_middle_disturb_nothing(sandbox: Sandbox) -> None:
    accounts = people(sandbox, 60)
    sandbox.faults.add("accounts.block", Fault.TOKEN_REVOKED, times=1)
    async with sandbox_client(sandbox) as tilia:
        taken = 0

        def hours_pass() -> Iterator[str]:
            nonlocal taken
            for each in accounts:
                taken += 1
                if taken == 30:
                    sandbox.clock.advance(3_600)
                yield each

        report = await tilia.bulk.block(hours_pass(), concurrency=8)
    assert numbers(report) == {"DONE": 60}
    assert len([each for each in sandbox.requests if each.operation == "auth.token"]) <= 4


@pytest.mark.asyncio
async def test_a_token_endpoint_that_is_away_for_a_moment_loses_nothing(sandbox: Sandbox) -> None:
    accounts = people(sandbox, 20)
    sandbox.faults.add("auth.token", Fault.TOKEN_OUTAGE, times=1)
    async with sandbox_client(sandbox, retry=PATIENT) as tilia:
        report = await tilia.bulk.block(accounts, concurrency=8)
    assert numbers(report) == {"DONE": 20}


@pytest.mark.asyncio
@pytest.mark.nightly
@pytest.mark.timeout(300)
async def test_thousands_of_accounts_take_no_more_memory_than_a_few(start: Start) -> None:
    import tracemalloc

    scripted, tilia = await start()
    number = 6_000

    async def forgets(_tilia: ScriptedTilia, _account_id: str) -> Reply:
        for each in (scripted.arrived, scripted.arrived_at, scripted.answered):
            each.clear()
        return DONE

    scripted.answer = forgets
    await tilia.bulk.block(ids(1_000))
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    report = await tilia.bulk.block((f"acct_{each}" for each in range(number)), concurrency=64)
    after, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert numbers(report) == {"DONE": number}
    assert peak - before < 5 * 1024 * 1024
    assert after - before < 512 * 1024
