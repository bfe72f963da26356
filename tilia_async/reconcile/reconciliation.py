"""What a look-up says about a write."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import TypeAlias

import attrs

from tilia_async.api.accounts import Account, AccountBlocks
from tilia_async.api.escrow import Escrow
from tilia_async.api.invoices import Invoice
from tilia_async.api.payment_methods import PaymentMethod
from tilia_async.api.payouts import Payout
from tilia_async.api.refunds import InvoiceRefunds, Refund
from tilia_async.api.token_exchanges import TokenExchange

Resource: TypeAlias = (
    Account | AccountBlocks | Escrow | Invoice | InvoiceRefunds | PaymentMethod | Payout | Refund | TokenExchange
)
"""What a write makes or changes, as Tilia tells it."""


class Verdict(Enum):
    """Whether a write took effect, as far as Tilia's answers tell."""

    TOOK_EFFECT = "took effect"
    """What the write would do is done."""
    NOT_SEEN = "not seen"
    """It is not done. A request that is still under way could yet do it: ``decide_from`` says for how long."""
    CANNOT_BE_KNOWN = "cannot be known"
    """There is no look-up, or what was found could be due to another write; it is in ``candidates``."""


@attrs.frozen
class Reconciliation:
    """What became of a write.

    Attributes:
        verdict: see :class:`Verdict`.
        resource: what the write made or changed, as Tilia tells it now; None if it was not found.
        reason: what the verdict rests on, and what to do.
        checked_at: when Tilia was asked, by this machine's clock, in UTC.
        decide_from: with ``NOT_SEEN``, from when no request can be under way any more. Tilia documents no limit, so
            this is two minutes after the call's end, longer than servers and proxies commonly wait.
        candidates: with ``CANNOT_BE_KNOWN``, what could be the write's doing.
    """

    verdict: Verdict
    resource: Resource | None
    reason: str
    checked_at: datetime
    decide_from: datetime | None = None
    candidates: tuple[Resource, ...] = ()
