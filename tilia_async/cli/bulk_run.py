"""The run of ``tilia bulk``.

The first pass over the file, then the job.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import Generator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import BinaryIO, Final

import attrs
import orjson
from rich.text import Text

from tilia_async.bulk import BulkItem, BulkOutcome, BulkReport
from tilia_async.bulk.outcome import MOST_FAILURES
from tilia_async.cli.account_file import AccountFileError, ProblemKind, read
from tilia_async.cli.bulk_command import STANDARD_STREAM, Action, BulkCommand
from tilia_async.cli.bulk_summary import Ending, Input, Status, listed, tell
from tilia_async.cli.checked_ids import CheckedIds, NoRoomError, first_pass
from tilia_async.cli.failure import ExitStatus, exit_status_of
from tilia_async.cli.ledger_location import LedgerLocation
from tilia_async.cli.progress import Progress, progress_of
from tilia_async.cli.terminal import Screen, complain, say, shown_json
from tilia_async.client import TiliaClient
from tilia_async.config import Limits
from tilia_async.errors import BulkStoppedError, LedgerError, TiliaError, readable
from tilia_async.ledger import BlockAction, BlockLedger, RecordState
from tilia_async.ledger.intent import new_job_name
from tilia_async.ledger.ledger import journal_of
from tilia_async.ledger.record import OPEN_STATES

_TO: Final = {Action.BLOCK: "block", Action.UNBLOCK: "unblock", Action.UNDO: "look at", Action.LOOKUP: "look up"}
_AT_ONCE: Final = 500
"""Accounts that a dry run asks for at once.

