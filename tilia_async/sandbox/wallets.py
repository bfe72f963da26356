"""Wallets, and the payment methods that stand for them (fact sheet "money", A1, A2 and B1)."""

from __future__ import annotations

from collections.abc import Iterable

from tilia_async.api import payment_methods, wallets
from tilia_async.json_value import JsonObject
from tilia_async.sandbox.accounts import INTEGRATOR
from tilia_async.sandbox.answers import Answer, not_found, success
from tilia_async.sandbox.calls import Call, Route
from tilia_async.sandbox.world import SandboxWallet


def list_payment_methods(call: Call) -> Answer:
    # An account that does not exist has an empty list: Tilia does not say 404 here.
    found = call.world.wallets_of(call.path["account_id"])
    return success([_payment_method(wallet) for wallet in found], nulls=call.nulls())


def get(call: Call) -> Answer:
    wallet = call.world.wallet(call.path["wallet_id"])
    if wallet is None:
        return not_found("wallet")
    return success(
        {
            "wallet_id": wallet.wallet_id,
            "account_id": wallet.account_id,
            "description": wallet.description,
            "currency": wallet.currency,
            "current_balance": wallet.balance,
            "active": 1,
            "tags": ["registration"] if wallet.kind == "registration" else None,
            "integrator": INTEGRATOR,
            "created": wallet.created,
            "updated": wallet.created,
        },
        nulls=call.nulls(),
    )


def balances(call: Call) -> Answer:
    account_id = call.path["account_id"]
    if account_id not in call.world.accounts:
        return not_found("account")
    found = call.world.wallets_of(account_id)
    asked = call.query.get("currency")
    currencies = dict.fromkeys(wallet.currency for wallet in found if asked in (None, "", wallet.currency))
    by_currency: JsonObject = {
        currency: _balance(currency, [wallet for wallet in found if wallet.currency == currency])
        for currency in currencies
    }
    return success({"account_id": account_id, "balances": by_currency}, nulls=call.nulls())


ROUTES = (
    Route(payment_methods.LIST, list_payment_methods, ("/{account_id}/payment_methods",)),
    Route(wallets.GET, get),
    Route(wallets.BALANCES, balances),
)


def _balance(currency: str, found: Iterable[SandboxWallet]) -> JsonObject:
    amounts = {wallet.kind: wallet.balance for wallet in found}
    spendable = _amount(currency, sum(amounts.values()))
    balance: JsonObject = {"spendable_balance": spendable, "spendable": spendable}
    if "convertible" in amounts:
        balance["convertible"] = _amount(currency, amounts["convertible"])
    return balance


def _amount(currency: str, minor_units: int) -> JsonObject:
    sign = "$" if currency == "USD" else f"{currency} "
    return {"balance": str(minor_units), "display": f"{sign}{minor_units // 100}.{minor_units % 100:02d}"}


def _payment_method(wallet: SandboxWallet) -> JsonObject:
    return {
        "id": wallet.payment_method_id,
        "account_id": wallet.account_id,
        "method_class": wallet.kind,
        "display_string": wallet.description,
        "provider": payment_methods.WALLET,
        "psp_reference": wallet.wallet_id,
        "psp_hash_code": "",
        "processing_currency": wallet.currency,
        "pm_state": "ACTIVE",
        "integrator": INTEGRATOR,
        "created": wallet.listed_since,
        "updated": wallet.listed_since,
        "tags": None,
        "payment_method_id": "",
        "wallet_balance": str(wallet.balance),
        "provider_data": {
            "wallet_id": wallet.wallet_id,
            "wallet_balance": str(wallet.balance),
            "balance": wallet.balance,
        },
    }
