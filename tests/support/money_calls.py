"""Calls for each operation beyond the first ones.

One each, with the status and body of a good answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from support.facts import MADE
from support.money_samples import (
    BLOCK,
    CAPTURED,
    CONVERSION,
    CUSTOM,
    CUSTOM_METHOD,
    DETAILS,
    ENTITY,
    ESCROW,
    EXCHANGE,
    HELD,
    INVOICE,
    KYC,
    LINE_ITEM,
    METHOD,
    PAID_OUT,
    PAYOUT,
    PURCHASE,
    REFUNDS,
    SELLER,
    TRANSFERRED,
    USABLE,
)
from support.samples import ACCOUNT, REGISTERED, WALLET, WALLET_DOC
from tilia_async.models.line_items import LineItem, PaymentSource, Recipient
from tilia_async.models.transfers import TransferItem

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from support.recorder import Recorder
    from tilia_async import TiliaClient

SECOND = "wal_2V2cKMJI4AtLkF8eQaVi1NAl9wL"
ITEM = LineItem(
    amount=550,
    currency="USD",
    transaction_type="user_to_user",
    recipients=[Recipient(amount=500, currency="USD", destination_account_id=SELLER)],
)
SOURCE = PaymentSource(METHOD)
MOVE = TransferItem(
    source_wallet_id=WALLET,
    destination_wallet_id=SECOND,
    amount=100,
    currency="USD",
    transfer_item_type="usd_user_to_integrator_sink",
)


class Known(NamedTuple):
    """A call and the answer that ends it well.

    ``bare`` answers have no envelope.
    """

    call: Callable[[TiliaClient], Awaitable[Any]]
    payload: Any
    status: int = 200
    bare: bool = False

    @property
    def answer(self) -> dict[str, Any]:
        """The body of the answer."""
        return self.payload if self.bare else {"status": "Success", "message": [], "codes": [], "payload": self.payload}


async def drain(items: AsyncIterator[Any]) -> list[Any]:
    """Read a list to its end."""
    return [item async for item in items]


CALLS: dict[str, Known] = {
    "token_exchanges.start_purchase": Known(
        lambda t: t.token_exchanges.start_purchase(METHOD, 250, "VCD"), {**PURCHASE, "status": "OPEN"}, 201
    ),
    "token_exchanges.execute_purchase": Known(lambda t: t.token_exchanges.execute_purchase(EXCHANGE), PURCHASE),
    "token_exchanges.start_conversion": Known(
        lambda t: t.token_exchanges.start_conversion(ACCOUNT, 100, "TST"), CONVERSION, 201
    ),
    "token_exchanges.execute_conversion": Known(
        lambda t: t.token_exchanges.execute_conversion(EXCHANGE), {**CONVERSION, "status": "SUCCESS"}
    ),
    "token_exchanges.get": Known(lambda t: t.token_exchanges.get(EXCHANGE), PURCHASE),
    "invoices.create": Known(lambda t: t.invoices.create(ACCOUNT, [ITEM], [SOURCE]), CAPTURED, 201),
    "invoices.pay": Known(lambda t: t.invoices.pay(INVOICE), {**CAPTURED, "state": "SUCCESS"}),
    "invoices.get": Known(lambda t: t.invoices.get(INVOICE), CAPTURED),
    "invoices.list": Known(
        lambda t: drain(t.invoices.list(ACCOUNT)), {"total": 1, "account_id": ACCOUNT, "invoices": [CAPTURED]}
    ),
    "invoices.authorize": Known(
        lambda t: t.invoices.authorize(ACCOUNT, [ITEM], "api"),
        {"authorized_invoice_id": INVOICE, "password_token": "eyJ"},
    ),
    "invoices.get_authorized": Known(lambda t: t.invoices.get_authorized(INVOICE), DETAILS, bare=True),
    "escrow.create": Known(lambda t: t.escrow.create(ACCOUNT, [ITEM], [SOURCE]), HELD, 201, bare=True),
    "escrow.pay": Known(lambda t: t.escrow.pay(ESCROW), HELD, bare=True),
    "escrow.commit": Known(lambda t: t.escrow.commit(ESCROW), {**HELD, "status": "COMMITTED"}, bare=True),
    "escrow.cancel": Known(lambda t: t.escrow.cancel(ESCROW), {**HELD, "status": "CANCELLED"}, bare=True),
    "escrow.get": Known(lambda t: t.escrow.get(ESCROW), HELD, bare=True),
    "escrow.find_by_invoice": Known(lambda t: t.escrow.find_by_invoice(INVOICE), HELD, bare=True),
    "escrow.list_by_reference": Known(
        lambda t: drain(t.escrow.list_by_reference("8987749")),
        {"total": "1", "account_id": ACCOUNT, "escrow_transactions": [HELD]},
        bare=True,
    ),
    "refunds.refund_invoice": Known(
        lambda t: t.refunds.refund_invoice(INVOICE), {"status": "Success", "message": None, "codes": None}, bare=True
    ),
    "refunds.refund_line_item": Known(lambda t: t.refunds.refund_line_item(LINE_ITEM, 95, [METHOD], "billing"), {}),
    "refunds.list": Known(lambda t: t.refunds.list(INVOICE), REFUNDS, bare=True),
    "payouts.request": Known(lambda t: t.payouts.request(ACCOUNT, METHOD, "pm_paypal", 250, "USD"), PAID_OUT),
    "payouts.list": Known(lambda t: t.payouts.list(ACCOUNT), [PAID_OUT]),
    "payouts.get": Known(lambda t: t.payouts.get(ACCOUNT, PAYOUT), PAID_OUT),
    "payouts.cancel": Known(lambda t: t.payouts.cancel(ACCOUNT, PAYOUT), [PAID_OUT]),
    "transfers.create": Known(lambda t: t.transfers.create(ACCOUNT, "fund_user", [MOVE]), TRANSFERRED),
    "compliance.tos_status": Known(lambda t: t.compliance.tos_status(ACCOUNT), {"signed_tos": True}, bare=True),
    "compliance.kyc_status": Known(lambda t: t.compliance.kyc_status(ACCOUNT), KYC),
    "compliance.onboard_entity": Known(
        lambda t: t.compliance.onboard_entity(ACCOUNT, "Tilia Entity"), {"entity_id": ENTITY, "vendor_response": {}}
    ),
    "accounts.update": Known(
        lambda t: t.accounts.update(ACCOUNT, full_name="David"), {**REGISTERED, "account_id": ACCOUNT}
    ),
    "accounts.block_capability": Known(
        lambda t: t.accounts.block_capability(ACCOUNT), {"account_id": ACCOUNT, "blocks": BLOCK}, bare=True
    ),
    "accounts.get_blocks": Known(
        lambda t: t.accounts.get_blocks(ACCOUNT), {"account_id": ACCOUNT, "blocks": BLOCK}, bare=True
    ),
    "accounts.merge": Known(
        lambda t: t.accounts.merge(ACCOUNT, SELLER), {"status": "Success", "message": None, "codes": None}, bare=True
    ),
    "wallets.create_custom": Known(lambda t: t.wallets.create_custom(ACCOUNT, "publisher_hosted"), WALLET_DOC),
    "payment_methods.get": Known(lambda t: t.payment_methods.get(METHOD), CUSTOM_METHOD),
    "payment_methods.update": Known(lambda t: t.payment_methods.update(METHOD, display_string="Mine"), {}),
    "payment_methods.transaction_methods": Known(lambda t: t.payment_methods.transaction_methods(ACCOUNT), USABLE),
    "payment_methods.create_custom_wallet": Known(
        lambda t: t.payment_methods.create_custom_wallet(ACCOUNT, "publisher_hosted"), CUSTOM
    ),
}

READING = (
    "token_exchanges.get",
    "invoices.get",
    "invoices.list",
    "invoices.get_authorized",
    "escrow.get",
    "escrow.find_by_invoice",
    "escrow.list_by_reference",
    "refunds.list",
    "payouts.list",
    "payouts.get",
    "compliance.tos_status",
    "compliance.kyc_status",
    "accounts.get_blocks",
    "payment_methods.get",
    "payment_methods.transaction_methods",
)
ONCE = (
    "token_exchanges.start_purchase",
    "token_exchanges.execute_purchase",
    "token_exchanges.start_conversion",
    "token_exchanges.execute_conversion",
    "invoices.create",
    "invoices.pay",
    "invoices.authorize",
    "escrow.create",
    "escrow.pay",
    "escrow.commit",
    "escrow.cancel",
    "refunds.refund_invoice",
    "refunds.refund_line_item",
    "payouts.request",
    "payouts.cancel",
    "accounts.merge",
    "wallets.create_custom",
    "payment_methods.create_custom_wallet",
)
"""Operations that are sent once, whatever comes of it."""


class Case(NamedTuple):
    """A call and its request.

    The path and body that it must become; of ``name``'s method, and with its good answer.
    """

    name: str
    call: Callable[[TiliaClient], Awaitable[Any]] | None
    path: str
    body: Any = None


def drop_defaults(body: dict[str, Any]) -> dict[str, Any]:
    """Leave out what means the same when absent.

    And read a postal code as text.
    """
    if "tags" in body and not body["tags"]:
        del body["tags"]
    address = body.get("location", {}).get("address", {})
    if "postal_code" in address:
        address["postal_code"] = str(address["postal_code"])
    for item in body.get("line_items", ()):
        if not item.get("recipients", True):
            del item["recipients"]
    return body


async def expect_request(api: Recorder, tilia: TiliaClient, case: Case) -> None:
    """Make the call of a case, and compare it.

    What it sent is compared with the sheets.
    """
    known, fact = CALLS[case.name], MADE[case.name]
    api.answer(known.status, known.answer)
    await (case.call or known.call)(tilia)
    sent = api.call
    assert (sent.method, sent.path) == (fact.method, case.path)
    assert sent.headers["Authorization"] == "Bearer token-1"
    if case.body is None:
        assert sent.body in ({b""} if fact.method in {"GET", "DELETE"} else {b"", b"{}"})
    else:
        assert drop_defaults(sent.json) == case.body
        assert sent.headers["Content-Type"].startswith("application/json")
    assert ("Idempotency-Key" in sent.headers) is (case.name == "transfers.create")
    (token,) = api.tokens
    if fact.scopes is not None:
        assert set(token.form["scope"][0].split(",")) == fact.scopes
