"""Requests of the newer methods of accounts, wallets, payment methods and compliance put on the wire."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.money_calls import CALLS, Case, expect_request
from support.money_samples import METHOD, SELLER
from support.samples import ACCOUNT

if TYPE_CHECKING:
    from support.recorder import Recorder

    from tilia_async import TiliaClient

WALLET_BODY = {"account_id": ACCOUNT, "wallet_type": "publisher_hosted"}
PROFILE = f"/accounts/user-info/{ACCOUNT}"
STEAM = {"steam": {"user_id": "76561197960287930"}}

CASES = {
    "tos": Case("compliance.tos_status", None, f"{PROFILE}/tos/tilia"),
    "kyc": Case("compliance.kyc_status", None, f"/pii/v1/kyc/{ACCOUNT}"),
    "onboard": Case(
        "compliance.onboard_entity", None, f"/pii/v1/entity/{ACCOUNT}/onboard", {"entity_name": "Tilia Entity"}
    ),
    "onboard-email": Case(
        "compliance.onboard_entity",
        lambda t: t.compliance.onboard_entity(ACCOUNT, "Tilia Entity", user_email="testing@tilia.com"),
        f"/pii/v1/entity/{ACCOUNT}/onboard",
        {"entity_name": "Tilia Entity", "user_email": "testing@tilia.com"},
    ),
    "update": Case("accounts.update", None, PROFILE, {"full_name": "David"}),
    "update-platform": Case(
        "accounts.update",
        lambda t: t.accounts.update(
            ACCOUNT, external_platforms={"steam": "76561197960287930"}, state_province="CA", country_iso="US"
        ),
        PROFILE,
        {"external_platforms": STEAM, "state_province": "CA", "country_iso": "US"},
    ),
    "block": Case(
        "accounts.block_capability",
        None,
        "/accounts/v2/block",
        {"account_id": ACCOUNT, "block_capability": "login", "block_reason": "account_close"},
    ),
    "block-note": Case(
        "accounts.block_capability",
        lambda t: t.accounts.block_capability(ACCOUNT, note="ban wave 7"),
        "/accounts/v2/block",
        {
            "account_id": ACCOUNT,
            "block_capability": "login",
            "block_reason": "account_close",
            "note": "ban wave 7",
        },
    ),
    "blocks": Case("accounts.get_blocks", None, f"/accounts/v2/block/{ACCOUNT}"),
    "merge": Case(
        "accounts.merge",
        None,
        "/accounts/v2/merge-accounts",
        {"source_account_id": ACCOUNT, "destination_account_id": SELLER},
    ),
    "custom-wallet": Case("wallets.create_custom", None, "/wallets/v2/wallet/custom", WALLET_BODY),
    "custom-wallet-tags": Case(
        "wallets.create_custom",
        lambda t: t.wallets.create_custom(ACCOUNT, "publisher_hosted", tags=["coin:TOK"]),
        "/wallets/v2/wallet/custom",
        {**WALLET_BODY, "tags": ["coin:TOK"]},
    ),
    "method": Case("payment_methods.get", None, f"/payments/v2/payment-method/{METHOD}"),
    "method-rename": Case(
        "payment_methods.update", None, f"/payments/v2/payment_method/{METHOD}", {"display_string": "Mine"}
    ),
    "methods-usable": Case("payment_methods.transaction_methods", None, f"/payments/transaction-methods/{ACCOUNT}"),
    "methods-all": Case(
        "payment_methods.transaction_methods",
        lambda t: t.payment_methods.transaction_methods(ACCOUNT, state="all"),
        f"/payments/transaction-methods/{ACCOUNT}?state=all",
    ),
    "methods-capable": Case(
        "payment_methods.transaction_methods",
        lambda t: t.payment_methods.transaction_methods(ACCOUNT, capability="payout"),
        f"/payments/transaction-methods/{ACCOUNT}?capability=payout",
    ),
    "custom-method": Case(
        "payment_methods.create_custom_wallet",
        lambda t: t.payment_methods.create_custom_wallet(ACCOUNT, "publisher_hosted", tags=["coin:TOK"]),
        "/payments/v2/payment-method/custom",
        {**WALLET_BODY, "tags": ["coin:TOK"]},
    ),
}


@pytest.mark.asyncio
@pytest.mark.parametrize("case", [pytest.param(case, id=name) for name, case in CASES.items()])
async def test_request(api: Recorder, tilia: TiliaClient, case: Case) -> None:
    """Each method sends one request, the documented one, with a token of the documented scopes."""
    await expect_request(api, tilia, case)


@pytest.mark.asyncio
async def test_update_email(api: Recorder, tilia: TiliaClient) -> None:
    """An address travels as an object; whether it has to be verified is Tilia's default or told."""
    api.succeed(CALLS["accounts.update"].payload)
    await tilia.accounts.update(ACCOUNT, email="user@example.com")
    body = api.call.json
    assert body.keys() == {"email"}
    assert body["email"]["address"] == "user@example.com"
    assert body["email"].keys() <= {"address", "requires_verification"}


@pytest.mark.asyncio
@pytest.mark.parametrize("value", [True, False])
@pytest.mark.parametrize("field", ["default_payment", "default_payout"])
async def test_update_default(api: Recorder, tilia: TiliaClient, field: str, value: object) -> None:
    """The schema calls a default a boolean, the sample writes it as text."""
    api.succeed({})
    await tilia.payment_methods.update(METHOD, **{field: value})  # type: ignore[arg-type] - on purpose
    body = api.call.json
    assert body.keys() == {field}
    assert str(body[field]).lower() == str(value).lower()
