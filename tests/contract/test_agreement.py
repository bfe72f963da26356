"""An answer that is about something else, or says yes and no in one, is doubt and no success."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import attrs
import orjson
import pytest
from support.money_calls import CALLS
from support.money_samples import CAPTURED, CUSTOM, HELD, INVOICE, LINE_ITEM, PAID_OUT, PURCHASE
from support.samples import ACCOUNT, MAIL, OLD_ACCOUNT, PROFILE, REGISTERED, failure
from support.samples import CALLS as MORE_CALLS

from tilia_async import Environment, Operation, Repeat, Service, errors
from tilia_async.api import OPERATIONS
from tilia_async.bulk import BulkOutcome
from tilia_async.transport.requestor import new_key
from tilia_async.wire.envelope import RawResponse
from tilia_async.wire.request import build
from tilia_async.wire.response import Success, interpret

if TYPE_CHECKING:
    from support.recorder import Recorder

    from tilia_async import TiliaClient

OTHER = "acct_2UU7ypRsFlZPnrOZDaIUIDaSwPs"

ABOUT_ANOTHER: list[tuple[str, dict[str, Any]]] = [
    ("accounts.get", {"account_id": OTHER}),
    ("accounts.find", {"username": "somebody"}),
    ("accounts.register", {"username": "somebody"}),
    ("accounts.is_blocked", {"account_id": OTHER}),
    ("accounts.block", {"account_id": OTHER}),
    ("accounts.unblock", {"account_id": OTHER}),
    ("accounts.update", {"account_id": OTHER}),
    ("accounts.get_blocks", {"account_id": OTHER}),
    ("accounts.block_capability", {"account_id": OTHER}),
    ("accounts.block_capability", {"blocks": [{"capability": "purchase"}]}),
    ("wallets.get", {"wallet_id": "wal_other"}),
    ("wallets.balances", {"account_id": OTHER}),
    ("wallets.create_custom", {"account_id": OTHER}),
    ("payment_methods.get", {"id": "pm_other"}),
    ("payment_methods.update", {"id": "pm_other"}),
    ("payment_methods.transaction_methods", {"account_id": OTHER}),
    ("payment_methods.create_custom_wallet", {"wallet": {**CUSTOM["wallet"], "account_id": OTHER}}),
    ("token_exchanges.get", {"token_exchange_id": "vtok_other"}),
    ("token_exchanges.execute_purchase", {"token_exchange_id": "vtok_other"}),
    ("token_exchanges.execute_conversion", {"token_exchange_id": "vtok_other"}),
    ("invoices.create", {"account_id": OTHER}),
    ("invoices.get", {"invoice_id": "inv_other"}),
    ("invoices.pay", {"invoice_id": "inv_other"}),
    ("escrow.create", {"account_id": OTHER}),
    ("escrow.get", {"id": "esc_other"}),
    ("escrow.pay", {"id": "esc_other"}),
    ("escrow.commit", {"id": "esc_other"}),
    ("escrow.cancel", {"id": "esc_other"}),
    ("escrow.find_by_invoice", {"escrow_invoice_id": "inv_other"}),
    ("refunds.list", {"invoice_id": "inv_other"}),
    ("refunds.refund_line_item", {"line_item_id": "other"}),
    ("payouts.request", {"account_id": OTHER}),
    ("payouts.get", {"payout_status_id": "other"}),
    ("payouts.get", {"account_id": OTHER}),
    ("payouts.cancel", {"payout_status_id": "other"}),
    ("transfers.create", {"account_id": OTHER}),
    ("payouts.list", {"account_id": OTHER}),
    ("invoices.list", {"account_id": OTHER}),
    ("invoices.list", {"invoices": [{"invoice_id": "inv_a"}, {"invoice_id": "inv_b", "account_id": OTHER}]}),
    ("compliance.tos_status", {"account_id": OTHER}),
    ("compliance.onboard_entity", {"account_id": OTHER}),
    ("compliance.kyc_status", {"account_id": OTHER}),
]
SAYS_NO: list[tuple[str, dict[str, Any]]] = [
    ("accounts.block", {"is_blocked": False}),
    ("accounts.unblock", {"is_blocked": True}),
    ("accounts.block_capability", {"blocks": []}),
    ("accounts.block_capability", {"blocks": {}}),
    ("accounts.block_capability", {"blocks": {"capability": "login", "issuer": "tilia"}}),
    (
        "accounts.block_capability",
        {"blocks": [{"capability": "login", "issuer": "tilia"}, {"capability": "purchase", "issuer": "publisher"}]},
    ),
    ("accounts.unblock", {"blocked_capabilities": {"login": {}}}),
    ("accounts.unblock", {"blocked_capabilities": {"login": True, "purchase": {}}}),
    ("accounts.unblock", {"blocks": [{"issuer": "tilia"}, {"issuer": "publisher"}]}),
    ("accounts.block", {"blocks": []}),
    ("invoices.pay", {"state": "OPEN"}),
    ("invoices.pay", {"state": "CANCELED"}),
    ("escrow.pay", {"status": "OPEN"}),
    *(("escrow.commit", {"status": said}) for said in ("OPEN", "ESCROWED", "CANCELLED", "CANCEL-REQUESTED")),
    *(("escrow.cancel", {"status": said}) for said in ("OPEN", "ESCROWED", "COMMITTED", "COMMIT-REQUESTED")),
    ("token_exchanges.execute_purchase", {"status": "OPEN"}),
    ("token_exchanges.execute_conversion", {"status": "OPEN"}),
    *(("payouts.cancel", {"status": said}) for said in ("SUCCESS", "CREDIT-TRANSFER-INITIATED", "FUNDS-IN-ESCROW")),
    *(("refunds.refund_line_item", {"status": said}) for said in ("REFUND-FAILED", "REFUND-REJECTED")),
    # However it is written.
    ("accounts.block", {"is_blocked": "False"}),
    ("accounts.block", {"is_blocked": 0}),
    ("invoices.pay", {"state": "open"}),
]
AGREES: list[tuple[str, dict[str, Any]]] = [
    ("invoices.pay", {"state": "PROCESSING"}),
    ("invoices.pay", {"state": "FAILED", "failure_reason": "an error occurred"}),
    ("invoices.pay", {"state": "LATER"}),
    ("invoices.pay", {"state": None}),
    ("escrow.pay", {"status": "ESCROW-FAILED"}),
    ("escrow.commit", {"status": "COMMIT-FAILED"}),
    ("escrow.commit", {"status": "COMMIT-REQUESTED"}),
    ("escrow.cancel", {"status": "CANCEL-REQUESTED"}),
    ("escrow.cancel", {"status": "CANCEL-FAILED"}),
    ("escrow.cancel", {"status": ""}),
    ("payouts.cancel", {"status": "USER-REVERSED"}),
    ("transfers.create", {"account_id": ""}),
    ("transfers.create", {"account_id": None}),
    ("transfers.create", {"status": "FAILED"}),
    ("wallets.create_custom", {"account_id": 7}),
    ("accounts.block_capability", {"blocks": [{"block_id": "blk_1"}]}),
    (
        "accounts.block_capability",
        {"blocks": [{"capability": "login", "issuer": "tilia"}, {"capability": "login", "issuer": "publisher"}]},
    ),
    ("accounts.unblock", {"blocked_capabilities": {}}),
    ("accounts.unblock", {"blocked_capabilities": {"login": False, "purchase": {}}}),
    ("accounts.unblock", {"blocks": []}),
    ("accounts.find", {"username": None}),
    ("accounts.find", {"username": MAIL.upper()}),
    ("escrow.find_by_invoice", {"escrow_invoice_id": "inv_other", "commit_invoice_id": INVOICE}),
    ("escrow.find_by_invoice", {"escrow_invoice_id": "inv_other", "cancel_invoice_id": None}),
    ("escrow.find_by_invoice", {"escrow_invoice_id": ""}),
]


def _good(name: str) -> Any:
    known = CALLS.get(name)
    if known is not None:
        return known.payload
    return {
        "accounts.get": PROFILE,
        "accounts.find": PROFILE,
        "accounts.is_blocked": PROFILE,
        "accounts.register": REGISTERED,
        "accounts.block": {"is_blocked": True},
        "accounts.unblock": {"is_blocked": False},
        "wallets.get": CALLS["wallets.create_custom"].payload,
        "wallets.balances": {"account_id": ACCOUNT, "balances": {}},
    }[name]


def _call(name: str) -> Any:
    return CALLS[name].call if name in CALLS else MORE_CALLS[name]


def _changed(name: str, change: dict[str, Any]) -> Any:
    good = _good(name)
    return [{**good[0], **change}] if isinstance(good, list) else {**good, **change}


def _cases(table: list[tuple[str, dict[str, Any]]]) -> list[Any]:
    return [pytest.param(name, change, id=f"{name}-{change}") for name, change in table]


def test_every_operation_that_has_an_id_is_looked_at() -> None:
    """Only operations are left out whose answer does not repeat it."""
    silent = {name for name, operation in OPERATIONS.items() if operation.parameters and not operation.echoes}
    assert silent == {
        # Its documented sample has payment methods of two accounts.
        "payment_methods.list",
        "wallets.list",
        "escrow.list_by_reference",
        # Their answers have another id, or none.
        "invoices.get_authorized",
        "registration.complete",
    }
    for operation in OPERATIONS.values():
        hash(operation)


@pytest.mark.asyncio
@pytest.mark.parametrize(("name", "change"), _cases([*ABOUT_ANOTHER, *SAYS_NO]))
async def test_a_contradiction_is_doubt(api: Recorder, tilia: TiliaClient, name: str, change: dict[str, Any]) -> None:
    """For a write nobody knows; a read has no value that is true."""
    api.succeed(_changed(name, change))
    with pytest.raises(errors.ResponseDecodeError, match="contradicts") as caught:
        await _call(name)(tilia)
    error = caught.value
    assert error.took_effect is (False if OPERATIONS[name].method == "GET" else None)
    assert error.payload is not None
    assert OTHER not in str(error)
    assert "somebody" not in str(error)
    assert len(api.calls) == 1


@pytest.mark.parametrize(
    ("name", "payload"),
    [
        ("accounts.block", {"is_blocked": "FALSE"}),
        ("accounts.block", {"account_id": OTHER}),
        ("accounts.block_capability", {"blocks": []}),
        ("accounts.block_capability", {"blocks": {}}),
        ("accounts.unblock", {"blocks": [{"issuer": "publisher", "capability": "login"}]}),
        ("invoices.pay", {"state": "OPEN"}),
        ("invoices.pay", [{"state": "PROCESSING"}, {"state": "CANCELED"}]),
        ("invoices.pay", [{"invoice_id": "inv_a"}, {"invoice_id": "inv_b"}]),
        ("invoices.create", {"account_id": OTHER}),
        ("escrow.commit", {"status": "ESCROWED", "id": 7}),
        ("token_exchanges.execute_purchase", {"status": "OPEN"}),
        ("payouts.cancel", {"account_id": OTHER, "status": "SUCCESS"}),
    ],
)
def test_a_yes_that_cannot_be_read_may_still_be_seen_to_say_no(name: str, payload: Any) -> None:
    """The word of the envelope is worth nothing beside it, so it is doubt and not done."""
    operation = OPERATIONS[name]
    parts = dict.fromkeys([*operation.reference, *operation.parameters], ACCOUNT)
    path = {each: parts[each] for each in operation.parameters}
    body = {each: value for each, value in parts.items() if each not in path}
    request = build(
        operation, Environment.at("http://127.0.0.1:1/{service}"), path=path, body=body, new_key=new_key(operation)
    )
    answer = RawResponse(200, {}, orjson.dumps({"status": "Success", "payload": payload}))
    error = interpret(operation, request, answer, attempts=1, doubtful=False, now=datetime.now(UTC))
    assert isinstance(error, errors.ResponseDecodeError)
    assert error.took_effect is None
    assert "contradicts" in str(error)


@pytest.mark.parametrize(
    "payload",
    [{"status": status} for status in ("REFUND-FAILED", "REFUND-REJECTED", "FAILED", "Rejected", "Failure", "Failed")],
)
@pytest.mark.parametrize("name", ["refunds.refund_invoice", "refunds.refund_line_item"])
def test_a_refund_that_failed_is_none(name: str, payload: Any) -> None:
    """The caller of a refund sees nothing of the answer, so the error alone can tell."""
    operation = OPERATIONS[name]
    request = build(
        operation,
        Environment.at("http://127.0.0.1:1/{service}"),
        body={"invoice_id": "inv_1"},
        new_key=new_key(operation),
    )
    answer = RawResponse(200, {}, orjson.dumps({"status": "Success", "payload": payload}))
    error = interpret(operation, request, answer, attempts=1, doubtful=False, now=datetime.now(UTC))
    assert isinstance(error, errors.TiliaError)
    assert error.took_effect is None


@pytest.mark.asyncio
@pytest.mark.parametrize(("name", "change"), _cases(AGREES))
async def test_what_is_left_open_contradicts_nothing(
    api: Recorder, tilia: TiliaClient, name: str, change: dict[str, Any]
) -> None:
    """A field that is missing, a state on the way, a documented failure: these are answers."""
    api.succeed(_changed(name, change))
    assert await _call(name)(tilia) is not None


@pytest.mark.asyncio
@pytest.mark.parametrize("name", ["payouts.list", "invoices.list"])
async def test_one_item_of_another_account_is_enough(api: Recorder, tilia: TiliaClient, name: str) -> None:
    """The caller of a list adds them up for that account."""
    good = _good(name)
    items = good if isinstance(good, list) else good["invoices"]
    mixed = [*items, {**items[0], "account_id": OTHER, "payout_status_id": "po_2", "invoice_id": "inv_2"}]
    api.succeed(mixed if isinstance(good, list) else {**good, "total": 2, "invoices": mixed})
    with pytest.raises(errors.ResponseDecodeError, match="another account_id"):
        await _call(name)(tilia)


@pytest.mark.asyncio
async def test_lists_that_may_hold_what_is_anothers(api: Recorder, tilia: TiliaClient) -> None:
    """The account may have received from others' invoices; and a documented list mixes payment methods."""
    api.succeed({"total": 1, "account_id": ACCOUNT, "invoices": [{**CAPTURED, "account_id": OTHER}]}, times=2)
    found = [each async for each in tilia.invoices.list(ACCOUNT, include_recipient_transactions=True)]
    assert [each.account_id for each in found] == [OTHER]
    sent = await tilia.send(
        OPERATIONS["invoices.list"], path={"account_id": ACCOUNT}, query={"include_recipient_transactions": "true"}
    )
    assert [each.account_id for each in sent.value.invoices] == [OTHER]
    api.succeed([{"id": "pm_1", "account_id": OTHER}])
    assert [each.account_id for each in await tilia.payment_methods.list(ACCOUNT)] == [OTHER]


