"""Verdicts about a write."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import TypeAlias

import attrs

from tilia_async.json_model import JsonResult
from tilia_async.models.accounts import Account, AccountBlocks
from tilia_async.models.escrow import Escrow
from tilia_async.models.invoices import Invoice
from tilia_async.models.payment_methods import PaymentMethod
from tilia_async.models.payouts import Payout
from tilia_async.models.refunds import InvoiceRefunds, Refund
from tilia_async.models.token_exchanges import TokenExchange

Resource: TypeAlias = (
    Account | AccountBlocks | Escrow | Invoice | InvoiceRefunds | PaymentMethod | Payout | Refund | TokenExchange
)
"""Resource that a write makes or changes.

As Tilia tells it.
"""


class Verdict(Enum):
    """Effect of this very write.

    As far as Tilia's answers tell.
    """

    NO_EFFECT = "no effect"
    """The error already says that nothing was done.

    It was refused, nothing was sent, or it only reads. Tilia was not asked. A refusal because the idempotency key is in
    use does not say it of the write that has the key, so Tilia is asked.
    """
    TOOK_EFFECT = "took effect"
    """Effect of this write, for certain.

    Tilia's answer said Success, or what it made is there, and no other write can have made it.
    """
    NOT_SEEN = "not seen"
    """Nothing that it could have done is seen.

    That is not proof: it may be under way, and look-ups may lag behind; ``decide_from`` says until when.
    """
    CANNOT_BE_KNOWN = "cannot be known"
    """Undecidable with what Tilia tells.

    There is no look-up, its answer proves nothing, or what it shows may be another write's; that is in ``candidates``,
    and ``done`` says whether it is what this write would do.
    """


@attrs.frozen(eq=False, repr=False)
class Reconciliation(JsonResult):
    """Result of a reconciliation.

    The answer to the question of what became of a write.

    Attributes:
        verdict: whether this very write took effect, see ``Verdict``.
        resource: with ``TOOK_EFFECT``, what it made or changed, as Tilia tells it now; with ``NOT_SEEN``, what it would
            have changed. None if that was not found.
        reason: what the verdict rests on, and what to do.
        checked_at: when Tilia was asked, by this machine's clock, in UTC; with ``NO_EFFECT``, when you asked.
        decide_from: with ``NOT_SEEN``, from when on a look-up that still sees nothing can be taken to mean that there
            was no effect. Tilia documents no limit, so this is three minutes after the call's end: two, which is longer
            than servers and proxies commonly wait, and one because clocks differ. None if no time can be told, as for
            refunds, which are not listed while they are pending.
        candidates: with ``CANNOT_BE_KNOWN``, what could be the write's doing, the likeliest first; with ``TOOK_EFFECT``
            as well, where Tilia confirmed the write and does not tell which of them it made.
        done: True: what the write would do is done, by this call or by another one, so do not do it again. False: it is
            not, or nobody can tell.
    """

    verdict: Verdict
    resource: Resource | None
    reason: str
    checked_at: datetime
    decide_from: datetime | None = None
    candidates: tuple[Resource, ...] = ()
    done: bool = False
