"""Marks that Tilia puts on accounts, payment methods, invoices and exchanges."""

from __future__ import annotations

from datetime import datetime

import attrs


@attrs.frozen
class Tag:
    """A mark, e.g. namespace ``account_merge``, tag ``merged_to``; or ``invoicing``, ``unrefundable``."""

    tag_id: str | None = None
    account_id: str | None = None
    resource_id: str | None = None
    resource_type: str | None = None
    namespace: str | None = None
    tag: str | None = None
    status: str | None = None
    integrator: str | None = None
    created: datetime | None = None
    updated: datetime | None = None
