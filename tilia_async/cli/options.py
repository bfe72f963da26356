"""Options that several commands have."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, Final, ParamSpec, TypeVar

import click

from tilia_async.cli.decorator import Decorator
from tilia_async.cli.ledger_location import VARIABLE, LedgerLocation
from tilia_async.cli.network import (
    CA_VARIABLE,
    CERT_VARIABLE,
    KEY_PASSWORD_VARIABLE,
    KEY_VARIABLE,
    PROXY_VARIABLE,
    Network,
)
from tilia_async.secret import Secret

P = ParamSpec("P")
R = TypeVar("R")

json_option: Decorator = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs; errors, too.")
reason_option: Decorator = click.option("--reason", metavar="TEXT", help="Why, for the ledger; Tilia keeps none.")
actor_option: Decorator = click.option("--actor", metavar="TEXT", help="Who does it, for the ledger.")
account_argument: Decorator = click.argument("account_id", metavar="ACCOUNT")


def _location(ctx: click.Context, param: click.Parameter, value: str | None) -> LedgerLocation | None:
    del ctx, param
    return LedgerLocation.of(value)


def _existing_location(ctx: click.Context, param: click.Parameter, value: str | None) -> LedgerLocation | None:
    # A shell that completes a word has not been told everything yet.
    return None if ctx.resilient_parsing else LedgerLocation.existing(value) if param else None


_LEDGER_HELP: Final = f"The record of blocks: an SQLite file or a postgresql:// URL. Default: the variable {VARIABLE}."
ledger_option: Decorator = click.option("--ledger", metavar="PATH|URL", callback=_location, help=_LEDGER_HELP)
existing_ledger_option: Decorator = click.option(
    "--ledger", metavar="PATH|URL", callback=_existing_location, help=_LEDGER_HELP
)


def network_options(command: Callable[Concatenate[Network, P], R]) -> Callable[P, R]:
    """Give a command the options of the way to Tilia.

    Its first parameter gets them.
    """

    @click.option(
        "--proxy",
        type=Secret,
        metavar="URL",
        help="An HTTP proxy for all requests. A password in it stands in the list of processes: set the variable "
        f"{PROXY_VARIABLE} instead. Default: that, else HTTPS_PROXY and NO_PROXY.",
    )
    @click.option(
        "--ca-file",
        metavar="FILE",
        help=f"The certificates to believe, in PEM, instead of the system's. Default: the variable {CA_VARIABLE}.",
    )
    @click.option(
        "--cert-file",
        metavar="FILE",
        help=f"A client certificate to show, in PEM, with its key. Default: the variable {CERT_VARIABLE}.",
    )
    @click.option(
        "--key-file",
        metavar="FILE",
        help=f"Its key, where that is in another file. Default: the variable {KEY_VARIABLE}; its password is read "
        f"from {KEY_PASSWORD_VARIABLE} alone.",
    )
    @wraps(command)
    def with_network(*args: P.args, **kwargs: P.kwargs) -> R:
        proxy = kwargs.pop("proxy")
        files = {name: _named(kwargs.pop(name)) for name in ("ca_file", "cert_file", "key_file")}
        return command(Network(proxy if isinstance(proxy, Secret) else None, **files), *args, **kwargs)

    return with_network


def _named(file: object) -> str | None:
    return file if isinstance(file, str) else None
