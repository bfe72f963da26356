"""One run of a bulk job, from its first account to its last, or to its stop."""

from __future__ import annotations

import asyncio
import logging
import random
from collections import deque
from collections.abc import AsyncIterable, Awaitable, Callable, Coroutine, Iterable
from time import monotonic
from typing import TYPE_CHECKING, Final

import anyio
import attrs

from tilia_async import errors
from tilia_async.api.accounts import Account
from tilia_async.bulk.arrivals import Arrivals
from tilia_async.bulk.line import Line
from tilia_async.bulk.outcome import BulkItem, BulkOutcome, BulkProgress, BulkReport
from tilia_async.bulk.pace import Pace
from tilia_async.bulk.record import JobRecord
from tilia_async.bulk.tally import Tally
from tilia_async.bulk.trouble import Trouble
from tilia_async.bulk.work import Work
from tilia_async.config import RetryPolicy
from tilia_async.ledger.record import RecordState, state_after
from tilia_async.wire.retry import backoff

if TYPE_CHECKING:
    from tilia_async.transport.caller import TokenWatch

FAREWELL_SECONDS: Final = 0.8
"""How long a job that is cancelled waits for its last words to be on record."""

_WITNESS_SECONDS: Final = 30.0
"""How long ago an account may have been served to be sent once more: nobody has changed it since."""

_LONELY_SECONDS: Final = 1.0
"""How long a refused account waits for another to come, where none has been served."""

_POLLS: Final = (0.05, 1.0)
"""Seconds between looks at accounts that another run has in hand: the first, and the longest."""

_log = logging.getLogger("tilia_async")

_OUTCOMES: Final = {
    RecordState.CONFIRMED: BulkOutcome.DONE,
    RecordState.NOT_FOUND: BulkOutcome.NOT_FOUND,
    RecordState.REFUSED: BulkOutcome.REFUSED,
    RecordState.UNKNOWN: BulkOutcome.UNKNOWN,
    RecordState.FAILED: BulkOutcome.FAILED,
}

Sink = Callable[[BulkItem], Awaitable[None]]


@attrs.define(eq=False)
class _Question:
    """Is told with which token it was asked; a refused one is replaced.

    Attributes:
        answered: set when nobody waits for the answer any more.
    """

    generation: int
    answered: asyncio.Event = attrs.field(factory=asyncio.Event)

    def may_renew(self) -> bool:
        return True


@attrs.frozen(eq=False)
class Job:
    """What is done to each account.

    Attributes:
        action: ``block``, ``unblock`` or ``lookup``.
        operation: the name of the operation that does it.
        send: does it once to an account, and returns that where there is something to show.
        retry: how often an account is tried, and how long is waited.
        concurrency: the most that is in flight.
        job_id: its name, also of its record.
        record: None: nothing is recorded.
    """

    action: str
    operation: str
    send: Callable[[str, TokenWatch], Awaitable[Account | None]]
    retry: RetryPolicy
    concurrency: int
    job_id: str
    record: JobRecord | None = None


