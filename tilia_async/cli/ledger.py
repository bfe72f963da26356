"""``tilia ledger``: read the record of blocks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import datetime
from enum import StrEnum
from typing import TextIO, TypeVar

import click

from tilia_async.cli.datetimes import moment
from tilia_async.cli.failure import CommandError
from tilia_async.cli.ledger_location import LedgerLocation
from tilia_async.cli.ledger_output import show_jobs, show_records, show_summaries
from tilia_async.cli.options import account_argument, existing_ledger_option, json_option
from tilia_async.cli.output_file import STANDARD_OUTPUT, text_file
from tilia_async.cli.terminal import complain
from tilia_async.ledger import BlockAction, BlockJob, BlockLedger, BlockRecord, RecordSource, RecordState
from tilia_async.ledger.block_job import RecordSummary
from tilia_async.ledger.ledger import existing_ledger, journal_of

T = TypeVar("T")


@click.group(no_args_is_help=True)
def ledger() -> None:
    """Read the record of blocks.

    Who was blocked, why, by whom, and what came of it.
    """


class Format(StrEnum):
    """Format of exported records."""

    CSV = "csv"
    JSONL = "jsonl"


_limit_option = click.option(
    "--limit", type=click.IntRange(1), default=1000, help="Show at most so many records; export writes all."
)
_job_option = click.option("--job", metavar="ID", help="Only of this bulk job.")
_reason_option = click.option("--reason", metavar="TEXT", help="Only for this reason.")
_actor_option = click.option("--actor", metavar="TEXT", help="Only by this one.")
_since_option = click.option(
    "--since", type=moment, metavar="DATE", help="Only asked for at or after it (ISO 8601; UTC if no offset)."
)
_until_option = click.option("--until", type=moment, metavar="DATE", help="Only asked for before it.")


@ledger.command()
@account_argument
@existing_ledger_option
@json_option
def history(account_id: str, ledger: LedgerLocation, as_json: bool) -> None:
    """Show all that was done to an account, oldest first."""
    show_records(_ask(ledger, lambda opened: opened.history(account_id)), as_json=as_json)


@ledger.command()
@_job_option
@existing_ledger_option
@_limit_option
@json_option
def pending(job: str | None, ledger: LedgerLocation, limit: int, as_json: bool) -> None:
    """Show what is left to do: intended, unknown and failed.

    The next run of the job does it.
    """
    _show_some(ledger, lambda opened: opened.pending(job), limit, as_json=as_json)


@ledger.command()
@click.option("--issuer", metavar="NAME", help="Only blocks of this one, e.g. publisher (you).")
@_job_option
@_reason_option
@_actor_option
@_since_option
@_until_option
@existing_ledger_option
@_limit_option
@json_option
def blocked(
    issuer: str | None,
    job: str | None,
    reason: str | None,
    actor: str | None,
    since: datetime | None,
    until: datetime | None,
    ledger: LedgerLocation,
    limit: int,
    as_json: bool,
) -> None:
    """Show the blocks in force, as this ledger knows.

    The filters ask of the block that is in force, the oldest of an account.
    """

    def asked(opened: BlockLedger) -> AsyncIterator[BlockRecord]:
        return opened.blocked(issuer, job_id=job, reason=reason, actor=actor, since=since, until=until)

    _show_some(ledger, asked, limit, as_json=as_json)


@ledger.command()
@click.option(
    "--by",
    type=click.Choice(["job", "reason", "actor"]),
    default="job",
    help="Sum up by jobs; or by reason or actor, single calls included.",
)
@existing_ledger_option
@json_option
def jobs(by: str, ledger: LedgerLocation, as_json: bool) -> None:
    """Show the bulk jobs, and what came of them.

    Or what was done for which reason, or by whom.
    """
    if by == "job":
        found = _ask(ledger, _all_jobs)
        show_jobs(found, as_json=as_json)
    else:
        show_summaries(_ask(ledger, lambda opened: _summed_up(opened, by)), by, as_json=as_json)


async def _all_jobs(opened: BlockLedger) -> list[BlockJob]:
    return [job async for job in opened.jobs()]


async def _summed_up(opened: BlockLedger, by: str) -> Sequence[RecordSummary]:
    from tilia_async.ledger.job_list import summaries  # noqa: PLC0415 - needs the extra

    return await summaries((await journal_of(opened)).database, by)


@ledger.command()
@click.option("--before", type=moment, required=True, metavar="DATE", help="ISO 8601; UTC if it has no offset.")
@existing_ledger_option
@_limit_option
@json_option
def due(before: datetime, ledger: LedgerLocation, limit: int, as_json: bool) -> None:
    """Show the blocks in force due before DATE.

    Their date of review is before DATE.
    """
    _show_some(ledger, lambda opened: opened.due_for_review(before), limit, as_json=as_json)


@ledger.command()
@click.argument("file", metavar="[FILE|-]", default=STANDARD_OUTPUT)
@click.option(
    "--format",
    "form",
    type=click.Choice([each.value for each in Format]),
    default=Format.CSV.value,
    help="csv for spreadsheets, jsonl for programs.",
)
@_job_option
@click.option("--account", metavar="ID", help="Only of this account.")
@click.option("--action", type=click.Choice([each.value for each in BlockAction]), help="Only of this kind.")
@click.option("--state", type=click.Choice([each.value for each in RecordState]), help="Only in this state.")
@_reason_option
@_actor_option
@click.option("--source", type=click.Choice([each.value for each in RecordSource]), help="Only entered this way.")
@_since_option
@_until_option
@existing_ledger_option
@click.option("--json", "as_json", is_flag=True, help="The same as --format jsonl.")
def export(
    file: str,
    form: str,
    job: str | None,
    account: str | None,
    action: str | None,
    state: str | None,
    reason: str | None,
    actor: str | None,
    source: str | None,
    since: datetime | None,
    until: datetime | None,
    ledger: LedgerLocation,
    as_json: bool,
) -> None:
    """Write records to FILE, oldest first.

    A file that is there is replaced when all is written; - is standard output.

    A new file is yours alone to read.
    """

    async def write(opened: BlockLedger, out: TextIO) -> int:
        return await opened.export(
            out,
            Format.JSONL.value if as_json else Format(form).value,
            job_id=job,
            account_id=account,
            action=None if action is None else BlockAction(action),
            state=None if state is None else RecordState(state),
            reason=reason,
            actor=actor,
            source=None if source is None else RecordSource(source),
            since=since,
            until=until,
        )

    try:
        with text_file(file) as out:
            number = _ask(ledger, lambda opened: write(opened, out))
    except OSError as error:
        raise CommandError(f"{file} cannot be written: {error.strerror}") from None
    complain(f"{number:,} {'record' if number == 1 else 'records'} exported")


def _ask(place: LedgerLocation, question: Callable[[BlockLedger], Awaitable[T]]) -> T:
    async def ask() -> T:
        async with existing_ledger(place.url) as opened:
            return await question(opened)

    return asyncio.run(ask())


def _show_some(
    place: LedgerLocation, question: Callable[[BlockLedger], AsyncIterator[BlockRecord]], limit: int, *, as_json: bool
) -> None:
    async def some(opened: BlockLedger) -> list[BlockRecord]:
        found: list[BlockRecord] = []
        async for record in question(opened):
            found.append(record)
            if len(found) > limit:
                break
        return found

    found = _ask(place, some)
    show_records(found[:limit], as_json=as_json)
    if len(found) > limit:
        complain(f"there are more than these {limit:,}: see --limit, or export them")
