"""Invoices: who pays what with what, and who receives it."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from fractions import Fraction

import attrs

from tilia_async.json_value import JsonObject, JsonValue
from tilia_async.models.invoices import InvoiceState
from tilia_async.sandbox.state.methods import SandboxPaymentMethod
from tilia_async.sandbox.state.wallets import Movement, SandboxWallet


class Kind(StrEnum):
    """Types of the sandbox's invoices.

    Those for tokens have ``_virtual`` at their end (money, D).
    """

    PURCHASE = "user_purchase"
    ESCROW = "user_purchase_escrow"
    COMMIT = "user_purchase_commit_escrow"
    CANCEL = "user_purchase_refund_escrow"
    REFUND = "refund_invoice"
    REFUND_LINE_ITEM = "refund_line_item_invoice"
    TOKEN_PURCHASE = "token_purchase"  # noqa: S105 - no password
    TOKEN_CONVERT = "token_convert"  # noqa: S105 - no password
    PAYOUT_ESCROW = "payout_escrow"
    PAYOUT_EXECUTE = "payout_execute"
    PAYOUT_REVERSE = "payout_reverse"
    TRANSFER = "balance_transfer"

    def in_tokens(self, *, virtual: bool) -> str:
        """Return the word for it in an answer.

        Exchanges, payouts and transfers have one word for money and tokens.
        """
        return f"{self}_virtual" if virtual and self in _WITH_TOKENS else str(self)


_WITH_TOKENS = frozenset({Kind.PURCHASE, Kind.ESCROW, Kind.COMMIT, Kind.CANCEL, Kind.REFUND, Kind.REFUND_LINE_ITEM})


@attrs.frozen
class Reference:
    """The caller's words about an invoice or its part."""

    reference_type: str = ""
    reference_id: str = ""
    description: str = ""
    metadata: JsonValue = None
    product_sku: str = ""
    product_code: str = ""


@attrs.frozen
class Recipient:
    """A recipient's share of a line item.

    Attributes:
        amount: the fee included.
        fee: what the publisher keeps of it.
        source: where it is said to come from; None: the publisher's wallet.
        fee_percentage: what the fee was reckoned with, from 0 to 1.
    """

    subitem_id: str
    amount: int
    fee: int
    fee_description: str
    destination: SandboxWallet
    reference: Reference
    source: SandboxWallet | None = None
    fee_percentage: Fraction = Fraction(0)

    @property
    def received(self) -> int:
        return self.amount - self.fee


@attrs.define(eq=False)
class LineItem:
    """A line item.

    Attributes:
        transaction_type: as asked for, without ``_virtual``.
    """

    line_item_id: str
    amount: int
    currency: str
    transaction_type: str
    reference: Reference
    recipients: tuple[Recipient, ...] = ()
    refunded: int = 0

    @property
    def left(self) -> int:
        """The amount that was not refunded yet."""
        return self.amount - self.refunded


@attrs.define(eq=False)
class Payment:
    """A payment method's part of a payment.

    Attributes:
        subitem_id: of the movement of money that it is.
    """

    payment_id: str
    subitem_id: str
    method: SandboxPaymentMethod
    amount: int
    refunded: int = 0

    @property
    def left(self) -> int:
        """The amount that was not refunded yet."""
        return self.amount - self.refunded


@attrs.define(eq=False)
class SandboxInvoice:
    """An invoice.

    Attributes:
        into: the wallet that the buyer pays into: the publisher's, or Tilia's for an escrow.
        chosen: the payments were chosen by the caller; else they are drawn from the token wallets when it is paid.
        created, updated: on the sandbox's clock.
        turn: grows with every change, so that a list has an order even within one instant.
    """

    invoice_id: str
    account_id: str
    kind: Kind
    virtual: bool
    currency: str
    reference: Reference
    items: tuple[LineItem, ...]
    into: SandboxWallet
    created: float
    number: int
    payments: tuple[Payment, ...] = ()
    chosen: bool = True
    state: InvoiceState = InvoiceState.OPEN
    updated: float = 0.0
    turn: int = 0

    @property
    def type(self) -> str:
        return self.kind.in_tokens(virtual=self.virtual)

    @property
    def total(self) -> int:
        """The total in the invoice's currency.

        A balance transfer may have items in another currency as well; those are not in it.
        """
        return sum(item.amount for item in self.items if item.currency == self.currency)

    @property
    def refunded(self) -> int:
        return sum(item.refunded for item in self.items)

    @property
    def recipients(self) -> Iterator[Recipient]:
        return (recipient for item in self.items for recipient in item.recipients)

    @property
    def paid_out(self) -> bool:
        """True if its recipients have their shares.

        An escrow's are paid by the invoice of its commit.
        """
        return self.state is InvoiceState.SUCCESS and self.kind is not Kind.ESCROW

    @property
    def recipient_ids(self) -> tuple[str, ...]:
        """The ids of the accounts that receive something.

        They are in the order of the line items.
        """
        return tuple(dict.fromkeys(recipient.destination.account_id for recipient in self.recipients))

    def charge(self) -> list[Movement]:
        """Take the payment from the buyer."""
        return [Movement(payment.method.wallet, self.into, payment.amount) for payment in self.payments]

    def give_back(self) -> list[Movement]:
        """Give the buyer everything back.

        From where it went.
        """
        return [Movement(self.into, payment.method.wallet, payment.amount) for payment in self.payments]

    def distribute(self, publisher: SandboxWallet) -> list[Movement]:
        """Pay the recipients.

        Fees, and what nobody receives, stay with the publisher.
        """
        return [Movement(publisher, each.destination, each.received) for each in self.recipients]


@attrs.define
class SandboxInvoices:
    """The invoices of the sandbox."""

    by_id: dict[str, SandboxInvoice] = attrs.field(factory=dict[str, SandboxInvoice])
    _by_item: dict[str, SandboxInvoice] = attrs.field(factory=dict[str, SandboxInvoice])
    _turns: int = 0

    def add(self, invoice: SandboxInvoice) -> SandboxInvoice:
        self.by_id[invoice.invoice_id] = invoice
        for item in invoice.items:
            self._by_item[item.line_item_id] = invoice
        return invoice

    def next_number(self) -> int:
        self._turns += 1
        return self._turns

    def settle(self, invoice: SandboxInvoice, state: InvoiceState, now: float) -> None:
        """Change its state."""
        invoice.state, invoice.updated, invoice.turn = state, now, self.next_number()

    def with_item(self, line_item_id: str) -> SandboxInvoice | None:
        return self._by_item.get(line_item_id)

    def of(self, account_id: str, *, received: bool) -> Iterator[SandboxInvoice]:
        """Return an account's invoices.

        Those that it received from are there only if asked for, and only paid ones.
        """
        for invoice in self.by_id.values():
            if invoice.account_id == account_id or (
                received and invoice.paid_out and account_id in invoice.recipient_ids
            ):
                yield invoice


@attrs.define(eq=False)
class Authorized:
    """An invoice to be paid in Tilia's pages.

    By the user: what was asked for, checked and kept.

    Attributes:
        is_escrow: it is for an escrow alone, else for an invoice alone.
        used: an invoice or escrow was made of it; there is only one.
    """

    invoice_id: str
    asked: JsonObject
    invoice: SandboxInvoice
    is_escrow: bool
    used: bool = False
