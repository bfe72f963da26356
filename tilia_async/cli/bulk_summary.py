"""The summary at the end of ``tilia bulk``.

A table for people, JSON for programs.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from itertools import islice
from typing import Final

import attrs
from rich.table import Table
from rich.text import Text

from tilia_async.bulk import BulkItem, BulkOutcome
from tilia_async.bulk.outcome import MOST_FAILURES
from tilia_async.cli.bulk_command import STANDARD_STREAM, Action, BulkCommand
from tilia_async.cli.bulk_input import Input, listed
from tilia_async.cli.bulk_preview import Preview
from tilia_async.cli.failure import ExitStatus
from tilia_async.cli.output import Cell, cell, show_fields
from tilia_async.cli.progress import duration
from tilia_async.cli.terminal import Screen
from tilia_async.ledger.record import described

_SHOWN_REASONS: Final = 5
_SHOWN_IDS: Final = 5

_DONE: Final = {
    Action.BLOCK: "blocked",
    Action.UNBLOCK: "unblocked",
    Action.UNDO: "unblocked: nothing else blocks them",
    Action.LOOKUP: "found",
}
_MEANING: Final = {
    BulkOutcome.SKIPPED: "confirmed by an earlier run of this job",
    BulkOutcome.OVERTAKEN: "left alone, the opposite is on record since",
    BulkOutcome.KEPT: "still blocked: something else blocks them, too",
    BulkOutcome.NOT_FOUND: "Tilia knows no such account",
    BulkOutcome.REFUSED: "Tilia refused it for this account",
    BulkOutcome.UNKNOWN: "may have taken effect: no answer tells",
    BulkOutcome.FAILED: "had no effect",
}


_LEFT: Final = {
    False: "not begun, or without effect so far",
    True: "not begun, or on record for the next run",
}
"""Meaning of accounts without an outcome.

