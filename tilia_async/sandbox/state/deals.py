"""What takes more than one step: exchanges of tokens, escrows, payouts, refunds."""

from __future__ import annotations

import attrs

from tilia_async.models.escrow import EscrowStatus
from tilia_async.models.payouts import PayoutStatus
from tilia_async.models.refunds import RefundStatus
from tilia_async.models.token_exchanges import ExchangeDirection, ExchangeStatus
from tilia_async.sandbox.state.bills import Bill, Item, Payment
from tilia_async.sandbox.state.ledger import SandboxWallet
from tilia_async.sandbox.state.methods import SandboxPaymentMethod
from tilia_async.sandbox.state.people import Tag


@attrs.define(eq=False)
class Exchange:
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
    bill: Bill
    tag: Tag
    created: str
    updated: str
    status: ExchangeStatus = ExchangeStatus.OPEN

    @property
    def net(self) -> int:
        """What is paid without the fees."""
        return self.paid - self.tilia_fee - self.publisher_fee


@attrs.define(eq=False)
class Deal:
    """An escrow.

    Attributes:
        escrow, commit, cancel: its invoices; the first exists from the start.
    """

    escrow_id: str
    escrow: Bill
    created: float
    updated: float
    number: int
    turn: int
    commit: Bill | None = None
    cancel: Bill | None = None
    status: EscrowStatus = EscrowStatus.OPEN

    @property
    def bills(self) -> tuple[Bill, ...]:
        return tuple(bill for bill in (self.escrow, self.commit, self.cancel) if bill is not None)


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
class Repayment:
    """What goes back to one payment method, or failed to."""

    refund_id: str
    refund_bill: Bill
    original: Bill
    payment: Payment
    amount: int
    item: Item | None
    reason: str
    sub_reason: str
    note: str
    status: RefundStatus
    created: str
