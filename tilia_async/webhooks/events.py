"""The notifications (fact sheet "compliance-webhooks", A.3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tilia_async.webhooks.account_events import (
    AccountBlockChanged,
    KybStatusChanged,
    KycStateChanged,
    PaymentMethodUpdated,
    RegistrationCompleted,
)
from tilia_async.webhooks.event import Event
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

DOCUMENTED: Final[tuple[type[Event], ...]] = (
    AccountBlockChanged,
    RegistrationCompleted,
    BalanceTransferCompleted,
    DepositCompleted,
    EscrowTransactionUpdated,
    InvoiceCompleted,
    PayoutCompleted,
    RefundCompleted,
    TokenExchangeCompleted,
    PaymentMethodUpdated,
    KycStateChanged,
    KybStatusChanged,
    WalletBalanceAlert,
)
"""The notifications that Tilia documents.

All of them, in the order of its table.
"""

BY_NAME: Final[Mapping[str, type[Event]]] = {kind.NAME: kind for kind in DOCUMENTED if kind.NAME is not None}
"""The classes by ``event_name``; two have none that is documented."""
