"""The meaning of each call's end.

For its account, for the pace, and for the job.
"""

from __future__ import annotations

import asyncio
import random
from time import monotonic
from typing import Final

import attrs

from tilia_async import errors
from tilia_async.bulk.adaptive_limit import AdaptiveLimit
from tilia_async.bulk.circuit_breaker import CircuitBreaker
from tilia_async.bulk.completion import Completion
from tilia_async.bulk.job import Job
from tilia_async.bulk.send_slots import SendSlots
from tilia_async.bulk.stop_signal import StopSignal
from tilia_async.bulk.work_item import WorkItem
from tilia_async.bulk.work_queue import WorkQueue
from tilia_async.ledger.record import RecordState, state_after
from tilia_async.models.accounts import Account
from tilia_async.wire.retry import backoff

_WITNESS_SECONDS: Final = 30.0
"""Seconds for which a served account can be a probe.

It may be sent once more: nobody has changed it since.
"""

_LONELY_SECONDS: Final = 1.0
"""Seconds that a lone refused account waits for another.

Where no account has been served.
"""


@attrs.define(eq=False)
class TokenProbe:
    """A token probe.

    It notes with which token it was asked; a refused one is replaced.

    Attributes:
        answered: set when nobody waits for the answer any more.
    """

    generation: int
    answered: asyncio.Event = attrs.field(factory=asyncio.Event)

    def may_renew(self) -> bool:
        """Return True: a probe is to find out."""
        return True


