"""The meaning of each call's end.

For its account, for the pace, and for the job.
"""

from __future__ import annotations

import random
from enum import Enum, auto
from time import monotonic
from typing import Final

from tilia_async import errors
from tilia_async.bulk.adaptive_limit import AdaptiveLimit
from tilia_async.bulk.circuit_breaker import CircuitBreaker
from tilia_async.bulk.completion import Completion
from tilia_async.bulk.job import Permits
from tilia_async.bulk.send_slots import SendSlots
from tilia_async.bulk.stop_signal import StopSignal
from tilia_async.bulk.token_probe import TokenProbe
from tilia_async.bulk.work_item import WorkItem
from tilia_async.bulk.work_queue import WorkQueue
from tilia_async.config import RetryPolicy
from tilia_async.ledger.record import RecordState, state_after
from tilia_async.models.accounts import Account
from tilia_async.wire.retry import backoff

_TIMES_IF_SHARED: Final = 10
"""Factor of the refusals that are borne with shared permits."""


class Meaning(Enum):
    """The meaning of a failed call.

    Attributes:
        DONE: an odd answer that says yes all the same.
        THROTTLED: Tilia asks for less, of all or of this account alone.
        TOKEN_REFUSED: the account's fault or the token's; ``TokenProbe`` finds out.
        FINAL: another attempt would be answered alike.
        NO_ANSWER: no answer that can be used; another attempt may get one.
        JOB: the next account would fail alike.
    """

    DONE = auto()
    THROTTLED = auto()
    TOKEN_REFUSED = auto()
    FINAL = auto()
    NO_ANSWER = auto()
    JOB = auto()


def meaning_of(failure: errors.TiliaError) -> Meaning:
    """Tell what a failed call says, by its error alone."""
    if failure.took_effect is True:
        return Meaning.DONE
    if not isinstance(failure, errors.ApiError):
        return Meaning.NO_ANSWER if isinstance(failure, errors.TransportError) else Meaning.JOB
    if failure.status in {429, 503}:
        return Meaning.THROTTLED
    # The page of a proxy, a passing state, or a yes that does not say enough.
    if not failure.structured:
        return Meaning.NO_ANSWER
    if isinstance(failure, errors.UnauthorizedError):
        return Meaning.TOKEN_REFUSED
    return Meaning.NO_ANSWER if failure.status >= 500 or failure.retryable else Meaning.FINAL


class FailurePolicy:
    """Does what the end of a call asks for.

    The account gets its outcome, waits for another try, or waits as a suspect; or the job stops.

    Attributes:
        breaker: decides that the server is away.
        probe: decides whose fault a refused token is.
    """

    def __init__(
        self,
        retry: RetryPolicy,
        queue: WorkQueue,
        limit: AdaptiveLimit,
        slots: SendSlots,
        stop: StopSignal,
        completion: Completion,
        permits: Permits | None = None,
    ) -> None:
        self.breaker: CircuitBreaker = CircuitBreaker()
        self.probe: TokenProbe = TokenProbe()
        self._retry = retry
        self._queue = queue
        self._limit = limit
        self._slots = slots
        self._stop = stop
        self._completion = completion
        self._permits = permits

    def hear(self, failure: errors.TiliaError | None, started: float, epoch: int = 0) -> None:
        """Tell the pace how a call ended.

        Args:
            epoch: of the permit under which it was made.
        """
        if failure is None:
            self._limit.answered(started, monotonic())
            return
        match meaning_of(failure):
            case Meaning.THROTTLED:
                self._slow_down(failure, started, epoch)
            case Meaning.FINAL:
                self._limit.answered(started, monotonic())
            case _:
                pass

    async def succeeded(self, work: WorkItem, started: float, account: Account | None) -> None:
        """Note that a call was served."""
        await self.clear(started, work.generation, work)
        await self._completion.finish(work, RecordState.CONFIRMED, None, account)

    async def failed(self, work: WorkItem, failure: errors.TiliaError, started: float) -> None:
        """Decide what a failed attempt means.

        For its account, and for the job.
        """
        match meaning_of(failure):
            case Meaning.DONE:
                await self.clear(started, work.generation)
                await self._completion.finish(work, RecordState.CONFIRMED, failure)
            case Meaning.THROTTLED:
                await self._try_later(work, failure)
            case Meaning.TOKEN_REFUSED if isinstance(failure, errors.UnauthorizedError):
                self.breaker.refused()
                self.probe.refused(work, failure, monotonic())
                self._slots.settled(work)
            case Meaning.NO_ANSWER:
                await self._try_again(work, failure)
            case Meaning.FINAL:
                await self.clear(started, work.generation)
                await self._give_up(work, failure)
            case _:
                self._stop.call(failure)
                await self._give_up(work, failure)

    async def clear(self, started: float, generation: int, witness: WorkItem | None = None) -> None:
        """Clear the token of a call that was served."""
        self.breaker.served()
        resolved = self.probe.served(started, generation, witness)
        for work in resolved.again:
            self._queue.put_back(work)
        for work in resolved.own:
            if work.failure is not None:
                await self._give_up(work, work.failure)

    def unanswered(self, failure: errors.TiliaError) -> None:
        """Note that nothing usable came.

        Too often, and the job stops.
        """
        if self.breaker.unanswered():
            self._stop.call(failure)

    async def pause(self, attempts: int) -> None:
        """Wait before another attempt, unless the job stops."""
        await self._stop.pause(backoff(self._retry, attempts, _draw()))

    def _slow_down(self, failure: errors.TiliaError, started: float, epoch: int) -> None:
        """Send nothing for a while, and then less.

        Tilia has too much to do.
        """
        asked = _retry_after(failure)
        if asked > self._retry.retry_after_limit:
            self._stop.call(failure)
        now = monotonic()
        wait = max(asked, backoff(self._retry, self.breaker.rounds + 1, _draw()))
        if self._permits is not None:
            self._permits.refused(epoch, wait)
        if self._limit.refused(started, now, wait) and self.breaker.throttled(now):
            self._stop.call(failure)

    async def _try_later(self, work: WorkItem, failure: errors.TiliaError) -> None:
        """Queue the work again for later.

        Tilia may ask for less for this account alone, whoever else is served.
        """
        is_last = self._queue.is_complete and self._queue.unfinished == 1
        served = self.breaker.served_calls
        others_were_served = served > work.served_before >= 0 or (is_last and served > 0)
        work.served_before = served
        work.throttled += others_were_served
        # What Tilia asks of all who share the permits is no account's fault.
        most = self._retry.attempts * (1 if self._permits is None else _TIMES_IF_SHARED)
        if work.throttled < most:
            self._slots.settled(work)
            self._queue.put_back(work, last=others_were_served)
        else:
            await self._give_up(work, failure)

    async def _try_again(self, work: WorkItem, failure: errors.TiliaError) -> None:
        """Try the account again, or give it up.

        Many given up in a row, and the job is given up.
        """
        if work.attempts < self._retry.attempts and not self._stop.called:
            await self.pause(work.attempts)
            self._slots.settled(work)
            self._queue.put_back(work)
            return
        self.unanswered(failure)
        await self._give_up(work, failure)

    async def _give_up(self, work: WorkItem, failure: errors.TiliaError) -> None:
        await self._completion.finish(work, state_of(work, failure), failure)


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


def _draw() -> float:
    return random.random()  # noqa: S311 - spreads load
