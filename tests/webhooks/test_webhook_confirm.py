"""A confirmed event says what Tilia's API says, whichever part of it was posted."""

import asyncio
from collections.abc import Iterator
from itertools import combinations
from types import SimpleNamespace

import attrs
import pytest
from support import deliveries
from support.deliveries import delivery

from tilia_async.errors import NotFoundError
from tilia_async.models.accounts import Account, AccountBlocks
from tilia_async.models.compliance import KycStatus
from tilia_async.models.escrow import Escrow
from tilia_async.models.invoices import Invoice
from tilia_async.models.payment_methods import PaymentMethod
from tilia_async.models.refunds import InvoiceRefunds
from tilia_async.models.token_exchanges import TokenExchange
from tilia_async.models.wallets import Wallet
from tilia_async.webhooks import AccountBlockChanged, Event, RefundCompleted, WebhookReceiver
from tilia_async.webhooks.confirm import CHECKS
from tilia_async.wire.codec import decode

JUNK = {"junk": "canary", "note": ["canary"]}
ENVELOPE = {"event_name", "bucket_key", "sent_at", "confirmed_at", "message", "digest"}


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
        {"accounts.get": read(Account, ACCOUNT), "accounts.get_blocks": read(AccountBlocks, deliveries.BLOCK)},
        {"account_id", "is_blocked", "blocks"},
        {"is_blocked": False, "blocks": {**deliveries.BLOCK["blocks"], "issuer": "tilia"}},
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
    """A client whose look-ups give these answers, whatever the id, and of which nothing else can be asked.

    Of an iterator it gives one after the other.
    """
    rooms: dict[str, dict[str, object]] = {}
    for name in {each.split()[0] for each in answers}:
        room, method = name.split(".")

        async def look_up(identifier: str, status: object = None, name: str = name) -> object:
            name = name if status is None else f"{name} {status}"
            asked.append(name)
            answer = answers[name]
            if isinstance(answer, Iterator):
                answer = next(answer)
            if isinstance(answer, Exception):
                raise answer
            return answer

        rooms.setdefault(room, {})[method] = look_up
    return SimpleNamespace(**{room: SimpleNamespace(**methods) for room, methods in rooms.items()})


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
    assert event.confirmed_at is not None
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


NEEDED = {kind.__name__: {check.named, *check.required} for kind, check in CHECKS.items()}


def parts(told: dict[str, object], needed: set[str]) -> Iterator[dict[str, object]]:
    """A message without one or two of the fields that it does not need, in another order, and with one field only."""
    spare = [name for name in told if name not in needed]
    for left_out in [(), *combinations(spare, 1), *combinations(spare, 2), tuple(spare)]:
        yield {name: told[name] for name in reversed(told) if name not in left_out}
    yield {**told, **JUNK}


@pytest.mark.parametrize("name", [name for name in CASES if name != "WalletBalanceAlert"])
@pytest.mark.asyncio
async def test_whichever_part_of_it_is_posted_it_is_one_event_and_whole(name: str) -> None:
    case, statuses = CASES[name], set[int]()
    receiver, seen, _ = receiver_of(case)
    for number, part in enumerate(parts(case.told, NEEDED[name])):
        statuses.add(
            await receiver.handle(delivery(part, case.name, f"2026-07-03T00:{number // 60:02}:{number % 60:02}Z"))
        )
        statuses.add(await receiver.handle(delivery(part, case.name, "?")))
    assert statuses == {204}
    assert len(seen) == 1
    alone, only, _ = receiver_of(case)
    least = {field: case.told[field] for field in case.told if field in NEEDED[name]}
    assert await alone.handle(delivery(least, case.name)) == 204
    assert only == seen, "the least that can be posted makes the whole event"
    assert only[0].digest == seen[0].digest


@pytest.mark.parametrize("name", [name for name in CASES if name != "WalletBalanceAlert"])
@pytest.mark.asyncio
async def test_two_parts_at_once_are_one_event(name: str) -> None:
    case = CASES[name]
    receiver, seen, _ = receiver_of(case)
    started, go = asyncio.Event(), asyncio.Event()

    @receiver.on(Event)
    async def slow(_: Event) -> None:
        started.set()
        await go.wait()

    whole, least = case.told, {field: case.told[field] for field in case.told if field in NEEDED[name]}
    tasks = [asyncio.create_task(receiver.handle(delivery(part, case.name))) for part in (least, whole, least)]
    await started.wait()
    for _ in range(20):
        await asyncio.sleep(0)
    go.set()
    assert await asyncio.gather(*tasks) == [204] * 3
    assert len(seen) == 1


