"""Tilia SDK for Python, synchronous.

``tilia_async`` with the same names, for code without an event loop.

``with TiliaClient(client_id, client_secret, "staging") as tilia: ...``
"""

from typing import TYPE_CHECKING

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
    Secret,
    Service,
    TransferItem,
    Verdict,
    errors,
)
from tilia_async.version import __version__
from tilia_sync.client import TiliaClient
from tilia_sync.ledger import BlockLedger

if TYPE_CHECKING:
    from tilia_sync.sandbox import RemoteSandbox, Sandbox
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
    "RemoteSandbox",
    "Repeat",
    "RequestOptions",
    "Response",
    "RetryPolicy",
    "Sandbox",
    "Scope",
    "Secret",
    "Service",
    "TiliaClient",
    "TransferItem",
    "Verdict",
    "WebhookReceiver",
    "__version__",
    "errors",
]


def __getattr__(name: str) -> object:
    """Load what is rarely needed when it is asked for.

    A process that only calls Tilia does without it.
    """
    if name == "Sandbox":
        from tilia_sync.sandbox import Sandbox  # noqa: PLC0415 - brings aiohttp's server

        return Sandbox
    if name == "RemoteSandbox":
        from tilia_sync.sandbox import RemoteSandbox  # noqa: PLC0415 - brings aiohttp's server

        return RemoteSandbox
    if name == "WebhookReceiver":
        from tilia_sync.webhooks import WebhookReceiver  # noqa: PLC0415 - only a server needs it

        return WebhookReceiver
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
