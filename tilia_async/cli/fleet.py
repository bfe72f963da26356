"""``tilia fleet``: jobs that many processes and hosts share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from functools import wraps
from typing import TYPE_CHECKING, Concatenate, Final, ParamSpec, TypeVar

import click

from tilia_async.cli.account_file import FileOptions
from tilia_async.cli.bulk import (
    concurrency_option,
    dry_run_option,
    file_argument,
    file_options,
    keep_going_option,
    yes_option,
)
from tilia_async.cli.bulk_command import Action, BulkCommand
from tilia_async.cli.bulk_run import run
from tilia_async.cli.datetimes import moment
from tilia_async.cli.failure import ExitStatus
from tilia_async.cli.fleet_budget import budget_option
from tilia_async.cli.fleet_status import fields_of, is_all_done, watch, worker_rows
from tilia_async.cli.fleet_tokens import tokens_option
from tilia_async.cli.ledger_location import LedgerLocation
from tilia_async.cli.network import Network
from tilia_async.cli.options import actor_option, existing_ledger_option, json_option, network_options
from tilia_async.cli.output import show_fields, show_rows
from tilia_async.cli.terminal import complain
from tilia_async.client import TiliaClient
from tilia_async.config import Limits
from tilia_async.fleet import JobStatus
from tilia_async.ledger import BlockAction, BlockLedger
from tilia_async.ledger.intent import new_job_name

if TYPE_CHECKING:
    from tilia_async.fleet import RedisBudget
    from tilia_async.tokens import TokenCache

P = ParamSpec("P")
R = TypeVar("R")

_STEERED: Final = {
    "pause": "Pause a job: within seconds nothing more of it is sent.",
    "resume": "Go on with a job that was paused or cancelled.",
    "cancel": "Cancel a job: within seconds nothing more of it is sent. What is done stays done.",
    "retry": "Try the accounts of a job again that failed or are unknown.",
}


@click.group(no_args_is_help=True)
def fleet() -> None:
    """Share jobs among workers on many hosts.

    They share a ledger on PostgreSQL: --ledger or TILIA_LEDGER.
    """


def _shared(command: Callable[Concatenate[Network, LedgerLocation, P], R]) -> Callable[P, R]:
    """Give a command the options of its ledger and network.

    Its first two parameters get them.
    """

    @network_options
    @existing_ledger_option
    @wraps(command)
    def with_ledger(network: Network, /, *args: P.args, **kwargs: P.kwargs) -> R:
        ledger = kwargs.pop("ledger")
        if not isinstance(ledger, LedgerLocation):
            raise TypeError("the option of the ledger gives a location")
        return command(network, ledger, *args, **kwargs)

    return with_ledger


@fleet.command()
@json_option
@tokens_option
@_shared
def install(network: Network, ledger: LedgerLocation, *, as_json: bool, tokens: TokenCache | None) -> None:
    """Make the fleet's tables in the ledger's database.

    And those of the tokens, if they are to lie in a PostgreSQL. submit and work make the fleet's by themselves, and a
    worker those of its tokens, if the user of the URL may make tables.
    """
    made = network.ask(lambda tilia: tilia.fleet.install(), ledger, tokens)
    if as_json:
        show_fields({"installed": made}, as_json=True)
    else:
        complain("the tables of procrastinate were made" if made else "the tables are there")


@fleet.command()
@file_argument
@click.option("--reason", required=True, metavar="TEXT", help="Why, for the ledger; Tilia keeps none.")
@actor_option
@click.option(
    "--action",
    type=click.Choice([each.value for each in BlockAction]),
    default=BlockAction.BLOCK.value,
    help="What is done to each account.",
)
@click.option(
    "--review-at", type=moment, metavar="DATE", help="When to look at the blocks again (ISO 8601; UTC if no offset)."
)
@click.option("--job", "job_id", metavar="ID", help="The job's name. Default: one is made.")
@keep_going_option
@dry_run_option
@yes_option
@file_options
@json_option
@_shared
def submit(
    network: Network,
    ledger: LedgerLocation,
    options: FileOptions,
    /,
    *,
    file: str,
    reason: str,
    actor: str | None,
    action: str,
    review_at: datetime | None,
    job_id: str | None,
    keeps_going: bool,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Submit the accounts of a file as a job.

    All of them are entered, or none. Workers begin at once. It is what tilia bulk block --fleet does.
    """
    order = BulkCommand(
        action=Action(action),
        file=file,
        options=options,
        keeps_going=keeps_going,
        reason=reason,
        actor=actor,
        review_at=review_at,
        ledger=ledger,
        job_id=job_id or (None if dry_run else new_job_name(action)),
        dry_run=dry_run,
        yes=yes,
        as_json=as_json,
        is_shared=True,
        network=network,
    )
    raise click.exceptions.Exit(run(order))


