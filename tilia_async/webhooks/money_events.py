"""The notifications about money and tokens (fact sheet "compliance-webhooks", A.4).

Each class has the API's own field names. ``NAME`` is what its envelope says, ``_ENTITY`` what it is about, ``_SHAPE``
how its message is recognised where the name does not tell. Amounts are in the smallest unit of their currency.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import ClassVar

import attrs

from tilia_async import event_names
from tilia_async.json_value import JsonValue
from tilia_async.models.escrow import EscrowStatus
from tilia_async.models.invoices import InvoiceState
from tilia_async.models.payouts import PayoutFlow, PayoutStatus
from tilia_async.models.token_exchanges import ExchangeDirection, ExchangeStatus, RateDirection
from tilia_async.models.transfers import TransferStatus
from tilia_async.webhooks.event import EntityKey, Event
from tilia_async.webhooks.values import NotifiedRefund


@attrs.frozen(kw_only=True)
class BalanceTransferCompleted(Event):
    """A balance transfer was executed, or failed (A.4.3, operationId balanceTransferCompleted)."""

    NAME: ClassVar[str | None] = event_names.TRANSFER
    _SHAPE: ClassVar[frozenset[str]] = frozenset({"balance_transfer_id", "status"})
    _ENTITY: ClassVar[tuple[str, ...]] = ("balance_transfer_id",)

    account_id: str | None = None
    """Primary account."""
    balance_transfer_id: str | None = None
    """Transfer, ``bt_…``."""
    balance_transfer_type: str | None = None
    """Type of transfer, as agreed with Tilia."""
    description: str | None = None
    """Description, as it was given; may be empty."""
    failure_reason: str | None = None
    """Reason of a failure in words; empty while nothing failed."""
    invoice_id: str | None = None
    """Invoice, at most 36 characters."""
    reference_id: str | None = None
    """Reference of your own; may be empty."""
    reference_type: str | None = None
    """Kind of ``reference_id``, as you gave it; may be empty."""
    status: TransferStatus | str | None = None
    """State; ``FAILED`` is an answer, not an error."""


@attrs.frozen(kw_only=True)
class DepositCompleted(Event):
    """A wallet of the publisher received a deposit (A.4.4, operationId depositComplete).

    Tilia's page goes on after ``request_currency``; what follows
    there stands in ``message``.
    """

    NAME: ClassVar[str | None] = event_names.DEPOSIT
    _SHAPE: ClassVar[frozenset[str]] = frozenset({"deposit_id"})
    _ENTITY: ClassVar[tuple[str, ...]] = ("deposit_id",)

    account_id: str | None = None
    """Account, at most 36 characters."""
    deposit_id: str | None = None
    """Deposit, at most 36 characters."""
    deposit_invoice_id: str | None = None
    """Invoice of the deposit, at most 36 characters."""
    deposit_payment_method_id: str | None = None
    """Payment method that paid, at most 36 characters."""
    deposit_provider: str | None = None
    """Provider of the deposit."""
    deposit_type: str | None = None
    """Type of the deposit, e.g. ``ACH``."""
    destination_wallet_id: str | None = None
    """Wallet that received it, at most 36 characters."""
    fee_amount: int | None = None
    """Fee.

    In the smallest unit of ``fee_currency``.
    """
    fee_currency: str | None = None
    """Currency code of the fee."""
    received_amount: int | None = None
    """Amount that arrived.

    In the smallest unit of ``received_currency``.
    """
    received_currency: str | None = None
    """Currency code of what arrived."""
    request_amount: int | None = None
    """Amount that was asked for.

    In the smallest unit of ``request_currency``.
    """
    request_currency: str | None = None
    """Currency code of what was asked for."""


@attrs.frozen(kw_only=True)
class EscrowTransactionUpdated(Event):
    """An escrow was paid, committed or cancelled, or that failed (A.4.5, operationId escrowTransactionUpdate)."""

    NAME: ClassVar[str | None] = event_names.ESCROW
    _SHAPE: ClassVar[frozenset[str]] = frozenset({"id", "escrow_invoice_id", "status"})
    _ENTITY: ClassVar[tuple[str, ...]] = ("id",)

    id: str | None = None
    """Escrow, ``esc_…``."""
    account_id: str | None = None
    """Account of the buyer."""
    escrow_invoice_id: str | None = None
    """Invoice that the buyer pays."""
    commit_invoice_id: str | None = None
    """Invoice that pays the sellers; empty until there is one."""
    cancel_invoice_id: str | None = None
    """Invoice that refunds the buyer; empty until there is one."""
    integrator: str | None = None
    """Publisher, i.e. you, by Tilia's name for you."""
    status: EscrowStatus | str | None = None
    """State of the escrow; Tilia may know more."""
    created: datetime | None = None
    """Creation time, UTC.

    None where Tilia sends none.
    """
    updated: datetime | None = None
    """Time of the last change, UTC.

    None where Tilia sends none.
    """


