"""Dates and times on the command line."""

from __future__ import annotations

from datetime import UTC, datetime

import click


def moment(text: str) -> datetime:
    """Read a date or a time of ISO 8601.

    Without an offset it is UTC.

    Raises:
        click.BadParameter: it is none.
    """
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(
            f"{text!r} is no date like 2026-03-31 and no time like 2026-03-31T18:00:00+02:00"
        ) from None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
