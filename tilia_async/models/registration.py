"""Registrations in two steps (fact sheet "guides", G2; fact sheet "accounts", B2 and B3)."""

from __future__ import annotations

import attrs

from tilia_async.json_model import JsonModel


@attrs.frozen(eq=False, repr=False)
class StartedRegistration(JsonModel):
    """Temporary profile; its lifetime is not documented."""

    registration_id: str
    """Id that complete takes."""


@attrs.frozen(eq=False, repr=False)
class CompletedRegistration(JsonModel):
    """Account that a registration became.

    A pickle of it may let its bearer in: keep it as you keep a password.
    """

    account_id: str
    """New account."""
    autologin_id: str | None = attrs.field(default=None, repr=False)
    """Id that Tilia's Unity SDK reads; not documented.

    By its name it may let its bearer in: not in ``repr``.
    """
    metadata: str | None = None
    """Metadata, as they were given at the start."""
    tracking_id: str | None = None
    """Tracking id, as it was given at the start."""