class FailurePolicy:
    """Judges the calls of a job.

    Attributes:
        question: about the token, while it is asked; nothing else is sent meanwhile.
        read_to_the_end: no more accounts will come.
    """

    def __init__(
        self, job: Job, line: WorkQueue, pace: AdaptiveLimit, turns: SendSlots, stop: StopSignal, settling: Completion
    ) -> None:
        self.question: TokenProbe | None = None
        self.read_to_the_end = False
        self._job = job
        self._line = line
        self._pace = pace
        self._stop = stop
        self._turns = turns
        self._settling = settling
        self._trouble = CircuitBreaker()
        self._confirmed: tuple[float, str] | None = None

    def hear(self, failure: errors.TiliaError | None, started: float) -> None:
        """Tell the pace how a call ended."""
        if failure is None:
            self._pace.answered(started, monotonic())
        elif _asks_for_less(failure):
            self._slow_down(failure, started)

    async def succeeded(self, work: WorkItem, started: float, account: Account | None) -> None:
        """Note that a call was served."""
        self._confirmed = (started, work.account_id)
        await self._clear(started, work.generation)
        await self._finish(work, RecordState.CONFIRMED, None, account)

    async def failed(self, work: WorkItem, failure: errors.TiliaError, started: float) -> None:
        """Decide what a failed attempt means.

        For its account, and for the job.
        """
        if failure.took_effect is True:
            # An odd answer that says yes all the same.
            await self._clear(started, work.generation)
            await self._finish(work, RecordState.CONFIRMED, failure)
        elif _asks_for_less(failure):
            await self._try_later(work, failure)
        elif isinstance(failure, errors.UnauthorizedError) and failure.structured:
            await self._suspect(work, failure)
        elif isinstance(failure, errors.ApiError) and failure.structured and not _may_pass(failure):
            self._pace.answered(started, monotonic())
            await self._clear(started, work.generation)
            await self._finish(work, state_of(work, failure), failure)
        elif isinstance(failure, errors.ApiError | errors.TransportError):
            await self._unanswered(work, failure)
        else:
            self._stop.call(failure)
            await self._finish(work, state_of(work, failure), failure)

    def _slow_down(self, failure: errors.TiliaError, started: float) -> None:
        """Send nothing for a while, and then less.

        Tilia has too much to do.
        """
        asked = _retry_after(failure)
        if asked > self._job.retry.retry_after_limit:
            self._stop.call(failure)
        now = monotonic()
        wait = max(asked, backoff(self._job.retry, self._trouble.rounds + 1, _draw()))
        if self._pace.refused(started, now, wait) and self._trouble.asked_for_less(now):
            self._stop.call(failure)

    async def _try_later(self, work: WorkItem, failure: errors.TiliaError) -> None:
        """Queue the work again for later.

        Tilia may ask for less for this account alone, whoever else is served.
        """
        is_last = self.read_to_the_end and self._line.unfinished == 1
        served = self._trouble.served_calls
        others_were_served = served > work.served_before >= 0 or (is_last and served > 0)
        work.served_before = served
        work.throttled += others_were_served
        if work.throttled < self._job.retry.attempts:
            self._turns.settled(work)
            self._line.put_back(work, last=others_were_served)
        else:
            await self._finish(work, state_of(work, failure), failure)

    async def _unanswered(self, work: WorkItem, failure: errors.TiliaError) -> None:
        """Try the account again, or give it up.

        Many given up in a row, and the job is given up.
        """
        if work.attempts < self._job.retry.attempts and not self._stop.called:
            await self._stop.pause(backoff(self._job.retry, work.attempts, _draw()))
            self._turns.settled(work)
            self._line.put_back(work)
            return
        if self._trouble.unanswered():
            self._stop.call(failure)
        await self._finish(work, state_of(work, failure), failure)

    async def _suspect(self, work: WorkItem, failure: errors.UnauthorizedError) -> None:
        """Let an account with a refused token wait.

        It waits for a verdict.
        """
        self._turns.settled(work)
        asks = self._trouble.refused(work, monotonic())
        if self.question is not None:
            return
        if self._trouble.is_hopeless(failure) and not self._witness():
            self._stop.call(failure)
        elif asks:
            await self._ask()
        else:
            await self.judge_if_idle()

    async def judge_if_idle(self) -> None:
        """Judge when only suspects are left.

        When nothing is under way but accounts whose token was refused, no other call will clear it.
        """
        suspect = self._trouble.first_suspect
        if suspect is None or not self._is_idle():
            return
        if suspect.asked and self._witness() is None and not self.read_to_the_end:
            # It was refused by a new token, too. Whoever comes next tells whose fault that is; if somebody does.
            await self._stop.pause(_LONELY_SECONDS)
            if self._is_idle() and suspect.failure is not None:
                self._stop.call(suspect.failure)
        else:
            await self._ask()

    def _is_idle(self) -> bool:
        """Return True if only suspects are under way.

        Nothing is under way but accounts whose token was refused.
        """
        waiting = self._trouble.suspects
        return self._line.idle and 0 < self._line.unfinished <= waiting and not self._stop.called

    def _witness(self) -> str | None:
        """Return an account that was served a moment ago.

        To do the same to it once more changes nothing.
        """
        if self._confirmed is None or monotonic() - self._confirmed[0] > _WITNESS_SECONDS:
            return None
        return self._confirmed[1]

    async def _ask(self) -> None:
        """Ask Tilia about the token.

        Send once more what it has just served, or else the first that it refused.

        A token that is refused then is replaced. What serves tells whose refusals were their own. If neither token
        serves, they are the job's.
        """
        suspect = self._trouble.first_suspect
        if self.question is not None or suspect is None:
            return
        self.question = question = TokenProbe(suspect.generation)
        # It is one request more than the others are, and sends again what may not be on record yet.
        await self._settling.settled()
        witness = self._witness()
        started = monotonic()
        failure: errors.TiliaError | None = None
        suspect.in_flight = witness is None
        try:
            await self._job.send(witness or suspect.account_id, question)
        except errors.TiliaError as error:
            failure = error
        finally:
            self.question = None
            question.answered.set()
        await self._take_answer(question, witness, suspect, failure, started)

    async def _take_answer(
        self,
        question: TokenProbe,
        witness: str | None,
        suspect: WorkItem,
        failure: errors.TiliaError | None,
        started: float,
    ) -> None:
        """Take the answer to the question about the token."""
        if witness is None:
            self._trouble.acquit(suspect)
            suspect.generation, suspect.failure = question.generation, failure or suspect.failure
            suspect.attempts += 1
            suspect.asked = True
            suspect.in_flight = False
            suspect.doubtful = suspect.doubtful or (failure is not None and failure.took_effect is None)
        if failure is None:
            self._confirmed = (started, witness or suspect.account_id)
            await self._clear(started, question.generation)
            if witness is None:
                await self._finish(suspect, RecordState.CONFIRMED, None)
        elif isinstance(failure, errors.UnauthorizedError) and (witness is not None or self.read_to_the_end):
            self._stop.call(failure)
        elif witness is None:
            await self.failed(suspect, failure, started)
        else:
            # No answer about the token: the next one that it refuses asks again, or nobody is left to.
            await self._stop.pause(backoff(self._job.retry, 1, _draw()))
            if self._trouble.unanswered():
                self._stop.call(failure)
            await self.judge_if_idle()

    async def _clear(self, started: float, generation: int) -> None:
        """Clear the token of a call that was served."""
        verdict = self._trouble.served(started, generation)
        for work in verdict.again:
            self._line.put_back(work)
        for work in verdict.own:
            if work.failure is not None:
                await self._finish(work, state_of(work, work.failure), work.failure)

    async def _finish(
        self, work: WorkItem, state: RecordState, failure: errors.TiliaError | None, account: Account | None = None
    ) -> None:
        await self._settling.finish(work, state, failure, account)
        await self.judge_if_idle()


def state_of(work: WorkItem, failure: errors.TiliaError) -> RecordState:
    """Return the state that a failed attempt leaves.

    An earlier attempt may have taken effect although the last did not.
    """
    state = state_after(failure)
    # An account that is not there cannot be blocked, whatever was tried.
    settled = state in {RecordState.CONFIRMED, RecordState.NOT_FOUND}
    return RecordState.UNKNOWN if work.doubtful and not settled else state


def _retry_after(failure: errors.TiliaError) -> float:
    asked = failure.retry_after if isinstance(failure, errors.RateLimitedError | errors.ServerError) else None
    return asked or 0.0


def _may_pass(failure: errors.ApiError) -> bool:
    """Return True if another attempt may be answered otherwise.

    A passing state, or a yes that does not say enough.
    """
    return failure.status >= 500 or failure.retryable


def _asks_for_less(failure: errors.TiliaError) -> bool:
    return isinstance(failure, errors.ApiError) and failure.status in {429, 503}


def _draw() -> float:
    return random.random()  # noqa: S311 - spreads load