It asks the ledger.
"""
_MAY_BE_OVERTAKEN: Final = frozenset({RecordState.CONFIRMED, *OPEN_STATES})
_NOTHING: Mapping[BulkOutcome, int] = dict.fromkeys(BulkOutcome, 0)


class OutputError(Exception):
    """Failure to write what a look-up found."""


def run(order: BulkCommand) -> ExitStatus:
    """Do it, tell about it, and return the exit status."""
    try:
        ledger = None if order.ledger is None else BlockLedger.open(order.ledger.url)
        # Settings that are missing are told before a large file is read.
        tilia = None if order.dry_run else _client(order, ledger)
        if order.undoes is not None and order.ledger is not None:
            return _undone(order, order.undoes, tilia, ledger, order.ledger)
        with _checked(order) as accounts:
            found = Input(accounts=accounts.total, left_out=accounts.flaws, problems=accounts.problems)
            if not _is_usable(order, found):
                return _ended(order, Ending(status=Status.BAD_INPUT, input=found, counts=_NOTHING))
            if tilia is None:
                return _dry(order, found, accounts, ledger)
            return _ended(order, _job(order, found, accounts, tilia, ledger))
    except AccountFileError as error:
        complain(f"tilia: {_name(order.file)}: {error}; nothing was sent")
        return ExitStatus.USAGE
    except NoRoomError as error:
        complain(f"tilia: {error}; nothing was sent")
        return ExitStatus.REFUSED
    except KeyboardInterrupt:
        complain("tilia: stopped by Ctrl-C before anything was sent")
        return ExitStatus.INTERRUPTED


def _client(order: BulkCommand, ledger: BlockLedger | None) -> TiliaClient:
    usual = Limits()
    limits = Limits(
        connections=max(usual.connections, order.concurrency), per_host=max(usual.per_host, order.concurrency)
    )
    return order.network.client(limits=limits, ledger=ledger)


def _undone(
    order: BulkCommand, undoes: str, tilia: TiliaClient | None, ledger: BlockLedger | None, place: LedgerLocation
) -> ExitStatus:
    lifted, kept, others = asyncio.run(_foreseen(undoes, BlockLedger.open(place.url)))
    found = Input(accounts=lifted + kept + others, left_out={}, problems=())
    if tilia is not None:
        return _ended(order, _job(order, found, undoes, tilia, ledger))
    if not found.accounts:
        complain(f"tilia: this ledger has no blocks of a job {readable(undoes)!r} that could be undone")
        return ExitStatus.USAGE
    counts = {**_NOTHING, BulkOutcome.KEPT: kept, BulkOutcome.SKIPPED: others}
    if order.as_json:
        return _ended(order, Ending(status=Status.ALL_DONE, input=found, counts=counts))
    say(f"{_accounts(found.accounts)} of job {readable(undoes)}; nothing was sent, this was a dry run.")
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


def _accounts(number: int) -> str:
    return "1 account" if number == 1 else f"{number:,} accounts"


@contextmanager
def _checked(order: BulkCommand) -> Generator[CheckedIds, None, None]:
    console = Screen(stderr=True)
    with contextlib.ExitStack() as opened:
        try:
            stream = opened.enter_context(_stream(order.file))
            if stream.isatty():
                console.print("reading account ids from the terminal, one per line; Ctrl-D ends")
            shows = console.is_terminal and not stream.isatty()
            with console.status(Text("checking the account ids")) if shows else contextlib.nullcontext():
                accounts = opened.enter_context(first_pass(read(stream, order.column)))
        except OSError as error:
            raise AccountFileError(f"it cannot be read: {error.strerror}") from None
        yield accounts


def _stream(file: str) -> AbstractContextManager[BinaryIO]:
    if file == STANDARD_STREAM:
        return contextlib.nullcontext(sys.stdin.buffer)
    return open(file, "rb")  # noqa: PTH123 - /dev/fd/63 is a name, too, and its file cannot be opened by another


def _is_usable(order: BulkCommand, found: Input) -> bool:
    """Say what is wrong with the file.

    It returns whether the job can begin all the same.
    """
    name = _name(order.file)
    if number := sum(found.left_out.values()):
        lines = "1 line" if number == 1 else f"{number:,} lines"
        complain(f"tilia: {name}: {lines} cannot be used: {listed(found.left_out)}")
        for problem in found.problems:
            complain(f"  line {problem.line}: {problem.what}")
        if number > len(found.problems):
            complain(f"  … and {number - len(found.problems):,} more")
        if not order.keeps_going:
            complain("Nothing was sent. Correct the file, or leave these lines out with --keep-going.")
            return False
    if not found.accounts:
        complain(f"tilia: {name}: there is no account id in it; nothing was sent")
        return False
    return True


def _dry(order: BulkCommand, found: Input, accounts: CheckedIds, ledger: BlockLedger | None) -> ExitStatus:
    confirmed = overtaken = 0
    # A ledger that is not there yet has nothing on record, and a dry run makes none.
    if ledger is not None and order.job_id is not None and order.ledger is not None and order.ledger.exists():
        confirmed, overtaken = asyncio.run(_confirmed(order.job_id, BlockAction(order.action), accounts, ledger))
    counts = {**_NOTHING, BulkOutcome.SKIPPED: confirmed, BulkOutcome.OVERTAKEN: overtaken}
    ending = Ending(status=Status.ALL_DONE, input=found, counts=counts)
    if order.as_json:
        return _ended(order, ending)
    say(f"{_accounts(found.accounts)} to {_TO[order.action]}; nothing was sent, this was a dry run.")
    if order.job_id is not None:
        say(f"{confirmed:,} of them are confirmed by job {readable(order.job_id)} already.")
    if overtaken:
        say(f"Of {overtaken:,} the opposite is on record since: the job leaves them alone.")
    return ExitStatus.DONE


async def _confirmed(job_id: str, action: BlockAction, accounts: CheckedIds, ledger: BlockLedger) -> tuple[int, int]:
    """Count the accounts that the job has confirmed.

    It counts those, too, of which the opposite is on record since.
    """
    from tilia_async.ledger.standing import overtaken  # noqa: PLC0415 - needs the extra

    counts = {True: 0, False: 0}
    since = dict(counts)
    async with ledger:
        database = (await journal_of(ledger)).database
        for is_confirmed in counts:
            names: list[str] = []
            async for record in ledger.records(job_id=job_id, action=action):
                is_of_these = (record.state is RecordState.CONFIRMED) is is_confirmed
                if is_of_these and record.state in _MAY_BE_OVERTAKEN and record.account_id in accounts:
                    names.append(record.account_id)
                    counts[is_confirmed] += 1
                if len(names) == _AT_ONCE:
                    since[is_confirmed] += await overtaken(database, names, job_id, action)
                    names.clear()
            since[is_confirmed] += await overtaken(database, names, job_id, action)
    return counts[True] - since[True], since[True] + since[False]


def _job(
    order: BulkCommand, found: Input, accounts: CheckedIds | str, tilia: TiliaClient, ledger: BlockLedger | None
) -> Ending:
    if order.job_id is not None:
        complain(f"job {readable(order.job_id)}")
    progress = progress_of(order.action, found.accounts)
    try:
        with progress:
            report = asyncio.run(_sent(order, accounts, tilia, ledger, progress))
    except BulkStoppedError as error:
        return _ending_of(error.report, found, Status.STOPPED, error.cause)
    except (LedgerError, NoRoomError, OutputError) as error:
        is_open = order.action is not Action.LOOKUP and progress.latest is not None
        of_cause = ExitStatus.UNKNOWN if is_open else ExitStatus.REFUSED
        return _cut_off(found, progress, Status.STOPPED, str(error), of_cause)
    except (KeyboardInterrupt, asyncio.CancelledError) as error:
        is_terminated = isinstance(error, asyncio.CancelledError)
        why = "SIGTERM" if is_terminated else "Ctrl-C"
        if progress.latest is not None and order.action is not Action.LOOKUP:
            why += "; what was under way may have taken effect"
        return _cut_off(found, progress, Status.TERMINATED if is_terminated else Status.INTERRUPTED, why)
    done = report.counts[BulkOutcome.DONE] + report.counts[BulkOutcome.SKIPPED]
    # An account that is twice in the file is done all the same; of another bad line nobody knows which it meant.
    lost = sum(number for flaw, number in found.left_out.items() if flaw is not ProblemKind.DUPLICATE)
    is_all_done = done == found.accounts and not lost
    return _ending_of(report, found, Status.ALL_DONE if is_all_done else Status.SOME_NOT_DONE)


def _cut_off(
    found: Input, progress: Progress, status: Status, cause: str, of_cause: ExitStatus = ExitStatus.REFUSED
) -> Ending:
    """Return the ending of a job without report.

    What was last heard of it.
    """
    latest = progress.latest
    if latest is None:
        return Ending(status=status, input=found, counts=_NOTHING, cause=cause, of_cause=of_cause)
    return Ending(
        status=status, input=found, counts=latest.counts, elapsed=latest.elapsed, cause=cause, of_cause=of_cause
    )


async def _sent(
    order: BulkCommand, accounts: CheckedIds | str, tilia: TiliaClient, ledger: BlockLedger | None, progress: Progress
) -> BulkReport:
    """Do the job, and return its ending.

    With the accounts of a list, or with those of the job of that name.
    """
    _end_at_sigterm()
    async with ledger or contextlib.nullcontext(), tilia:
        if isinstance(accounts, str):
            return await tilia.bulk.undo(
                accounts,
                order.reason,
                order.actor,
                concurrency=order.concurrency,
                undo_job_id=order.job_id,
                on_progress=progress.update,
            )
        if order.action is Action.BLOCK:
            return await tilia.bulk.block(
                accounts,
                order.reason,
                order.actor,
                concurrency=order.concurrency,
                job_id=order.job_id,
                review_at=order.review_at,
                on_progress=progress.update,
            )
        if order.action is Action.UNBLOCK:
            return await tilia.bulk.unblock(
                accounts,
                order.reason,
                order.actor,
                concurrency=order.concurrency,
                job_id=order.job_id,
                on_progress=progress.update,
            )
        return await _looked_up(order, accounts, tilia, progress)


def _end_at_sigterm() -> None:
    """Treat SIGTERM like Ctrl-C.

    What stops services shall find the same end.
    """
    task = asyncio.current_task()
    # Windows has no signal handlers in the loop, and no SIGTERM to speak of.
    with contextlib.suppress(NotImplementedError):
        if task is not None:
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)


async def _looked_up(order: BulkCommand, accounts: CheckedIds, tilia: TiliaClient, progress: Progress) -> BulkReport:
    """Look accounts up, and write them as they come.

    A report would hold every account in memory.
    """
    failures: list[BulkItem] = []
    encoding = sys.stdout.encoding if order.output == STANDARD_STREAM else "utf-8"
    with _output(order) as out:
        async with tilia.bulk.stream_lookup(accounts, concurrency=order.concurrency) as items:
            async for item in items:
                if item.account is None and len(failures) < MOST_FAILURES:
                    failures.append(item)
                elif out is not None and item.account is not None:
                    line = shown_json(orjson.dumps(attrs.asdict(item.account)).decode(), encoding)
                    out.write(f"{line}\n".encode(encoding))
                progress.update(items.progress())
    end = items.progress()
    return BulkReport(
        order.action, new_job_name(order.action), end.total, end.counts, tuple(failures), elapsed=end.elapsed
    )


@contextmanager
def _output(order: BulkCommand) -> Generator[BinaryIO | None, None, None]:
    if order.output is None:
        yield None
        return
    is_standard = order.output == STANDARD_STREAM
    try:
        with contextlib.nullcontext(sys.stdout.buffer) if is_standard else open(order.output, "wb") as out:  # noqa: PTH123 - /dev/fd/63 is a name, too
            yield out
            out.flush()
    except OSError as error:
        raise OutputError(f"what was found cannot be written: {error.strerror}") from None


def _ending_of(report: BulkReport, found: Input, status: Status, cause: TiliaError | None = None) -> Ending:
    return Ending(
        status=status,
        input=found,
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


def _name(file: str) -> str:
    return "standard input" if file == STANDARD_STREAM else readable(file)
