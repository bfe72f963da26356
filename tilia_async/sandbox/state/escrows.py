"""Transactions of more than one step.

Exchanges of tokens, escrows, payouts, refunds.
"""

from __future__ import annotations

import attrs

from tilia_async.models.escrow import EscrowStatus
from tilia_async.models.payouts import PayoutStatus
from tilia_async.models.refunds import RefundStatus
from tilia_async.models.token_exchanges import ExchangeDirection, ExchangeStatus
from tilia_async.sandbox.state.accounts import Tag
from tilia_async.sandbox.state.invoices import LineItem, Payment, SandboxInvoice
from tilia_async.sandbox.state.methods import SandboxPaymentMethod
from tilia_async.sandbox.state.wallets import SandboxWallet


@attrs.define(eq=False)
class SandboxExchange:
    """A purchase or conversion of tokens.

    Attributes:
        method: what is paid with; None for a conversion, which is paid from the convertible wallet.
        paid, received: what the user gives, fees included, and gets.
    """

    token_exchange_id: str
    account_id: str
    direction: ExchangeDirection
    method: SandboxPaymentMethod | None
    source: SandboxWallet | None
    destination: SandboxWallet
    paid: int
    paid_currency: str
    received: int
    tilia_fee: int
    publisher_fee: int
    invoice: SandboxInvoice
    tag: Tag
    created: str
    updated: str
    status: ExchangeStatus = ExchangeStatus.OPEN

    @property
    def net(self) -> int:
        """The amount that is paid without the fees."""
        return self.paid - self.tilia_fee - self.publisher_fee


@attrs.define(eq=False)
class SandboxEscrow:
    """An escrow.

    Attributes:
        escrow_invoice, commit_invoice, cancel_invoice: its invoices; the first exists from the start.
    """

    escrow_id: str
    escrow_invoice: SandboxInvoice
    created: float
    updated: float
    number: int
    turn: int
    commit_invoice: SandboxInvoice | None = None
    cancel_invoice: SandboxInvoice | None = None
    status: EscrowStatus = EscrowStatus.OPEN

    @property
    def invoices(self) -> tuple[SandboxInvoice, ...]:
        return tuple(
            invoice
            for invoice in (self.escrow_invoice, self.commit_invoice, self.cancel_invoice)
            if invoice is not None
        )


@attrs.define(eq=False)
class SandboxPayout:
    """A payout.

    Attributes:
        credit_status: ``CREATED``, ``EXECUTED`` or ``CANCELED``.
        moves_at: when it goes on by itself, on the sandbox's clock; None: never.
    """

    payout_status_id: str
    credit_id: str
    account_id: str
    source: SandboxWallet
    destination: SandboxPaymentMethod
    amount: int
    created: str
    updated: str
    moves_at: float | None
    status: PayoutStatus = PayoutStatus.FUNDS_IN_ESCROW
    credit_status: str = "CREATED"


@attrs.frozen
class SandboxRefund:
    """A refund to one payment method.

    It goes back there, or failed to.
    """

    refund_id: str
    refund_invoice: SandboxInvoice
    original: SandboxInvoice
    payment: Payment
    amount: int
    item: LineItem | None
    reason: str
    sub_reason: str
    note: str
    status: RefundStatus
    created: str
