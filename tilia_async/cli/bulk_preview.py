"""The words before ``tilia bulk`` begins.

Where it goes, to whom, and what is done already; and the question in production.
"""

from __future__ import annotations

import asyncio
import sys
from itertools import islice
from typing import Final

import attrs

from tilia_async.cli.bulk_command import STANDARD_STREAM, Action, BulkCommand
from tilia_async.cli.bulk_input import Input, file_name
from tilia_async.cli.checked_ids import CheckedIds, NoRoomError
from tilia_async.cli.failure import CommandError, ExitStatus
from tilia_async.cli.output import cell, show_lines
from tilia_async.cli.terminal import Screen, ask_for
from tilia_async.config import Environment, Service, from_environment
from tilia_async.errors import ConfigurationError, LedgerError
from tilia_async.ledger import BlockAction, BlockLedger, RecordState
from tilia_async.ledger.ledger import existing_ledger, journal_of
from tilia_async.ledger.record import OPEN_STATES

_AT_ONCE: Final = 500
"""Accounts that the ledger is asked for at once."""
_MAY_BE_OVERTAKEN: Final = frozenset({RecordState.CONFIRMED, *OPEN_STATES})


@attrs.frozen(kw_only=True)
class OnRecord:
    """Knowledge of the ledger about the accounts.

    Attributes:
        blocked: how many are blocked, or may be.
        confirmed: how many this job has confirmed: they are skipped.
        overtaken: of how many the opposite is on record since: they are left alone.
        problem: why the ledger could not be asked, which stops no dry run.
    """

    blocked: int = 0
    confirmed: int = 0
    overtaken: int = 0
    problem: str | None = None


@attrs.frozen(kw_only=True)
class Undoing:
    """Accounts by what undoing a job would do."""

    lifted: int
    kept: int
    others: int


@attrs.frozen(kw_only=True)
class Preview:
    """Facts about a job that is to begin.

    Attributes:
        environment: None if it is not set, which a dry run does not mind.
        on_record: None without a ledger.
    """

    order: BulkCommand
    found: Input
    environment: Environment | None
    on_record: OnRecord | None = None
    undoing: Undoing | None = None

    @property
    def is_in_production(self) -> bool:
        """True if real users are meant."""
        place = self.environment
        return place is not None and place.url(Service.ACCOUNTS) == Environment.PRODUCTION.url(Service.ACCOUNTS)

    @property
    def asks(self) -> bool:
        """True if somebody has to agree first."""
        return not self.order.yes and self.order.action is not Action.LOOKUP and self.is_in_production

    @property
    def cannot_ask(self) -> bool:
        """True if nobody sits at a terminal."""
        return self.order.file == STANDARD_STREAM or not (sys.stdin.isatty() and sys.stderr.isatty())

    def fields(self) -> dict[str, object]:
        """Return the facts for programs."""
        order, found, known = self.order, self.found, self.on_record
        return {
            "environment": None if self.environment is None else self.environment.name,
            "ledger": None if order.ledger is None else order.ledger.shown,
            "read_as": dict(found.read_as),
            "first": None if found.ends is None else found.ends[0],
            "last": None if found.ends is None else found.ends[1],
            "merged": found.merged,
            "already_blocked": None if known is None or known.problem else known.blocked,
        }

    def show(self, console: Screen) -> None:
        """Print it, a line for each fact."""
        order, found = self.order, self.found
        lines: dict[str, str] = {"environment": self._place()}
        if order.undoes is None:
            lines["file"] = file_name(order.file)
            words = [f"column {text}" if name == "column" else text for name, text in found.read_as.items()]
            lines["read as"] = ", ".join(words)
        else:
            lines["job to undo"] = order.undoes
        if found.ends is not None:
            lines |= {"first": found.ends[0], "last": found.ends[1]}
        if found.merged:
            lines["merged"] = f"{found.merged:,} {'line names' if found.merged == 1 else 'lines name'} an account again"
        if found.is_strange:
            lines["note"] = "none has the form of Tilia's ids, acct_… or a UUID; for usernames: --by username"
        if order.action is not Action.LOOKUP:
            lines |= {"reason": order.reason or "none", "actor": order.actor or "none"}
            lines |= self._record()
        console.print(f"{order.action}: {counted(found.accounts)}")
        show_lines(console, {f"  {name}": cell(text) for name, text in lines.items()})

    def _place(self) -> str:
        if self.environment is None:
            return "not set: TILIA_ENVIRONMENT"
        name, template = self.environment.name, self.environment.template
        return name if name == template else f"{name}: {template}"

    def _record(self) -> dict[str, str]:
        order, known = self.order, self.on_record
        if order.ledger is None:
            return {
                "ledger": "none: nothing will be on record",
                "blocked": "not known without a ledger; tilia bulk lookup asks Tilia",
            }
        lines = {"ledger": order.ledger.shown}
        if not order.ledger.exists():
            lines["ledger"] += ", a new one"
        if order.job_id is not None:
            lines["job"] = order.job_id
        if known is not None and known.problem is not None:
            lines["blocked"] = f"not known: {known.problem}"
        elif known is not None:
            lines["blocked"] = f"{known.blocked:,} already, as the ledger knows"
            if known.confirmed:
                lines["skipped"] = f"{known.confirmed:,}, confirmed by this job before"
            if known.overtaken:
                lines["left alone"] = f"{known.overtaken:,}, the opposite is on record since"
        # A dry run says it in sentences of its own.
        if self.undoing is not None and not order.dry_run:
            lines["unblocked"] = f"{self.undoing.lifted:,}, nothing else blocks them"
            lines["kept"] = f"{self.undoing.kept:,}, something else blocks them, too, or may"
        return lines


