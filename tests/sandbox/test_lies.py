"""Answers of gateways, of another shape, or that say the opposite."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import pytest
from support.shop import CONTRADICTIONS, Shop, shop

from tilia_async import Scope
from tilia_async.sandbox import Fault
from tilia_async.sandbox.faults import AFTER_COMMIT

__all__ = ["shop"]


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
