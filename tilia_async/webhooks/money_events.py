"""The notifications about money and tokens (fact sheet "compliance-webhooks", A.4).

Each class has the API's own field names. ``NAME`` is what its envelope says, ``ENTITY`` what it is about, ``SHAPE`` how
its message is recognised where the name does not tell. Amounts are in the smallest unit of their currency.
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
    SHAPE: ClassVar[frozenset[str]] = frozenset({"balance_transfer_id", "status"})
    ENTITY: ClassVar[tuple[str, ...]] = ("balance_transfer_id",)

    account_id: str | None = None
    balance_transfer_id: str | None = None
    balance_transfer_type: str | None = None
    description: str | None = None
    failure_reason: str | None = None
    invoice_id: str | None = None
    reference_id: str | None = None
    reference_type: str | None = None
    status: TransferStatus | str | None = None


@attrs.frozen(kw_only=True)
class DepositCompleted(Event):
    """A wallet of the publisher received a deposit (A.4.4, operationId depositComplete).

    Tilia's page goes on after ``request_currency``; what follows
    there stands in ``message``.
    """

    NAME: ClassVar[str | None] = event_names.DEPOSIT
    SHAPE: ClassVar[frozenset[str]] = frozenset({"deposit_id"})
    ENTITY: ClassVar[tuple[str, ...]] = ("deposit_id",)

    account_id: str | None = None
    deposit_id: str | None = None
    deposit_invoice_id: str | None = None
    deposit_payment_method_id: str | None = None
    deposit_provider: str | None = None
    deposit_type: str | None = None
    destination_wallet_id: str | None = None
    fee_amount: int | None = None
    fee_currency: str | None = None
    received_amount: int | None = None
    received_currency: str | None = None
    request_amount: int | None = None
    request_currency: str | None = None


@attrs.frozen(kw_only=True)
class EscrowTransactionUpdated(Event):
    """An escrow was paid, committed or cancelled, or that failed (A.4.5, operationId escrowTransactionUpdate)."""

    NAME: ClassVar[str | None] = event_names.ESCROW
    SHAPE: ClassVar[frozenset[str]] = frozenset({"id", "escrow_invoice_id", "status"})
    ENTITY: ClassVar[tuple[str, ...]] = ("id",)

    id: str | None = None
    account_id: str | None = None
    escrow_invoice_id: str | None = None
    commit_invoice_id: str | None = None
    cancel_invoice_id: str | None = None
    integrator: str | None = None
    status: EscrowStatus | str | None = None
    created: datetime | None = None
    updated: datetime | None = None


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
    SHAPE: ClassVar[frozenset[str]] = frozenset({"invoice_id", "invoice_type", "state"})
    ENTITY: ClassVar[tuple[str, ...]] = ("invoice_id",)

    account_id: str | None = None
    invoice_id: str | None = None
    invoice_type: str | None = None
    state: InvoiceState | str | None = None
    description: str | None = None
    failure_code: str | None = None
    failure_reason: str | None = None
    reference_id: str | None = None
    reference_type: str | None = None
    line_items: tuple[Mapping[str, JsonValue], ...] = attrs.field(default=(), hash=False)
    payment_methods: tuple[Mapping[str, JsonValue], ...] = attrs.field(default=(), hash=False)
    subitems: tuple[Mapping[str, JsonValue], ...] = attrs.field(default=(), hash=False)
    summary: Mapping[str, JsonValue] | None = attrs.field(default=None, hash=False)
    metadata: JsonValue = attrs.field(default=None, repr=False, hash=False)
    created: datetime | None = None
    updated: datetime | None = None


@attrs.frozen(kw_only=True)
class PayoutCompleted(Event):
    """The end of a payout.

    It may be a failure (A.4.7, operationId payoutComplete).

    Tilia documents no ``account_id`` here, and looking a payout up needs one: keep your own record of which account a
    ``payout_status_id`` belongs to. Its ``event_name`` is not documented either; the message is known by its shape.
    """

    SHAPE: ClassVar[frozenset[str]] = frozenset({"payout_status_id", "payout_status"})
    ENTITY: ClassVar[tuple[str, ...]] = ("payout_status_id",)

    payout_status_id: str | None = None
    payout_status: PayoutStatus | str | None = None
    payout_flow: PayoutFlow | str | None = None
    failure_code: str | None = None
    failure_reason: str | None = None


@attrs.frozen(kw_only=True)
class RefundCompleted(Event):
    """A refund was made, or a part of it (A.4.8, operationId refundComplete).

    Attributes:
        invoice_id: the refund's own invoice.
        payment_invoice_id: the invoice that was refunded.
    """

    NAME: ClassVar[str | None] = event_names.REFUND
    SHAPE: ClassVar[frozenset[str]] = frozenset({"invoice_id", "payment_invoice_id"})
    ENTITY: ClassVar[tuple[str, ...]] = ("invoice_id",)

    account_id: str | None = None
    invoice_id: str | None = None
    payment_invoice_id: str | None = None
    failed_refunds: tuple[NotifiedRefund, ...] = ()
    successful_refunds: tuple[NotifiedRefund, ...] = ()


@attrs.frozen(kw_only=True)
class TokenExchangeCompleted(Event):
    """Tokens were bought, or turned into money (A.4.9, operationId tokenExchangeEvent).

    Amounts are in the smallest unit of their currency.
    """

    NAME: ClassVar[str | None] = event_names.EXCHANGE
    SHAPE: ClassVar[frozenset[str]] = frozenset({"token_exchange_id", "status"})
    ENTITY: ClassVar[tuple[str, ...]] = ("token_exchange_id",)

    account_id: str | None = None
    token_exchange_id: str | None = None
    status: ExchangeStatus | str | None = None
    direction: ExchangeDirection | str | None = None
    destination_wallet_id: str | None = None
    invoice_id: str | None = None
    amount_usd: int | None = None
    exchange_rate: float | None = None
    exchange_rate_direction: RateDirection | str | None = None
    fee_amount: int | None = None
    fee_currency: str | None = None
    integrator_fee_amount: int | None = None
    tilia_fee_amount: int | None = None
    user_paid_amount: int | None = None
    user_paid_currency: str | None = None
    user_received_amount: int | None = None
    user_received_currency: str | None = None
    virtual_amount: int | None = None
    virtual_currency: str | None = None
    tags: tuple[Mapping[str, JsonValue], ...] = attrs.field(default=(), hash=False)
    created: datetime | None = None
    updated: datetime | None = None


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
    SHAPE: ClassVar[frozenset[str]] = frozenset({"wallet_id", "critical", "warning"})
    ENTITY: ClassVar[tuple[str, ...]] = ("wallet_id",)

    balance: int | None = None
    critical: bool | None = None
    description: str | None = None
    wallet_id: str | None = None
    warning: bool | None = None

    @property
    def entity(self) -> EntityKey | None:
        """The wallet and the moment."""
        wallet = super().entity
        return None if wallet is None or self.sent_at is None else (*wallet, self.sent_at.isoformat())
