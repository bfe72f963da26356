"""What a confirmed event says: that which Tilia's API says too, and nothing else."""

from types import SimpleNamespace

import attrs
import deliveries
import pytest
from deliveries import delivery

from tilia_async.api.accounts import Account
from tilia_async.api.compliance import KycStatus
from tilia_async.api.escrow import Escrow
from tilia_async.api.invoices import Invoice
from tilia_async.api.payment_methods import PaymentMethod
from tilia_async.api.refunds import InvoiceRefunds
from tilia_async.api.token_exchanges import TokenExchange
from tilia_async.api.wallet import Wallet
from tilia_async.errors import NotFoundError
from tilia_async.webhooks import Event, NotifiedRefund, WebhookReceiver
from tilia_async.webhooks.confirm import CHECKS
from tilia_async.wire.codec import decode

JUNK = {"junk": "canary", "note": ["canary"]}
ENVELOPE = {"event_name", "bucket_key", "sent_at", "message", "digest"}


@attrs.frozen
class Case:
    """A kind of event, and what the API answers.

    Attributes:
        told: the message.
        answers: of each look-up, by its name.
        confirmed: the fields that a handler sees.
        states: fields with another value each, which the API contradicts.
    """

    name: str
    told: dict[str, object]
    answers: dict[str, object]
    confirmed: set[str]
    states: dict[str, object]


def read(kind: type, *messages: dict[str, object]) -> object:
    return decode({key: value for each in messages for key, value in each.items()}, kind)


ACCOUNT = {
    "account_id": deliveries.BLOCK["account_id"],
    "is_blocked": True,
    "username": "nyx",
    "email": "user@example.com",
}
REFUND_INVOICES = {"refund_invoice_ids": ["inv_refund"]}
MADE = {"refunds": [{"refund_id": "0631", "amount": 504, "currency": "USD", "status": "REFUND-SUCCESS"}]}
FAILED = {"refunds": [{"refund_id": "9303", "amount": 901, "currency": "USD", "status": "REFUND-FAILED"}]}
SUMMARY = {"total_amount": 3, "currency": "USD", "subtotal": {"total_amount": 2}}
OTHER_AMOUNT = [{"refund_id": "0631", "amount": 999_999, "currency": "USD"}]
OTHER_REFUND = [{"refund_id": "none", "amount": 504, "currency": "USD"}]
METHOD = {"id": deliveries.PAYMENT_METHOD["payment_method_id"], "pm_state": "ACTIVE", "state": "NY"}
INVOICE = {**deliveries.INVOICE, "summary": {**SUMMARY, "junk": "canary"}}
CASES = {
    "AccountBlockChanged": Case(
        deliveries.BLOCK_NAME,
        deliveries.BLOCK,
        {"accounts.get": read(Account, ACCOUNT)},
        {"account_id", "is_blocked"},
        {"is_blocked": False},
    ),
    "RegistrationCompleted": Case(
        "register-account-completed",
        deliveries.REGISTRATION,
        {"accounts.get": read(Account, ACCOUNT)},
        {"account_id", "username", "email"},
        {"username": "rook", "email": {"address": "thief@example.com"}, "account_id": "acct_other"},
    ),
    "PaymentMethodUpdated": Case(
        "payment-method-updated",
        deliveries.PAYMENT_METHOD,
        {"payment_methods.list": [read(PaymentMethod, METHOD)]},
        {"account_id", "payment_method_id", "state"},
        {"state": "INACTIVE", "payment_method_id": "pm_other"},
    ),
    "InvoiceCompleted": Case(
        "invoice-completed",
        INVOICE,
        {"invoices.get": read(Invoice, INVOICE)},
        {"invoice_id", "invoice_type", "account_id", "reference_type", "reference_id", "state", "failure_code",
         "failure_reason", "summary", "metadata", "created"},
        {"state": "SUCCESS", "account_id": "acct_other", "reference_id": "1", "invoice_type": "x",
         "summary": {**SUMMARY, "total_amount": 999_999}, "metadata": {"order": [2]},
         "failure_reason": "x", "created": "2026-07-03T01:05:59Z"},
    ),
    "EscrowTransactionUpdated": Case(
        "escrow-transaction-update",
        deliveries.ESCROW,
        {"escrow.get": read(Escrow, deliveries.ESCROW, {"cancel_invoice_id": ""})},
        deliveries.ESCROW.keys() - {"cancel_invoice_id"},
        {"status": "COMMITTED", "account_id": "acct_other", "escrow_invoice_id": "inv_other", "integrator": "x"},
    ),
    "RefundCompleted": Case(
        "refund-completed",
        deliveries.REFUND,
        {"refunds.list REFUND-SUCCESS": read(InvoiceRefunds, REFUND_INVOICES, MADE),
         "refunds.list REFUND-FAILED": read(InvoiceRefunds, REFUND_INVOICES, FAILED)},
        deliveries.REFUND.keys() - {"account_id"},
        {"invoice_id": "inv_other", "successful_refunds": OTHER_AMOUNT, "failed_refunds": OTHER_REFUND},
    ),
    "TokenExchangeCompleted": Case(
        "token-exchange-completed",
        deliveries.TOKEN_EXCHANGE,
        {"token_exchanges.get": read(TokenExchange, deliveries.TOKEN_EXCHANGE, {"updated": "2025-01-01T00:00:00Z"})},
        deliveries.TOKEN_EXCHANGE.keys() - {"amount_usd", "fee_amount", "virtual_amount", "virtual_currency", "updated"},
        {"status": "FAILED", "direction": "token_purchase", "user_paid_amount": 1, "user_received_currency": "TIL",
         "account_id": "acct_other", "exchange_rate": 0.02, "destination_wallet_id": "wal_other"},
    ),
    "KycStateChanged": Case(
        "kyc-webhook",
        deliveries.KYC,
        {"compliance.kyc_status": read(KycStatus, deliveries.KYC)},
        set(deliveries.KYC),
        {"state": "DENY", "kyc_id": "kyc_other", "pii_level": "FULL", "kyc_requirements": "NONE",
         "match_checks": [{"kyc_match_check_id": "kycmc_other"}]},
    ),
    "WalletBalanceAlert": Case(
        "wallet-balance-alert",
        deliveries.WALLET_ALERT,
        {"wallets.get": read(Wallet, {"wallet_id": deliveries.WALLET_ALERT["wallet_id"], "description": "Registration USD wallet."})},
        {"wallet_id", "description"},
        {"wallet_id": "wal_other", "description": "Another one."},
    ),
}  # fmt: skip
BY_CASE = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


