"""``tilia accounts``: look accounts up, register, block and unblock them."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from typing import Final, ParamSpec, TypeVar, cast

import click

from tilia_async.cli.ledger_location import VARIABLE, LedgerLocation
from tilia_async.cli.named_account import NamedAccount, named_account
from tilia_async.cli.network import Network
from tilia_async.cli.options import (
    actor_option,
    json_option,
    ledger_option,
    network_options,
    reason_option,
)
from tilia_async.cli.output import show
from tilia_async.cli.terminal import complain
from tilia_async.models.accounts import AccountProfile, ExternalPlatform

P = ParamSpec("P")
R = TypeVar("R")

_PROFILE: Final = {
    "full_name": "Name of the person.",
    "street_address_1": "First line of the address.",
    "street_address_2": "Second line.",
    "street_address_3": "Third line.",
    "city": "City.",
    "state_province": "State or province; together with --country-iso.",
    "country_iso": "Country, two letters; together with --state-province.",
    "zip_postal_code": "Postal code.",
}


@click.group(no_args_is_help=True)
def accounts() -> None:
    """Look accounts up, register, block and unblock them."""


@accounts.command("get")
@json_option
@network_options
@named_account
def get_account(account: NamedAccount, network: Network, /, as_json: bool) -> None:
    """Look an account up by its id."""
    show(network.ask(lambda tilia: account.ask(tilia, tilia.accounts.get)), as_json=as_json)


@accounts.command("find")
@click.argument("username")
@json_option
@network_options
def find_account(network: Network, username: str, as_json: bool) -> None:
    """Look an account up by its username."""
    show(network.ask(lambda tilia: tilia.accounts.find(username)), as_json=as_json)


def _profile_options(command: Callable[P, R]) -> Callable[P, R]:
    for name, meaning in reversed(_PROFILE.items()):
        command = click.option(f"--{name.replace('_', '-')}", name, metavar="TEXT", help=meaning)(command)
    return command


def _platform_users(ctx: click.Context, param: click.Parameter, value: tuple[str, ...]) -> Mapping[str, str]:
    """Read user ids on platforms, as ``steam=76561197960287930``."""
    users: dict[str, str] = {}
    for each in value:
        platform, _, user_id = each.partition("=")
        if not user_id or platform not in list(ExternalPlatform):
            known = ", ".join(ExternalPlatform)
            raise click.BadParameter(f"{each!r} is not PLATFORM=ID with one of {known}", ctx, param)
        users[platform] = user_id
    return users


@accounts.command("register")
@click.argument("username")
@click.option("--email", metavar="ADDRESS", help="The user's address; give it or --platform.")
@click.option(
    "--platform",
    "platforms",
    multiple=True,
    metavar="PLATFORM=ID",
    callback=_platform_users,
    help="The user's id elsewhere, e.g. steam=76561197960287930; repeat it for more.",
)
@_profile_options
@json_option
@network_options
def register_account(
    network: Network,
    /,
    username: str,
    email: str | None,
    platforms: Mapping[str, str],
    as_json: bool,
    **given: str | None,
) -> None:
    """Register a user in one step."""
    profile = cast("AccountProfile", {name: value for name, value in given.items() if value is not None})
    show(
        network.ask(lambda tilia: tilia.accounts.register(username, email, platforms or None, **profile)),
        as_json=as_json,
    )


def _blocking_options(command: Callable[P, R]) -> Callable[P, R]:
    """Give a command what blocking and unblocking take."""
    for each in (json_option, ledger_option, actor_option, reason_option):
        command = each(command)
    return command


@accounts.command("block")
@_blocking_options
@network_options
@named_account
def block_account(
    account: NamedAccount,
    network: Network,
    /,
    reason: str | None,
    actor: str | None,
    ledger: LedgerLocation | None,
    as_json: bool,
) -> None:
    """Block an account. A block does not expire."""
    with _telling_what_is_not_kept(reason, actor, ledger, as_json=as_json):
        done = network.ask(
            lambda tilia: account.ask(tilia, lambda found: tilia.accounts.block(found, reason, actor)), ledger
        )
        show(done, as_json=as_json)


@accounts.command("unblock")
@_blocking_options
@network_options
@named_account
def unblock_account(
    account: NamedAccount,
    network: Network,
    /,
    reason: str | None,
    actor: str | None,
    ledger: LedgerLocation | None,
    as_json: bool,
) -> None:
    """Lift a block of your own."""
    with _telling_what_is_not_kept(reason, actor, ledger, as_json=as_json):
        done = network.ask(
            lambda tilia: account.ask(tilia, lambda found: tilia.accounts.unblock(found, reason, actor)), ledger
        )
        show(done, as_json=as_json)


@contextmanager
def _telling_what_is_not_kept(
    reason: str | None, actor: str | None, ledger: LedgerLocation | None, *, as_json: bool
) -> Generator[None, None, None]:
    """Say first that a reason will be on no record.

    To a program it is said last: what it reads after a failure is JSON alone.
    """
    if not as_json:
        _tell_what_is_not_kept(reason, actor, ledger)
    yield
    if as_json:
        _tell_what_is_not_kept(reason, actor, ledger)


def _tell_what_is_not_kept(reason: str | None, actor: str | None, ledger: LedgerLocation | None) -> None:
    lost = [f"--{name}" for name, value in (("reason", reason), ("actor", actor)) if value is not None]
    if lost and ledger is None:
        complain(
            f"tilia: {' and '.join(lost)} will be on no record: Tilia keeps none, and there is no ledger; "
            f"give --ledger or set {VARIABLE}"
        )