@pytest.mark.asyncio
async def test_the_other_id_of_a_merged_account(api: Recorder, tilia: TiliaClient) -> None:
    """The answer about a merged account may name the one that remains."""
    tag = {**PROFILE["tags"][0], "tag": "merged_from", "resource_id": OLD_ACCOUNT}  # type: ignore[dict-item, index] - a sample of mixed types
    api.succeed({**PROFILE, "tags": [tag]}, times=2)
    assert (await tilia.accounts.get(OLD_ACCOUNT)).account_id == ACCOUNT
    assert await tilia.accounts.is_blocked(OLD_ACCOUNT) is False
    api.succeed({**PROFILE, "tags": [{**tag, "namespace": "executed_payouts"}]})
    with pytest.raises(errors.ResponseDecodeError):
        await tilia.accounts.get(OLD_ACCOUNT)


@pytest.mark.asyncio
async def test_a_uuid_is_the_same_in_capitals(api: Recorder, tilia: TiliaClient) -> None:
    """Other ids are told apart by the case of their letters."""
    api.succeed({**PROFILE, "account_id": OLD_ACCOUNT})
    assert (await tilia.accounts.get(OLD_ACCOUNT.upper())).account_id == OLD_ACCOUNT
    api.succeed({**PROFILE, "account_id": ACCOUNT.upper()})
    with pytest.raises(errors.ResponseDecodeError):
        await tilia.accounts.get(ACCOUNT)


