"""Models that the documented answers are read as."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from support.samples import (
    ACCOUNT,
    APPAUTH,
    BALANCES_CAPTURED,
    BALANCES_DOC,
    BANK,
    CALLS,
    CARD,
    COMPLETED,
    EMPTY,
    HOSTED,
    LONG_TOKEN,
    MAIL,
    NONCE,
    OLD_ACCOUNT,
    OLD_PROFILE,
    PAYPAL,
    PROFILE,
    REBILLY,
    REGISTERED,
    TAG,
    TOKEN_WALLET,
    USD,
    USD_WALLET,
    WALLET_CAPTURED,
    WALLET_DOC,
    ZERO_TIME,
    at,
    check,
    token,
)

from tilia_async.api import OPERATIONS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from support.recorder import Recorder

    from tilia_async import TiliaClient

    Call = Callable[[TiliaClient], Awaitable[Any]]


class Sample(NamedTuple):
    """A call, a payload that is documented for it, and what must be readable afterwards by dotted name."""

    call: str
    payload: Any
    expected: dict[str, Any]


PROFILE_READ = {
    "account_id": ACCOUNT,
    "username": MAIL,
    "email": MAIL,
    "is_blocked": False,
    "blocked_capabilities": {},
    "integrator": "acme",
    "tags.0.tag_id": TAG["tag_id"],
    "tags.0.namespace": "account_merge",
    "tags.0.tag": "merged_to",
    "tags.0.resource_type": "lindenaccounts.accounts_v2.account_id",
    "tags.0.status": "ACTIVE",
    "tags.0.created": at(2019, 8, 24, 14, 15, 22),
    "created": at(2019, 8, 24, 14, 15, 22),
}
OLD_PROFILE_READ = {
    "account_id": OLD_ACCOUNT,
    "is_blocked": True,
    "blocked_capabilities": EMPTY,
    "tags": EMPTY,
    "created": at(2020, 7, 3, 1, 5, 59, 494680),
}
WALLET_READ = {k: v for k, v in WALLET_DOC.items() if k != "tags"}
CAPTURED_READ = {
    **WALLET_CAPTURED,
    "tags": None,
    "created": at(2022, 2, 17, 18, 29, 35, 249165),
    "updated": at(2022, 4, 8, 17, 14, 13, 287601),
}
del CAPTURED_READ["tags"]
METHODS_READ = {
    "0.id": CARD["id"],
    "0.account_id": ACCOUNT,
    "0.method_class": "american-express",
    "0.display_string": "Amex 0002",
    "0.provider": "rebilly",
    "0.psp_reference": "8415980438197366",
    "0.processing_currency": "USD",
    "0.pm_state": "ACTIVE",
    "0.wallet_balance": None,
    "0.created": at(2020, 8, 21, 9, 3, 39),
    "1.provider": "paypal",
    "1.psp_hash_code": "B-0D829766730777777",
    "2.provider": "wallet",
    "2.method_class": "registration",
    "2.psp_reference": USD,
    "2.wallet_balance": 2457,
    "2.provider_data.wallet_id": USD,
    "2.updated": at(2020, 8, 14, 10, 59, 59),
    "3.provider": "banking",
    "3.method_class": "wells_fargo",
}
DOC_BALANCES_READ = {
    "account_id": ACCOUNT,
    "balances.USD.spendable_balance.balance": 50000,
    "balances.USD.spendable.balance": 20000,
    "balances.USD.spendable.display": "$200.00",
    "balances.USD.convertible.balance": 10000,
}
CAPTURED_BALANCES_READ = {
    "balances.USD.spendable.balance": 99898,
    "balances.USD.spendable.display": "$998.98",
    "balances.USD.convertible": None,
    "balances.TST.spendable.balance": 970100,
    "balances.TST.convertible.balance": 0,
}
REGISTERED_READ = {
    "account_id": "ACCOUNT_ID_STRING",
    "username": "SOME_USERNAME",
    "email.address": "SOME_EMAIL_ADDRESS",
    "email.email_id": "EMAIL_ID_STRING",
    "email.email_types.0": "primary_contact",
    "email.is_verified": True,
    "full_name": EMPTY,
    "country_iso": EMPTY,
}

SAMPLES = {
    "account": Sample("accounts.get", PROFILE, PROFILE_READ),
    "account-old": Sample("accounts.get", OLD_PROFILE, OLD_PROFILE_READ),
    "account-found": Sample("accounts.find", PROFILE, PROFILE_READ),
    "account-without-email": Sample("accounts.get", {**PROFILE, "email": ""}, {"account_id": ACCOUNT, "email": EMPTY}),
    "blocked": Sample("accounts.block", {"is_blocked": True}, {"is_blocked": True}),
    "unblocked": Sample("accounts.unblock", {"is_blocked": False}, {"is_blocked": False}),
    "registered": Sample("accounts.register", REGISTERED, REGISTERED_READ),
    "registered-bare": Sample(
        "accounts.register",
        {"account_id": ACCOUNT, "username": "d"},
        {"account_id": ACCOUNT, "username": "d", "email": None},
    ),
    "started": Sample("registration.start", {"registration_id": "reg"}, {"registration_id": "reg"}),
    "completed": Sample("registration.complete", COMPLETED, COMPLETED),
    "completed-old": Sample("registration.complete", {**COMPLETED, "account_already_exists": False}, COMPLETED),
    "wallet": Sample("wallets.get", WALLET_DOC, {**WALLET_READ, "active": True, "tags.0": "coin:TOK"}),
    "wallet-captured": Sample("wallets.get", WALLET_CAPTURED, {**CAPTURED_READ, "tags.0": "hos"}),
    "wallet-odd": Sample(
        "wallets.get",
        {**WALLET_CAPTURED, "tags": None, "created": "", "updated": ZERO_TIME},
        {"created": None, "updated": None, "tags": EMPTY, "current_balance": 0},
    ),
    "balances": Sample("wallets.balances", BALANCES_DOC, DOC_BALANCES_READ),
    "balances-captured": Sample("wallets.balances", BALANCES_CAPTURED, CAPTURED_BALANCES_READ),
    "methods": Sample("payment_methods.list", [CARD, PAYPAL, USD_WALLET, BANK], METHODS_READ),
    "methods-captured": Sample(
        "payment_methods.list",
        [TOKEN_WALLET],
        {
            "0.processing_currency": "QAD",
            "0.method_class": "convertible",
            "0.provider_data.balance": 0,
            "0.tags": EMPTY,
        },
    ),
    "methods-card": Sample("payment_methods.list", [REBILLY], {"0.pm_state": "UNVERIFIED", "0.provider": "rebilly"}),
    "redirect": Sample("auth.create_redirect", {"redirect": APPAUTH}, {"redirect": APPAUTH, "nonce_auth_id": None}),
    "redirect-hosted": Sample(
        "auth.create_redirect",
        {"nonce_auth_id": NONCE, "redirect": HOSTED},
        {"redirect": HOSTED, "nonce_auth_id": NONCE},
    ),
    "token": Sample(
        "auth.create_user_token", LONG_TOKEN, {"access_token": "USER_PASSWORD_TOKEN", "expiry": at(2030, 1, 2, 3, 4, 5)}
    ),
    "token-zero-time": Sample(
        "auth.create_user_token", token({"expiry": ZERO_TIME}), {"token_type": "Bearer", "expiry": None}
    ),
    "token-guide": Sample("auth.create_user_token", token({"expiry": "TOKEN_EXPIRATION"}), {"expiry": None}),
    "token-plain": Sample(
        "auth.create_user_token", {"nonce_auth_id": NONCE, "token": "string"}, {"access_token": "string"}
    ),
}
SAMPLE = [pytest.param(sample, id=name) for name, sample in SAMPLES.items()]

ENVELOPES = {
    "guide": {"message": [], "codes": []},
    "reference": {"message": None, "codes": None},
    "null-items": {"message": [None], "codes": [None]},
    "bare": {},
    "messages": {"messages": [], "codes": []},
}


ASKED: dict[str, Callable[[TiliaClient, dict[str, Any]], Awaitable[Any]]] = {
    "accounts.get": lambda tilia, told: tilia.accounts.get(told["account_id"]),
    "accounts.register": lambda tilia, told: tilia.accounts.register(told["username"], email=MAIL),
    "wallets.get": lambda tilia, told: tilia.wallets.get(told["wallet_id"]),
    "wallets.balances": lambda tilia, told: tilia.wallets.balances(told["account_id"]),
}


async def call(tilia: TiliaClient, sample: Sample) -> Any:
    """Ask for what the sample is about."""
    asks = ASKED.get(sample.call)
    return await (CALLS[sample.call](tilia) if asks is None else asks(tilia, sample.payload))


def status_of(sample: Sample) -> int:
    """Pick the documented status of a success."""
    return 201 if sample.call == "registration.start" else 200


@pytest.mark.asyncio
@pytest.mark.parametrize("envelope", [pytest.param(extra, id=name) for name, extra in ENVELOPES.items()])
@pytest.mark.parametrize("sample", SAMPLE)
async def test_sample(api: Recorder, tilia: TiliaClient, sample: Sample, envelope: dict[str, Any]) -> None:
    """Every documented answer is read, however its envelope is filled."""
    api.answer(status_of(sample), {"status": "Success", **envelope, "payload": sample.payload})
    check(await call(tilia, sample), sample.expected)


@pytest.mark.asyncio
@pytest.mark.parametrize("sample", SAMPLE)
async def test_unknown_fields(api: Recorder, tilia: TiliaClient, sample: Sample) -> None:
    """A field that Tilia adds later does no harm."""
    news = {"brand_new": {"a": [1, None, {"b": 2.5}]}}
    payload = sample.payload
    payload = [{**item, **news} for item in payload] if isinstance(payload, list) else {**payload, **news}
    api.answer(status_of(sample), {"status": "Success", "payload": payload, "trace": "x", "meta": {"page": 1}})
    check(await call(tilia, sample), sample.expected)


@pytest.mark.asyncio
@pytest.mark.parametrize("is_blocked", [True, False])
async def test_is_blocked(api: Recorder, tilia: TiliaClient, is_blocked: object) -> None:
    """The short question has a short answer."""
    api.succeed({**PROFILE, "is_blocked": is_blocked})
    assert await tilia.accounts.is_blocked(ACCOUNT) is is_blocked


@pytest.mark.asyncio
@pytest.mark.parametrize("status", [200, 201])
async def test_completed_with_either_status(api: Recorder, tilia: TiliaClient, status: int) -> None:
    """The status of a completed registration is not documented."""
    api.succeed(COMPLETED, status=status)
    check(await tilia.registration.complete("reg"), COMPLETED)


@pytest.mark.asyncio
async def test_wallets_are_the_payment_methods_of_the_provider_wallet(api: Recorder, tilia: TiliaClient) -> None:
    """Cards, PayPal and bank accounts are no wallets."""
    api.succeed([CARD, USD_WALLET, PAYPAL, TOKEN_WALLET, BANK])
    found = await tilia.wallets.list(ACCOUNT)
    assert [item.psp_reference for item in found] == [USD, TOKEN_WALLET["psp_reference"]]


@pytest.mark.asyncio
async def test_unknown_account_has_no_payment_methods(api: Recorder, tilia: TiliaClient) -> None:
    """Tilia answers an unknown account with an empty list."""
    api.succeed([], times=2)
    assert list(await tilia.payment_methods.list(ACCOUNT)) == []
    assert list(await tilia.wallets.list(ACCOUNT)) == []


@pytest.mark.asyncio
@pytest.mark.parametrize("payload", [LONG_TOKEN, {"token": "USER_PASSWORD_TOKEN"}], ids=["object", "plain"])
async def test_user_token_does_not_show_itself(api: Recorder, tilia: TiliaClient, payload: Any) -> None:
    """Tokens do not reach a repr."""
    api.succeed(payload)
    found = await tilia.auth.create_user_token(ACCOUNT)
    assert "USER_PASSWORD_TOKEN" not in repr(found)
    assert "REFRESH" not in repr(found)


@pytest.mark.asyncio
async def test_response(api: Recorder, tilia: TiliaClient) -> None:
    """The long form has the details of the answer, unknown fields included."""
    payload = {**PROFILE, "brand_new": 7}
    api.answer(200, {"status": "Success", "payload": payload}, {"X-Trace": "abc"})
    response = await tilia.send(OPERATIONS["accounts.get"], path={"account_id": ACCOUNT})
    check(response.value, PROFILE_READ)
    assert response.payload == payload
    assert (response.status, response.attempts, response.headers["X-Trace"]) == (200, 1, "abc")
    assert response.elapsed > 0
