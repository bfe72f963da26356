"""Samples of the contract tests.

Documented payloads, one call per operation, and ways to look at an answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tilia_async import TiliaClient

    Call = Callable[[TiliaClient], Awaitable[Any]]

ACCOUNT = "acct_2TiDFXHVFMlAuyy7ovvz3YPKv9b"
OLD_ACCOUNT = "09c9e3ee-8af5-4206-aaa4-1a913ea855d2"
WALLET = "wal_2V2cKKqYoaj018K0EXBauwcurbd"
MAIL = "david_gaimer@mail.io"
PHRASE = "J5Ks+%ML-Tx_/}Eb"
NONCE = "133fafce-80ab-42f6-82b1-7266d9bab91d"
HOSTED = f"https://pub.tilia-inc.com/testpublisher/txnhistory/{NONCE}"
APPAUTH = "https://web.tilia-inc.com/ui/appauth/ed8ff1e9-9256-4205-918a-b9ca23ec00ec"
ZERO_TIME = "0001-01-01T00:00:00Z"

TAG = {
    "tag_id": "acttag_2Jy1MrLMsLIiD2AGWZg8v6gIN9U",
    "account_id": ACCOUNT,
    "resource_id": "0e3037fd-9fbc-499b-b5e5-19948502cbdb",
    "resource_type": "lindenaccounts.accounts_v2.account_id",
    "namespace": "account_merge",
    "tag": "merged_to",
    "status": "ACTIVE",
    "integrator": "acme",
    "created": "2019-08-24T14:15:22Z",
    "updated": "2019-08-24T14:15:22Z",
}
PROFILE = {
    "account_id": ACCOUNT,
    "username": MAIL,
    "email": MAIL,
    "is_blocked": False,
    "blocked_capabilities": {},
    "integrator": "acme",
    "tags": [TAG],
    "created": "2019-08-24T14:15:22Z",
}
OLD_PROFILE = {
    "account_id": OLD_ACCOUNT,
    "username": "string",
    "email": "string",
    "is_blocked": True,
    "integrator": "string",
    "created": "2020-07-03T01:05:59.49468Z",
}
REGISTERED = {
    "account_id": "ACCOUNT_ID_STRING",
    "username": "SOME_USERNAME",
    "password": "",
    "user_id": "",
    "steam": {"user_id": ""},
    "oculus": {"user_id": ""},
    "email": {
        "email_id": "EMAIL_ID_STRING",
        "address": "SOME_EMAIL_ADDRESS",
        "email_types": ["primary_contact"],
        "is_verified": True,
    },
    **dict.fromkeys(("first_name", "last_name", "full_name", "city", "state_province", "country_iso"), ""),
    **dict.fromkeys(("street_address_1", "street_address_2", "street_address_3", "zip_postal_code"), ""),
}
WALLET_DOC = {
    "wallet_id": WALLET,
    "account_id": ACCOUNT,
    "description": "USD Wallet",
    "currency": "USD",
    "current_balance": 100,
    "active": 1,
    "tags": ["coin:TOK"],
}
WALLET_CAPTURED = {
    "wallet_id": "78d7c4a2-7c5b-4c42-8d53-0f8c8f2f7d10",
    "description": "tilia-sdks virtual asset TST wallet",
    "account_id": "823a1b7e-45a5-4a0e-9f5c-2f1d0f6f9c11",
    "currency": "TST",
    "current_balance": 0,
    "active": True,
    "tags": ["hos"],
    "integrator": "tilia-sdks",
    "created": "2022-02-17T18:29:35.249165Z",
    "updated": "2022-04-08T17:14:13.287601Z",
}
BALANCES_DOC = {
    "account_id": ACCOUNT,
    "balances": {
        "USD": {
            "spendable_balance": {"balance": "50000", "display": "$500.00"},
            "spendable": {"balance": "20000", "display": "$200.00"},
            "convertible": {"balance": "10000", "display": "$100.00"},
        }
    },
}
BALANCES_CAPTURED = {
    "account_id": OLD_ACCOUNT,
    "balances": {
        "USD": {"spendable": {"balance": 99898, "display": "$998.98"}},
        "TST": {
            "spendable": {"balance": 970100, "display": "TST 9701.00"},
            "convertible": {"balance": 0, "display": "TST 0.00"},
        },
    },
}


def method(method_class: str, provider: str, reference: str, when: str, **extra: Any) -> dict[str, Any]:
    """Write a payment method as the list has it."""
    common = {"account_id": ACCOUNT, "psp_hash_code": "", "processing_currency": "USD", "pm_state": "ACTIVE"}
    kind = {"method_class": method_class, "provider": provider, "psp_reference": reference, "integrator": "acme"}
    return {
        "id": f"id-of-{reference}",
        **common,
        **kind,
        "display_string": "",
        "created": when,
        "updated": when,
        **extra,
    }


USD = "wal_2V2cKKIT5fKwlYVYNBRLaWZGmQX"
CARD = method("american-express", "rebilly", "8415980438197366", "2020-08-21 09:03:39", display_string="Amex 0002")
PAYPAL = method("paypal", "paypal", "YT8R32KXE999A", "2020-09-01 09:12:35", psp_hash_code="B-0D829766730777777")
USD_WALLET = method(
    "registration",
    "wallet",
    USD,
    "2020-08-14 10:59:59",
    display_string="USD Wallet",
    wallet_balance="2457",
    provider_data={"wallet_id": USD, "wallet_balance": "2457"},
)
BANK = method("wells_fargo", "banking", "400e4c4b-4910-49fb-821c", "2020-08-14 10:59:59")
TOKEN_WALLET = method(
    "convertible",
    "wallet",
    "d3da84e7-a203-4453-a016-407e91",
    "2022-03-01 01:00:49",
    processing_currency="QAD",
    payment_method_id="",
    tags=None,
    provider_data={"wallet_id": "d3da84e7-a203-4453-a016-407e91", "wallet_balance": "0", "balance": 0},
)
REBILLY = {**CARD, "pm_state": "UNVERIFIED", "state": "CA", "last_four": "0002", "expiration": "1/23", "tags": []}
COMPLETED = {"account_id": ACCOUNT, "autologin_id": "auto", "metadata": '{"a":1}', "tracking_id": "track"}


CALLS: dict[str, Call] = {
    "accounts.get": lambda t: t.accounts.get(ACCOUNT),
    "accounts.find": lambda t: t.accounts.find(MAIL),
    "accounts.is_blocked": lambda t: t.accounts.is_blocked(ACCOUNT),
    "accounts.block": lambda t: t.accounts.block(ACCOUNT),
    "accounts.unblock": lambda t: t.accounts.unblock(ACCOUNT),
    "accounts.register": lambda t: t.accounts.register("SOME_USERNAME", email=MAIL),
    "registration.start": lambda t: t.registration.start(MAIL, PHRASE, MAIL),
    "registration.complete": lambda t: t.registration.complete("454471c2-e4c6-11ea-87d0-0242ac100000"),
    "wallets.get": lambda t: t.wallets.get(WALLET),
    "wallets.balances": lambda t: t.wallets.balances(ACCOUNT),
    "payment_methods.list": lambda t: t.payment_methods.list(ACCOUNT),
    "auth.create_redirect": lambda t: t.auth.create_redirect(ACCOUNT),
    "auth.create_user_token": lambda t: t.auth.create_user_token(ACCOUNT),
}


def token(extra: dict[str, str]) -> dict[str, Any]:
    """Write a user token as an object."""
    return {"token": {"access_token": "USER_PASSWORD_TOKEN", "token_type": "Bearer", **extra}}


LONG_TOKEN = token({"refresh_token": "REFRESH", "expiry": "2030-01-02T03:04:05Z"})


def failure(payload: Any, message: Any = (), codes: Any = ()) -> dict[str, Any]:
    """Write a failure envelope."""
    return {"status": "Failure", "message": message, "codes": codes, "payload": payload}


class Empty:
    """A value that equals anything empty.

    None and every empty container or string: the sheets do not tell them apart.
    """

    __hash__ = None  # type: ignore[assignment] - a matcher, compared and never hashed

    def __eq__(self, other: object) -> bool:
        return other is None or (hasattr(other, "__len__") and len(other) == 0)


EMPTY = Empty()


def at(*parts: int) -> datetime:
    """Name a moment in UTC."""
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc,arg-type] - a matcher, compared and never hashed


def read(value: Any, name: str) -> Any:
    """Follow a dotted name through attributes, keys and positions."""
    for part in name.split("."):
        if isinstance(value, Mapping):
            value = value[part]
        else:
            value = value[int(part)] if part.isdigit() else getattr(value, part)
    return value


def check(value: Any, expected: dict[str, Any]) -> None:
    """Compare an object by dotted names.

    Numbers and moments also by type and zone.
    """
    found = {name: read(value, name) for name in expected}
    assert found == expected
    for name, wanted in expected.items():
        if type(wanted) in {int, bool}:
            assert type(found[name]) is type(wanted), name
        if isinstance(wanted, datetime):
            assert found[name].utcoffset() == timedelta(0), name
