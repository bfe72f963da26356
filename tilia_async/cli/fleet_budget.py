"""The budget that a command names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from tilia_async.cli.decorator import Decorator
from tilia_async.cli.failure import CommandError, ExitStatus
from tilia_async.cli.shared_place import shared_place
from tilia_async.secret import Secret

if TYPE_CHECKING:
    from tilia_async.fleet import RedisBudget

BUDGET_VARIABLE: Final = "TILIA_BUDGET"


def _budget(ctx: click.Context, param: click.Parameter, value: Secret | None) -> RedisBudget | None:
    """Return the budget of the option or the variable.

    Raises:
        ConfigurationError: its URL is of another kind.
        CommandError: the library for Redis is not installed.
    """
    del param
    url = shared_place(value, BUDGET_VARIABLE)
    # A shell that completes a word has not been told everything yet.
    if ctx.resilient_parsing or url is None:
        return None
    try:
        from tilia_async.fleet import RedisBudget  # noqa: PLC0415 - needs the extra
    except ModuleNotFoundError as error:
        raise CommandError(str(error), ExitStatus.USAGE) from None
    return RedisBudget(url)


budget_option: Decorator = click.option(
    "--budget",
    type=Secret,
    metavar="URL",
    callback=_budget,
    help="A Redis in which all workers share the requests a second, redis://… or rediss://…: the same one for each. "
    f"A password in it stands in the list of processes: set the variable {BUDGET_VARIABLE} instead. Default: that, "
    "else the ledger.",
)
