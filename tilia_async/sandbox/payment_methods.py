"""Payment methods (fact sheet "money", B).

Tilia has no operation that adds a card: the sandbox has a method.
"""

from __future__ import annotations

from tilia_async import event_names
from tilia_async.api import payment_methods
from tilia_async.json_value import JsonObject
from tilia_async.sandbox.fields import Fields
from tilia_async.sandbox.requests import Route, SandboxRequest
from tilia_async.sandbox.responses import SandboxResponse, Texts, invalid, not_found, success
from tilia_async.sandbox.state.accounts import INTEGRATOR, SandboxAccount
from tilia_async.sandbox.state.methods import CARD, PAYPAL, POBO, SandboxPaymentMethod
from tilia_async.sandbox.state.wallets import CUSTOM
from tilia_async.sandbox.wallets import balances_of, open_custom
from tilia_async.sandbox.wallets import to_json as wallet_to_json
from tilia_async.sandbox.world import World

_DEFAULTS = ("default_payment", "default_payout")
_CAPABILITIES = ("purchase", "payout", "deposit")


def list_all(call: SandboxRequest) -> SandboxResponse:
    # An account that does not exist has an empty list: Tilia does not say 404 here.
    methods = call.world.methods_of(call.path["account_id"])
    return success([to_json(method) for method in methods], texts=call.texts())


def get(call: SandboxRequest) -> SandboxResponse:
    method = call.world.method(call.path["payment_method_id"])
    if method is None:
        # Inferred: the page lists 400 and no 404.
        return invalid({"payment_method_id": ["payment method not found"]})
    return success(to_json(method), texts=call.texts())


def update(call: SandboxRequest) -> SandboxResponse:
    method = call.world.method(call.path["payment_method_id"])
    if method is None:
        return not_found("payment_method")
    fields = Fields(call.json())
    display_string, flags = fields.text("display_string"), {name: fields.flag(name) for name in _DEFAULTS}
    fields.check()
    method.display_string = display_string or method.display_string
    for name, flag in flags.items():
        if flag is not None:
            _make_default(call.world, method, name, wanted=flag)
    method.updated = call.world.times.plain()
    notify(call.world, method)
    # Inferred: the page hides the answer.
    return success(to_json(method), texts=call.texts())


def transaction_methods(call: SandboxRequest) -> SandboxResponse:
    account_id, capability = call.path["account_id"], call.query.get("capability", "")
    if account_id not in call.world.accounts.users:
        return not_found("account")
    if capability not in ("", *_CAPABILITIES):
        return invalid({"capability": [f"must be one of {', '.join(_CAPABILITIES)}"]})
    inactive = call.query.get("state") == "all"
    methods = [
        method
        for method in call.world.methods_of(account_id)
        if (method.usable or inactive) and (not capability or capability in method.capabilities)
    ]
    balances = balances_of(call.world, account_id, as_text=False)
    capabilities: JsonObject = {
        name: [method.id for method in methods if method.usable and name in method.capabilities]
        for name in _CAPABILITIES
    }
    return success(
        {
            "account_id": account_id,
            # Nested twice in the reference, once in captured answers.
            "balances": {"account_id": account_id, "balances": balances} if call.coin() else balances,
            "capabilities": capabilities,
            "payment_methods": {method.id: to_json(method) for method in methods},
        },
        texts=call.texts(),
    )


def create_custom_wallet(call: SandboxRequest) -> SandboxResponse:
    wallet = open_custom(call)
    method = call.world.add_wallet_method(wallet, method_class=CUSTOM)
    notify(call.world, method)
    return success({"payment_method": to_json(method), "wallet": wallet_to_json(wallet)}, texts=Texts.NULL)