With a ledger an answer may be on record that was not told any more.
"""


class Status(StrEnum):
    """Status of a job at its end."""

    ALL_DONE = "all_done"
    SOME_NOT_DONE = "some_not_done"
    BAD_INPUT = "bad_input"
    STOPPED = "stopped"
    INTERRUPTED = "interrupted"
    """Stopped by Ctrl-C."""
    TERMINATED = "terminated"
    """Stopped by SIGTERM."""


_EXIT_STATUS: Final = {
    Status.ALL_DONE: ExitStatus.DONE,
    Status.BAD_INPUT: ExitStatus.USAGE,
    Status.INTERRUPTED: ExitStatus.INTERRUPTED,
    Status.TERMINATED: ExitStatus.TERMINATED,
}


@attrs.frozen(kw_only=True)
class Ending:
    """Ending of a job.

    Attributes:
        elapsed: in seconds.
        preview: what was said before; None if nothing could begin.
        cause: why it stopped before its end.
        of_cause: the exit status that the cause has by itself.
    """

    status: Status
    input: Input
    counts: Mapping[BulkOutcome, int]
    preview: Preview | None = None
    failures: Sequence[BulkItem] = ()
    overlaps: Sequence[BulkItem] = ()
    elapsed: float = 0.0
    cause: str | None = None
    of_cause: ExitStatus = ExitStatus.REFUSED

    @property
    def exit_status(self) -> ExitStatus:
        """The exit status; doubt about one account is doubt."""
        if self.counts.get(BulkOutcome.UNKNOWN):
            return _EXIT_STATUS.get(self.status, ExitStatus.UNKNOWN)
        if self.status is Status.STOPPED:
            return self.of_cause
        return _EXIT_STATUS.get(self.status, ExitStatus.REFUSED)

    @property
    def settled(self) -> int:
        """Number of accounts that have an outcome."""
        return sum(self.counts.values())

    @property
    def left(self) -> int:
        """Number of accounts that have no outcome.

        The job was cut off.
        """
        is_over = self.preview is None or self.status in {Status.ALL_DONE, Status.SOME_NOT_DONE, Status.BAD_INPUT}
        return 0 if is_over else max(0, self.input.accounts - self.settled)

    @property
    def leaves_something(self) -> bool:
        """Another run of the job would have something to do."""
        open_outcomes = self.counts.get(BulkOutcome.UNKNOWN, 0) + self.counts.get(BulkOutcome.FAILED, 0)
        return self.status not in {Status.ALL_DONE, Status.SOME_NOT_DONE} or open_outcomes > 0


def tell(order: BulkCommand, ending: Ending) -> None:
    """Print the summary on standard output.

    It goes to standard error if what a look-up finds goes to standard output.
    """
    if order.as_json:
        show_fields(_fields(order, ending), as_json=True)
        return
    console = Screen(stderr=order.output == STANDARD_STREAM)
    rate = f", {ending.settled / ending.elapsed:,.0f} a second" if ending.elapsed else ""
    seconds = duration(ending.elapsed) if ending.elapsed >= 10 else f"{ending.elapsed:.1f} s"
    console.print(
        _headed(order.action, f"{ending.settled:,} of {ending.input.accounts:,} accounts in {seconds}{rate}", "bold")
    )
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(style="dim")
    for outcome, number in ending.counts.items():
        if number or outcome is BulkOutcome.DONE:
            meaning = _meaning(order.action, outcome)
            table.add_row(_label(outcome), f"{number:,}", meaning)
    if left := ending.left:
        table.add_row("left", f"{left:,}", _LEFT[order.ledger is not None])
    if left_out := sum(ending.input.left_out.values()):
        table.add_row("left out", f"{left_out:,}", f"lines of the file: {listed(ending.input.left_out)}")
    console.print(table)
    for line in (*_failures(order, ending), *_overlaps(ending)):
        console.print(line, soft_wrap=True)
    if ending.cause is not None:
        console.print(_headed("stopped", cell(ending.cause), "bold red"), soft_wrap=True)
    for line in _how_to_go_on(order, ending):
        # A command that is broken into lines could not be copied.
        console.print(line, soft_wrap=True)


def _headed(head: str, text: str, style: str) -> Text:
    return Text.assemble((head, style), f": {text}")


def _meaning(action: Action, outcome: BulkOutcome) -> str:
    if outcome is BulkOutcome.DONE:
        return _DONE[action]
    if outcome is BulkOutcome.SKIPPED and action is Action.UNDO:
        return "unblocked before: by this job, or by others since"
    return _MEANING[outcome]


def _label(outcome: BulkOutcome) -> str:
    return outcome.replace("_", " ")


def _failures(order: BulkCommand, ending: Ending) -> Iterator[str | Text]:
    """Return the failures, grouped by reason.

    Of a thousand accounts most have few.
    """
    groups: dict[tuple[BulkOutcome, str], list[str]] = {}
    for item in ending.failures:
        groups.setdefault((item.outcome, str(item.error or "")), []).append(item.account_id)
    # What stopped the job is told once, at the end.
    others = {key: ids for key, ids in groups.items() if key[1] != ending.cause}
    for (outcome, why), ids in islice(others.items(), _SHOWN_REASONS):
        yield _headed(_label(outcome), cell(why), "bold")
        more = f" and {len(ids) - _SHOWN_IDS:,} more" if len(ids) > _SHOWN_IDS else ""
        yield f"  {cell(', '.join(ids[:_SHOWN_IDS]))}{more}"
    is_cut = len(others) > _SHOWN_REASONS or any(len(ids) > _SHOWN_IDS for ids in others.values())
    if is_cut and order.ledger is not None and order.job_id is not None:
        export = f"tilia ledger export --job {shlex.quote(order.job_id)} {order.ledger.option}"
        yield f"All of them: {cell(export)}"
    elif is_cut:
        yield "With --json there are up to a thousand of them."


def _overlaps(ending: Ending) -> Iterator[str | Text]:
    """Return the accounts that several blocks held.

    One of the blocks may have been rightful.
    """
    if not ending.overlaps:
        return
    several = f"{len(ending.overlaps):,}{' or more' if len(ending.overlaps) == MOST_FAILURES else ''}"
    yield _headed("overlaps", f"several blocks held {several} of them, and all were lifted:", "bold")
    for item in ending.overlaps[:_SHOWN_IDS]:
        yield f"  {cell(item.account_id)}: {cell('; '.join(map(described, item.also_blocked_by)))}"
    if len(ending.overlaps) > _SHOWN_IDS:
        yield f"  and {len(ending.overlaps) - _SHOWN_IDS:,} more: see --json"
    yield "(tilia bulk undo JOB would have lifted only what a job alone had caused.)"


def _how_to_go_on(order: BulkCommand, ending: Ending) -> Iterator[str]:
    if order.action is Action.LOOKUP:
        return
    if order.ledger is None:
        yield (
            "Nothing was recorded: another run begins from the start. "
            "With --ledger FILE (pip install 'tilia-sdk[ledger]') it would go on where this one ended."
        )
        return
    if not ending.leaves_something:
        yield f"Recorded as job {cell(order.job_id)}."
        return
    yield f"To go on with job {cell(order.job_id)}:"
    yield f"  {cell(order.command())}"
    if order.ledger.is_variable_to_be_set:
        yield "(Put the ledger's URL into TILIA_LEDGER first; it is not shown, because it may have a password in it.)"
    if order.network.proxy is not None:
        yield "(Put the proxy's URL into TILIA_PROXY first; it is not shown, because it may have a password in it.)"
    if order.file == STANDARD_STREAM:
        yield "(Give it the same ids at its standard input.)"


def _fields(order: BulkCommand, ending: Ending) -> dict[str, Cell]:
    goes_on = order.ledger is not None and ending.leaves_something
    problems = [{"line": each.line, "flaw": each.flaw, "what": each.what} for each in ending.input.problems]
    failures = [
        {
            "account_id": item.account_id,
            "outcome": item.outcome,
            "attempts": item.attempts,
            "error": None if item.error is None else str(item.error),
            "also_blocked_by": _blocks(item),
        }
        for item in ending.failures
    ]
    return {
        "action": order.action,
        "status": "dry_run" if order.dry_run and ending.status is Status.ALL_DONE else ending.status,
        "job_id": order.job_id,
        "recorded": order.ledger is not None and not order.dry_run,
        "accounts": ending.input.accounts,
        "settled": ending.settled,
        "left": ending.left,
        "counts": {outcome.value: number for outcome, number in ending.counts.items()},
        "elapsed": ending.elapsed,
        "cause": ending.cause,
        "preview": None if ending.preview is None else ending.preview.fields(),
        "left_out": {flaw.value: number for flaw, number in ending.input.left_out.items()},
        "problems": problems,
        "failures": failures,
        "overlaps": [{"account_id": item.account_id, "also_blocked_by": _blocks(item)} for item in ending.overlaps],
        # Arguments of a command may be no text, which JSON has no way to say.
        "go_on": order.command().encode("utf-8", "backslashreplace").decode() if goes_on else None,
    }


def _blocks(item: BulkItem) -> list[dict[str, Cell]]:
    return [attrs.asdict(each) for each in item.also_blocked_by]
