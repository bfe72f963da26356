"""States of invoices, escrows and payouts (fact sheet "money", D, E).

And what leads from one to the next. The sandbox goes by these tables, and ``docs`` draws them. That a step which fails
has a state of its own, the times of a payout, and the order of its states are inferred.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Generic, TypeVar

import attrs

from tilia_async.api import escrow, invoices, payouts
from tilia_async.models.escrow import EscrowStatus
from tilia_async.models.invoices import InvoiceState
from tilia_async.models.payouts import PayoutStatus

S = TypeVar("S", InvoiceState, EscrowStatus, PayoutStatus)

HOLD: Final = "sandbox.hold_payout"
"""The name of what Tilia's staff does to a payout."""

SECONDS_IN_ESCROW: Final = 3600.0
SECONDS_ON_THE_WAY: Final = 600.0


@attrs.frozen
class Transition(Generic[S]):
    """A way from some states to another.

    Attributes:
        before: states that it begins in; none: the thing is made by it.
        after: state that it leads to.
        by: name of the operation; None: it happens by itself.
        failed: state that it leads to if it fails; None: nothing changes then.
        seconds: time in ``after`` until it goes on by itself; None: it stays.
    """

    before: tuple[S, ...]
    after: S
    by: str | None
    failed: S | None = None
    seconds: float | None = None


INVOICE: Final = (
    Transition[InvoiceState]((), InvoiceState.OPEN, invoices.CREATE.name),
    PAY_INVOICE := Transition((InvoiceState.OPEN,), InvoiceState.SUCCESS, invoices.PAY.name, InvoiceState.FAILED),
)
ESCROW: Final = (
    Transition[EscrowStatus]((), EscrowStatus.OPEN, escrow.CREATE.name),
    PAY_ESCROW := Transition((EscrowStatus.OPEN,), EscrowStatus.ESCROWED, escrow.PAY.name, EscrowStatus.ESCROW_FAILED),
    COMMIT := Transition(
        (EscrowStatus.ESCROWED,), EscrowStatus.COMMITTED, escrow.COMMIT.name, EscrowStatus.COMMIT_FAILED
    ),
    CANCEL := Transition(
        (EscrowStatus.ESCROWED,), EscrowStatus.CANCELLED, escrow.CANCEL.name, EscrowStatus.CANCEL_FAILED
    ),
)
_HELD: Final = (PayoutStatus.FUNDS_IN_ESCROW, PayoutStatus.FUNDS_IN_ESCROW_ON_HOLD)
PAYOUT: Final = (
    REQUEST := Transition[PayoutStatus](
        (), PayoutStatus.FUNDS_IN_ESCROW, payouts.REQUEST.name, seconds=SECONDS_IN_ESCROW
    ),
    Transition(_HELD[:1], PayoutStatus.CREDIT_TRANSFER_INITIATED, None, seconds=SECONDS_ON_THE_WAY),
    Transition((PayoutStatus.CREDIT_TRANSFER_INITIATED,), PayoutStatus.SUCCESS, None),
    HELD := Transition(_HELD, PayoutStatus.FUNDS_IN_ESCROW_ON_HOLD, HOLD),
    CANCEL_PAYOUT := Transition(
        _HELD, PayoutStatus.SUPPORT_REJECT_TRANSFER_INITIATED, payouts.CANCEL.name, seconds=SECONDS_ON_THE_WAY
    ),
    Transition((PayoutStatus.SUPPORT_REJECT_TRANSFER_INITIATED,), PayoutStatus.SUPPORT_REJECTED, None),
)


def by_itself(table: Iterable[Transition[S]]) -> dict[S, Transition[S]]:
    """Return what happens by itself, by its first state."""
    return {before: each for each in table if each.by is None for before in each.before}
