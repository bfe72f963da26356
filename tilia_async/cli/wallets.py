"""``tilia wallets``: see what users have."""

from __future__ import annotations

import click

from tilia_async.cli.named_account import NamedAccount, named_account
from tilia_async.cli.network import Network
from tilia_async.cli.options import json_option, network_options
from tilia_async.cli.output import Cell, show_rows
from tilia_async.models import BalanceAmount
from tilia_async.money import money_or_none


@click.group(no_args_is_help=True)
def wallets() -> None:
    """See what users have."""


@wallets.command("list")
@json_option
@network_options
@named_account
def list_wallets(account: NamedAccount, network: Network, /, as_json: bool) -> None:
    """List an account's wallets."""
    found = network.ask(lambda tilia: account.ask(tilia, tilia.wallets.list))
    rows: list[dict[str, Cell]] = [
        {
            "wallet_id": wallet.wallet_id,
            "kind": wallet.method_class,
            "currency": wallet.currency,
            "amount": wallet.current_balance,
            "display": None if wallet.balance is None else wallet.balance.display(),
            "payment_method_id": wallet.id,
        }
        for wallet in found
    ]
    show_rows(rows, as_json=as_json)


@wallets.command("balances")
@click.option("--currency", metavar="CODE", help="Only this one, e.g. USD.")
@json_option
@network_options
@named_account
def list_balances(account: NamedAccount, network: Network, /, currency: str | None, as_json: bool) -> None:
    """Say what an account has."""
    found = network.ask(
        lambda tilia: account.ask(tilia, lambda account_id: tilia.wallets.balances(account_id, currency))
    )
    rows = [
        {"currency": code, "kind": kind, "amount": balance.balance, "display": _shown(balance, code)}
        for code, of_currency in found.balances.items()
        for kind, balance in (("spendable", of_currency.spendable), ("convertible", of_currency.convertible))
        if balance is not None
    ]
    show_rows(rows, as_json=as_json)


def _shown(balance: BalanceAmount, currency: str) -> str | None:
    money = money_or_none(balance.balance, currency)
    return balance.display or (None if money is None else money.display())