@attrs.frozen(kw_only=True)
class InvoiceCompleted(Event):
    """The end of an invoice.

    It may be a failure (A.4.6, operationId invoiceComplete).

    Attributes:
        account_id: the buyer.
        line_items: a list in Tilia's pages, a map by id in its SDKs; either way a tuple here.
        payment_methods: as ``line_items``.
        subitems: as ``line_items``.
        metadata: what you gave when you created the invoice; a string or an object.
    """

    NAME: ClassVar[str | None] = event_names.INVOICE
    _SHAPE: ClassVar[frozenset[str]] = frozenset({"invoice_id", "invoice_type", "state"})
    _ENTITY: ClassVar[tuple[str, ...]] = ("invoice_id",)

    account_id: str | None = None
    invoice_id: str | None = None
    """Invoice, at most 36 characters."""
    invoice_type: str | None = None
    """Type of the invoice, e.g. ``user_purchase``."""
    state: InvoiceState | str | None = None
    """State of the invoice; Tilia may know more."""
    description: str | None = None
    """Description for people."""
    failure_code: str | None = None
    """Code of a failure; empty while nothing failed."""
    failure_reason: str | None = None
    """Reason of a failure in words; empty while nothing failed."""
    reference_id: str | None = None
    """Reference of your own."""
    reference_type: str | None = None
    """Kind of ``reference_id``, e.g. ``order``."""
    line_items: tuple[Mapping[str, JsonValue], ...] = attrs.field(default=(), hash=False)
    payment_methods: tuple[Mapping[str, JsonValue], ...] = attrs.field(default=(), hash=False)
    subitems: tuple[Mapping[str, JsonValue], ...] = attrs.field(default=(), hash=False)
    summary: Mapping[str, JsonValue] | None = attrs.field(default=None, hash=False)
    """Totals, as they came."""
    metadata: JsonValue = attrs.field(default=None, repr=False, hash=False)
    created: datetime | None = None
    """Creation time, UTC.

    None where Tilia sends none.
    """
    updated: datetime | None = None
    """Time of the last change, UTC.

    None where Tilia sends none.
    """


@attrs.frozen(kw_only=True)
class PayoutCompleted(Event):
    """The end of a payout.

    It may be a failure (A.4.7, operationId payoutComplete).

    Tilia documents no ``account_id`` here, and looking a payout up needs one: keep your own record of which account a
    ``payout_status_id`` belongs to. Its ``event_name`` is not documented either; the message is known by its shape.
    """

    _SHAPE: ClassVar[frozenset[str]] = frozenset({"payout_status_id", "payout_status"})
    _ENTITY: ClassVar[tuple[str, ...]] = ("payout_status_id",)

    payout_status_id: str | None = None
    """Payout, the id that get and cancel take."""
    payout_status: PayoutStatus | str | None = None
    """State of the payout; Tilia may know more."""
    payout_flow: PayoutFlow | str | None = None
    """Direction of the payout."""
    failure_code: str | None = None
    """Code of a failure."""
    failure_reason: str | None = None
    """Reason of a failure in words."""


@attrs.frozen(kw_only=True)
class RefundCompleted(Event):
    """A refund was made, or a part of it (A.4.8, operationId refundComplete).

    Attributes:
        invoice_id: the refund's own invoice.
        payment_invoice_id: the invoice that was refunded.
    """

    NAME: ClassVar[str | None] = event_names.REFUND
    _SHAPE: ClassVar[frozenset[str]] = frozenset({"invoice_id", "payment_invoice_id"})
    _ENTITY: ClassVar[tuple[str, ...]] = ("invoice_id",)

    account_id: str | None = None
    """Account, at most 36 characters."""
    invoice_id: str | None = None
    payment_invoice_id: str | None = None
    failed_refunds: tuple[NotifiedRefund, ...] = ()
    """Refunds that failed."""
    successful_refunds: tuple[NotifiedRefund, ...] = ()
    """Refunds that were made."""