@fleet.command()
@concurrency_option
@click.option("--until-idle", is_flag=True, help="Leave as soon as no job runs.")
@budget_option
@tokens_option
@_shared
def work(
    network: Network,
    ledger: LedgerLocation,
    *,
    concurrency: int,
    until_idle: bool,
    budget: RedisBudget | None,
    tokens: TokenCache | None,
) -> None:
    """Be a worker until SIGTERM or Ctrl-C.

    What is in flight then has some seconds to end; the rest is left to other workers.
    """
    usual = Limits()
    limits = Limits(connections=max(usual.connections, concurrency), per_host=max(usual.per_host, concurrency))

    async def do() -> None:
        async with (
            BlockLedger.open(ledger.url) as record,
            network.client(ledger=record, limits=limits, token_cache=tokens) as tilia,
        ):
            shared = tilia.fleet if budget is None else tilia.fleet.with_budget(budget)
            complain("working; SIGTERM or Ctrl-C ends it")
            await shared.work(concurrency=concurrency, until_idle=until_idle)

    try:
        asyncio.run(do())
    except KeyboardInterrupt:
        complain("tilia: stopped by Ctrl-C; what was not done is left to other workers")
        raise click.exceptions.Exit(ExitStatus.INTERRUPTED) from None


@fleet.command()
@click.argument("job", metavar="JOB")
@click.option("--watch", "watches", is_flag=True, help="Show it until the job ends; exit status 1: not all is done.")
@json_option
@_shared
def status(network: Network, ledger: LedgerLocation, *, job: str, watches: bool, as_json: bool) -> None:
    """Show how far a job is."""
    found = network.ask(
        lambda tilia: watch(tilia.fleet, job, as_json=as_json) if watches else tilia.fleet.status(job), ledger
    )
    _show(found, as_json=as_json)
    raise click.exceptions.Exit(ExitStatus.REFUSED if watches and not is_all_done(found) else ExitStatus.DONE)


@fleet.command()
@click.argument("job", metavar="JOB")
@json_option
@_shared
def failures(network: Network, ledger: LedgerLocation, *, job: str, as_json: bool) -> None:
    """Show the settled accounts that are not done."""

    async def ask(tilia: TiliaClient) -> list[dict[str, str]]:
        return [
            {"account_id": item.account_id, "outcome": item.outcome.value, "error": str(item.error)}
            async for item in tilia.fleet.failures(job)
        ]

    show_rows(network.ask(ask, ledger), as_json=as_json)


@fleet.command()
@json_option
@_shared
def workers(network: Network, ledger: LedgerLocation, *, as_json: bool) -> None:
    """Show who works, on what, and since when."""
    show_rows(worker_rows(network.ask(lambda tilia: tilia.fleet.workers(), ledger)), as_json=as_json)


def _add_steering(name: str, summary: str) -> None:
    @fleet.command(name, help=summary)
    @click.argument("job", metavar="JOB")
    @json_option
    @_shared
    def steer(network: Network, ledger: LedgerLocation, *, job: str, as_json: bool) -> None:
        _show(network.ask(lambda tilia: getattr(tilia.fleet, name)(job), ledger), as_json=as_json)


for _name, _summary in _STEERED.items():
    _add_steering(_name, _summary)


def _show(found: JobStatus, *, as_json: bool) -> None:
    show_fields(fields_of(found, as_json=as_json), as_json=as_json)
