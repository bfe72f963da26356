"""From the bytes of a delivery to its event (fact sheet "compliance-webhooks", A)."""

import pickle
from datetime import UTC, datetime

import attrs
import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support import deliveries
from support.deliveries import delivery

from tilia_async import webhooks
from tilia_async.errors import WebhookError
from tilia_async.models.accounts import AccountEmail, Block, PlatformUser
from tilia_async.models.compliance import KycMatchCheck
from tilia_async.webhooks import (
    AccountBlockChanged,
    BalanceTransferCompleted,
    DepositCompleted,
    EscrowTransactionUpdated,
    Event,
    InvoiceCompleted,
    KybStatusChanged,
    KycStateChanged,
    NotifiedRefund,
    PaymentMethodUpdated,
    PayoutCompleted,
    RefundCompleted,
    RegistrationCompleted,
    TokenExchangeCompleted,
    UnknownEvent,
    WalletBalanceAlert,
    parse_event,
)
from tilia_async.webhooks.events import DOCUMENTED

# Transcribed from the sheet's table: class, event_name, sample, the fields of its natural key that name the thing.
TABLE = [
    (AccountBlockChanged, "account-block-unblock-webhook", deliveries.BLOCK, ["account_id"]),
    (RegistrationCompleted, "register-account-completed", deliveries.REGISTRATION, ["account_id"]),
    (
        BalanceTransferCompleted,
        "balance-transfer-completed-publisher",
        deliveries.BALANCE_TRANSFER,
        ["balance_transfer_id"],
    ),
    (DepositCompleted, "deposit-completed", deliveries.DEPOSIT, ["deposit_id"]),
    (EscrowTransactionUpdated, "escrow-transaction-update", deliveries.ESCROW, ["id"]),
    (InvoiceCompleted, "invoice-completed", deliveries.INVOICE, ["invoice_id"]),
    (PayoutCompleted, "payout-complete", deliveries.PAYOUT, ["payout_status_id"]),
    (RefundCompleted, "refund-completed", deliveries.REFUND, ["invoice_id"]),
    (TokenExchangeCompleted, "token-exchange-completed", deliveries.TOKEN_EXCHANGE, ["token_exchange_id"]),
    (PaymentMethodUpdated, "payment-method-updated", deliveries.PAYMENT_METHOD, ["payment_method_id"]),
    (KycStateChanged, "kyc-webhook", deliveries.KYC, ["kyc_id"]),
    (KybStatusChanged, "whatever they call it", deliveries.KYB, ["entity_id"]),
    (WalletBalanceAlert, "wallet-balance-alert", deliveries.WALLET_ALERT, ["wallet_id"]),
]
BY_CLASS = pytest.mark.parametrize(("kind", "name", "message", "key"), TABLE, ids=[row[0].__name__ for row in TABLE])


def read(message: object, kind: type[Event]) -> Event:
    event = parse_event(delivery(message, next(name for each, name, _, _ in TABLE if each is kind)))
    assert type(event) is kind
    return event


def test_there_is_a_class_for_each_of_the_thirteen() -> None:
    assert {row[0] for row in TABLE} == set(DOCUMENTED)
    assert len(DOCUMENTED) == 13
    assert all(getattr(webhooks, kind.__name__) is kind for kind in DOCUMENTED)


@BY_CLASS
def test_each_sample_is_read_whole(kind: type[Event], name: str, message: dict[str, object], key: list[str]) -> None:
    event = parse_event(delivery(message, name))
    assert type(event) is kind
    assert event.event_name == name
    assert event.bucket_key == "staging"
    assert event.sent_at == datetime(2026, 7, 3, 0, 0, 1, tzinfo=UTC)
    assert event.message == message
    assert {field: getattr(event, field) for field in message}.keys() == message.keys()
    assert None not in [getattr(event, field) for field in message]
    for field, value in message.items():
        if isinstance(value, str | bool) and field not in {"created", "updated", "request_amount"}:
            assert getattr(event, field) == value
    entity = event.entity
    assert entity is not None
    assert entity[: 1 + len(key)] == (kind.__name__, *(message[field] for field in key))


@BY_CLASS
def test_each_sample_is_known_by_its_shape(kind: type[Event], name: str, message: object, key: object) -> None:
    event = parse_event(delivery(message, None))
    assert type(event) is kind
    assert (event.event_name, event.sent_at) == (None, None)