def tilia_that_answers(answers: dict[str, object], asked: list[str]) -> SimpleNamespace:
    """A client whose look-ups give these answers, whatever the id, and of which nothing else can be asked."""
    rooms: dict[str, SimpleNamespace] = {}
    for name in {each.split()[0] for each in answers}:
        room, method = name.split(".")

        async def look_up(identifier: str, status: object = None, name: str = name) -> object:
            name = name if status is None else f"{name} {status}"
            asked.append(name)
            if isinstance(answers[name], Exception):
                raise answers[name]
            return answers[name]

        rooms[room] = SimpleNamespace(**{method: look_up})
    return SimpleNamespace(**rooms)


def receiver_of(case: Case, answers: dict[str, object] | None = None) -> tuple[WebhookReceiver, list[Event], list[str]]:
    asked: list[str] = []
    tilia = tilia_that_answers(case.answers if answers is None else answers, asked)
    receiver, seen = WebhookReceiver(tilia, confirm=True), list[Event]()  # type: ignore[arg-type] - narrower than the type says

    @receiver.on(Event)
    async def keep(event: Event) -> None:
        seen.append(event)

    return receiver, seen, asked


def test_each_row_has_its_case() -> None:
    assert {kind.__name__ for kind in CHECKS} == CASES.keys()


@BY_CASE
@pytest.mark.asyncio
async def test_a_true_event_is_handled_with_its_confirmed_fields_only(case: Case) -> None:
    receiver, seen, _ = receiver_of(case)
    assert await receiver.handle(delivery({**case.told, **JUNK}, case.name)) == 204
    (event,) = seen
    fields = {field.name for field in attrs.fields(type(event)) if getattr(event, field.name)} - ENVELOPE
    assert fields == {name for name in case.confirmed if case.told[name]}
    assert event.message.keys() == case.confirmed
    assert (event.event_name, event.bucket_key, event.sent_at) == (case.name, None, None)
    shown = str(attrs.asdict(event))
    assert "canary" not in shown


@BY_CASE
@pytest.mark.asyncio
async def test_what_the_api_says_differently_is_refused(case: Case) -> None:
    for field, value in case.states.items():
        receiver, seen, _ = receiver_of(case)
        assert await receiver.handle(delivery({**case.told, field: value}, case.name)) == 409, field
        assert seen == []


@BY_CASE
@pytest.mark.asyncio
async def test_an_unknown_id_is_refused(case: Case) -> None:
    unknown = NotFoundError.__new__(NotFoundError)
    receiver, seen, asked = receiver_of(case, dict.fromkeys(case.answers, unknown))
    assert await receiver.handle(delivery(case.told, case.name)) == 409
    assert asked
    assert await receiver.handle(delivery(JUNK, case.name)) == 409
    assert seen == []


@pytest.mark.parametrize("case", [case for name, case in CASES.items() if name != "WalletBalanceAlert"])
@pytest.mark.asyncio
async def test_what_is_not_confirmed_makes_no_other_event_of_it(case: Case) -> None:
    receiver, seen, _ = receiver_of(case)
    for number in range(3):
        assert (
            await receiver.handle(delivery({**case.told, "junk": number}, case.name, f"2026-07-0{number + 1}")) == 204
        )
    assert len(seen) == 1


@pytest.mark.asyncio
async def test_a_refund_that_failed_is_looked_for_among_those_that_failed() -> None:
    case = CASES["RefundCompleted"]
    told = {**case.told, "successful_refunds": []}
    answers = {"refunds.list REFUND-FAILED": case.answers["refunds.list REFUND-FAILED"]}
    receiver, seen, asked = receiver_of(case, answers)
    assert await receiver.handle(delivery(told, case.name)) == 204
    assert asked == ["refunds.list REFUND-FAILED"]
    assert seen[0].failed_refunds == (NotifiedRefund("9303", 901, "USD"),)  # type: ignore[attr-defined] - narrower than the type says
    assert seen[0].successful_refunds == ()  # type: ignore[attr-defined] - narrower than the type says
