"""A shop in the sandbox, asked over HTTP."""

from __future__ import annotations

from collections.abc import Mapping

import attrs
import pytest_asyncio

from support.plain import Http, item
from tilia_async import Scope
from tilia_async.sandbox import Fault

CONTRADICTIONS = {Fault.CONTRADICTION_BEFORE_COMMIT, Fault.CONTRADICTION_AFTER_COMMIT}


@attrs.frozen
class Shop:
    """A buyer with a card, money and PayPal.

    All requests have one token.
    """

    http: Http
    buyer: str
    card: str
    paypal: str
    headers: Mapping[str, str]

    async def ask(self, method: str, path: str, body: object = None) -> tuple[int, bytes, Mapping[str, str]]:
        """Send one request; return status, body and headers."""
        async with self.http.session.request(
            method, self.http.url(path), json=body, headers=self.headers, allow_redirects=False
        ) as response:
            return response.status, await response.read(), response.headers

    async def told(self, method: str, path: str, body: object = None, status: int = 200) -> dict[str, object]:
        """Return the JSON of an answer, whatever it says."""
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
        """Return the id of an invoice refunded in part."""
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
