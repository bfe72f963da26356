"""Single values of the newer answers: words, moments, amounts, secrets."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any

import pytest
from support.money_calls import CALLS
from support.money_samples import CAPTURED, DETAILS, HELD, INVOICE, KYC, PAID_OUT, PURCHASE, TRANSFERRED
from support.samples import APPAUTH, WALLET, ZERO_TIME, at, check

if TYPE_CHECKING:
    from support.recorder import Recorder

    from tilia_async import TiliaClient

ESCROW_WORDS = (
    "OPEN ESCROWED ESCROW-FAILED COMMITTED COMMIT-REQUESTED COMMIT-FAILED CANCELLED CANCEL-REQUESTED CANCEL-FAILED "
    "SYSTEM-CANCELLED SYSTEM-CANCEL-REQUESTED SYSTEM-CANCEL-FAILED CANCEL-INVOICE-TRANSFER-FAILED"
)
PAYOUT_WORDS = (
    "ESCROW-TRANSFER-INITIATED ESCROW-TRANSFER-FAILED FUNDS-IN-ESCROW FUNDS-IN-ESCROW-ON-HOLD FAILED SUCCESS "
    "USER-REVERSE-FAILED USER-REVERSED SUPPORT-REJECT-FAILED SUPPORT-REJECT-TRANSFER-INITIATED "
    "CREDIT-TRANSFER-INITIATED TILIA-ONHOLD PROVIDER-ONHOLD USER-REVERSE-TRANSFER-INITIATED USER-CANCELED "
    "SUPPORT-REJECTED SYSTEM-REJECTED SYSTEM-REJECT-FAILED"
)
KYC_WORDS = "ACCEPT CANCEL DENY MANUAL_REVIEW NODATA NONE PROCESSING SYSTEM-CANCELLED REVERIFY"
WORDS = [
    ("token_exchanges.get", "status", "OPEN SUCCESS"),
    ("token_exchanges.get", "direction", "token_purchase token_convert"),
    ("token_exchanges.get", "exchange_rate_direction", "usd_to_virtual virtual_to_usd"),
    ("invoices.get", "state", "OPEN PROCESSING SUCCESS FAILED CANCELED"),
    ("escrow.get", "status", ESCROW_WORDS),
    ("payouts.get", "status", PAYOUT_WORDS),
    ("payouts.get", "payout_flow", "DISBURSEMENT SETTLEMENT STANDARD"),
    ("transfers.create", "status", "EXECUTED FAILED"),
    ("compliance.kyc_status", "state", KYC_WORDS),
    ("compliance.kyc_status", "kyc_requirements", "FULL_KYC NONE TAX_UPDATE"),
    ("compliance.kyc_status", "pii_level", "NONE BASIC FULL"),
    ("payment_methods.get", "pm_state", "ACTIVE INACTIVE UNVERIFIED"),
]


@pytest.mark.asyncio
@pytest.mark.parametrize(("name", "field", "words"), WORDS)
async def test_known_words(api: Recorder, tilia: TiliaClient, name: str, field: str, words: str) -> None:
    """Every word that the sheets list is a member of its enumeration, spelled as Tilia spells it."""
    for word in words.split():
        api.answer(200, {"status": "Success", "payload": {**CALLS[name].payload, field: word}})
        found = getattr(await CALLS[name].call(tilia), field)
        assert found == word
        assert isinstance(found, Enum)


UNKNOWN = [
    ("token_exchanges.get", PURCHASE, ("status", "direction", "exchange_rate_direction")),
    ("invoices.get", CAPTURED, ("state", "invoice_type")),
    ("escrow.get", HELD, ("status",)),
    ("payouts.get", PAID_OUT, ("status", "payout_flow")),
    ("transfers.create", TRANSFERRED, ("status",)),
    ("compliance.kyc_status", KYC, ("state", "kyc_requirements", "pii_level")),
]


@pytest.mark.asyncio
@pytest.mark.parametrize(("name", "payload", "fields"), UNKNOWN)
async def test_unknown_words(
    api: Recorder, tilia: TiliaClient, name: str, payload: dict[str, Any], fields: tuple[str, ...]
) -> None:
    """Unknown members of an enumeration stay what they are: text."""
    api.succeed({**payload, **dict.fromkeys(fields, "LATER")})
    found = await CALLS[name].call(tilia)
    for field in fields:
        assert getattr(found, field) == "LATER"
        assert isinstance(getattr(found, field), str)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("2022-04-11T12:10:44Z", at(2022, 4, 11, 12, 10, 44)),
        ("2022-03-01T01:00:49.342779Z", at(2022, 3, 1, 1, 0, 49, 342779)),
        ("2022-08-02 15:46:25", at(2022, 8, 2, 15, 46, 25)),
        ("2020-09-10 16:15:42.343045", at(2020, 9, 10, 16, 15, 42, 343045)),
        ("2022-10-07 16:39:19.108578 +0000 UTC", at(2022, 10, 7, 16, 39, 19, 108578)),
        (ZERO_TIME, None),
        ("", None),
        ("2006-01-02T15:04:05Z07:00", None),
    ],
)
@pytest.mark.parametrize(
    ("name", "payload"), [("invoices.get", CAPTURED), ("payouts.get", PAID_OUT), ("escrow.get", HELD)]
)
async def test_times(
    api: Recorder, tilia: TiliaClient, name: str, payload: dict[str, Any], written: str, read: Any
) -> None:
    """Moments come in all forms, and the zero time is none."""
    api.succeed({**payload, "created": written, "updated": written})
    check(await CALLS[name].call(tilia), {"created": read, "updated": read})


AMOUNTS = [
    ("token_exchanges.get", PURCHASE, "user_paid_amount"),
    ("payouts.get", PAID_OUT, "credit.amount"),
    ("invoices.get_authorized", DETAILS, "line_items_total"),
]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("written", "read"), [(250, 250), ("250", 250), ("0", 0), (2.5, None), ("2.5", None), ("", None)]
)
@pytest.mark.parametrize(("name", "payload", "field"), AMOUNTS)
async def test_amounts(
    api: Recorder, tilia: TiliaClient, name: str, payload: dict[str, Any], field: str, written: Any, read: int | None
) -> None:
    """Money comes as an integer or as its digits; nothing is rounded."""
    outer, _, inner = field.partition(".")
    api.succeed({**payload, outer: {**payload[outer], inner: written} if inner else written})
    check(await CALLS[name].call(tilia), {field: read})


@pytest.mark.asyncio
async def test_recipients_as_text(api: Recorder, tilia: TiliaClient) -> None:
    """The page of authorized invoices shows a recipient's amount as text."""
    line = {**DETAILS["line_items"][0], "recipients": [{"amount": "100", "destination_wallet_id": WALLET}]}
    api.answer(200, {**DETAILS, "line_items": [line]})
    check(await CALLS["invoices.get_authorized"].call(tilia), {"line_items.0.amount": 550, "line_items_total": 550})


@pytest.mark.asyncio
async def test_authorized_invoice_does_not_show_itself(api: Recorder, tilia: TiliaClient) -> None:
    """A URL that lets its bearer in does not reach a repr."""
    api.succeed({"authorized_invoice_id": INVOICE, "password_token": "eyJ-secret", "redirect": APPAUTH})
    found = await CALLS["invoices.authorize"].call(tilia)
    assert "eyJ-secret" not in repr(found)
    assert APPAUTH not in repr(found)
