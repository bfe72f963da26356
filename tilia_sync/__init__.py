"""Tilia SDK for Python, synchronous: ``tilia_async`` with the same names, for code without an event loop.

``with TiliaClient(client_id, client_secret, "staging") as tilia: ...``
"""

from tilia_async import (
    Environment,
    Evidence,
    Limits,
    LineItem,
    Location,
    Money,
    Operation,
    PaymentSource,
    Recipient,
    Reconciliation,
    Repeat,
    RequestOptions,
    Response,
    RetryPolicy,
    Scope,
    Service,
    TransferItem,
    Verdict,
    errors,
)
from tilia_sync.client import TiliaClient
from tilia_sync.ledger import BlockLedger
from tilia_sync.sandbox import Sandbox
from tilia_sync.webhooks import WebhookReceiver

__all__ = [
    "BlockLedger",
    "Environment",
    "Evidence",
    "Limits",
    "LineItem",
    "Location",
    "Money",
    "Operation",
    "PaymentSource",
    "Recipient",
    "Reconciliation",
    "Repeat",
    "RequestOptions",
    "Response",
    "RetryPolicy",
    "Sandbox",
    "Scope",
    "Service",
    "TiliaClient",
    "TransferItem",
    "Verdict",
    "WebhookReceiver",
    "errors",
]