@attrs.frozen(kw_only=True)
class TokenExchangeCompleted(Event):
    """Tokens were bought, or turned into money (A.4.9, operationId tokenExchangeEvent).

    Amounts are in the smallest unit of their currency.
    """

    NAME: ClassVar[str | None] = event_names.EXCHANGE
    _SHAPE: ClassVar[frozenset[str]] = frozenset({"token_exchange_id", "status"})
    _ENTITY: ClassVar[tuple[str, ...]] = ("token_exchange_id",)

    account_id: str | None = None
    """Account that started it."""
    token_exchange_id: str | None = None
    """Exchange, ``vtok_…``."""
    status: ExchangeStatus | str | None = None
    """State of the exchange."""
    direction: ExchangeDirection | str | None = None
    """Direction: tokens bought, or turned into money."""
    destination_wallet_id: str | None = None
    """Wallet that receives; may be another account's."""
    invoice_id: str | None = None
    """Invoice, at most 36 characters."""
    amount_usd: int | None = None
    """Amount of money, in US cents."""
    exchange_rate: float | None = None
    """Rate, in the sense of ``exchange_rate_direction``."""
    exchange_rate_direction: RateDirection | str | None = None
    """Sense of the rate."""
    fee_amount: int | None = None
    """Fee.

    In the smallest unit of ``fee_currency``.
    """
    fee_currency: str | None = None
    """Currency code of the fees; may be empty."""
    integrator_fee_amount: int | None = None
    """Fee of yours.

    In the smallest unit of ``fee_currency``.
    """
    tilia_fee_amount: int | None = None
    """Fee of Tilia.

    In the smallest unit of ``fee_currency``.
    """
    user_paid_amount: int | None = None
    """Amount that the user gives.

    In the smallest unit of ``user_paid_currency``.
    """
    user_paid_currency: str | None = None
    """Currency code of what the user gives."""
    user_received_amount: int | None = None
    """Amount that the user gets.

    In the smallest unit of ``user_received_currency``.
    """
    user_received_currency: str | None = None
    """Currency code of what the user gets."""
    virtual_amount: int | None = None
    """Amount of tokens.

    In the smallest unit of ``virtual_currency``.
    """
    virtual_currency: str | None = None
    """Currency code of the tokens."""
    tags: tuple[Mapping[str, JsonValue], ...] = attrs.field(default=(), hash=False)
    """Tags that Tilia set, as they came."""
    created: datetime | None = None
    """Creation time, UTC.

    None where Tilia sends none.
    """
    updated: datetime | None = None
    """Time of the last change, UTC.

    None where Tilia sends none.
    """


@attrs.frozen(kw_only=True)
class WalletBalanceAlert(Event):
    """A wallet of the publisher fell below a threshold (A.4.13, operationId walletBalanceAlert).

    It tells of a moment, not of a state: with another ``sent_at`` the same message is another alert. A confirmed one
    tells neither moment nor balance, only that there is such a wallet: look it up. It is never a repetition.

    Attributes:
        balance: in the smallest unit of the wallet's currency.
        critical: True if it was the critical threshold.
        warning: True if it was the threshold of a warning.
    """

    NAME: ClassVar[str | None] = event_names.BALANCE_ALERT
    _SHAPE: ClassVar[frozenset[str]] = frozenset({"wallet_id", "critical", "warning"})
    _ENTITY: ClassVar[tuple[str, ...]] = ("wallet_id",)

    balance: int | None = None
    critical: bool | None = None
    description: str | None = None
    """Description of the wallet."""
    wallet_id: str | None = None
    """Wallet, at most 36 characters."""
    warning: bool | None = None

    @property
    def entity(self) -> EntityKey | None:
        """The wallet and the moment."""
        wallet = super().entity
        return None if wallet is None or self.sent_at is None else (*wallet, self.sent_at.isoformat())