@pytest.mark.parametrize("kind", [kind for kind in DOCUMENTED if kind.NAME is not None])
def test_no_field_is_required(kind: type[Event]) -> None:
    event = parse_event(delivery({}, kind.NAME))
    assert type(event) is kind
    assert event.entity is None


@BY_CLASS
def test_nothing_personal_shows_and_all_pickle(kind: type[Event], name: str, message: object, key: object) -> None:
    event = parse_event(delivery({**message, "secret_note": "canary"}, name))  # type: ignore[dict-item] - on purpose
    assert "canary" not in repr(event)
    assert "user@example.com" not in repr(event)
    assert "nyx" not in repr(event)
    assert pickle.loads(pickle.dumps(event)) == event
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        event.event_name = "other"  # type: ignore[misc] - on purpose


def test_an_account_that_was_blocked() -> None:
    event = read(deliveries.BLOCK, AccountBlockChanged)
    block = Block(**deliveries.BLOCK["blocks"])
    assert event.blocks == (block,)
    assert block.issuer == "publisher"
    for blocks in ([deliveries.BLOCK["blocks"]], {"login": deliveries.BLOCK["blocks"]}):
        assert read({**deliveries.BLOCK, "blocks": blocks}, AccountBlockChanged).blocks == (block,)
    for nothing in ({}, [], None, 5, "x", {"login": True}):
        assert read({**deliveries.BLOCK, "blocks": nothing}, AccountBlockChanged).blocks == ()


def test_an_account_that_was_registered() -> None:
    event = read(deliveries.REGISTRATION, RegistrationCompleted)
    assert event.email == AccountEmail("user@example.com", "string", ("string",), True)
    assert event.external_platforms == {"apple": PlatformUser("<apple_id>"), "steam": PlatformUser("<steam_id>")}


def test_amounts_come_as_integers_or_digits_and_never_as_floats() -> None:
    deposit = read({**deliveries.DEPOSIT, "fee_amount": 2.5}, DepositCompleted)
    assert (deposit.fee_amount, deposit.received_amount, deposit.request_amount) == (None, 275, 300)
    refund = read(deliveries.REFUND, RefundCompleted)
    assert refund.failed_refunds == (NotifiedRefund("9303", 901, "USD"),)
    assert refund.successful_refunds == (NotifiedRefund("0631", 504, "USD"),)
    exchange = read(deliveries.TOKEN_EXCHANGE, TokenExchangeCompleted)
    assert (exchange.exchange_rate, exchange.virtual_amount) == (0.01, 100000)


def test_lists_of_an_invoice_may_be_maps() -> None:
    items = deliveries.INVOICE["line_items"]
    as_map = {item["line_item_id"]: item for item in items}
    for line_items in (items, as_map):
        event = read({**deliveries.INVOICE, "line_items": line_items}, InvoiceCompleted)
        assert event.line_items == tuple(items)
    assert event.metadata == {"order": [1]}
    assert event.created == datetime(2020, 7, 3, 1, 5, 59, 494680, tzinfo=UTC)


def test_what_else_may_be_the_same_person() -> None:
    assert read(deliveries.KYC, KycStateChanged).match_checks == (KycMatchCheck(**deliveries.KYC["match_checks"][0]),)


def test_enumerations_are_open() -> None:
    from tilia_async.models.escrow import EscrowStatus

    assert read(deliveries.ESCROW, EscrowTransactionUpdated).status is EscrowStatus.ESCROWED
    event = read({**deliveries.ESCROW, "status": "LOST-AT-SEA"}, EscrowTransactionUpdated)
    assert event.status == "LOST-AT-SEA"
    assert not isinstance(event.status, EscrowStatus)


@pytest.mark.parametrize("sent_at", ["", "soon", "0001-01-01T00:00:00Z", None, 5, []])
def test_a_time_of_sending_that_is_none(sent_at: object) -> None:
    event = parse_event(orjson.dumps({"event_name": "kyc-webhook", "sent_at": sent_at, "message": {}}))
    assert event.sent_at is None


@pytest.mark.parametrize("written", ["2026-07-03t00:00:01z", "2026-07-03T00:00:01z", "2026-07-03 02:00:01 +0200 CEST"])
def test_times_are_read_in_the_envelope_and_in_the_message_alike(written: str) -> None:
    message = {**deliveries.ESCROW, "created": written, "updated": written}
    event = parse_event(delivery(message, "escrow-transaction-update", sent_at=written))
    assert isinstance(event, EscrowTransactionUpdated)
    assert {event.sent_at, event.created, event.updated} == {datetime(2026, 7, 3, 0, 0, 1, tzinfo=UTC)}


