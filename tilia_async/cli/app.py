"""The commands.

Those that speak to Tilia read the variables of ``TiliaClient.from_env()``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from typing import Annotated, TypeVar

import typer

from tilia_async.api import OPERATIONS
from tilia_async.cli import demo as demo_module
from tilia_async.cli import doctor as doctor_module
from tilia_async.cli import sandbox as sandbox_module
from tilia_async.cli.bulk import bulk
from tilia_async.cli.ledger import ledger
from tilia_async.cli.ledger_location import LedgerLocation, LedgerOption
from tilia_async.cli.network import CaFileOption, Network, ProxyOption
from tilia_async.cli.output import Cell, show, show_fields, show_rows
from tilia_async.client import TiliaClient
from tilia_async.ledger import BlockLedger

T = TypeVar("T")

app: typer.Typer = typer.Typer(
    name="tilia",
    help="Tilia Pay from the command line.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
accounts: typer.Typer = typer.Typer(no_args_is_help=True, help="Look accounts up, block and unblock them.")
wallets: typer.Typer = typer.Typer(no_args_is_help=True, help="See what users have.")
app.add_typer(accounts, name="accounts")
app.add_typer(wallets, name="wallets")
app.add_typer(bulk, name="bulk")
app.add_typer(ledger, name="ledger")

AccountId = Annotated[str, typer.Argument(metavar="ACCOUNT", help="The account's id.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
Reason = Annotated[str | None, typer.Option(help="Why, for the ledger; Tilia keeps none.")]
Actor = Annotated[str | None, typer.Option(help="Who does it, for the ledger.")]


def _ask(network: Network, question: Callable[[TiliaClient], Awaitable[T]], place: LedgerLocation | None = None) -> T:
    async def ask() -> T:
        record = None if place is None else BlockLedger.open(place.url)
        async with record or nullcontext(), network.client(ledger=record) as tilia:
            return await question(tilia)

    return asyncio.run(ask())


@app.command()
def demo(
    number: Annotated[
        int, typer.Option("--accounts", min=1, max=10_000, help="How many accounts are blocked at the end.")
    ] = 1000,
) -> None:
    """Walk through the SDK on an embedded Tilia.

    Nothing leaves this machine.
    """
    asyncio.run(demo_module.run(number))


@app.command()
def sandbox(
    port: Annotated[int, typer.Option(min=0, max=65_535, help="0 picks a free one.")] = 8411,
    seed: Annotated[int, typer.Option(help="The same seed makes the same ids.")] = 7,
    allowed_host: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="A name by which clients reach it beside localhost, e.g. host.docker.internal; repeat it for more.",
        ),
    ] = None,
) -> None:
    """Run an embedded Tilia until Ctrl-C.

    Prints the settings that lead to it.
    """
    raise typer.Exit(asyncio.run(sandbox_module.run(port, seed, allowed_host or ())))


@app.command()
def scopes(
    service: Annotated[str | None, typer.Argument(help="Only of this service, e.g. accounts.")] = None,
    json: Json = False,
) -> None:
    """List the scopes that each operation needs."""
    chosen = [each for each in OPERATIONS.values() if service is None or each.name.startswith(f"{service}.")]
    if not chosen:
        raise typer.BadParameter(f"there is no service {service}", param_hint="SERVICE")
    rows = [
        {
            "operation": each.name,
            "scopes": ", ".join(sorted(each.scopes)),
            "inferred": "inferred" if each.evidence is not None and "scope" in each.evidence.inferred else "",
        }
        for each in chosen
    ]
    show_rows(rows, as_json=json)


@app.command()
def token(
    scope: Annotated[list[str], typer.Option(help="A scope that the token has to carry; repeat it for more.")],
    reveal: Annotated[bool, typer.Option("--reveal", help="Print the token itself.")] = False,
    proxy: ProxyOption = None,
    ca_file: CaFileOption = None,
    json: Json = False,
) -> None:
    """Fetch an access token."""
    fetched = _ask(Network(proxy, ca_file), lambda tilia: tilia.access_token(scope))
    told: dict[str, Cell] = {
        "scopes": sorted(fetched.scopes),
        "expires_at": fetched.expires_at,
        "lifetime": fetched.lifetime,
    }
    if reveal:
        told["access_token"] = fetched.value
    show_fields(told, as_json=json)


@app.command()
def doctor(proxy: ProxyOption = None, ca_file: CaFileOption = None, json: Json = False) -> None:
    """Check settings, network and credentials.

    The settings, the way to Tilia and the credentials, one after the other.
    """
    findings = asyncio.run(doctor_module.examine(Network(proxy, ca_file)))
    show_rows([finding.row() for finding in findings], as_json=json)
    raise typer.Exit(0 if all(finding.well for finding in findings) else 1)


@accounts.command("get")
def get_account(
    account_id: AccountId, proxy: ProxyOption = None, ca_file: CaFileOption = None, json: Json = False
) -> None:
    """Look an account up by its id."""
    show(_ask(Network(proxy, ca_file), lambda tilia: tilia.accounts.get(account_id)), as_json=json)


@accounts.command("find")
def find_account(
    username: Annotated[str, typer.Argument(metavar="USERNAME")],
    proxy: ProxyOption = None,
    ca_file: CaFileOption = None,
    json: Json = False,
) -> None:
    """Look an account up by its username."""
    show(_ask(Network(proxy, ca_file), lambda tilia: tilia.accounts.find(username)), as_json=json)


@accounts.command("block")
def block_account(
    account_id: AccountId,
    reason: Reason = None,
    actor: Actor = None,
    ledger: LedgerOption = None,
    proxy: ProxyOption = None,
    ca_file: CaFileOption = None,
    json: Json = False,
) -> None:
    """Block an account. A block does not expire."""
    place = LedgerLocation.of(ledger)
    show(
        _ask(Network(proxy, ca_file), lambda tilia: tilia.accounts.block(account_id, reason, actor), place),
        as_json=json,
    )


@accounts.command("unblock")
def unblock_account(
    account_id: AccountId,
    reason: Reason = None,
    actor: Actor = None,
    ledger: LedgerOption = None,
    proxy: ProxyOption = None,
    ca_file: CaFileOption = None,
    json: Json = False,
) -> None:
    """Lift a block of your own."""
    place = LedgerLocation.of(ledger)
    show(
        _ask(Network(proxy, ca_file), lambda tilia: tilia.accounts.unblock(account_id, reason, actor), place),
        as_json=json,
    )


@wallets.command("list")
def list_wallets(
    account_id: AccountId, proxy: ProxyOption = None, ca_file: CaFileOption = None, json: Json = False
) -> None:
    """List an account's wallets."""
    found = _ask(Network(proxy, ca_file), lambda tilia: tilia.wallets.list(account_id))
    rows = [
        {
            "wallet_id": wallet.wallet_id,
            "currency": wallet.currency,
            "kind": wallet.method_class,
            "balance": wallet.current_balance,
            "payment_method_id": wallet.id,
        }
        for wallet in found
    ]
    show_rows(rows, as_json=json)


@wallets.command("balances")
def list_balances(
    account_id: AccountId,
    currency: Annotated[str | None, typer.Option(help="Only this one, e.g. USD.")] = None,
    proxy: ProxyOption = None,
    ca_file: CaFileOption = None,
    json: Json = False,
) -> None:
    """Say what an account has."""
    found = _ask(Network(proxy, ca_file), lambda tilia: tilia.wallets.balances(account_id, currency))
    rows = [
        {
            "currency": code,
            "spendable": None if balance.spendable is None else balance.spendable.display,
            "convertible": None if balance.convertible is None else balance.convertible.display,
        }
        for code, balance in found.balances.items()
    ]
    show_rows(rows, as_json=json)