def add_card(world: World, account: SandboxAccount, currency: str, state: str) -> SandboxPaymentMethod:
    """Add a card.

    It has the fields of a captured one. Their ``state`` is that of the address, not of the card.
    """
    details: JsonObject = {
        "first_name": "Test",
        "last_name": "User",
        "full_name": account.profile.get("full_name", "Test User"),
        "psp_provided_email": account.email or "",
        "expiration": "1/30",
        "address1": account.profile.get("street_address_1", ""),
        "address2": "",
        "city": account.profile.get("city", ""),
        "state": account.profile.get("state_province", "CA"),
        "country_iso": account.profile.get("country_iso", "US"),
        "zip": account.profile.get("zip_postal_code", ""),
        "bin": "411111",
        "last_four": "1111",
        "avs": "",
        "geoip_state": "",
        "geoip_country_iso": "",
    }
    return _add(world, account, CARD, "visa", "Visa ending in 1111", currency, state, details)


def add_paypal(world: World, account: SandboxAccount, currency: str, state: str) -> SandboxPaymentMethod:
    address = account.email or f"{account.username}@paypal.example"
    return _add(world, account, PAYPAL, "paypal", f"Paypal Account {address}", currency, state, {"email_id": address})


def add_pobo(world: World, account: SandboxAccount, platform: str, user_id: str) -> SandboxPaymentMethod:
    """Add an external platform user's payment method.

    What that user pays with; ``method_class`` and text are inferred.
    """
    return _add(world, account, POBO, platform, f"{platform} {user_id}", "USD", "ACTIVE", {})


def notify(world: World, method: SandboxPaymentMethod) -> None:
    """Notify that it was added or changed."""
    world.notify(
        event_names.PAYMENT_METHOD,
        {"account_id": method.account_id, "payment_method_id": method.id, "state": method.state},
    )


def to_json(method: SandboxPaymentMethod) -> JsonObject:
    common: JsonObject = {
        "id": method.id,
        "account_id": method.account_id,
        "method_class": method.method_class,
        "display_string": method.display_string,
        "provider": method.provider,
        "psp_reference": method.psp_reference,
        "psp_hash_code": "",
        "processing_currency": method.currency,
        "pm_state": method.state,
        "integrator": INTEGRATOR,
        "created": method.created,
        "updated": method.updated,
        "tags": [{"account_id": method.account_id, **tag.to_json()} for tag in method.tags.values()] or None,
    }
    wallet = method.wallet
    if wallet is None:
        return {
            **common,
            "psp_hash_code": f"B-{method.psp_reference}",
            "payment_method_id": method.id,
            **method.details,
        }
    balance = str(wallet.balance)
    return {
        **common,
        # Empty for wallets, and equal to the id for all else.
        "payment_method_id": "",
        "wallet_balance": balance,
        "provider_data": {"wallet_id": wallet.wallet_id, "wallet_balance": balance, "balance": wallet.balance},
    }


ROUTES = (
    Route(payment_methods.LIST, list_all),
    Route(payment_methods.GET, get),
    Route(payment_methods.UPDATE, update),
    Route(payment_methods.TRANSACTION_METHODS, transaction_methods),
    Route(payment_methods.CREATE_CUSTOM_WALLET, create_custom_wallet),
)


def _add(
    world: World,
    account: SandboxAccount,
    provider: str,
    method_class: str,
    display_string: str,
    currency: str,
    state: str,
    details: JsonObject,
) -> SandboxPaymentMethod:
    now = world.times.plain()
    reference = f"{world.random.getrandbits(53):016d}"
    return world.methods.add(
        SandboxPaymentMethod(
            world.new_id("pm"), account.account_id, method_class, provider, display_string, reference, currency, now,
            now, state=state, details=details,
        )
    )  # fmt: skip


def _make_default(world: World, method: SandboxPaymentMethod, name: str, *, wanted: bool) -> None:
    """Make it the default of its kind.

    An account has one default of each kind, marked by a tag.
    """
    for other in world.methods.of(method.account_id):
        if wanted or other is method:
            other.tags.pop(name, None)
    if wanted:
        method.tags[name] = world.new_tag("paytag", method.id, "payments.payment_method.id", "payment_method", name)
