"""``tilia ledger``: read the record of blocks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Final, TextIO, TypeVar

import attrs
import typer
from rich.padding import Padding
from rich.text import Text

from tilia_async.cli.datetimes import moment
from tilia_async.cli.ledger_location import LedgerLocation, LedgerOption
from tilia_async.cli.output import cell, show_rows
from tilia_async.cli.output_file import STANDARD_OUTPUT, text_file
from tilia_async.cli.terminal import Screen, complain
from tilia_async.ledger import BlockAction, BlockLedger, BlockRecord, RecordSource, RecordState
from tilia_async.ledger.ledger import existing_ledger
from tilia_async.models.accounts import PUBLISHER

T = TypeVar("T")

_STYLES: Final = {RecordState.CONFIRMED: "green", RecordState.REFUSED: "red", RecordState.FAILED: "red"}

ledger: typer.Typer = typer.Typer(
    no_args_is_help=True,
    help="Read the record of blocks: who was blocked, why, by whom, and what came of it.",
)


class Format(StrEnum):
    """Format of exported records."""

    CSV = "csv"
    JSONL = "jsonl"


Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
Limit = Annotated[int, typer.Option(min=1, help="Show at most so many records; export writes all.")]
Job = Annotated[str | None, typer.Option("--job", help="Only of this bulk job.")]


@ledger.command()
def history(
    account_id: Annotated[str, typer.Argument(metavar="ACCOUNT", help="The account's id.")],
    ledger: LedgerOption = None,
    json: Json = False,
) -> None:
    """Show all that was done to an account, oldest first."""
    _show(_ask(ledger, lambda opened: opened.history(account_id)), as_json=json)


@ledger.command()
def pending(job: Job = None, ledger: LedgerOption = None, limit: Limit = 1000, json: Json = False) -> None:
    """Show what is left to do: intended, unknown and failed.

    The next run of the job does it.
    """
    _show_some(ledger, lambda opened: opened.pending(job), limit, as_json=json)


@ledger.command()
def blocked(
    issuer: Annotated[str | None, typer.Option(help="Only blocks of this one, e.g. publisher (you).")] = None,
    ledger: LedgerOption = None,
    limit: Limit = 1000,
    json: Json = False,
) -> None:
    """Show the blocks in force, as this ledger knows."""
    _show_some(ledger, lambda opened: opened.blocked(issuer), limit, as_json=json)


@ledger.command()
def due(
    before: Annotated[datetime, typer.Option(parser=moment, metavar="DATE", help="ISO 8601; UTC if it has no offset.")],
    ledger: LedgerOption = None,
    limit: Limit = 1000,
    json: Json = False,
) -> None:
    """Show the blocks in force due before DATE.

    Their date of review is before DATE.
    """
    _show_some(ledger, lambda opened: opened.due_for_review(before), limit, as_json=json)


@ledger.command()
def export(
    file: Annotated[str, typer.Argument(metavar="[FILE|-]", help="Where to; - is standard output.")] = STANDARD_OUTPUT,
    format: Annotated[Format, typer.Option(help="csv for spreadsheets, jsonl for programs.")] = Format.CSV,  # noqa: A002 - the option's name
    job: Job = None,
    account: Annotated[str | None, typer.Option(help="Only of this account.")] = None,
    action: Annotated[BlockAction | None, typer.Option(help="Only of this kind.")] = None,
    state: Annotated[RecordState | None, typer.Option(help="Only in this state.")] = None,
    actor: Annotated[str | None, typer.Option(help="Only by this one.")] = None,
    source: Annotated[RecordSource | None, typer.Option(help="Only entered this way.")] = None,
    since: Annotated[
        datetime | None,
        typer.Option(parser=moment, metavar="DATE", help="Only asked for at or after it (ISO 8601; UTC if no offset)."),
    ] = None,
    until: Annotated[
        datetime | None, typer.Option(parser=moment, metavar="DATE", help="Only asked for before it.")
    ] = None,
    ledger: LedgerOption = None,
    json: Annotated[bool, typer.Option("--json", help="The same as --format jsonl.")] = False,
) -> None:
    """Write records to a file, oldest first.

    A file that is there is replaced when all is written.

    A new file is yours alone to read.
    """

    async def write(opened: BlockLedger, out: TextIO) -> int:
        return await opened.export(
            out,
            Format.JSONL.value if json else format.value,
            job_id=job,
            account_id=account,
            action=action,
            state=state,
            actor=actor,
            source=source,
            since=since,
            until=until,
        )

    try:
        with text_file(file) as out:
            number = _ask(ledger, lambda opened: write(opened, out))
    except OSError as error:
        complain(f"tilia: {file} cannot be written: {error.strerror}")
        raise typer.Exit(1) from None
    complain(f"{number:,} {'record' if number == 1 else 'records'} exported")


def _ask(given: str | None, question: Callable[[BlockLedger], Awaitable[T]]) -> T:
    place = LedgerLocation.existing(given)

    async def ask() -> T:
        async with existing_ledger(place.url) as opened:
            return await question(opened)

    return asyncio.run(ask())


def _show_some(
    given: str | None, question: Callable[[BlockLedger], AsyncIterator[BlockRecord]], limit: int, *, as_json: bool
) -> None:
    async def some(opened: BlockLedger) -> list[BlockRecord]:
        found: list[BlockRecord] = []
        async for record in question(opened):
            found.append(record)
            if len(found) > limit:
                break
        return found

    found = _ask(given, some)
    _show(found[:limit], as_json=as_json)
    if len(found) > limit:
        complain(f"there are more than these {limit:,}: see --limit, or export them")


def _show(records: Sequence[BlockRecord], *, as_json: bool) -> None:
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
        if details := "; ".join(_details(record)):
            console.print(Padding.indent(Text(details, "dim"), 4))


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
