"""``tilia bulk``: many accounts in one job.

Block, unblock or look up the accounts of a file, or undo what a job blocked. What is given to a command are fields of
a ``BulkCommand`` by their names.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

import attrs
import click

from tilia_async.bulk.job import DEFAULT_CONCURRENCY
from tilia_async.cli.account_file import By, FileOptions
from tilia_async.cli.bulk_command import STANDARD_STREAM, Action, BulkCommand
from tilia_async.cli.bulk_run import run
from tilia_async.cli.datetimes import moment
from tilia_async.cli.decorator import Decorator
from tilia_async.cli.ledger_location import VARIABLE
from tilia_async.cli.network import Network
from tilia_async.cli.options import (
    actor_option,
    existing_ledger_option,
    json_option,
    ledger_option,
    network_options,
    reason_option,
)
from tilia_async.ledger.intent import new_job_name, undo_name

P = ParamSpec("P")
R = TypeVar("R")

_EXIT_STATUS: Final = """\b
Exit status:
0    every account is done, now or by an earlier run of the job
1    some are not, are so no more, or the job stopped: the summary says why
2    the input or the command is wrong; nothing was sent
3    of some nobody can know: look at them, or run the job again
5    the job stopped, because Tilia could not be reached
130  stopped by Ctrl-C: the same
143  stopped by SIGTERM: the same"""

file_argument: Decorator = click.argument("file", metavar="FILE|-")


def _encoding(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    if value is None:
        return None
    try:
        codecs.lookup(value)
        "".encode(value)
    except (LookupError, ValueError):
        raise click.BadParameter(f"{value!r} is no encoding of text, as cp1252 and utf-16 are", ctx, param) from None
    return value


_DELIMITERS: Final = {"comma": ",", "semicolon": ";", "tab": "\t", "bar": "|"}


def _delimiter(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    if value is None:
        return None
    found = _DELIMITERS.get(value, value)
    if len(found) != 1 or found in '"\r\n':
        names = ", ".join(_DELIMITERS)
        raise click.BadParameter(f"{value!r} is neither one character nor one of {names}", ctx, param)
    return found


def file_options(command: Callable[Concatenate[FileOptions, P], R]) -> Callable[P, R]:
    """Give a command the options of its file.

    Its first parameter gets them.
    """

    @click.option("--column", metavar="NAME", help="The column of the ids. Default: account_id, or username.")
    @click.option(
        "--delimiter",
        metavar="CHARACTER",
        callback=_delimiter,
        help=f"What is between columns: a character, or {', '.join(_DELIMITERS)}. Default: as the first row tells.",
    )
    @click.option(
        "--encoding",
        metavar="NAME",
        callback=_encoding,
        help="The encoding of the file, e.g. cp1252 or utf-16. Default: as the file tells.",
    )
    @click.option(
        "--by",
        type=click.Choice([each.value for each in By]),
        help="Is it ids or usernames? Usernames are looked up first. Default: ids.",
    )
    @wraps(command)
    def with_options(*args: P.args, **kwargs: P.kwargs) -> R:
        given = {name: kwargs.pop(name) for name in ("column", "delimiter", "encoding")}
        said = {name: value for name, value in given.items() if isinstance(value, str)}
        by = kwargs.pop("by")
        return command(FileOptions(**said, by=By(by) if isinstance(by, str) else None), *args, **kwargs)

    return with_options


keep_going_option: Decorator = click.option(
    "--keep-going", "keeps_going", is_flag=True, help="Leave out lines that cannot be used, and say which."
)
concurrency_option: Decorator = click.option(
    "--concurrency",
    type=click.IntRange(1, 1000),
    default=DEFAULT_CONCURRENCY,
    help="The most requests at once; fewer, when Tilia asks for it.",
)
_job_option = click.option(
    "--job",
    "job_id",
    metavar="ID",
    help="The job's name, with a ledger: the same again goes on where it stopped. Default: one is made.",
)
yes_option: Decorator = click.option("--yes", is_flag=True, help="Do not ask, in production either.")
dry_run_option: Decorator = click.option("--dry-run", is_flag=True, help="Check the file and send nothing.")
_fleet_option = click.option(
    "--fleet", "is_shared", is_flag=True, help="Submit it to the workers of a fleet; the ledger is on PostgreSQL."
)


@click.group(no_args_is_help=True)
def bulk() -> None:
    """Block, unblock or look up the accounts of a file.

    Or undo what a job blocked.

    FILE has one account id per line, or is a table as spreadsheets write it, with a column account_id; - is standard
    input. All of it is checked before anything is sent, and what was taken for what is said.
    """


@bulk.command(epilog=_EXIT_STATUS)
@file_argument
@click.option("--reason", required=True, metavar="TEXT", help="Why, for the ledger; Tilia keeps none.")
@actor_option
@click.option(
    "--review-at",
    type=moment,
    metavar="DATE",
    help="When to look at the blocks again (ISO 8601; UTC if no offset).",
)
@_job_option
@ledger_option
@_fleet_option
@concurrency_option
@keep_going_option
@dry_run_option
@yes_option
@json_option
@network_options
@file_options
def block(options: FileOptions, network: Network, /, **given: Any) -> None:
    """Block the accounts of a file.

    A block does not expire.
    """
    _run(BulkCommand(action=Action.BLOCK, options=options, network=network, **given))


@bulk.command(epilog=_EXIT_STATUS)
@file_argument
@reason_option
@actor_option
@_job_option
@ledger_option
@_fleet_option
@concurrency_option
@keep_going_option
@dry_run_option
@yes_option
@json_option
@network_options
@file_options
def unblock(options: FileOptions, network: Network, /, **given: Any) -> None:
    """Lift your own blocks of the accounts of a file."""
    _run(BulkCommand(action=Action.UNBLOCK, options=options, network=network, **given))


@bulk.command(epilog=_EXIT_STATUS)
@click.argument("undoes", metavar="JOB")
@reason_option
@actor_option
@click.option(
    "--undo-job",
    "job_id",
    metavar="ID",
    help="The name of the job that undoes. Default: undo- and the name of the job.",
)
@existing_ledger_option
@concurrency_option
@click.option("--dry-run", is_flag=True, help="Say what would be lifted and kept; send nothing.")
@yes_option
@json_option
@network_options
def undo(network: Network, /, undoes: str, job_id: str | None, **given: Any) -> None:
    """Lift the blocks that a job alone caused.

    An account that another job, a call or Tilia blocks as well stays blocked, and the summary says why. The job has to
    be in the ledger, and has to have ended.
    """
    job_id = job_id or undo_name(undoes)
    _run(BulkCommand(action=Action.UNDO, network=network, undoes=undoes, job_id=job_id, **given))


@bulk.command(epilog=_EXIT_STATUS)
@file_argument
@click.option(
    "--output",
    metavar="FILE|-",
    help="Write what is found, as JSON lines; - is standard output, the summary then is not.",
)
@concurrency_option
@keep_going_option
@dry_run_option
@json_option
@network_options
@file_options
def lookup(options: FileOptions, network: Network, /, **given: Any) -> None:
    """Look up the accounts of a file."""
    order = BulkCommand(action=Action.LOOKUP, options=options, network=network, **given)
    if order.as_json and order.output == STANDARD_STREAM:
        raise click.BadParameter("standard output cannot have both the summary and the accounts", param_hint="--json")
    _run(order)


def _run(order: BulkCommand) -> None:
    if order.is_shared and order.concurrency != DEFAULT_CONCURRENCY:
        raise click.BadParameter("each worker of a fleet has its own: tilia fleet work", param_hint="--concurrency")
    raise click.exceptions.Exit(run(_named(order)))


def _named(order: BulkCommand) -> BulkCommand:
    """Return the command with a job's name.

    With a name if there is a ledger.

    Raises:
        click.BadParameter: a job was named, and there is no ledger.
    """
    if order.ledger is None:
        if order.job_id is None:
            return order
        raise click.BadParameter(
            f"a job is recorded in a ledger, and there is none: give --ledger or set {VARIABLE}", param_hint="--job"
        )
    if order.job_id is not None or order.dry_run:
        return order
    return attrs.evolve(order, job_id=new_job_name(order.action))
