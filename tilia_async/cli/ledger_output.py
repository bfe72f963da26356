"""Records and jobs, as ``tilia ledger`` prints them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

import attrs
from rich.cells import cell_len
from rich.text import Text

from tilia_async.cli.output import cell, show_rows
from tilia_async.cli.terminal import Screen
from tilia_async.ledger import BlockJob, BlockRecord, JobState, RecordSource, RecordState
from tilia_async.ledger.block_job import RecordSummary
from tilia_async.models.accounts import PUBLISHER

_INDENT: Final = 4
_STYLES: Final = {RecordState.CONFIRMED: "green", RecordState.REFUSED: "red", RecordState.FAILED: "red"}
_JOB_STYLES: Final = {JobState.FINISHED: "green", JobState.RUNNING: "cyan"}


def show_records(records: Sequence[BlockRecord], *, as_json: bool) -> None:
    """Print records, two lines for each."""
    if as_json:
        show_rows([attrs.asdict(record) for record in records], as_json=True)
        return
    console = Screen()
    if not records:
        console.print(Text("none", "dim"))
    for record in records:
        # Two lines, because the columns of a table would have no room for the ids in a terminal of common width.
        line = Text(f"{_when(record.requested_at)}  {record.action.value:7}  ")
        line.append(f"{record.state.value:9}", _STYLES.get(record.state, "yellow"))
        line.append(f"  {cell(record.account_id)}")
        console.print(line, soft_wrap=True)
        _print_details(console, _details(record))


def _details(record: BlockRecord) -> Iterator[str]:
    if record.reason:
        yield f"reason: {cell(record.reason)}"
    if record.actor:
        yield f"by {cell(record.actor)}"
    if record.job_id:
        yield f"job {cell(record.job_id)}"
    if record.issuer != PUBLISHER:
        yield f"issued by {cell(record.issuer)}"
    if record.source is RecordSource.WEBHOOK:
        yield "told by a notification"
    if record.review_at is not None:
        yield f"to be reviewed {_when(record.review_at)}"
    if record.error:
        yield f"error: {cell(record.error)}"


def _when(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%SZ}"


def _print_details(console: Screen, details: Iterable[str]) -> None:
    """Print what belongs to the line above.

    On one line, or on one for each where a terminal is too narrow. The terminal folds what is longer still.
    """
    each = list(details)
    one = "; ".join(each)
    columns = console.columns
    fits = columns is None or cell_len(one) + _INDENT <= columns
    for text in [one] if fits and one else each:
        console.print(Text(f"{' ' * _INDENT}{text}", "dim"), soft_wrap=True)


def show_jobs(jobs: Sequence[BlockJob], *, as_json: bool) -> None:
    """Print jobs, two lines for each."""
    if as_json:
        show_rows([attrs.asdict(job) for job in jobs], as_json=True)
        return
    console = Screen()
    if not jobs:
        console.print(Text("none", "dim"))
    for job in jobs:
        at = "not on record        " if job.started_at is None else _when(job.started_at)
        line = Text(f"{at}  {job.action:7}  ")
        line.append(f"{job.state.value:8}", _JOB_STYLES.get(job.state, "yellow"))
        line.append(f"  {cell(job.job_id)}")
        console.print(line, soft_wrap=True)
        _print_details(console, _job_details(job))


def _job_details(job: BlockJob) -> Iterator[str]:
    yield _outcomes(job.total, job.counts)
    if job.undoes:
        yield f"undoes {cell(job.undoes)}"
    if job.reason:
        yield f"reason: {cell(job.reason)}"
    if job.actor:
        yield f"by {cell(job.actor)}"
    if job.review_at is not None:
        yield f"to be reviewed {_when(job.review_at)}"
    yield f"at {cell(job.environment)}"


def show_summaries(summaries: Sequence[RecordSummary], by: str, *, as_json: bool) -> None:
    """Print sums by reason or actor, two lines for each."""
    if as_json:
        rows = [attrs.asdict(each) for each in summaries]
        show_rows([{by: row.pop("value"), **row} for row in rows], as_json=True)
        return
    console = Screen()
    if not summaries:
        console.print(Text("none", "dim"))
    for each in summaries:
        named = Text(f"no {by}", "dim") if each.value is None else Text(cell(each.value))
        console.print(Text.assemble(f"{each.action:7}  ", named), soft_wrap=True)
        when = f"{_when(each.first_at)} to {_when(each.last_at)}"
        _print_details(console, [_outcomes(each.total, each.counts), when])


def _outcomes(total: int, counts: Mapping[RecordState, int]) -> str:
    parts = [f"{number:,} {state.value.replace('_', ' ')}" for state in RecordState if (number := counts.get(state, 0))]
    accounts = "1 account" if total == 1 else f"{total:,} accounts"
    return ": ".join([accounts, ", ".join(parts)] if parts else [accounts])
