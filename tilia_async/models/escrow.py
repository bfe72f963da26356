"""Escrows: purchases in two phases (fact sheet "money", D7)."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import attrs

from tilia_async.json_model import JsonModel
from tilia_async.models.invoices import Invoice


class EscrowStatus(StrEnum):
    """State of an escrow.

    ``CANCELLED`` has two Ls here and one in an invoice.
    """

    OPEN = "OPEN"
    ESCROWED = "ESCROWED"
    ESCROW_FAILED = "ESCROW-FAILED"
    COMMITTED = "COMMITTED"
    COMMIT_REQUESTED = "COMMIT-REQUESTED"
    COMMIT_FAILED = "COMMIT-FAILED"
    CANCELLED = "CANCELLED"
    CANCEL_REQUESTED = "CANCEL-REQUESTED"
    CANCEL_FAILED = "CANCEL-FAILED"
    CANCEL_INVOICE_TRANSFER_FAILED = "CANCEL-INVOICE-TRANSFER-FAILED"
    SYSTEM_CANCELLED = "SYSTEM-CANCELLED"
    SYSTEM_CANCEL_REQUESTED = "SYSTEM-CANCEL-REQUESTED"
    SYSTEM_CANCEL_FAILED = "SYSTEM-CANCEL-FAILED"


@attrs.frozen(eq=False, repr=False)
class Escrow(JsonModel):
    """An escrow."""

    id: str
    """Escrow, ``esc_…``."""
    account_id: str | None = None
    """Account of the buyer."""
    escrow_invoice_id: str | None = None
    """Invoice that the buyer pays."""
    commit_invoice_id: str | None = None
    """Invoice that pays the sellers; empty until there is one."""
    cancel_invoice_id: str | None = None
    """Invoice that refunds the buyer; empty until there is one."""
    status: EscrowStatus | str | None = None
    """State of the escrow; Tilia may know more."""
    integrator: str | None = None
    """Publisher, i.e. you, by Tilia's name for you."""
    escrow_invoice: Invoice | None = None
    """Items bought; in the answers to create and pay only."""
    created: datetime | None = None
    """Creation time, UTC.

    None where Tilia sends none or its zero time.
    """
    updated: datetime | None = None
    """Time of the last change, UTC.

    None where Tilia sends none or its zero time.
    """


@attrs.frozen(eq=False, repr=False)
class EscrowPage(JsonModel):
    """Page of the escrows with a reference."""

    escrow_transactions: tuple[Escrow, ...]
    """Escrows of this page."""
    total: int | None = None
    """Number of escrows in all.

    None if the answer does not say.
    """
    account_id: str | None = None
    """Account, at most 36 characters."""
