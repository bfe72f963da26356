"""The run of ``tilia bulk``.

The first pass over the file, then the job.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from typing import Final

import attrs

from tilia_async.bulk import BulkOutcome, BulkReport, BulkStream
from tilia_async.cli.bulk_check import check_beginning
from tilia_async.cli.bulk_command import STANDARD_STREAM, Action, BulkCommand
from tilia_async.cli.bulk_input import Input, UnusableInputError, checked
from tilia_async.cli.bulk_preview import OnRecord, Preview, Undoing, announce, counted, environment_of, on_record
from tilia_async.cli.bulk_summary import Ending, Status, tell
from tilia_async.cli.checked_ids import CheckedIds, NoRoomError
from tilia_async.cli.failure import CommandError, ExitStatus, exit_status_of
from tilia_async.cli.fleet_submission import check_shareable, submit
from tilia_async.cli.ledger_location import LedgerLocation
from tilia_async.cli.progress import Progress, progress_of
from tilia_async.cli.signals import handled
from tilia_async.cli.terminal import Screen, complain, complain_lines, say, shown_json
from tilia_async.client import TiliaClient
from tilia_async.config import Environment, Limits
from tilia_async.errors import BulkStoppedError, LedgerError, TiliaError
from tilia_async.ledger import BlockLedger
from tilia_async.ledger.ledger import journal_of
from tilia_async.models.accounts import Account
from tilia_async.text import readable

_TO: Final = {Action.BLOCK: "block", Action.UNBLOCK: "unblock", Action.UNDO: "look at", Action.LOOKUP: "look up"}
_NOTHING: Mapping[BulkOutcome, int] = dict.fromkeys(BulkOutcome, 0)


class OutputError(Exception):
    """Failure to write what a look-up found."""


def run(order: BulkCommand) -> ExitStatus:
    """Do it, tell about it, and return the exit status."""
    if order.is_shared:
        check_shareable(order)
    try:
        ledger = None if order.ledger is None else BlockLedger.open(order.ledger.url)
        # Settings that are missing are told before a large file is read.
        tilia = None if order.dry_run else _client(order, ledger)
        environment = environment_of(order)
        check_beginning(order, environment)
        if order.undoes is not None and order.ledger is not None:
            return _undone(order, order.undoes, environment, tilia, ledger, order.ledger)
        with checked(order) as (accounts, found):
            known = on_record(order, accounts)
            preview = Preview(order=order, found=found, environment=environment, on_record=known)
            if tilia is None:
                return _dry(preview, known or OnRecord())
            if order.is_shared and ledger is not None:
                announce(preview)
                submit(order, accounts, tilia, ledger)
                # Of a line that was left out nobody knows which account it meant.
                return ExitStatus.REFUSED if sum(found.left_out.values()) else ExitStatus.DONE
            return _begun(preview, accounts, tilia, ledger)
    except UnusableInputError as error:
        if not order.as_json:
            complain_lines(str(error))
        return _ended(order, Ending(status=Status.BAD_INPUT, input=error.found, counts=_NOTHING, cause=str(error)))
    except KeyboardInterrupt:
        complain("tilia: stopped by Ctrl-C before anything was sent")
        return ExitStatus.INTERRUPTED


def _client(order: BulkCommand, ledger: BlockLedger | None) -> TiliaClient:
    usual = Limits()
    limits = Limits(
        connections=max(usual.connections, order.concurrency), per_host=max(usual.per_host, order.concurrency)
    )
    return order.network.client(limits=limits, ledger=ledger)


def _begun(preview: Preview, accounts: CheckedIds | str, tilia: TiliaClient, ledger: BlockLedger | None) -> ExitStatus:
    announce(preview)
    return _ended(preview.order, _job(preview, accounts, tilia, ledger))


def _undone(
    order: BulkCommand,
    undoes: str,
    environment: Environment | None,
    tilia: TiliaClient | None,
    ledger: BlockLedger | None,
    place: LedgerLocation,
) -> ExitStatus:
    lifted, kept, others = asyncio.run(_foreseen(undoes, BlockLedger.open(place.url)))
    found = Input(accounts=lifted + kept + others, left_out={}, problems=())
    preview = Preview(
        order=order, found=found, environment=environment, undoing=Undoing(lifted=lifted, kept=kept, others=others)
    )
    if tilia is not None:
        return _begun(preview, undoes, tilia, ledger)
    if not found.accounts:
        raise CommandError(f"this ledger has no blocks of a job {undoes!r} that could be undone", ExitStatus.USAGE)
    counts = {**_NOTHING, BulkOutcome.KEPT: kept, BulkOutcome.SKIPPED: others}
    if order.as_json:
        return _ended(order, Ending(status=Status.ALL_DONE, input=found, counts=counts, preview=preview))
    preview.show(Screen())
    say(f"{counted(found.accounts)} of job {readable(undoes)}; nothing was sent, this was a dry run.")
    say(f"{lifted:,} would be unblocked: nothing else blocks them.")
    say(f"{kept:,} would be kept: something else blocks them, too, or may.")
    if others:
        say(f"{others:,} are not blocked by this job any more.")
    return ExitStatus.DONE


async def _foreseen(undoes: str, ledger: BlockLedger) -> tuple[int, int, int]:
    """Count the accounts that undoing would change.

    How many accounts of a job would be unblocked and kept, and how many there are beside.
    """
    from tilia_async.ledger.standing import foreseen  # noqa: PLC0415 - needs the extra

    async with ledger:
        return await foreseen((await journal_of(ledger)).database, undoes)


def _dry(preview: Preview, known: OnRecord) -> ExitStatus:
    order, found = preview.order, preview.found
    counts = {**_NOTHING, BulkOutcome.SKIPPED: known.confirmed, BulkOutcome.OVERTAKEN: known.overtaken}
    if order.as_json:
        return _ended(order, Ending(status=Status.ALL_DONE, input=found, counts=counts, preview=preview))
    preview.show(Screen())
    say(f"{counted(found.accounts)} to {_TO[order.action]}; nothing was sent, this was a dry run.")
    if order.job_id is not None and known.problem is None:
        say(f"{known.confirmed:,} of them are confirmed by job {readable(order.job_id)} already.")
    if known.overtaken:
        say(f"Of {known.overtaken:,} the opposite is on record since: the job leaves them alone.")
    return ExitStatus.DONE


def _job(preview: Preview, accounts: CheckedIds | str, tilia: TiliaClient, ledger: BlockLedger | None) -> Ending:
    order, found = preview.order, preview.found
    work = _Work(order, accounts, tilia, ledger, progress_of(order.action, found.accounts, as_json=order.as_json))
    try:
        with work.progress:
            report = asyncio.run(work.done())
    except BulkStoppedError as error:
        return _ending_of(error.report, preview, Status.STOPPED, error.cause)
    except (LedgerError, NoRoomError, OutputError) as error:
        is_open = order.action is not Action.LOOKUP and work.report is not None and work.report.total > 0
        of_cause = ExitStatus.UNKNOWN if is_open else ExitStatus.REFUSED
        return _cut_off(preview, work.report, Status.STOPPED, str(error), of_cause)
    except (KeyboardInterrupt, asyncio.CancelledError) as error:
        is_terminated = isinstance(error, asyncio.CancelledError)
        why = "SIGTERM" if is_terminated else "Ctrl-C"
        if work.report is not None and work.report.counts[BulkOutcome.UNKNOWN]:
            why += "; what was under way may have taken effect"
        return _cut_off(preview, work.report, Status.TERMINATED if is_terminated else Status.INTERRUPTED, why)
    done = report.counts[BulkOutcome.DONE] + report.counts[BulkOutcome.SKIPPED]
    # Of a line that was left out nobody knows which account it meant.
    is_all_done = done == found.accounts and not sum(found.left_out.values())
    return _ending_of(report, preview, Status.ALL_DONE if is_all_done else Status.SOME_NOT_DONE)


def _cut_off(
    preview: Preview, report: BulkReport | None, status: Status, cause: str, of_cause: ExitStatus = ExitStatus.REFUSED
) -> Ending:
    """Return the ending of a job that was cut off."""
    return Ending(
        status=status,
        input=preview.found,
        preview=preview,
        counts=_NOTHING if report is None else report.counts,
        failures=() if report is None else report.failures,
        overlaps=() if report is None else report.overlaps,
        elapsed=0.0 if report is None else report.elapsed,
        cause=cause,
        of_cause=of_cause,
    )


@attrs.define
class _Work:
    """A job, from its first account to its end.

    Attributes:
        accounts: those of a list, or those of the job of that name.
        report: what came of it, however it ended; None before it begins.
    """

    order: BulkCommand
    accounts: CheckedIds | str
    tilia: TiliaClient
    ledger: BlockLedger | None
    progress: Progress
    report: BulkReport | None = None

    async def done(self) -> BulkReport:
        """Do the job, and return its report."""
        with _ended_by_sigterm():
            async with self.ledger or contextlib.nullcontext(), self.tilia:
                return await self._sent(self._items())

    async def _sent(self, items: BulkStream) -> BulkReport:
        with _output(self.order) as write:
            try:
                async with items:
                    async for item in items:
                        if item.account is not None:
                            # A report would hold every account in memory.
                            write(item.account)
                        self.progress.update(items.progress())
            finally:
                self.report = items.report()
                self.progress.update(items.progress())
        return self.report

    def _items(self) -> BulkStream:
        order, accounts, bulk = self.order, self.accounts, self.tilia.bulk
        if isinstance(accounts, str):
            return bulk.stream_undo(
                accounts, order.reason, order.actor, concurrency=order.concurrency, undo_job_id=order.job_id
            )
        if order.action is Action.BLOCK:
            return bulk.stream_block(
                accounts,
                order.reason,
                order.actor,
                concurrency=order.concurrency,
                job_id=order.job_id,
                review_at=order.review_at,
            )
        if order.action is Action.UNBLOCK:
            return bulk.stream_unblock(
                accounts, order.reason, order.actor, concurrency=order.concurrency, job_id=order.job_id
            )
        return bulk.stream_lookup(accounts, concurrency=order.concurrency)


def _ended_by_sigterm() -> contextlib.AbstractContextManager[None]:
    """Treat SIGTERM like Ctrl-C.

    What stops services shall find the same end.
    """
    task = asyncio.current_task()
    return contextlib.nullcontext() if task is None else handled(signal.SIGTERM, task.cancel)


@contextmanager
def _output(order: BulkCommand) -> Generator[Callable[[Account], object], None, None]:
    """Give a function that writes an account that was found."""
    if order.output is None:
        yield _leave
        return
    is_standard = order.output == STANDARD_STREAM
    try:
        with contextlib.nullcontext(sys.stdout.buffer) if is_standard else open(order.output, "wb") as out:  # noqa: PTH123 - /dev/fd/63 is a name, too
            encoding = sys.stdout.encoding if is_standard else "utf-8"
            yield lambda account: out.write(f"{shown_json(account.to_json(), encoding)}\n".encode(encoding))
            out.flush()
    except OSError as error:
        raise OutputError(f"what was found cannot be written: {error.strerror}") from None


def _leave(_account: Account) -> None:
    """Write it nowhere."""


def _ending_of(report: BulkReport, preview: Preview, status: Status, cause: TiliaError | None = None) -> Ending:
    return Ending(
        status=status,
        input=preview.found,
        preview=preview,
        counts=report.counts,
        failures=report.failures,
        overlaps=report.overlaps,
        elapsed=report.elapsed,
        cause=None if cause is None else str(cause),
        of_cause=ExitStatus.REFUSED if cause is None else exit_status_of(cause),
    )


def _ended(order: BulkCommand, ending: Ending) -> ExitStatus:
    if order.as_json or ending.status is not Status.BAD_INPUT:
        tell(order, ending)
    return ending.exit_status
