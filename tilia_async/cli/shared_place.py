"""The URL of a place that workers share."""

from __future__ import annotations

import os

from tilia_async.secret import Secret


def shared_place(option: Secret | None, variable: str) -> Secret | None:
    """Return the URL of an option, else of its variable.

    None: neither names one.
    """
    # A script gives an empty option for a variable of its own that is not set.
    given = option.reveal().strip() if option is not None else ""
    url = given or os.environ.get(variable, "").strip()
    return Secret(url) if url else None
