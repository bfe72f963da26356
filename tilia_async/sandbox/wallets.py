"""Wallets and balances (fact sheet "money", A)."""

from __future__ import annotations

from collections.abc import Iterable

from tilia_async.api import wallets
from tilia_async.currencies import DECIMALS
from tilia_async.json_value import JsonObject
from tilia_async.money import Money
from tilia_async.sandbox.account_guards import account_of_body, refuse_blocked
from tilia_async.sandbox.fields import Fields
from tilia_async.sandbox.requests import Route, SandboxRequest
from tilia_async.sandbox.responses import SandboxResponse, Texts, not_found, success
from tilia_async.sandbox.state.accounts import INTEGRATOR
from tilia_async.sandbox.state.wallets import CONVERTIBLE, CUSTOM, SandboxWallet
from tilia_async.sandbox.world import World


def get(call: SandboxRequest) -> SandboxResponse:
    wallet = call.world.wallet(call.path["wallet_id"])
    if wallet is None:
        return not_found("wallet")
    return success(to_json(wallet), texts=call.texts())


def balances(call: SandboxRequest) -> SandboxResponse:
    account_id = call.path["account_id"]
    if call.world.accounts.find(account_id) is None:
        return not_found("account")
    by_currency = balances_of(call.world, account_id, call.query.get("currency", ""))
    return success({"account_id": account_id, "balances": by_currency}, texts=call.texts())


def create_custom(call: SandboxRequest) -> SandboxResponse:
    return success(to_json(open_custom(call)), texts=Texts.NULL)


def open_custom(call: SandboxRequest) -> SandboxWallet:
    """Open a wallet of a publisher's own type.

    Both ways to make one use it.

    Raises:
        ErrorResponse: a field is wrong, the type is not set up, or the account is unknown or blocked.
    """
    fields = Fields(call.json())
    account_id, wallet_type = fields.required("account_id"), fields.required("wallet_type", longest=255)
    currency, tags = call.world.settings.custom_wallets.get(wallet_type, ""), fields.texts("tags")
    if not currency:
        fields.refuse("wallet_type", "wallet type is not configured")
    fields.check()
    account = account_of_body(call, account_id)
    refuse_blocked(call, [account_id])
    return call.world.open_wallet(account.account_id, CUSTOM, currency, tags)


def to_json(wallet: SandboxWallet) -> JsonObject:
    return {
        "wallet_id": wallet.wallet_id,
        "account_id": wallet.account_id,
        "description": wallet.description,
        "currency": wallet.currency,
        "current_balance": wallet.balance,
        "active": 1,
        "tags": [*wallet.tags] or None,
        "integrator": INTEGRATOR,
        "created": wallet.created,
        "updated": wallet.created,
    }


def balances_of(world: World, account_id: str, currency: str = "", *, as_text: bool = True) -> JsonObject:
    """Return an account's balances, by currency.

    Args:
        currency: only this one; empty: all.
        as_text: amounts are strings, as the service ``wallets`` writes them, and not numbers.
    """
    found = [wallet for wallet in world.wallets_of(account_id) if currency in ("", wallet.currency)]
    return {
        each: _balance(each, [wallet for wallet in found if wallet.currency == each], as_text=as_text)
        for each in dict.fromkeys(wallet.currency for wallet in found)
    }


ROUTES = (
    Route(wallets.GET, get),
    Route(wallets.BALANCES, balances),
    Route(wallets.CREATE_CUSTOM, create_custom),
)


def _balance(currency: str, found: Iterable[SandboxWallet], *, as_text: bool) -> JsonObject:
    found = tuple(found)
    spendable = _amount(currency, sum(wallet.balance for wallet in found), as_text=as_text)
    balance: JsonObject = {"spendable_balance": spendable, "spendable": spendable}
    convertible = [wallet.balance for wallet in found if wallet.kind == CONVERTIBLE]
    if convertible:
        balance["convertible"] = _amount(currency, sum(convertible), as_text=as_text)
    return balance


def _amount(currency: str, minor_units: int, *, as_text: bool) -> JsonObject:
    if currency == "USD":
        display = f"${minor_units // 100}.{minor_units % 100:02d}"
    elif currency in DECIMALS:
        display = Money(minor_units, currency).display()
    else:
        # As captured: a token's balance has two decimals that mean nothing.
        display = f"{currency} {minor_units}.00"
    return {"balance": str(minor_units) if as_text else minor_units, "display": display}