@pytest.mark.asyncio
async def test_send_and_bulk_are_judged_alike(api: Recorder, tilia: TiliaClient) -> None:
    """Whichever way an operation is called, its answer means the same."""
    api.succeed({"is_blocked": False})
    with pytest.raises(errors.ResponseDecodeError) as caught:
        await tilia.send(OPERATIONS["accounts.block"], path={"account_id": ACCOUNT})
    assert caught.value.took_effect is None
    api.succeed({"is_blocked": False})
    report = await tilia.bulk.block([ACCOUNT], reason="x")
    assert {outcome: number for outcome, number in report.counts.items() if number} == {BulkOutcome.UNKNOWN: 1}


@pytest.mark.asyncio
async def test_a_block_that_is_denied_once_is_sent_again(api: Recorder) -> None:
    """A block writes the same final state however often it is sent; and the doubt of the first answer stays."""
    async with api.client(attempts=3) as tilia:
        api.succeed({"is_blocked": False})
        api.succeed({"is_blocked": True})
        assert (await tilia.accounts.block(ACCOUNT)).is_blocked
        api.succeed({"is_blocked": False})
        api.answer(404, failure("no such account"))
        with pytest.raises(errors.NotFoundError) as caught:
            await tilia.accounts.block(ACCOUNT)
    assert caught.value.took_effect is None


