"""``tilia bulk``: many accounts in one job.

Block, unblock or look up the accounts of a file, or undo what a job blocked.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, TypeAlias

import attrs
import typer

from tilia_async.bulk.job import DEFAULT_CONCURRENCY
from tilia_async.cli.bulk_command import STANDARD_STREAM, Action, BulkCommand
from tilia_async.cli.bulk_run import run
from tilia_async.cli.datetimes import moment
from tilia_async.cli.ledger_location import VARIABLE, LedgerLocation, LedgerOption
from tilia_async.cli.network import CaFileOption, Network, ProxyOption
from tilia_async.ledger.intent import new_job_name, undo_name

_EXIT_STATUS = """

Exit status:
0    every account is done, now or by an earlier run of the job
1    some are not, or are so no more: the summary says which, and why
2    the input or the command is wrong; nothing was sent
3    the job stopped: the cause and the command to go on are told
130  stopped by Ctrl-C: the same
143  stopped by SIGTERM: the same"""

bulk: typer.Typer = typer.Typer(
    no_args_is_help=True,
    help="Block, unblock or look up the accounts of a file; undo what a job blocked.",
)

File: TypeAlias = Annotated[
    str,
    typer.Argument(
        metavar="FILE|-",
        show_default=False,
        help="One account id per line, or CSV; - is standard input. All of it is checked before anything is sent.",
    ),
]
Column: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", help="The CSV column of the ids. Default: account_id; the first, if there is no header."
    ),
]
KeepGoing: TypeAlias = Annotated[
    bool, typer.Option("--keep-going", help="Leave out lines that cannot be used, and say which.")
]
Concurrency: TypeAlias = Annotated[
    int, typer.Option(min=1, max=1000, help="The most requests at once; fewer, when Tilia asks for it.")
]
Job: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--job",
        metavar="ID",
        help="The job's name, with a ledger: the same again goes on where it stopped. Default: one is made.",
    ),
]
DryRun: TypeAlias = Annotated[bool, typer.Option("--dry-run", help="Check the file and send nothing.")]
Json: TypeAlias = Annotated[bool, typer.Option("--json", help="Print the summary as JSON, for programs.")]
Actor: TypeAlias = Annotated[str | None, typer.Option(help="Who does it, for the ledger.")]


@bulk.command(help=f"Block the accounts of a file. A block does not expire.{_EXIT_STATUS}")
def block(
    file: File,
    reason: Annotated[str, typer.Option(help="Why, for the ledger; Tilia keeps none.")],
    actor: Actor = None,
    review_at: Annotated[
        datetime | None,
        typer.Option(
            parser=moment, metavar="DATE", help="When to look at the blocks again (ISO 8601; UTC if no offset)."
        ),
    ] = None,
    job: Job = None,
    ledger: LedgerOption = None,
    column: Column = None,
    concurrency: Concurrency = DEFAULT_CONCURRENCY,
    keep_going: KeepGoing = False,
    dry_run: DryRun = False,
    proxy: ProxyOption = None,
    ca_file: CaFileOption = None,
    json: Json = False,
) -> None:
    _run(
        BulkCommand(
            action=Action.BLOCK,
            file=file,
            column=column,
            keeps_going=keep_going,
            concurrency=concurrency,
            reason=reason,
            actor=actor,
            review_at=review_at,
            ledger=LedgerLocation.of(ledger),
            job_id=job,
            dry_run=dry_run,
            as_json=json,
            network=Network(proxy, ca_file),
        )
    )


@bulk.command(help=f"Lift your own blocks of the accounts of a file.{_EXIT_STATUS}")
def unblock(
    file: File,
    reason: Annotated[str | None, typer.Option(help="Why, for the ledger.")] = None,
    actor: Actor = None,
    job: Job = None,
    ledger: LedgerOption = None,
    column: Column = None,
    concurrency: Concurrency = DEFAULT_CONCURRENCY,
    keep_going: KeepGoing = False,
    dry_run: DryRun = False,
    proxy: ProxyOption = None,
    ca_file: CaFileOption = None,
    json: Json = False,
) -> None:
    _run(
        BulkCommand(
            action=Action.UNBLOCK,
            file=file,
            column=column,
            keeps_going=keep_going,
            concurrency=concurrency,
            reason=reason,
            actor=actor,
            ledger=LedgerLocation.of(ledger),
            job_id=job,
            dry_run=dry_run,
            as_json=json,
            network=Network(proxy, ca_file),
        )
    )


@bulk.command(
    help="Lift the blocks that a job alone caused. An account that another job, a call or Tilia blocks as well stays "
    f"blocked, and the summary says why. The job has to be in the ledger, and has to have ended.{_EXIT_STATUS}"
)
def undo(
    job: Annotated[str, typer.Argument(metavar="JOB", show_default=False, help="The job whose blocks are lifted.")],
    reason: Annotated[str | None, typer.Option(help="Why, for the ledger.")] = None,
    actor: Actor = None,
    undo_job: Annotated[
        str | None,
        typer.Option(
            "--undo-job", metavar="ID", help="The name of the job that undoes. Default: undo- and the name of the job."
        ),
    ] = None,
    ledger: LedgerOption = None,
    concurrency: Concurrency = DEFAULT_CONCURRENCY,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be lifted and kept; send nothing.")
    ] = False,
    proxy: ProxyOption = None,
    ca_file: CaFileOption = None,
    json: Json = False,
) -> None:
    _run(
        BulkCommand(
            action=Action.UNDO,
            undoes=job,
            concurrency=concurrency,
            reason=reason,
            actor=actor,
            ledger=LedgerLocation.existing(ledger),
            job_id=undo_job or undo_name(job),
            dry_run=dry_run,
            as_json=json,
            network=Network(proxy, ca_file),
        )
    )


@bulk.command(help=f"Look up the accounts of a file.{_EXIT_STATUS}")
def lookup(
    file: File,
    output: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|-", help="Write what is found, as JSON lines; - is standard output, the summary then is not."
        ),
    ] = None,
    column: Column = None,
    concurrency: Concurrency = DEFAULT_CONCURRENCY,
    keep_going: KeepGoing = False,
    dry_run: DryRun = False,
    proxy: ProxyOption = None,
    ca_file: CaFileOption = None,
    json: Json = False,
) -> None:
    if json and output == STANDARD_STREAM:
        raise typer.BadParameter("standard output cannot have both the summary and the accounts", param_hint="--json")
    _run(
        BulkCommand(
            action=Action.LOOKUP,
            file=file,
            output=output,
            column=column,
            keeps_going=keep_going,
            concurrency=concurrency,
            dry_run=dry_run,
            as_json=json,
            network=Network(proxy, ca_file),
        )
    )


def _run(order: BulkCommand) -> None:
    raise typer.Exit(run(_named(order)))


def _named(order: BulkCommand) -> BulkCommand:
    """Return the command with a job's name.

    With a name if there is a ledger.

    Raises:
        typer.BadParameter: a job was named, and there is no ledger.
    """
    if order.ledger is None:
        if order.job_id is None:
            return order
        raise typer.BadParameter(
            f"a job is recorded in a ledger, and there is none: give --ledger or set {VARIABLE}", param_hint="--job"
        )
    if order.job_id is not None or order.dry_run:
        return order
    return attrs.evolve(order, job_id=new_job_name(order.action))