def test_the_envelope_is_not_read_from_the_message() -> None:
    message = {**deliveries.KYC, "event_name": "x", "sent_at": "2026-07-03T00:00:01Z", "bucket_key": "y", "message": {}}
    event = parse_event(orjson.dumps({"event_name": "kyc-webhook", "message": message}))
    assert (event.event_name, event.sent_at, event.bucket_key) == ("kyc-webhook", None, None)
    assert event.message == message


@pytest.mark.parametrize(
    ("message", "kept"),
    [({"a": 1}, {"a": 1}), ([1], {}), ("text", {}), (None, {}), (deliveries.INVOICE, deliveries.INVOICE)],
)
def test_an_unknown_event_is_kept_as_it_came(message: object, kept: object) -> None:
    raw = delivery(message, "invoice-created")
    for body in (raw, raw.decode()):
        event = parse_event(body)
        assert isinstance(event, UnknownEvent)
        assert (event.event_name, event.message, event.raw_body) == ("invoice-created", kept, raw)
        assert event.entity is None
        assert "65d6c272" not in repr(event)


def test_a_shape_that_fits_two_is_unknown() -> None:
    assert type(parse_event(delivery({**deliveries.KYC, **deliveries.PAYOUT}, None))) is UnknownEvent
    assert type(parse_event(delivery({"account_id": "a"}, None))) is UnknownEvent


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b" ",
        b"\xff\xfe",
        b"{",
        b"null",
        b"[]",
        b'"text"',
        b"5",
        b"{}",
        b'{"event_name": 5, "message": {}}',
        b'{"event_name": "kyc-webhook"}',
        b'{"event_name": "kyc-webhook", "message": []}',
        b'{"event_name": "kyc-webhook", "message": [{}]}',
        b'{"event_name": "kyc-webhook", "message": {"a": NaN}}',
        b'{"event_name": "kyc-webhook", "message": {"a": "\\ud800"}}',
        b'{"event_name": ""}',
        b'{"event_name": "kyc-webhook", "message": {"a": 1' + b"0" * 500 + b"}}",
        b"\xef\xbb\xbf" * 2 + b'{"event_name": "kyc-webhook", "message": {}}',
        '{"event_name": "kyc-webhook", "message": {}}'.encode("utf-16"),
        '{"event_name": "kyc-webhook", "message": {}}'.encode("utf-32-le"),
        b"[" * 100_000,
        b'{"event_name": "kyc-webhook", "message": {"a":' + b"[" * 500 + b"]" * 500 + b"}}",
        "\ud800",
        "",
    ],
)
def test_what_is_no_notification_is_a_webhook_error(raw: bytes | str) -> None:
    with pytest.raises(WebhookError) as caught:
        parse_event(raw)
    assert caught.value.__context__ is None


def test_an_error_holds_nothing_of_the_body() -> None:
    with pytest.raises(WebhookError) as caught:
        parse_event(b'{"event_name": "kyc-webhook", "message": "canary"')
    assert "canary" not in str(caught.value)


def test_the_last_of_equal_keys_counts_and_huge_numbers_are_none() -> None:
    event = parse_event(
        b'{"event_name": "x", "event_name": "wallet-balance-alert",'
        b' "message": {"wallet_id": "a", "wallet_id": "b", "balance": 1' + b"0" * 30 + b"}}"
    )
    assert isinstance(event, WalletBalanceAlert)
    assert (event.wallet_id, event.balance) == ("b", None)


SOME = (
    b'{"event_name": "kyc-webhook", "sent_at": "2026-07-03T00:00:01Z", "message": {"kyc_id": "k", "state": "ACCEPT"}}'
)


def test_a_body_comes_in_any_form_that_servers_hand_over() -> None:
    expected = parse_event(SOME)
    released = memoryview(SOME)
    released.release()
    backwards = memoryview(SOME[::-1])[::-1]
    forms = (bytearray(SOME), memoryview(SOME), memoryview(bytearray(SOME)), SOME.decode(), backwards)
    for form in forms:
        assert parse_event(form) == expected
    unknown = delivery({"a": 1}, "brand-new")
    for form in (bytearray(unknown), memoryview(unknown), unknown.decode()):
        event = parse_event(form)
        assert isinstance(event, UnknownEvent)
        assert (type(event.raw_body), event.raw_body) == (bytes, unknown)
    for none in (released, None, 5, 5.0, True, [], [123], {}, object(), ("{}",), bytes, deliveries):
        with pytest.raises(WebhookError) as caught:
            parse_event(none)  # type: ignore[arg-type] - on purpose
        assert caught.value.__context__ is None