@pytest.mark.asyncio
async def test_a_conflict_with_another_name_gives_no_account(api: Recorder, tilia: TiliaClient) -> None:
    """``get_or_register`` must not hand out the account of somebody else, who has the e-mail address maybe."""
    api.answer(409, failure({"account_id": OTHER, "username": "somebody"}), times=2)
    with pytest.raises(errors.AccountExistsError) as caught:
        await tilia.accounts.register("nyx", email=MAIL)
    assert caught.value.account is None
    with pytest.raises(errors.AccountExistsError):
        await tilia.accounts.get_or_register("nyx", email=MAIL)


def test_an_operation_of_ones_own_may_declare_it() -> None:
    """On a plain JSON value it is looked up by key."""
    operation = Operation(
        "gifts.send", "POST", Service.INVOICING, "/v9/gift/{gift_id}", dict[str, object], scopes=(),
        repeat=Repeat.NEVER, echoes={"gift_id": "gift.id"}, denials={"sent": [False]},
    )  # fmt: skip
    request = build(
        operation, Environment.at("http://127.0.0.1:1/{service}"), path={"gift_id": "g1"}, new_key=new_key(operation)
    )

    def outcome(body: bytes) -> object:
        return interpret(
            operation, request, RawResponse(200, {}, body), attempts=1, doubtful=False, now=datetime.now(UTC)
        )

    yes = b'{"status":"Success","payload":{"gift":{"id":"%b"},"sent":%b}}'
    assert isinstance(outcome(yes % (b"g1", b"true")), Success)
    for wrong in (yes % (b"g2", b"true"), yes % (b"g1", b"false")):
        error = outcome(wrong)
        assert isinstance(error, errors.ResponseDecodeError)
        assert error.took_effect is None


