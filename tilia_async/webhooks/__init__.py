"""Notifications from Tilia: read, check, hand over (fact sheet "compliance-webhooks", A).

``parse_event`` reads a delivery and is all that a server of your own needs; ``WebhookReceiver`` does the rest.
"""

from tilia_async.webhooks.account_events import (
    AccountBlockChanged,
    KybStatusChanged,
    KycStateChanged,
    PaymentMethodUpdated,
    RegistrationCompleted,
)
from tilia_async.webhooks.event import Event, UnknownEvent
from tilia_async.webhooks.money_events import (
    BalanceTransferCompleted,
    DepositCompleted,
    EscrowTransactionUpdated,
    InvoiceCompleted,
    PayoutCompleted,
    RefundCompleted,
    TokenExchangeCompleted,
    WalletBalanceAlert,
)
from tilia_async.webhooks.parse import parse_event
from tilia_async.webhooks.receiver import EventLedger, WebhookReceiver
from tilia_async.webhooks.values import NotifiedRefund

__all__ = [
    "AccountBlockChanged",
    "BalanceTransferCompleted",
    "DepositCompleted",
    "EscrowTransactionUpdated",
    "Event",
    "EventLedger",
    "InvoiceCompleted",
    "KybStatusChanged",
    "KycStateChanged",
    "NotifiedRefund",
    "PaymentMethodUpdated",
    "PayoutCompleted",
    "RefundCompleted",
    "RegistrationCompleted",
    "TokenExchangeCompleted",
    "UnknownEvent",
    "WalletBalanceAlert",
    "WebhookReceiver",
    "parse_event",
]
