"""Credentials of a webhook, for those who post and receive."""

from __future__ import annotations

import base64
import os
from typing import Final

from tilia_async.secret import Secret

AUTH_VARIABLE: Final = "TILIA_WEBHOOK_AUTH"
"""Variable that holds ``user:password``.

As in a receiver's ``basic_auth``.
"""
DEFAULT_PORT: Final = 8412
"""Port of ``tilia listen``, and where ``tilia trigger`` posts to."""


def authorization() -> Secret | None:
    """Return the header that proves who sends; None without one."""
    pair = os.environ.get(AUTH_VARIABLE, "")
    return Secret(f"Basic {base64.b64encode(pair.encode()).decode()}") if pair else None


def credentials() -> tuple[Secret, Secret] | None:
    """Return user and password; None without them."""
    user, _, password = os.environ.get(AUTH_VARIABLE, "").partition(":")
    return (Secret(user), Secret(password)) if user or password else None