def test_a_declaration_is_the_same_in_whatever_order_its_parts_are_given() -> None:
    """A corrected one is compared with the SDK's, and one that another process has pickled with this one's."""

    def gift(denials: Any, echoes: Any) -> Operation[Any]:
        return Operation(
            "gifts.send", "POST", Service.INVOICING, "/v9/gift", dict[str, object], scopes=(),
            repeat=Repeat.NEVER, denials=denials, echoes=echoes,
        )  # fmt: skip

    one = gift({"state": ["OPEN", "LATE"], "sent": [False]}, {"a": "b", "c": ("d", "e")})
    for denials in (
        {"sent": {False}, "state": {"LATE", "OPEN"}},
        {"sent": (False,), "state": ("LATE", "OPEN", "LATE")},
    ):
        other = gift(denials, {"c": ("d", "e"), "a": "b"})
        assert (other, hash(other)) == (one, hash(one))
    assert pickle.loads(pickle.dumps(one)) == one
    assert attrs.evolve(one) == one
    assert gift({"state": ["OPEN"]}, {}) != gift({"state": ["LATE"]}, {})
    with pytest.raises(TypeError, match="several values are wanted, not the text 'OPEN'"):
        gift({"state": "OPEN"}, {})


def test_the_samples_of_these_tests_agree() -> None:
    """Otherwise a case would fail for another reason than its own."""
    assert {PURCHASE["status"], HELD["status"]} == {"SUCCESS", "ESCROWED"}
    assert (CAPTURED["account_id"], PAID_OUT["account_id"]) == (ACCOUNT, ACCOUNT)
    assert LINE_ITEM
