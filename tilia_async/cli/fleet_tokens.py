"""The store of tokens that a command names."""

from __future__ import annotations

from typing import Final

import click

from tilia_async.cli.decorator import Decorator
from tilia_async.cli.failure import CommandError, ExitStatus
from tilia_async.cli.shared_place import shared_place
from tilia_async.secret import Secret
from tilia_async.text import readable
from tilia_async.tokens import SharedTokenStore, TokenCache

TOKENS_VARIABLE: Final = "TILIA_TOKENS"

_REDIS: Final = frozenset({"redis", "rediss", "unix"})


def _tokens(ctx: click.Context, param: click.Parameter, value: Secret | None) -> TokenCache | None:
    """Return a cache over the option's or the variable's store.

    Raises:
        ConfigurationError: its URL is of another kind.
        CommandError: the libraries of the store are not installed.
    """
    del param
    url = shared_place(value, TOKENS_VARIABLE)
    # A shell that completes a word has not been told everything yet.
    if ctx.resilient_parsing or url is None:
        return None
    try:
        return TokenCache(_store(url))
    except ModuleNotFoundError as error:
        raise CommandError(str(error), ExitStatus.USAGE) from None
    except ImportError as error:
        raise CommandError(f"the store of tokens cannot be used: {readable(str(error))}", ExitStatus.USAGE) from None


def _store(url: Secret) -> SharedTokenStore:
    scheme = url.reveal().partition(":")[0].lower()
    if scheme.startswith("postgres"):
        from tilia_async.tokens import PostgresTokenStore  # noqa: PLC0415 - needs extras

        return PostgresTokenStore(url)
    if scheme not in _REDIS:
        raise CommandError(
            "the store of tokens is a URL like postgresql://user:password@host/database or "
            "redis://user:password@host:6379/0",
            ExitStatus.USAGE,
        )
    from tilia_async.tokens import RedisTokenStore  # noqa: PLC0415 - needs the extra

    return RedisTokenStore(url)


tokens_option: Decorator = click.option(
    "--tokens",
    type=Secret,
    metavar="URL",
    callback=_tokens,
    help="A PostgreSQL or Redis in which all workers share their tokens, encrypted: one of them asks Tilia, for all. "
    f"The ledger's URL will do. A password in it stands in the list of processes: set the variable {TOKENS_VARIABLE} "
    "instead. Default: that, else each worker asks for itself.",
)
