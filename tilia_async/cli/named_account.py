"""An account as the command line names it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

import attrs
import click

from tilia_async.cli.account_file import By, has_form_of_tilia
from tilia_async.cli.failure import add_hint
from tilia_async.client import TiliaClient
from tilia_async.errors import NotFoundError

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")


@attrs.frozen
class NamedAccount:
    """An account, named by its id or by its username."""

    name: str
    by: By

    async def ask(self, tilia: TiliaClient, question: Callable[[str], Awaitable[T]]) -> T:
        """Put a question about its id.

        A username is looked up before.

        Raises:
            TiliaError: as the question does. Where nobody has an id that is none of Tilia's, a note says so.
        """
        if self.by is By.USERNAME:
            return await question((await tilia.accounts.find(self.name)).account_id)
        try:
            return await question(self.name)
        except NotFoundError as error:
            if not has_form_of_tilia(self.name):
                add_hint(error, "An account id looks like acct_… or a UUID; for a username say --by username.")
            raise


def named_account(command: Callable[Concatenate[NamedAccount, P], R]) -> Callable[P, R]:
    """Give a command the account that it is about.

    Its first parameter gets it.
    """

    @click.argument("name", metavar="ACCOUNT")
    @click.option(
        "--by",
        type=click.Choice([each.value for each in By]),
        default=By.ID.value,
        help="Is it an id or a username? A username is looked up first.",
    )
    @wraps(command)
    def with_account(*args: P.args, **kwargs: P.kwargs) -> R:
        name, by = kwargs.pop("name"), kwargs.pop("by")
        return command(NamedAccount(str(name), By(str(by))), *args, **kwargs)

    return with_account