@BY_CASE
@pytest.mark.asyncio
async def test_what_does_not_say_enough_is_refused_and_not_asked_for(case: Case) -> None:
    (needed,) = [NEEDED[name] for name, each in CASES.items() if each is case]
    for field in needed:
        for nothing in (None, ""):
            receiver, seen, asked = receiver_of(case)
            assert await receiver.handle(delivery({**case.told, field: nothing}, case.name)) == 409
            assert (seen, asked) == ([], [])


@pytest.mark.asyncio
async def test_the_order_of_an_answer_makes_no_other_event() -> None:
    checks = [{"kyc_match_check_id": f"kycmc_{number}", "match_score": 0.5} for number in range(3)]
    answers = {"compliance.kyc_status": read(KycStatus, deliveries.KYC, {"match_checks": checks})}
    receiver, seen, _ = receiver_of(CASES["KycStateChanged"], answers)
    for order in (checks, checks[::-1]):
        answers["compliance.kyc_status"] = read(KycStatus, deliveries.KYC, {"match_checks": order})
        assert await receiver.handle(delivery({**deliveries.KYC, "match_checks": order}, "kyc-webhook")) == 204
    assert len(seen) == 1
    answers["compliance.kyc_status"] = read(KycStatus, deliveries.KYC, {"match_checks": checks[:2]})
    assert await receiver.handle(delivery({**deliveries.KYC, "match_checks": []}, "kyc-webhook")) == 204
    assert len(seen) == 2, "Tilia says something else now"


@pytest.mark.asyncio
async def test_a_kyc_that_tilia_does_not_name_is_the_accounts() -> None:
    told = {"account_id": "acct_1", "state": "ACCEPT"}
    receiver, seen, _ = receiver_of(CASES["KycStateChanged"], {"compliance.kyc_status": read(KycStatus, told)})
    for message in (told, {**told, "kyc_id": "kyc_1"}, {**told, "kyc_id": "kyc_2"}):
        assert await receiver.handle(delivery(message, "kyc-webhook")) == 204
    assert len(seen) == 1


@pytest.mark.asyncio
async def test_a_refund_that_does_not_name_its_invoice_counts_only_if_there_is_no_other() -> None:
    nameless = {"refund_id": "0631", "amount": 504, "currency": "USD", "status": "REFUND-SUCCESS"}
    others = {**nameless, "refund_id": "1", "refund_invoice_id": "inv_other"}
    case, none = CASES["RefundCompleted"], read(InvoiceRefunds, {})
    for refunds, expected in (([nameless], ["0631"]), ([nameless, others], [])):
        listed = read(InvoiceRefunds, REFUND_INVOICES, {"refunds": refunds})
        answers = {"refunds.list REFUND-SUCCESS": listed, "refunds.list REFUND-FAILED": none}
        receiver, seen, asked = receiver_of(case, answers)
        assert await receiver.handle(delivery({**case.told, "failed_refunds": []}, case.name)) == 204
        assert sorted(asked) == ["refunds.list REFUND-FAILED", "refunds.list REFUND-SUCCESS"]
        (event,) = seen
        assert isinstance(event, RefundCompleted)
        assert [refund.refund_id for refund in event.successful_refunds] == expected


# --- Blocks, of which two look-ups tell -------------------------------------------------------------------------------

TILIAS = {**deliveries.BLOCK["blocks"], "block_id": "blk_tilia", "issuer": "tilia", "reason": "fraud"}


def blocked_by(*blocks: dict[str, object], account_id: object = ACCOUNT["account_id"]) -> dict[str, object]:
    found = read(AccountBlocks, {"account_id": account_id, "blocks": list(blocks)})
    return {"accounts.get": read(Account, ACCOUNT), "accounts.get_blocks": found}


