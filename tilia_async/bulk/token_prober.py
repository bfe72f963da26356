"""Sends the probes that a refused token asks for."""

from __future__ import annotations

import asyncio
from time import monotonic

import anyio
import attrs

from tilia_async import errors
from tilia_async.bulk.completion import Completion
from tilia_async.bulk.failure_policy import FailurePolicy, Meaning, meaning_of
from tilia_async.bulk.job import Job
from tilia_async.bulk.stop_signal import StopSignal
from tilia_async.bulk.token_probe import Probe, Stop, Wait
from tilia_async.bulk.work_item import WorkItem
from tilia_async.bulk.work_queue import WorkQueue
from tilia_async.models.accounts import Account


@attrs.define(eq=False)
class _Watch:
    """Watcher of a probe's token; a refused one is replaced."""

    generation: int

    def may_renew(self) -> bool:
        """Return True: a probe is to find out."""
        return True


class TokenProber:
    """The one task of a job that sends probes.

    Attributes:
        out: set when the probe that is out now has its answer; nothing else is sent until then. None: none is out.
    """

    def __init__(
        self, job: Job, queue: WorkQueue, stop: StopSignal, completion: Completion, policy: FailurePolicy
    ) -> None:
        self.out: asyncio.Event | None = None
        self._job = job
        self._record = job.record
        self._queue = queue
        self._stop = stop
        self._completion = completion
        self._policy = policy
        self._rules = policy.probe
        self._changed = asyncio.Event()
        self._closed = False
        queue.then(self._changed.set)

    async def run(self) -> None:
        """Send probes when they are due, until it is closed."""
        while not self._closed:
            self._changed.clear()
            step = self._next()
            if isinstance(step, Probe):
                await self._probe()
                continue
            self._let_go_on()
            match step:
                case Wait(seconds):
                    with anyio.move_on_after(seconds):
                        await self._changed.wait()
                case Stop(failure):
                    self._stop.call(failure)
                case None:
                    await self._changed.wait()

    def look(self) -> None:
        """Look again: an account more is a suspect.

        A probe that is due then holds back all else at once.
        """
        if self.out is None and isinstance(self._next(), Probe):
            self.out = asyncio.Event()
        self._changed.set()

    def close(self) -> None:
        """Send no probe any more.

        One that is out gets its answer.
        """
        self._closed = True
        self._changed.set()

    def _next(self) -> Probe | Wait | Stop | None:
        if self._stop.called:
            return None
        left = self._queue.idle and 0 < self._queue.unfinished <= len(self._rules.suspects)
        return self._rules.next_step(monotonic(), only_suspects_left=left, more_may_come=not self._queue.is_complete)

    async def _probe(self) -> None:
        """Send the witness once more, or else the first suspect.

        A token that is refused then is replaced. What serves tells whose refusals were their own. If neither token
        serves, they are the job's.
        """
        self.out = self.out or asyncio.Event()
        self._rules.begin()
        try:
            if not await self._may_send():
                return
            witness = self._rules.witness(monotonic())
            suspect = self._rules.take_first() if witness is None else None
            work = witness or suspect
            if work is None:
                return
            watch = _Watch(work.generation)
            started = monotonic()
            if suspect is not None:
                suspect.in_flight = True
            failure, account = await self._send(work, watch)
            self._policy.hear(failure, started, work.epoch)
        finally:
            self._rules.end()
            self._let_go_on()
        if suspect is None:
            await self._take_answer_of_witness(work, watch.generation, failure, started)
        else:
            suspect.generation = watch.generation
            await self._take_answer_of_suspect(suspect, failure, account, started)

    def _let_go_on(self) -> None:
        out, self.out = self.out, None
        if out is not None:
            out.set()

    async def _may_send(self) -> bool:
        """Make sure that a probe is this run's to send.

        False if nothing more is sent.
        """
        # A probe is one request more than the others are, and sends again what may not be on record yet.
        await self._completion.settled()
        if self._record is None:
            return not self._stop.called
        try:
            await self._record.revive()
        except errors.LedgerError as error:
            self._stop.call(error)
        return not self._stop.called

    async def _send(self, work: WorkItem, watch: _Watch) -> tuple[errors.TiliaError | None, Account | None]:
        try:
            return None, await self._job.send(work.account_id, watch)
        except errors.TiliaError as error:
            return error, None

    async def _take_answer_of_witness(
        self, witness: WorkItem, generation: int, failure: errors.TiliaError | None, started: float
    ) -> None:
        if failure is None:
            await self._policy.clear(started, generation, witness)
        elif meaning_of(failure) is Meaning.TOKEN_REFUSED:
            self._stop.call(failure)
        else:
            # No answer about the token: it is asked again when more are refused, or when nobody else is left.
            await self._policy.pause(1)
            self._policy.unanswered(failure)

    async def _take_answer_of_suspect(
        self, suspect: WorkItem, failure: errors.TiliaError | None, account: Account | None, started: float
    ) -> None:
        suspect.attempts += 1
        suspect.asked = True
        suspect.in_flight = False
        suspect.failure = failure or suspect.failure
        suspect.doubtful = suspect.doubtful or (failure is not None and failure.took_effect is None)
        if failure is None:
            await self._policy.succeeded(suspect, started, account)
        elif meaning_of(failure) is Meaning.TOKEN_REFUSED and self._nobody_tells():
            self._stop.call(failure)
        else:
            await self._policy.failed(suspect, failure, started)

    def _nobody_tells(self) -> bool:
        """Return True if no other account will tell.

        None is to come, and none was served while the probe was out.
        """
        return self._queue.is_complete and self._rules.witness(monotonic()) is None
