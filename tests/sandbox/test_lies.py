"""Answers of the sandbox that lie, and faults by their names, over plain HTTP."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import aiohttp
import attrs
import pytest
import pytest_asyncio
import test_sandbox
from support.plain import Http, item

import tilia_sync
from tilia_async import Scope, errors
from tilia_async.api import OPERATIONS
from tilia_async.sandbox import Fault, Sandbox
from tilia_async.sandbox.faults import AFTER_COMMIT, LIES, MADE_FOR

CONTRADICTIONS = {Fault.CONTRADICTION_BEFORE_COMMIT, Fault.CONTRADICTION_AFTER_COMMIT}


@attrs.frozen
class Shop:
    """A buyer with a card, money and PayPal, and one token for all requests."""

    http: Http
    buyer: str
    card: str
    paypal: str
    headers: Mapping[str, str]

    async def ask(self, method: str, path: str, body: object = None) -> tuple[int, bytes, Mapping[str, str]]:
        """Status, body and headers of one request on a connection of the session."""
        async with self.http.session.request(
            method, self.http.url(path), json=body, headers=self.headers, allow_redirects=False
        ) as response:
            return response.status, await response.read(), response.headers

    async def told(self, method: str, path: str, body: object = None, status: int = 200) -> dict[str, object]:
        """The JSON of an answer, whatever it says."""
        async with self.http.session.request(
            method, self.http.url(path), json=body, headers=self.headers, allow_redirects=False
        ) as response:
            told: dict[str, object] = await response.json()
            assert response.status == status, told
            return told

    async def invoice(self, reference_id: str = "order-7", amount: int = 300) -> dict[str, object]:
        body = {
            "account_id": self.buyer,
            "reference_type": "order",
            "reference_id": reference_id,
            "line_items": [item(amount)],
            "payment_methods": [{"payment_method_id": self.card}],
        }
        return (await self.told("POST", "invoicing/v2/invoice", body, 201))["payload"]

    async def listed(self, query: str = "") -> list[str]:
        told = await self.told("GET", f"invoicing/v2/invoice/account/{self.buyer}?{query}")
        return [each["reference_id"] for each in told["payload"]["invoices"]]

    async def refunded(self, amount: int = 100) -> str:
        """The id of a paid invoice of which a part was given back."""
        invoice = await self.invoice()
        await self.told("POST", f"invoicing/v2/invoice/{invoice['invoice_id']}/pay", {})
        (line_item_id,) = invoice["line_items"]
        body = {"line_item_id": line_item_id, "amount": amount, "payment_methods": [self.card], "reason": "billing"}
        await self.told("POST", "invoicing/v2/line-item/refund", body)
        return str(invoice["invoice_id"])

    async def refunds(self, invoice_id: str) -> dict[str, object]:
        return await self.told("GET", f"invoicing/v2/invoice/{invoice_id}/refunds")

    async def payout(self) -> dict[str, object]:
        wallet = (await self.http.methods(self.buyer))["registration"]["id"]
        ids = {"source_payment_method_id": wallet, "destination_payment_method_id": self.paypal}
        body = {**ids, "amount": 400, "currency": "USD"}
        return (await self.told("POST", f"invoicing/v2/{self.buyer}/payout", body, 201))["payload"]

    async def payouts(self) -> list[dict[str, object]]:
        return (await self.told("GET", f"invoicing/v2/{self.buyer}/payouts"))["payload"]


@pytest_asyncio.fixture
async def shop(http: Http) -> Shop:
    buyer = await http.register("buyer")
    http.fund(buyer, 1_000)
    http.sandbox.set_kyc(buyer)
    card, paypal = (http.sandbox.add_payment_method(buyer, kind) for kind in ("card", "paypal"))
    _, granted = await http.token(*Scope)
    return Shop(http, buyer, card, paypal, {"Authorization": f"Bearer {granted['access_token']}"})


def test_each_fault_is_tried_here_or_with_the_others() -> None:
    assert set(Fault) == set(test_sandbox.FAULTS) | LIES | CONTRADICTIONS
    assert not LIES & AFTER_COMMIT
    assert {name for names in MADE_FOR.values() for name in names} <= set(OPERATIONS)


@pytest.mark.asyncio
@pytest.mark.parametrize("name", ["drop_after_commit", "DROP_AFTER_COMMIT", "drop after commit"])
async def test_a_fault_can_be_given_by_its_name(shop: Shop, name: str) -> None:
    shop.http.sandbox.faults.add("accounts.block", name)
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await shop.ask("POST", f"accounts/v1/{shop.buyer}/user-info/block")
    assert shop.http.sandbox.accounts[shop.buyer].is_blocked


def test_the_synchronous_sandbox_takes_names_too() -> None:
    with tilia_sync.Sandbox(keep_alive=5.0) as sandbox:
        sandbox.faults.add("accounts.block", "server_error_empty")
        assert sandbox.faults.pending == 1
        with pytest.raises(errors.InvalidRequestError, match="did you mean drop_after_commit"):
            sandbox.faults.add("accounts.block", "drop_after_comit")


@pytest.mark.parametrize(
    ("given", "field", "told"),
    [
        (("accounts.block", "drop_after_comit"), "fault", "did you mean drop_after_commit"),
        (("accounts.block", "Drop after comit"), "fault", "drop_after_commit"),
        (("accounts.block", "zzz"), "fault", "there are bad_gateway,"),
        (("accounts.block", None), "fault", "no fault None"),
        (("accounts.block", 500), "fault", "no fault 500"),
        (("accounts.blok", Fault.LATENCY), "operation", "did you mean accounts.block"),
        (("zzz", Fault.LATENCY), "operation", "auth.token"),
        ((["accounts.block"], Fault.LATENCY), "operation", "no operation"),
        (("accounts.block", Fault.LATENCY, 0), "times", "at least 1"),
        (("accounts.block", Fault.LATENCY, "2"), "times", "at least 1"),
        (("accounts.block", Fault.LATENCY, True), "times", "at least 1"),
        (("accounts.block", Fault.STALE_READ), "fault", "operations that only read, not for accounts.block"),
        (("auth.token", Fault.STALE_READ), "fault", "operations that only read"),
        (("auth.token", Fault.TOKEN_REVOKED), "fault", "operations that send a token, not for auth.token"),
        (("accounts.get", Fault.SPLIT), "fault", "made for refunds.list, not for accounts.get"),
        (("accounts.get", Fault.CONTRADICTION_AFTER_COMMIT), "fault", "accounts.block"),
    ],
)
def test_what_is_no_fault_is_refused_with_what_is_near(given: tuple[object, ...], field: str, told: str) -> None:
    sandbox = Sandbox()
    with pytest.raises(errors.InvalidRequestError, match=re.escape(told)) as caught:
        sandbox.faults.add(*given)
    assert (set(caught.value.problems), sandbox.faults.pending) == ({field}, 0)
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize(
    ("fault", "more", "field"),
    [
        (Fault.LATENCY, {"seconds": -1}, "seconds"),
        (Fault.STALE_READ, {"seconds": float("nan")}, "seconds"),
        (Fault.OTHER_BODY_BEFORE_COMMIT, {"body": b"{}"}, "body"),
        (Fault.OTHER_BODY_AFTER_COMMIT, {"body": None}, "body"),
        (Fault.WRONG_DATE, {"seconds": float("inf")}, "seconds"),
        (Fault.LATENCY, {"seconds": "1"}, "seconds"),
        (Fault.GATEWAY_AFTER_COMMIT, {"status": 200}, "status"),
        (Fault.GATEWAY_AFTER_COMMIT, {"status": 600}, "status"),
        (Fault.GATEWAY_AFTER_COMMIT, {"status": "408"}, "status"),
    ],
)
def test_a_number_out_of_its_range_is_refused(fault: Fault, more: Mapping[str, object], field: str) -> None:
    with pytest.raises(errors.InvalidRequestError) as caught:
        Sandbox().faults.add("*", fault, **more)
    assert set(caught.value.problems) == {field}


@pytest.mark.parametrize("seconds", [0, -1, float("inf"), float("nan")])
def test_a_keep_alive_is_a_time(seconds: float) -> None:
    for package in (Sandbox, tilia_sync.Sandbox):
        with pytest.raises(ValueError, match="keep_alive"):
            package(keep_alive=seconds)


@pytest.mark.asyncio
async def test_a_fault_that_every_operation_could_meet_waits_for_one_that_it_is_made_for(shop: Shop) -> None:
    shop.http.sandbox.faults.add("*", Fault.CONTRADICTION_AFTER_COMMIT)
    shop.http.sandbox.faults.add("*", Fault.OTHER_ENVELOPE)
    shop.http.sandbox.faults.add("*", Fault.SPLIT)
    assert (await shop.http.token(*Scope))[1]["token_type"] == "Bearer"
    assert (await shop.told("GET", f"accounts/v1/{shop.buyer}/user-info"))["account_id"] == shop.buyer
    blocked = await shop.told("POST", f"accounts/v1/{shop.buyer}/user-info/block")
    assert blocked["payload"] == {"is_blocked": False}
    assert shop.http.sandbox.faults.pending == 1


@pytest.mark.asyncio
@pytest.mark.parametrize("status", [302, 408, 444, 460, 499, 503, 504])
@pytest.mark.parametrize(("fault", "effects"), [("gateway_before_commit", 0), ("gateway_after_commit", 1)])
async def test_a_gateway_says_what_it_likes(shop: Shop, fault: str, effects: int, status: int) -> None:
    shop.http.sandbox.faults.add("accounts.block", fault, status=status)
    found, body, headers = await shop.ask("POST", f"accounts/v1/{shop.buyer}/user-info/block")
    assert (found, headers["Content-Type"].partition(";")[0]) == (status, "text/html")
    assert body.startswith(b"<html>")
    assert shop.http.sandbox.accounts[shop.buyer].is_blocked is bool(effects)


@pytest.mark.asyncio
async def test_a_proxy_knows_no_route(shop: Shop) -> None:
    invoice = await shop.invoice()
    shop.http.sandbox.faults.add("invoices.get", Fault.PROXY_NOT_FOUND)
    path = f"invoicing/v2/invoice/{invoice['invoice_id']}"
    status, body, headers = await shop.ask("GET", path)
    assert (status, headers["Content-Type"].partition(";")[0], b"no such route" in body) == (404, "text/html", True)
    assert (await shop.told("GET", path))["status"] == "Success"


@pytest.mark.asyncio
@pytest.mark.parametrize("body", ["", "{}", '{"error": "upstream timed out"}', '{"status": "Failure"}', "null", "[]"])
@pytest.mark.parametrize(("fault", "effects"), [("other_body_before_commit", 0), ("other_body_after_commit", 1)])
async def test_another_body_under_200(shop: Shop, fault: str, effects: int, body: str) -> None:
    shop.http.sandbox.faults.add("accounts.block", fault, body=body)
    status, came, headers = await shop.ask("POST", f"accounts/v1/{shop.buyer}/user-info/block")
    assert (status, came.decode()) == (200, body)
    assert headers["Content-Type"].partition(";")[0] == "application/json"
    assert shop.http.sandbox.accounts[shop.buyer].is_blocked is bool(effects)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("fault", "effects"), [(Fault.CONTRADICTION_BEFORE_COMMIT, 0), (Fault.CONTRADICTION_AFTER_COMMIT, 1)]
)
async def test_a_block_that_is_answered_with_its_opposite(shop: Shop, fault: Fault, effects: int) -> None:
    faults, account = shop.http.sandbox.faults, shop.http.sandbox.accounts[shop.buyer]
    path = f"accounts/v1/{shop.buyer}/user-info"
    faults.add("accounts.block", fault)
    told = await shop.told("POST", f"{path}/block")
    assert (told["status"], told["payload"], account.is_blocked) == ("Success", {"is_blocked": False}, bool(effects))
    assert len(shop.http.notices("account-block-unblock-webhook")) == effects
    await shop.told("POST", f"{path}/block")
    faults.add("accounts.unblock", fault)
    told = await shop.told("POST", f"{path}/unblock")
    assert (told["status"], told["payload"], account.is_blocked) == ("Success", {"is_blocked": True}, not effects)
    await shop.told("POST", f"{path}/unblock")
    faults.add("accounts.block_capability", fault)
    body = {"account_id": shop.buyer, "block_capability": "login", "block_reason": "account_close"}
    assert await shop.told("POST", "accounts/v2/block", body) == {"account_id": shop.buyer, "blocks": {}}
    assert account.is_blocked is bool(effects)
    assert faults.pending == 0


@pytest.mark.asyncio
@pytest.mark.parametrize("fault", [Fault.CONTRADICTION_BEFORE_COMMIT, Fault.CONTRADICTION_AFTER_COMMIT])
async def test_a_payment_that_is_answered_with_an_open_invoice(shop: Shop, fault: Fault) -> None:
    invoice = await shop.invoice()
    path = f"invoicing/v2/invoice/{invoice['invoice_id']}"
    shop.http.sandbox.faults.add("invoices.pay", fault)
    told = await shop.told("POST", f"{path}/pay", {})
    assert (told["status"], told["payload"]["state"]) == ("Success", "OPEN")
    state = (await shop.told("GET", path))["payload"]["state"]
    assert state == ("SUCCESS" if fault in AFTER_COMMIT else "OPEN")


@pytest.mark.asyncio
@pytest.mark.parametrize("fault", CONTRADICTIONS)
async def test_a_refusal_contradicts_nothing(shop: Shop, fault: Fault) -> None:
    shop.http.sandbox.faults.add("accounts.block", fault)
    assert (await shop.told("POST", "accounts/v1/nobody/user-info/block", status=404))["status"] == "Failure"
    assert shop.http.sandbox.faults.pending == 1


@pytest.mark.asyncio
async def test_a_look_up_lags_behind_a_write_that_was_dropped(shop: Shop) -> None:
    await shop.invoice("before")
    faults = shop.http.sandbox.faults
    faults.add("*", Fault.STALE_READ, times=2)
    faults.add("invoices.create", Fault.DROP_AFTER_COMMIT)
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await shop.invoice("lost")
    assert [await shop.listed() for _ in range(3)] == [["before"], ["before"], ["lost", "before"]]
    assert faults.pending == 0


@pytest.mark.asyncio
async def test_what_is_not_there_yet_is_not_found(shop: Shop) -> None:
    shop.http.sandbox.faults.add("*", Fault.STALE_READ, times=None, seconds=30)
    invoice = await shop.invoice()
    path = f"invoicing/v2/invoice/{invoice['invoice_id']}"
    told = await shop.told("GET", path, status=404)
    assert (told["status"], told["codes"]) == ("Failure", ["INVOICE_NOT_FOUND"])
    # A write is never stale.
    assert (await shop.told("POST", f"{path}/pay", {}))["payload"]["state"] == "SUCCESS"
    await shop.told("GET", path, status=404)
    shop.http.sandbox.clock.advance(31)
    assert (await shop.told("GET", path))["payload"]["state"] == "SUCCESS"


@pytest.mark.asyncio
async def test_a_replica_shows_what_was_so_many_seconds_ago(shop: Shop) -> None:
    path = f"accounts/v1/{shop.buyer}/user-info"
    shop.http.sandbox.faults.add("accounts.get", Fault.STALE_READ, times=None, seconds=10)

    async def is_blocked() -> object:
        return (await shop.told("GET", path))["payload"]["is_blocked"]

    assert await is_blocked() is False
    await shop.told("POST", f"{path}/block")
    shop.http.sandbox.clock.advance(6)
    await shop.told("POST", f"{path}/unblock")
    assert await is_blocked() is False
    shop.http.sandbox.clock.advance(6)
    assert await is_blocked() is True
    shop.http.sandbox.clock.advance(6)
    assert await is_blocked() is False
    shop.http.sandbox.faults.clear()
    await shop.told("POST", f"{path}/block")
    assert await is_blocked() is True


@pytest.mark.asyncio
async def test_a_replica_that_lags_for_long_keeps_few_states(shop: Shop) -> None:
    sandbox = shop.http.sandbox
    sandbox.faults.add("accounts.get", Fault.STALE_READ, times=None, seconds=1000)
    path = f"accounts/v1/{shop.buyer}/user-info"
    for _ in range(5):
        for _ in range(30):
            await shop.told("POST", f"{path}/block")
        sandbox.clock.advance(400)
    await shop.told("POST", f"{path}/unblock")
    assert len(sandbox._desk._past) <= 5
    sandbox.clock.advance(999)
    assert (await shop.told("GET", path))["payload"]["is_blocked"] is True
    sandbox.clock.advance(20)
    assert (await shop.told("GET", path))["payload"]["is_blocked"] is False


@pytest.mark.asyncio
async def test_nothing_from_before_the_fault_is_hidden(shop: Shop) -> None:
    faults = shop.http.sandbox.faults
    faults.add("invoices.list", Fault.STALE_READ)
    await shop.invoice("first")
    assert await shop.listed() == []
    await shop.invoice("second")
    faults.add("invoices.list", Fault.STALE_READ)
    assert await shop.listed() == ["second", "first"]


@pytest.mark.asyncio
async def test_a_stale_answer_leaves_the_state_alone(shop: Shop) -> None:
    before = shop.http.sandbox._world.ledger.entered
    shop.http.sandbox.faults.add("*", Fault.STALE_READ, times=None)
    payout = await shop.payout()
    assert await shop.payouts() == []
    assert await shop.http.balance(shop.buyer) == 1_000, "it was so before the payout"
    shop.http.sandbox.faults.clear()
    assert await shop.http.balance(shop.buyer) == 600
    assert [each["payout_status_id"] for each in await shop.payouts()] == [payout["payout_status_id"]]
    assert before == shop.http.sandbox._world.ledger.entered


@pytest.mark.asyncio
@pytest.mark.parametrize("seconds", [90, 1, -3, -3600])
async def test_a_date_that_differs_from_what_stamps(shop: Shop, seconds: float) -> None:
    shop.http.sandbox.faults.add("*", Fault.WRONG_DATE, times=None, seconds=seconds)
    shop.http.sandbox.faults.add("accounts.get", Fault.SERVER_ERROR_EMPTY)
    for path, status in ((f"accounts/v1/{shop.buyer}/user-info", 500), ("accounts/v1/nobody/user-info", 404)):
        found, _, headers = await shop.ask("GET", path)
        ahead = (parsedate_to_datetime(headers["Date"]) - datetime.now(UTC)).total_seconds()
        assert (found, seconds - 1.5 < ahead <= seconds) == (status, True)
    listed = await shop.told("GET", f"accounts/v1/{shop.buyer}/user-info")
    created = datetime.fromisoformat(listed["payload"]["created"])
    assert abs((created - datetime.now(UTC)).total_seconds()) < 30


@pytest.mark.asyncio
async def test_times_without_a_zone(shop: Shop) -> None:
    await shop.invoice()
    truth = await shop.told("GET", f"invoicing/v2/invoice/account/{shop.buyer}")
    method = await shop.told("GET", f"payments/v2/payment-method/{shop.card}")
    shop.http.sandbox.faults.add("*", Fault.TIMES_WITHOUT_ZONE, times=None, seconds=-7 * 3600)
    told = await shop.told("GET", f"invoicing/v2/invoice/account/{shop.buyer}")
    (true, local) = (each["payload"]["invoices"][0]["created"] for each in (truth, told))
    assert not local.endswith("Z")
    assert (datetime.fromisoformat(local).replace(tzinfo=UTC) - datetime.fromisoformat(true)).total_seconds() == -25_200
    plain = await shop.told("GET", f"payments/v2/payment-method/{shop.card}")
    apart = [datetime.fromisoformat(each["payload"]["created"]) for each in (plain, method)]
    assert (apart[0] - apart[1]).total_seconds() == -25_200
    created = await shop.invoice()
    assert created["created"].startswith("0001-01-01T"), "the zero time stays as it is"


@pytest.mark.asyncio
async def test_an_answer_about_another_id(shop: Shop) -> None:
    faults = shop.http.sandbox.faults
    faults.add("accounts.get", Fault.OTHER_ID)
    told = (await shop.told("GET", f"accounts/v1/{shop.buyer}/user-info"))["payload"]
    assert told["account_id"] not in (shop.buyer, "")
    assert told["account_id"][:-1] == shop.buyer[:-1]
    faults.add("accounts.find", Fault.OTHER_ID)
    found = (await shop.told("GET", "accounts/v1/user-info/search?username=buyer"))["payload"]
    assert (found["username"] == "buyer", found["account_id"]) == (False, shop.buyer)
    faults.add("invoices.create", Fault.OTHER_ID)
    invoice = await shop.invoice("order-7")
    assert (invoice["account_id"] == shop.buyer, invoice["reference_id"]) == (False, "order-7")
    faults.add("invoices.pay", Fault.OTHER_ID)
    paid = (await shop.told("POST", f"invoicing/v2/invoice/{invoice['invoice_id']}/pay", {}))["payload"]
    assert (paid["invoice_id"] == invoice["invoice_id"], paid["state"]) == (False, "SUCCESS")
    faults.add("invoices.list", Fault.OTHER_ID)
    listed = await shop.told("GET", f"invoicing/v2/invoice/account/{shop.buyer}")
    assert {each["account_id"] for each in listed["payload"]["invoices"]}.isdisjoint({shop.buyer})
    assert faults.pending == 0


@pytest.mark.asyncio
async def test_the_other_envelope(shop: Shop) -> None:
    faults = shop.http.sandbox.faults
    faults.add("*", Fault.OTHER_ENVELOPE, times=None)
    assert await shop.told("POST", f"accounts/v1/{shop.buyer}/user-info/block") == {"is_blocked": True}
    tos = await shop.told("GET", f"accounts/v1/user-info/{shop.buyer}/tos/tilia")
    assert tos == {"status": "Success", "message": [], "codes": [], "payload": {"signed_tos": False}}
    faults.clear()
    await shop.told("POST", f"accounts/v1/{shop.buyer}/user-info/unblock")
    other = await shop.http.register("other")
    faults.add("accounts.merge", Fault.OTHER_ENVELOPE)
    body = {"source_account_id": shop.buyer, "destination_account_id": other}
    merged = await shop.told("POST", "accounts/v2/merge-accounts", body)
    assert (merged["status"], "payload" in merged) == ("Success", False), (
        "without a payload only the envelope says anything"
    )


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("query", "order"),
    [("", "first second third"), ("sort=desc", "first second third"), ("sort=asc", "third second first")],
)
async def test_the_wrong_order(shop: Shop, query: str, order: str) -> None:
    for name in ("first", "second", "third"):
        await shop.invoice(name)
    faults = shop.http.sandbox.faults
    faults.add("invoices.list", Fault.WRONG_ORDER, times=None)
    assert await shop.listed(query) == order.split()
    pages = [await shop.listed(f"{query}&limit=2&offset={offset}") for offset in (0, 2)]
    assert [*pages[0], *pages[1]] == order.split(), "of all pages together"
    faults.clear()
    assert await shop.listed(query) == order.split()[::-1]


@pytest.mark.asyncio
async def test_payouts_in_the_wrong_order(shop: Shop) -> None:
    ids = [(await shop.payout())["payout_status_id"] for _ in range(2)]
    truth = [each["payout_status_id"] for each in await shop.payouts()]
    assert sorted(truth) == sorted(ids)
    shop.http.sandbox.faults.add("payouts.list", Fault.WRONG_ORDER)
    assert [each["payout_status_id"] for each in await shop.payouts()] == truth[::-1]


def everywhere(told: dict[str, object]) -> list[dict[str, object]]:
    """The refunds of all places of an answer, those of the payments first."""
    of_payments = [each for payment in told["payments"].values() for each in payment["refunds"]]
    return [*of_payments, *told["refunds"].values(), *told["line_item_refunds"].values()]


@pytest.mark.asyncio
async def test_a_refund_in_another_currency(shop: Shop) -> None:
    invoice_id = await shop.refunded(100)
    assert {(each["amount"], each["currency"]) for each in everywhere(await shop.refunds(invoice_id))} == {(100, "USD")}
    shop.http.sandbox.faults.add("refunds.list", Fault.OTHER_CURRENCY)
    told = await shop.refunds(invoice_id)
    assert {(each["amount"], each["currency"]) for each in everywhere(told)} == {(95, "EUR")}
    (payment,) = told["payments"].values()
    assert (payment["request_amount"], payment["request_currency"]) == (300, "USD")
    assert (payment["received_amount"], payment["processing_currency"]) == (285, "EUR")
    assert {each["currency"] for each in everywhere(await shop.refunds(invoice_id))} == {"USD"}


@pytest.mark.asyncio
async def test_a_refund_in_two_parts(shop: Shop) -> None:
    invoice_id = await shop.refunded(101)
    shop.http.sandbox.faults.add("refunds.list", Fault.SPLIT)
    told = await shop.refunds(invoice_id)
    (payment,) = told["payments"].values()
    assert [each["amount"] for each in payment["refunds"]] == [51, 50]
    assert {name: each["amount"] for name, each in told["line_item_refunds"].items()} == {
        each["refund_id"]: each["amount"] for each in payment["refunds"]
    }


@pytest.mark.asyncio
async def test_a_refund_less_a_fee_and_one_that_is_under_way(shop: Shop) -> None:
    invoice_id = await shop.refunded(100)
    faults = shop.http.sandbox.faults
    faults.add("refunds.list", Fault.LESS_FEE)
    faults.add("refunds.list", Fault.PENDING)
    faults.add("refunds.list", Fault.LISTED_ELSEWHERE)
    told = await shop.refunds(invoice_id)
    assert [(each["amount"], each["currency"], each["status"]) for each in everywhere(told)] == [
        (95, "USD", "REFUND-PENDING")
    ]
    (payment,) = told["payments"].values()
    assert payment["refunds"] == []
    assert faults.pending == 0


@pytest.mark.asyncio
async def test_a_full_refund_that_is_under_way(shop: Shop) -> None:
    invoice = await shop.invoice()
    await shop.told("POST", f"invoicing/v2/invoice/{invoice['invoice_id']}/pay", {})
    await shop.told("POST", "invoicing/v2/refund", {"invoice_id": invoice["invoice_id"], "reason": "billing"})
    assert (await shop.refunds(invoice["invoice_id"]))["is_fully_refunded"] is True
    shop.http.sandbox.faults.add("refunds.list", Fault.PENDING)
    told = await shop.refunds(invoice["invoice_id"])
    assert told["is_fully_refunded"] is False
    assert {each["status"] for each in everywhere(told)} == {"REFUND-PENDING"}


@pytest.mark.asyncio
async def test_a_payout_in_another_currency_less_a_fee_and_under_way(shop: Shop) -> None:
    asked = await shop.payout()
    faults = shop.http.sandbox.faults
    faults.add("payouts.list", Fault.OTHER_CURRENCY)
    (told,) = await shop.payouts()
    assert (told["credit"]["amount"], told["credit"]["currency"], told["status"]) == (380, "EUR", "FUNDS-IN-ESCROW")
    faults.add("payouts.list", Fault.LESS_FEE)
    (told,) = await shop.payouts()
    assert (told["credit"]["amount"], told["credit"]["fee_amount"], told["credit"]["currency"]) == (380, 20, "USD")
    faults.add("payouts.get", Fault.PENDING)
    path = f"invoicing/v2/{shop.buyer}/payout/{asked['payout_status_id']}"
    assert (await shop.told("GET", path))["payload"]["status"] == "ESCROW-TRANSFER-INITIATED"
    assert (await shop.payouts())[0]["credit"] == asked["credit"]


@pytest.mark.asyncio
async def test_a_payment_that_is_told_as_under_way(shop: Shop) -> None:
    invoice = await shop.invoice()
    shop.http.sandbox.faults.add("invoices.pay", Fault.PENDING)
    path = f"invoicing/v2/invoice/{invoice['invoice_id']}"
    told = await shop.told("POST", f"{path}/pay", {})
    assert (told["status"], told["payload"]["state"]) == ("Success", "PROCESSING")
    assert (await shop.told("GET", path))["payload"]["state"] == "SUCCESS"


@pytest.mark.asyncio
async def test_lies_come_on_top_of_another_fault_and_of_each_other(shop: Shop) -> None:
    faults = shop.http.sandbox.faults
    faults.add("accounts.get", Fault.OTHER_ID)
    faults.add("accounts.get", Fault.OTHER_ENVELOPE)
    faults.add("accounts.get", Fault.WRONG_DATE, seconds=500)
    faults.add("accounts.get", Fault.SERVER_ERROR_EMPTY)
    faults.add("accounts.get", Fault.LATENCY, seconds=0)
    path = f"accounts/v1/{shop.buyer}/user-info"
    assert (await shop.ask("GET", path))[0] == 500
    assert faults.pending == 3, "the lies about content wait for an answer that has one"
    await shop.told("GET", "accounts/v1/nobody/user-info", status=404)
    assert faults.pending == 2, "a refusal has none either"
    told = await shop.told("GET", path)
    assert told["account_id"] != shop.buyer
    assert faults.pending == 0
    assert (await shop.told("GET", path))["payload"]["account_id"] == shop.buyer


@pytest.mark.asyncio
async def test_lies_of_one_kind_come_in_their_order(shop: Shop) -> None:
    for seconds in (1_000, 2_000):
        shop.http.sandbox.faults.add("accounts.get", Fault.WRONG_DATE, seconds=seconds)
    for seconds in (1_000, 2_000, 0):
        _, _, headers = await shop.ask("GET", f"accounts/v1/{shop.buyer}/user-info")
        ahead = (parsedate_to_datetime(headers["Date"]) - datetime.now(UTC)).total_seconds()
        assert abs(ahead - seconds) < 100


@pytest.mark.asyncio
async def test_an_escrow_that_contradicts_itself_or_is_under_way(shop: Shop) -> None:
    body = {
        "account_id": shop.buyer,
        "reference_type": "order",
        "reference_id": "order-7",
        "line_items": [item(300)],
        "payment_methods": [{"payment_method_id": shop.card}],
    }
    faults = shop.http.sandbox.faults
    steps = {"commit": ("ESCROWED", "COMMIT-REQUESTED"), "cancel": ("ESCROWED", "CANCEL-REQUESTED")}
    for step, (opposite, under_way) in steps.items():
        deal = (await shop.told("POST", "invoicing/v2/escrow", body, 201))["payload"]
        path = f"invoicing/v2/escrow/{deal['id']}"
        faults.add("escrow.pay", Fault.CONTRADICTION_AFTER_COMMIT)
        assert (await shop.told("POST", f"{path}/pay", {}))["status"] == "OPEN"
        faults.add(f"escrow.{step}", Fault.CONTRADICTION_AFTER_COMMIT)
        assert (await shop.told("POST", f"{path}/{step}", {}))["status"] == opposite
        faults.add("escrow.get", Fault.PENDING)
        assert (await shop.told("GET", path))["status"] == under_way


@pytest.mark.asyncio
async def test_a_cancelled_payout_that_contradicts_itself(shop: Shop) -> None:
    asked = await shop.payout()
    shop.http.sandbox.faults.add("payouts.cancel", Fault.CONTRADICTION_AFTER_COMMIT)
    path = f"invoicing/v2/{shop.buyer}/payout/{asked['payout_status_id']}"
    told = (await shop.told("DELETE", path))["payload"]
    told = told[0] if isinstance(told, list) else told
    assert (told["status"], told["credit"]["status"]) == ("FUNDS-IN-ESCROW", "CREATED")
    assert (await shop.told("GET", path))["payload"]["credit"]["status"] == "CANCELED"


async def closed(reader: asyncio.StreamReader) -> float:
    """How many seconds it takes until the other side ends a connection."""
    started = time.monotonic()
    assert await asyncio.wait_for(reader.read(), 5) == b""
    return time.monotonic() - started


async def answered(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    """The head of the answer to one request that keeps its connection."""
    port = writer.get_extra_info("peername")[1]
    writer.write(b"GET /accounts/v1/nobody/user-info HTTP/1.1\r\nHost: localhost:%d\r\n\r\n" % port)
    head = await reader.readuntil(b"\r\n\r\n")
    (length,) = re.findall(rb"Content-Length: (\d+)", head)
    await reader.readexactly(int(length))
    return head


@pytest.mark.asyncio
async def test_a_connection_is_ended_when_it_was_idle_for_long() -> None:
    async with Sandbox(keep_alive=0.2) as sandbox:
        reader, writer = await asyncio.open_connection("127.0.0.1", sandbox.port)
        for _ in range(2):
            assert b"Connection: close" not in await answered(reader, writer)
        assert 0.1 < await closed(reader) < 2
        writer.close()


@pytest.mark.asyncio
async def test_a_connection_is_ended_without_a_word() -> None:
    async with Sandbox() as sandbox:
        reader, writer = await asyncio.open_connection("127.0.0.1", sandbox.port)
        sandbox.faults.add("*", Fault.CLOSED_WHEN_IDLE, seconds=0.05)
        assert b"Connection: close" not in await answered(reader, writer)
        assert await closed(reader) < 2
        writer.close()
        assert sandbox.faults.pending == 0
