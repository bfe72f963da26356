"""Tilia SDK for Python, asynchronous.

``async with TiliaClient(client_id, client_secret, "staging") as tilia: ...``; the synchronous twin is ``tilia_sync``.
"""

from tilia_async import errors
from tilia_async.client import TiliaClient
from tilia_async.config import Environment, Limits, RequestOptions, RetryPolicy, Service
from tilia_async.models.line_items import LineItem, Location, PaymentSource, Recipient
from tilia_async.models.transfers import TransferItem
from tilia_async.money import Money
from tilia_async.reconcile import Reconciliation, Verdict
from tilia_async.scopes import Scope
from tilia_async.secret import Secret
from tilia_async.version import __version__
from tilia_async.wire.operation import Evidence, Operation, Repeat
from tilia_async.wire.response import Response

__all__ = [
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
    "Scope",
    "Secret",
    "Service",
    "TiliaClient",
    "TransferItem",
    "Verdict",
    "__version__",
    "errors",
]
