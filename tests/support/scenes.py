"""A scene for each operation.

A sandbox in which it can be called, and the call.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import attrs

from tilia_async import LineItem, Money, PaymentSource, Recipient, TiliaClient, TransferItem
from tilia_async.sandbox import Sandbox

PASSWORD = 'canary-pw-Q7/z"é'
"""Password that is escaped differently everywhere.

It is written otherwise in JSON, in HTML and in a URL; within Tilia's 16 characters.
"""

Call = Callable[[TiliaClient], Awaitable[object]]


@attrs.define
class Stage:
    """A buyer, a seller, and what they have.

    Attributes:
        reference: what a caller of the operation knows beside its error, for the reconciliation.
    """

    sandbox: Sandbox
    tilia: TiliaClient
    buyer: str = ""
    seller: str = ""
    card: str = ""
    paypal: str = ""
    reference: dict[str, str] = attrs.field(factory=dict[str, str])

    async def set(self) -> None:
        """Register the two and give them money."""
        tilia, sandbox = self.tilia, self.sandbox
        self.buyer = (await tilia.accounts.register("buyer", email="buyer@mail.example")).account_id
        self.seller = (await tilia.accounts.register("seller", email="seller@mail.example")).account_id
        self.card = sandbox.add_payment_method(self.buyer)
        self.paypal = sandbox.add_payment_method(self.buyer, "paypal")
        sandbox.set_kyc(self.buyer)
        sandbox.fund(self.buyer, Money(50_000, "USD"))
        sandbox.fund(self.buyer, Money(50_000, "TOK"), "standard")
        sandbox.fund(self.buyer, Money(50_000, "TOK"), "convertible")

    async def wallet(self, account_id: str, kind: str = "registration") -> tuple[str, str]:
        """Return the ids of a wallet and its method.

        Of its payment method and of the wallet itself.
        """
        (found,) = [method for method in await self.tilia.wallets.list(account_id) if method.method_class == kind]
        assert found.wallet_id is not None
        return found.id, found.wallet_id

    @property
    def sword(self) -> LineItem:
        return LineItem(
            amount=Money(200, "TOK"),
            transaction_type="user_to_user",
            recipients=[Recipient(amount=Money(200, "TOK"), destination_account_id=self.seller)],
        )

    async def paid_invoice(self) -> tuple[str, str]:
        """Return the ids of a paid invoice.

        It was paid with the card; with the id of its line item.
        """
        ticket = LineItem(amount=Money(300, "USD"), transaction_type="user_to_integrator")
        invoice = await self.tilia.invoices.create(self.buyer, [ticket], [PaymentSource(self.card)])
        await self.tilia.invoices.pay(invoice.invoice_id)
        (item,) = invoice.line_items
        assert item.line_item_id is not None
        return invoice.invoice_id, item.line_item_id

    async def escrow(self, *, paid: bool = True) -> str:
        found = await self.tilia.escrow.create(self.buyer, [self.sword], reference_id="order-7")
        if paid:
            await self.tilia.escrow.pay(found.id)
        return found.id

    async def payout(self) -> str:
        method, _ = await self.wallet(self.buyer)
        asked = await self.tilia.payouts.request(self.buyer, method, self.paypal, Money(500, "USD"))
        return asked.payout_status_id


Scene = Callable[[Stage], Awaitable[Call]]
SCENES: dict[str, Scene] = {}


def scene(name: str) -> Callable[[Scene], Scene]:
    def keep(arrange: Scene) -> Scene:
        SCENES[name] = arrange
        return arrange

    return keep


def plain(name: str, call: Callable[[TiliaClient, Stage], Awaitable[object]]) -> None:
    """Return a scene that needs nothing more.

    Nothing beyond the stage.
    """

    async def arrange(stage: Stage) -> Call:
        return lambda tilia: call(tilia, stage)

    SCENES[name] = arrange


async def drained(items: AsyncIterator[object]) -> list[object]:
    return [item async for item in items]


plain("auth.create_redirect", lambda t, s: t.auth.create_redirect(s.buyer))
plain("auth.create_user_token", lambda t, s: t.auth.create_user_token(s.buyer))
plain("registration.start", lambda t, s: t.registration.start("nyx@mail.example", PASSWORD, "nyx@mail.example"))
plain("accounts.register", lambda t, s: t.accounts.register("nyx", email="nyx@mail.example"))
plain("accounts.get", lambda t, s: t.accounts.get(s.buyer))
plain("accounts.find", lambda t, s: t.accounts.find("buyer"))
plain("accounts.update", lambda t, s: t.accounts.update(s.buyer, full_name="Nyx"))
plain("accounts.block", lambda t, s: t.accounts.block(s.buyer, reason="fraud"))
plain("accounts.is_blocked", lambda t, s: t.accounts.is_blocked(s.buyer))
plain("accounts.block_capability", lambda t, s: t.accounts.block_capability(s.buyer))
plain("accounts.get_blocks", lambda t, s: t.accounts.get_blocks(s.buyer))
plain("accounts.merge", lambda t, s: t.accounts.merge(s.buyer, s.seller))
plain("wallets.list", lambda t, s: t.wallets.list(s.buyer))
plain("wallets.balances", lambda t, s: t.wallets.balances(s.buyer))
plain("wallets.create_custom", lambda t, s: t.wallets.create_custom(s.buyer, "publisher_hosted"))
plain("payment_methods.list", lambda t, s: t.payment_methods.list(s.buyer))
plain("payment_methods.get", lambda t, s: t.payment_methods.get(s.card))
plain("payment_methods.update", lambda t, s: t.payment_methods.update(s.card, display_string="Mine"))
plain("payment_methods.transaction_methods", lambda t, s: t.payment_methods.transaction_methods(s.buyer))
plain(
    "payment_methods.create_custom_wallet",
    lambda t, s: t.payment_methods.create_custom_wallet(s.buyer, "publisher_hosted"),
)
plain("token_exchanges.start_purchase", lambda t, s: t.token_exchanges.start_purchase(s.card, Money(500, "TOK")))
plain("token_exchanges.start_conversion", lambda t, s: t.token_exchanges.start_conversion(s.buyer, 500, "TOK"))
plain("invoices.create", lambda t, s: t.invoices.create(s.buyer, [s.sword], reference_id="order-7"))
plain("invoices.list", lambda t, s: drained(t.invoices.list(s.buyer)))
plain("invoices.authorize", lambda t, s: t.invoices.authorize(s.buyer, [s.sword], "api"))
plain("escrow.create", lambda t, s: t.escrow.create(s.buyer, [s.sword], reference_id="order-7"))
plain("payouts.list", lambda t, s: t.payouts.list(s.buyer))
plain("compliance.tos_status", lambda t, s: t.compliance.tos_status(s.buyer))
plain("compliance.kyc_status", lambda t, s: t.compliance.kyc_status(s.buyer))
plain("compliance.onboard_entity", lambda t, s: t.compliance.onboard_entity(s.buyer, "Acme"))


@scene("registration.complete")
async def _(stage: Stage) -> Call:
    started = await stage.tilia.registration.start("nyx@mail.example", PASSWORD, "nyx@mail.example")
    return lambda tilia: tilia.registration.complete(started.registration_id)


@scene("accounts.unblock")
async def _(stage: Stage) -> Call:
    await stage.tilia.accounts.block(stage.buyer)
    return lambda tilia: tilia.accounts.unblock(stage.buyer)


@scene("wallets.get")
async def _(stage: Stage) -> Call:
    _, wallet_id = await stage.wallet(stage.buyer)
    return lambda tilia: tilia.wallets.get(wallet_id)


@scene("token_exchanges.execute_purchase")
async def _(stage: Stage) -> Call:
    started = await stage.tilia.token_exchanges.start_purchase(stage.card, Money(500, "TOK"))
    return lambda tilia: tilia.token_exchanges.execute_purchase(started.token_exchange_id)


@scene("token_exchanges.get")
async def _(stage: Stage) -> Call:
    started = await stage.tilia.token_exchanges.start_purchase(stage.card, Money(500, "TOK"))
    return lambda tilia: tilia.token_exchanges.get(started.token_exchange_id)


@scene("token_exchanges.execute_conversion")
async def _(stage: Stage) -> Call:
    started = await stage.tilia.token_exchanges.start_conversion(stage.buyer, 500, "TOK")
    return lambda tilia: tilia.token_exchanges.execute_conversion(started.token_exchange_id)


@scene("invoices.pay")
async def _(stage: Stage) -> Call:
    invoice = await stage.tilia.invoices.create(stage.buyer, [stage.sword])
    return lambda tilia: tilia.invoices.pay(invoice.invoice_id)


@scene("invoices.get")
async def _(stage: Stage) -> Call:
    invoice_id, _ = await stage.paid_invoice()
    return lambda tilia: tilia.invoices.get(invoice_id)


@scene("invoices.get_authorized")
async def _(stage: Stage) -> Call:
    drafted = await stage.tilia.invoices.authorize(stage.buyer, [stage.sword], "api")
    assert drafted.authorized_invoice_id is not None
    invoice_id = drafted.authorized_invoice_id
    return lambda tilia: tilia.invoices.get_authorized(invoice_id)


@scene("escrow.pay")
async def _(stage: Stage) -> Call:
    escrow_id = await stage.escrow(paid=False)
    return lambda tilia: tilia.escrow.pay(escrow_id)


@scene("escrow.commit")
async def _(stage: Stage) -> Call:
    escrow_id = await stage.escrow()
    return lambda tilia: tilia.escrow.commit(escrow_id)


@scene("escrow.cancel")
async def _(stage: Stage) -> Call:
    escrow_id = await stage.escrow()
    return lambda tilia: tilia.escrow.cancel(escrow_id)


@scene("escrow.get")
async def _(stage: Stage) -> Call:
    escrow_id = await stage.escrow()
    return lambda tilia: tilia.escrow.get(escrow_id)


@scene("escrow.find_by_invoice")
async def _(stage: Stage) -> Call:
    found = await stage.tilia.escrow.get(await stage.escrow())
    assert found.escrow_invoice_id is not None
    invoice_id = found.escrow_invoice_id
    return lambda tilia: tilia.escrow.find_by_invoice(invoice_id)


@scene("escrow.list_by_reference")
async def _(stage: Stage) -> Call:
    await stage.escrow()
    return lambda tilia: drained(tilia.escrow.list_by_reference("order-7"))


@scene("refunds.refund_invoice")
async def _(stage: Stage) -> Call:
    invoice_id, _ = await stage.paid_invoice()
    return lambda tilia: tilia.refunds.refund_invoice(invoice_id, "billing")


@scene("refunds.refund_line_item")
async def _(stage: Stage) -> Call:
    invoice_id, line_item_id = await stage.paid_invoice()
    stage.reference["invoice_id"] = invoice_id
    return lambda tilia: tilia.refunds.refund_line_item(line_item_id, 100, [stage.card], "billing")


@scene("refunds.list")
async def _(stage: Stage) -> Call:
    invoice_id, _ = await stage.paid_invoice()
    return lambda tilia: tilia.refunds.list(invoice_id)


@scene("payouts.request")
async def _(stage: Stage) -> Call:
    method, _ = await stage.wallet(stage.buyer)
    return lambda tilia: tilia.payouts.request(stage.buyer, method, stage.paypal, Money(500, "USD"))


@scene("payouts.get")
async def _(stage: Stage) -> Call:
    payout_status_id = await stage.payout()
    return lambda tilia: tilia.payouts.get(stage.buyer, payout_status_id)


@scene("payouts.cancel")
async def _(stage: Stage) -> Call:
    payout_status_id = await stage.payout()
    return lambda tilia: tilia.payouts.cancel(stage.buyer, payout_status_id)


@scene("transfers.create")
async def _(stage: Stage) -> Call:
    _, source = await stage.wallet(stage.buyer)
    _, destination = await stage.wallet(stage.seller)
    move = TransferItem(source_wallet_id=source, destination_wallet_id=destination, amount=Money(100, "USD"))
    return lambda tilia: tilia.transfers.create(stage.buyer, "fund_user", [move], reference_id="order-7")