class Run:
    """Does a job. One object for one run.

    As many workers as may be in flight take accounts from a line, each when the pace allows. A failure that is the
    job's closes the line: what is in flight settles, and nothing new is sent.

    Args:
        ids: the accounts.
        sink: gets each item, one after the other from each worker; it may take its time.
        keeps_accounts: the report has what a look-up found.
    """

    def __init__(
        self,
        job: Job,
        ids: Iterable[object] | AsyncIterable[object],
        *,
        sink: Sink | None = None,
        keeps_accounts: bool = False,
    ) -> None:
        self._job = job
        self._record = job.record
        self._sink = sink
        self._pace = Pace(job.concurrency)
        self._trouble = Trouble()
        # A ledger is asked for many at once.
        self._arrivals = Arrivals(ids, job.concurrency * (1 if job.record is None else 2))
        self._line = Line(job.concurrency)
        self._tally = Tally(monotonic(), keeps_accounts=keeps_accounts)
        self._sent: set[Work] = set()
        self._in_hand: dict[str, Work] = {}
        self._question: _Question | None = None
        self._confirmed: tuple[float, str] | None = None
        self._in_flight = 0
        self._turns: deque[asyncio.Future[None]] = deque()
        self._read_to_the_end = False
        self._cause: Exception | None = None
        self._stopped = asyncio.Event()

    async def run(self) -> BulkReport:
        """Do it.

        Raises:
            BulkStoppedError: it stopped, for a reason that is the job's.
            Exception: as the iterable of the accounts, or the sink, does.
        """
        try:
            await self._begin()
            async with anyio.create_task_group() as company:
                company.start_soon(self._read)
                company.start_soon(self._feed)
                if self._record is not None:
                    company.start_soon(self._keep, self._record)
                async with anyio.create_task_group() as workers:
                    for _ in range(self._job.concurrency):
                        workers.start_soon(self._work)
                company.cancel_scope.cancel()
            await self._finish_stopped()
        finally:
            await _undisturbed(self._farewell())
        report = self.report()
        if self._cause is not None:
            self._raise(self._cause, report)
        return report

    def report(self) -> BulkReport:
        """What has come of it so far."""
        stopped = self._cause is not None
        return self._tally.report(self._job.action, self._job.job_id, monotonic(), stopped=stopped)

    def progress(self) -> BulkProgress:
        """How far it is."""
        now = monotonic()
        return BulkProgress(
            total=self._tally.total,
            counts=self._tally.counts(),
            in_flight=self._in_flight,
            limit=self._pace.limit,
            holding=max(0.0, self._pace.hold(now)),
            elapsed=self._tally.elapsed(now),
            rate=self._tally.rate(now),
        )

    async def _begin(self) -> None:
        if self._record is not None:
            try:
                await self._record.begin()
            except errors.LedgerError as error:
                self._stop(error)

    async def _keep(self, record: JobRecord) -> None:
        try:
            await record.keep()
        except errors.LedgerError as error:
            self._stop(error)

    async def _read(self) -> None:
        try:
            await self._arrivals.read()
        except Exception as error:  # noqa: BLE001 - it is the caller's iterable, and the caller gets what it raised
            self._stop(error)

    async def _feed(self) -> None:
        """Bring what has arrived to the line, on record first."""
        held: list[Work] = []
        while (arrived := await self._arrivals.take()) and not self._stopped.is_set():
            held += await self._admit(self._new([Work(each) for each in arrived]))
            held = await self._wait_for(held, 2 * self._job.concurrency)
            await self._judge_if_idle()
            await self._line.room()
        await self._wait_for(held, 0)
        self._read_to_the_end = True
        self._line.complete()
        await self._judge_if_idle()

    def _new(self, works: list[Work]) -> list[Work]:
        """Those that are not in hand already. With a record, one that is given twice is sent once."""
        if self._record is None:
            return works
        new = [work for work in works if self._in_hand.setdefault(work.key, work) is work]
        for work in works:
            first = self._in_hand[work.key]
            if first is not work:
                first.twins += 1
        return new

    async def _wait_for(self, held: list[Work], most: int) -> list[Work]:
        """Ask again for works that somebody has in hand, until not more than so many are left."""
        pause, longest = _POLLS
        while len(held) > most and not self._stopped.is_set():
            await self._pause(pause)
            before = len(held)
            held = await self._admit(held)
            pause = min(pause * 2, longest) if len(held) == before else _POLLS[0]
        return held

    async def _admit(self, works: list[Work]) -> list[Work]:
        """Bring works to the line; returns those that somebody has in hand."""
        if not works or self._stopped.is_set():
            return works
        if self._record is None:
            self._line.bring(works)
            return []
        try:
            admitted = await self._record.admit(works)
        except errors.LedgerError as error:
            self._stop(error)
            return works
        self._line.bring(admitted.mine)
        for work, found in admitted.settled:
            await self._tell(work, self._settled_before(work, found.state, found.error))
        return list(admitted.held)

    def _settled_before(self, work: Work, state: RecordState, text: str | None) -> BulkItem:
        if state is RecordState.CONFIRMED:
            return BulkItem(work.account_id, BulkOutcome.SKIPPED)
        told = errors.TiliaError(f"as this job has on record: {text or state.value}", took_effect=None)
        told.took_effect = None if state is RecordState.UNKNOWN else False
        return BulkItem(work.account_id, _OUTCOMES[state], told)

    async def _work(self) -> None:
        while (work := await self._line.take()) is not None:
            if work.problems:
                refusal = errors.InvalidRequestError({"account_id": work.problems}, operation=self._job.operation)
                await self._finish(work, RecordState.FAILED, refusal)
            elif await self._turn():
                await self._send(work)
            else:
                self._line.put_back(work)

    async def _turn(self) -> bool:
        """Wait until one more may be in flight; False if nothing more is sent."""
        while not self._stopped.is_set():
            now = monotonic()
            wait = self._pace.hold(now)
            if wait > 0:
                await self._pause(wait)
            elif self._question is not None:
                # Until it is known whether the token serves.
                await self._question.answered.wait()
            elif self._record is not None and not self._record.is_live(now):
                await self._revive(self._record)
            elif self._in_flight < self._pace.limit:
                self._in_flight += 1
                return True
            else:
                turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
                self._turns.append(turn)
                await turn
        return False

    async def _revive(self, record: JobRecord) -> None:
        try:
            await record.revive()
        except errors.LedgerError as error:
            self._stop(error)

    async def _send(self, work: Work) -> None:
        """Send once, and see what that means."""
        self._sent.add(work)
        work.attempts += 1
        work.in_flight = True
        started = monotonic()
        account: Account | None = None
        failure: errors.TiliaError | None = None
        try:
            account = await self._job.send(work.account_id, work)
        except errors.TiliaError as error:
            failure = error
        self._in_flight -= 1
        work.in_flight = False
        work.failure = failure
        if failure is None:
            self._pace.answered(started, monotonic())
        else:
            work.doubtful = work.doubtful or failure.took_effect is None
            if _asks_for_less(failure):
                self._slow_down(failure, started)
        self._wake()
        if failure is None:
            self._confirmed = (started, work.account_id)
            await self._clear(started, work.generation)
            await self._finish(work, RecordState.CONFIRMED, None, account)
        else:
            await self._judge(work, failure, started)

    async def _judge(self, work: Work, failure: errors.TiliaError, started: float) -> None:
        """What a failed attempt means for its account, and for the job."""
        if failure.took_effect is True:
            # An odd answer that says yes all the same.
            await self._clear(started, work.generation)
            await self._finish(work, RecordState.CONFIRMED, failure)
        elif _asks_for_less(failure):
            await self._try_later(work, failure)
        elif isinstance(failure, errors.UnauthorizedError) and failure.structured:
            await self._suspect(work, failure)
        elif isinstance(failure, errors.ApiError) and failure.status < 500 and failure.structured:
            self._pace.answered(started, monotonic())
            await self._clear(started, work.generation)
            await self._finish(work, _state(work, failure), failure)
        elif isinstance(failure, errors.ApiError | errors.TransportError):
            await self._unanswered(work, failure)
        else:
            self._stop(failure)
            await self._finish(work, _state(work, failure), failure)

    def _slow_down(self, failure: errors.TiliaError, started: float) -> None:
        """Tilia has too much to do: nothing is sent for a while, and then less."""
        asked = _retry_after(failure)
        if asked > self._job.retry.retry_after_limit:
            self._stop(failure)
        now = monotonic()
        wait = max(asked, backoff(self._job.retry, self._trouble.rounds + 1, _draw()))
        if self._pace.refused(started, now, wait) and self._trouble.asked_for_less(now):
            self._stop(failure)

    async def _try_later(self, work: Work, failure: errors.TiliaError) -> None:
        """Its turn comes again; but Tilia may ask for less for this account alone, whoever else is served."""
        others_were_served = self._trouble.served_calls > work.served_before >= 0
        work.served_before = self._trouble.served_calls
        work.lesser += others_were_served
        if work.lesser < self._job.retry.attempts:
            self._line.put_back(work, last=others_were_served)
        else:
            await self._finish(work, _state(work, failure), failure)

    async def _unanswered(self, work: Work, failure: errors.TiliaError) -> None:
        """Try the account again, or give it up; many in a row, and the job is given up."""
        if work.attempts < self._job.retry.attempts and not self._stopped.is_set():
            await self._pause(backoff(self._job.retry, work.attempts, _draw()))
            self._line.put_back(work)
            return
        if self._trouble.unanswered():
            self._stop(failure)
        await self._finish(work, _state(work, failure), failure)

    async def _suspect(self, work: Work, failure: errors.UnauthorizedError) -> None:
        """The token was refused: the account waits for a verdict."""
        asks = self._trouble.refused(work, monotonic())
        if self._question is not None:
            return
        if self._trouble.is_hopeless(failure) and not self._witness():
            self._stop(failure)
        elif asks:
            await self._ask()
        else:
            await self._judge_if_idle()

    async def _judge_if_idle(self) -> None:
        """When nothing is under way but accounts whose token was refused, no other call will clear it."""
        suspect = self._trouble.first_suspect
        if suspect is None or not self._is_idle():
            return
        if suspect.asked and self._witness() is None and not self._read_to_the_end:
            # It was refused by a new token, too. Whoever comes next tells whose fault that is; if somebody does.
            await self._pause(_LONELY_SECONDS)
            if self._is_idle() and suspect.failure is not None:
                self._stop(suspect.failure)
        else:
            await self._ask()

    def _is_idle(self) -> bool:
        """Nothing is under way but accounts whose token was refused."""
        waiting = self._trouble.suspects
        return self._line.idle and 0 < self._line.unfinished <= waiting and not self._stopped.is_set()

    def _witness(self) -> str | None:
        """An account that was served a moment ago: to do the same to it once more changes nothing."""
        if self._confirmed is None or monotonic() - self._confirmed[0] > _WITNESS_SECONDS:
            return None
        return self._confirmed[1]

    async def _ask(self) -> None:
        """Ask Tilia about the token: send once more what it has just served, or else the first that it refused.

        A token that is refused then is replaced. What serves tells whose refusals were their own. If neither token
        serves, they are the job's.
        """
        suspect = self._trouble.first_suspect
        if self._question is not None or suspect is None:
            return
        self._question = question = _Question(suspect.generation)
        witness = self._witness()
        started = monotonic()
        failure: errors.TiliaError | None = None
        try:
            await self._job.send(witness or suspect.account_id, question)
        except errors.TiliaError as error:
            failure = error
        finally:
            self._question = None
            question.answered.set()
        await self._hear(question, witness, suspect, failure, started)

    async def _hear(
        self,
        question: _Question,
        witness: str | None,
        suspect: Work,
        failure: errors.TiliaError | None,
        started: float,
    ) -> None:
        """The answer to the question about the token."""
        if witness is None:
            self._trouble.acquit(suspect)
            suspect.generation, suspect.failure = question.generation, failure or suspect.failure
            suspect.attempts += 1
            suspect.asked = True
        if failure is None:
            self._confirmed = (started, witness or suspect.account_id)
            await self._clear(started, question.generation)
            if witness is None:
                await self._finish(suspect, RecordState.CONFIRMED, None)
        elif isinstance(failure, errors.UnauthorizedError) and (witness is not None or self._read_to_the_end):
            self._stop(failure)
        elif witness is None:
            await self._judge(suspect, failure, started)
        else:
            # No answer about the token: the next one that it refuses asks again, or nobody is left to.
            await self._pause(backoff(self._job.retry, 1, _draw()))
            if self._trouble.unanswered():
                self._stop(failure)
            await self._judge_if_idle()

    async def _clear(self, started: float, generation: int) -> None:
        """A call was served: its token is good."""
        verdict = self._trouble.served(started, generation)
        for work in verdict.again:
            self._line.put_back(work)
        for work in verdict.own:
            if work.failure is not None:
                await self._finish(work, _state(work, work.failure), work.failure)

    async def _finish(
        self, work: Work, state: RecordState, failure: errors.TiliaError | None, account: Account | None = None
    ) -> None:
        """Settle an account's record, then tell."""
        if self._record is not None:
            try:
                await self._record.settle(work.key, state, None if failure is None else str(failure))
            except errors.LedgerError as error:
                self._stop(error)
        self._sent.discard(work)
        outcome = _OUTCOMES[state]
        shown = None if outcome is BulkOutcome.DONE else failure
        await self._tell(work, BulkItem(work.account_id, outcome, shown, work.attempts, account))
        self._line.finished()
        await self._judge_if_idle()

    async def _tell(self, work: Work, item: BulkItem) -> None:
        """Tell of an account, as many times as it was given."""
        if self._record is None:
            await self._emit(item)
            return
        self._in_hand.pop(work.key, None)
        await self._emit(item)
        done = item.outcome is BulkOutcome.DONE
        for _ in range(work.twins):
            await self._emit(BulkItem(item.account_id, BulkOutcome.SKIPPED) if done else item)

    async def _emit(self, item: BulkItem) -> None:
        self._tally.add(item)
        if self._sink is None:
            return
        try:
            await self._sink(item)
        except Exception as error:  # noqa: BLE001 - it is the caller's function, and the caller gets what it raised
            self._stop(error)

    async def _pause(self, seconds: float) -> None:
        """Wait, but not longer than the job goes on."""
        with anyio.move_on_after(seconds):
            await self._stopped.wait()

    def _wake(self) -> None:
        """Let as many go on as there is room for."""
        room = self._pace.limit - self._in_flight
        while room > 0 and self._turns:
            turn = self._turns.popleft()
            if not turn.done():
                turn.set_result(None)
                room -= 1

    def _wake_all(self) -> None:
        while self._turns:
            turn = self._turns.popleft()
            if not turn.done():
                turn.set_result(None)

    def _stop(self, cause: Exception) -> None:
        """Nothing new is sent from now on."""
        if self._cause is None:
            self._cause = cause
        self._stopped.set()
        self._line.close()
        self._wake_all()

    async def _finish_stopped(self) -> None:
        """Accounts that were sent, and are not sent again because the job stopped, have an outcome too."""
        async with anyio.create_task_group() as together:
            for work in list(self._sent):
                state = RecordState.UNKNOWN if work.doubtful else RecordState.FAILED
                together.start_soon(self._finish, work, state, work.failure)

    async def _farewell(self) -> None:
        """Say on record what is not known, and let others go on at once."""
        if self._record is None:
            return
        unknown = [work.key for work in self._sent if work.in_flight or work.doubtful]
        with anyio.move_on_after(FAREWELL_SECONDS):
            try:
                await self._record.end(unknown)
            except errors.LedgerError as error:
                _log.warning("the end of a bulk job is not on record: %s", error)

    def _raise(self, cause: Exception, report: BulkReport) -> None:
        job_id = self._job.job_id
        go_on = "" if self._record is None else f"; run it again with job_id={job_id!r} to go on"
        if not isinstance(cause, errors.TiliaError):
            cause.add_note(f"tilia.bulk.{self._job.action}: stopped with {report.total} accounts settled{go_on}")
            raise cause
        raise errors.BulkStoppedError(
            f"the job stopped, with {report.total} accounts settled, because of {cause}{go_on}",
            report=report,
            cause=cause,
            job_id=job_id,
            operation=f"bulk.{self._job.action}",
        )


async def _undisturbed(words: Coroutine[object, object, None]) -> None:
    """Say it to the end, however often the one who waits is cancelled."""
    task = asyncio.get_running_loop().create_task(words)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError as error:
            cancelled = error
    task.result()
    if cancelled is not None:
        raise cancelled


def _state(work: Work, failure: errors.TiliaError) -> RecordState:
    """What an attempt's failure leaves; an earlier attempt may have taken effect although the last did not."""
    state = state_after(failure)
    return RecordState.UNKNOWN if state is RecordState.FAILED and work.doubtful else state


def _retry_after(failure: errors.TiliaError) -> float:
    asked = failure.retry_after if isinstance(failure, errors.RateLimitedError | errors.ServerError) else None
    return asked or 0.0


def _asks_for_less(failure: errors.TiliaError) -> bool:
    return isinstance(failure, errors.ApiError) and failure.status in {429, 503}


def _draw() -> float:
    return random.random()  # noqa: S311 - spreads load
