"""Tags that Tilia puts on resources.

On accounts, payment methods, invoices and exchanges.
"""

from __future__ import annotations

from datetime import datetime

import attrs

from tilia_async.json_model import JsonModel


@attrs.frozen(eq=False, repr=False)
class Tag(JsonModel):
    """Tag, e.g. ``merged_to`` in the namespace ``account_merge``."""

    tag_id: str | None = None
    """Tag, at most 36 characters."""
    account_id: str | None = None
    """Account of the resource."""
    resource_id: str | None = None
    """Resource that bears the tag."""
    resource_type: str | None = None
    """Kind of the resource, e.g. ``invoicing.token_exchange.token_exchange_id``."""
    namespace: str | None = None
    """Namespace, e.g. ``account_merge``."""
    tag: str | None = None
    """Tag itself, e.g. ``merged_to``, ``unrefundable``."""
    status: str | None = None
    """State, ``ACTIVE``."""
    integrator: str | None = None
    """Publisher, i.e. you, by Tilia's name for you."""
    created: datetime | None = None
    """Creation time, UTC.

    None where Tilia sends none or its zero time.
    """
    updated: datetime | None = None
    """Time of the last change, UTC.

    None where Tilia sends none or its zero time.
    """