def environment_of(order: BulkCommand) -> Environment | None:
    """Return the environment that is set.

    A dry run does without one.

    Raises:
        ConfigurationError: it is not set, or wrong.
    """
    try:
        return Environment.of(from_environment("TILIA_ENVIRONMENT").reveal())
    except ConfigurationError:
        if order.dry_run:
            return None
        raise


def on_record(order: BulkCommand, accounts: CheckedIds) -> OnRecord | None:
    """Ask the ledger about the accounts of a job.

    One that is not there yet has nothing on record, and a dry run makes none.

    Raises:
        CommandError: the accounts cannot be read any more.
        LedgerError: the ledger cannot be read, and this is no dry run.
    """
    if order.ledger is None or order.action is Action.LOOKUP:
        return None
    if not order.ledger.exists():
        return OnRecord()
    ledger = existing_ledger(order.ledger.url) if order.dry_run else BlockLedger.open(order.ledger.url)
    try:
        return asyncio.run(_on_record(ledger, order.job_id, BlockAction(order.action), accounts))
    except NoRoomError as error:
        raise CommandError(f"{error}; nothing was sent") from None
    except LedgerError as error:
        if not order.dry_run:
            raise
        # The person at the command asked for no operation of that name.
        return OnRecord(problem=str(error).removeprefix(f"{error.operation}: "))


async def _on_record(opened: BlockLedger, job_id: str | None, action: BlockAction, accounts: CheckedIds) -> OnRecord:
    from tilia_async.ledger.standing import blocked  # noqa: PLC0415 - needs the extra

    async with opened as ledger:
        database = (await journal_of(ledger)).database
        number = 0
        waiting = iter(accounts)
        while some := list(islice(waiting, _AT_ONCE)):
            number += await blocked(database, some)
        if job_id is None:
            return OnRecord(blocked=number)
        confirmed, overtaken = await _confirmed(ledger, job_id, action, accounts)
    return OnRecord(blocked=number, confirmed=confirmed, overtaken=overtaken)


async def _confirmed(ledger: BlockLedger, job_id: str, action: BlockAction, accounts: CheckedIds) -> tuple[int, int]:
    """Count the accounts that the job has confirmed.

    It counts those, too, of which the opposite is on record since.
    """
    from tilia_async.ledger.standing import overtaken  # noqa: PLC0415 - needs the extra

    counts = {True: 0, False: 0}
    since = dict(counts)
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


def announce(preview: Preview) -> None:
    """Say what begins, and ask before real users are changed.

    Raises:
        CommandError: nobody can be asked, or nobody agrees.
    """
    # A program finds it in the summary.
    if not preview.order.as_json or (preview.asks and not preview.cannot_ask):
        preview.show(Screen(stderr=True))
    if not preview.asks:
        return
    if preview.cannot_ask:
        raise CommandError(
            "this is production, and nobody can be asked here: say --yes. Nothing was sent", ExitStatus.USAGE
        )
    wanted = str(preview.found.accounts)
    answer = ask_for(f"This is production. Type the number of accounts, {wanted}, to {preview.order.action} them: ")
    if answer.strip().replace(",", "") != wanted:
        raise CommandError("nothing was sent")


def counted(number: int) -> str:
    return "1 account" if number == 1 else f"{number:,} accounts"