async def told_of_blocks(answers: dict[str, object], *messages: dict[str, object]) -> tuple[list[int], list[object]]:
    receiver, seen, _ = receiver_of(CASES["AccountBlockChanged"], answers)
    statuses = [await receiver.handle(delivery(message)) for message in messages]
    return statuses, [block.issuer for event in seen for block in event.blocks]  # type: ignore[attr-defined] - only blocks


@pytest.mark.asyncio
async def test_who_blocked_is_whom_the_api_names_and_not_whom_the_notification_does() -> None:
    least = {"account_id": ACCOUNT["account_id"], "is_blocked": True}
    assert await told_of_blocks(blocked_by(TILIAS), least) == ([204], ["tilia"])
    # The answer may have room for one block only, so that another is no contradiction.
    assert await told_of_blocks(blocked_by(TILIAS), deliveries.BLOCK) == ([204], ["tilia"])
    both = blocked_by(TILIAS, deliveries.BLOCK["blocks"])
    assert await told_of_blocks(both, least, deliveries.BLOCK) == ([204, 204], ["publisher", "tilia"])
    forged = {**deliveries.BLOCK, "blocks": {**TILIAS, "issuer": "publisher"}}
    assert await told_of_blocks(both, forged) == ([409], [])


@pytest.mark.asyncio
async def test_an_answer_about_another_account_names_nobody() -> None:
    least = {"account_id": ACCOUNT["account_id"], "is_blocked": True}
    others = {**TILIAS, "account_id": "acct_other"}
    for lagging in (blocked_by(TILIAS, account_id="acct_other"), blocked_by(others)):
        assert await told_of_blocks(lagging, deliveries.BLOCK, least) == ([409, 409], [])


@pytest.mark.asyncio
async def test_a_block_that_tilia_does_not_list_is_an_event_that_names_nobody() -> None:
    """Else no handler would ever hear of it, and Tilia would send it again and again."""
    least = {"account_id": ACCOUNT["account_id"], "is_blocked": True}
    receiver, seen, asked = receiver_of(CASES["AccountBlockChanged"], blocked_by())
    assert [await receiver.handle(delivery(each)) for each in (deliveries.BLOCK, least)] == [204, 204]
    (event,) = seen
    assert isinstance(event, AccountBlockChanged)
    assert (event.is_blocked, event.blocks, dict(event.message)) == (True, (), least)
    assert asked == ["accounts.get", "accounts.get_blocks", "accounts.get"] * 2


@pytest.mark.asyncio
async def test_an_account_that_is_unblocked_between_two_look_ups_is_not_called_blocked() -> None:
    answers = iter([read(Account, ACCOUNT), read(Account, ACCOUNT, {"is_blocked": False})])
    receiver, seen, _ = receiver_of(CASES["AccountBlockChanged"], {**blocked_by(), "accounts.get": answers})
    assert await receiver.handle(delivery(deliveries.BLOCK)) == 409
    assert seen == []


@pytest.mark.asyncio
async def test_who_blocked_is_not_asked_where_it_does_not_matter() -> None:
    free = {"accounts.get": read(Account, ACCOUNT, {"is_blocked": False})}
    for message, status in ((deliveries.BLOCK, 409), (deliveries.UNBLOCK, 204)):
        receiver, _, asked = receiver_of(CASES["AccountBlockChanged"], free)
        assert await receiver.handle(delivery(message)) == status
        assert asked == ["accounts.get"]
    receiver, seen, asked = receiver_of(CASES["AccountBlockChanged"])
    assert await receiver.handle(delivery(deliveries.UNBLOCK)) == 409
    assert (seen, asked) == ([], ["accounts.get"])


@pytest.mark.asyncio
async def test_what_nobody_can_look_up_waits_for_an_earlier_one_of_its_entity_too() -> None:
    receiver, seen = WebhookReceiver(), list[Event]()
    go = asyncio.Event()

    @receiver.on(Event)
    async def slow(event: Event) -> None:
        seen.append(event)
        await go.wait()

    tasks = [asyncio.create_task(receiver.handle(delivery(deliveries.PAYOUT, "payout-complete"))) for _ in range(3)]
    for _ in range(20):
        await asyncio.sleep(0)
    go.set()
    assert await asyncio.gather(*tasks) == [204] * 3
    assert len(seen) == 1