def test_a_text_that_is_no_unicode_is_refused_as_that() -> None:
    with pytest.raises(WebhookError, match="surrogate"):
        parse_event(SOME.decode() + "\ud800")


def test_a_byte_order_mark_is_no_part_of_the_notification() -> None:
    marked = b"\xef\xbb\xbf" + SOME
    for form in (marked, marked.decode(), memoryview(marked)):
        assert parse_event(form) == parse_event(SOME)
    unknown = parse_event(b"\xef\xbb\xbf" + delivery({"a": 1}, "brand-new"))
    assert isinstance(unknown, UnknownEvent)
    assert unknown.raw_body.startswith(b"\xef\xbb\xbf"), "byte for byte"


@BY_CLASS
def test_equal_events_have_one_hash(kind: type[Event], name: str, message: dict[str, object], key: object) -> None:
    extra = {"odd": [{"deep": [1, {}]}], **message}
    one, same = parse_event(delivery(extra, name)), parse_event(delivery(dict(reversed(extra.items())), name))
    assert one == same
    assert hash(one) == hash(same) == hash(pickle.loads(pickle.dumps(one)))
    other = parse_event(delivery({**message, key[0]: "other"}, name))  # type: ignore[index] - loosely typed for the test
    assert len({one, same, other}) == 2


def test_numbers_that_are_equal_make_events_that_are() -> None:
    """1, 1.0 and true are equal in Python, and so are the messages that they stand in."""
    events = [parse_event(delivery({**deliveries.INVOICE, "odd": odd}, "invoice-completed")) for odd in (1, 1.0, True)]
    assert events[0] == events[1] == events[2]
    assert len(set(events)) == 1


def test_an_unknown_event_has_a_hash() -> None:
    events = {parse_event(delivery(message, "brand-new")) for message in ({"a": [1]}, {"a": [2]}, {"a": [1]}, [1])}
    assert len(events) == 3


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=15,
)
NAMES = [row[1] for row in TABLE]
FIELDS = sorted({field for row in TABLE for field in row[2]})


def reads_or_refuses(raw: bytes | bytearray | memoryview | str) -> None:
    try:
        event = parse_event(raw)
    except WebhookError as error:
        assert str(error)
    else:
        assert isinstance(event, Event)
        assert repr(event)
        assert len(event.digest) == 32
        assert {event, pickle.loads(pickle.dumps(event))} == {event}
        assert event.entity is None or all(isinstance(part, str) for part in event.entity)


@given(
    st.binary()
    | st.text(st.characters())
    | st.binary().map(bytearray)
    | st.binary().map(memoryview)
    | st.integers(0, len(SOME)).map(lambda end: b"\xef\xbb\xbf" + SOME[:end])
)
@example(b"1" * 10_000)
@example(b'{"message":' * 200 + b"{}" + b"}" * 200)
def test_any_bytes_are_read_or_refused(raw: bytes | str) -> None:
    reads_or_refuses(raw)


@given(
    st.dictionaries(st.sampled_from(FIELDS), json_values, max_size=8),
    st.sampled_from(NAMES) | json_values,
    json_values,
)
def test_any_message_is_read_or_refused(message: object, name: object, sent_at: object) -> None:
    import json

    reads_or_refuses(json.dumps({"event_name": name, "sent_at": sent_at, "message": message}))


def test_the_same_state_has_the_same_digest_whatever_the_order_of_its_fields() -> None:
    there = parse_event(delivery(deliveries.BLOCK))
    back = parse_event(delivery(dict(reversed(deliveries.BLOCK.items())), sent_at="2027-01-01T00:00:00Z"))
    assert (there.entity, there.digest) == (back.entity, back.digest)
    assert parse_event(delivery(deliveries.UNBLOCK)).digest != there.digest
    assert parse_event(delivery(deliveries.UNBLOCK)).entity == there.entity


def test_an_alert_is_another_one_at_another_time() -> None:
    name = "wallet-balance-alert"
    first = parse_event(delivery(deliveries.WALLET_ALERT, name))
    assert first.entity == parse_event(delivery(deliveries.WALLET_ALERT, name)).entity
    assert first.entity != parse_event(delivery(deliveries.WALLET_ALERT, name, "2026-07-03T00:00:02Z")).entity
    assert parse_event(delivery(deliveries.WALLET_ALERT, name, "?")).entity is None
