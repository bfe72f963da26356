"""Access for one user (fact sheet "accounts", A2)."""

from __future__ import annotations

from datetime import datetime

import attrs

from tilia_async.json_model import JsonModel
from tilia_async.json_value import JsonValue


@attrs.frozen(eq=False, repr=False)
class Redirect(JsonModel):
    """URL into one of Tilia's web pages.

    It takes a user there.

    It is pickled as it is: keep a pickle of it as you keep a password.
    """

    redirect: str = attrs.field(repr=False)
    """URL to send the user's browser to.

    It lets its bearer in once, within 24 hours; not in ``repr``.
    """
    nonce_auth_id: str | None = attrs.field(default=None, repr=False)
    """Nonce in the URL.

    Tilia's guides show it for hosted pages only; not in ``repr``.
    """


@attrs.frozen(eq=False, repr=False)
class UserToken(JsonModel):
    """Token that acts for one user.

    It is pickled as it is: keep a pickle of it as you keep a password.
    """

    access_token: str = attrs.field(repr=False)
    """Token; not in ``repr``."""
    token_type: str | None = None
    """Type of the token, ``Bearer``."""
    refresh_token: str | None = attrs.field(default=None, repr=False)
    """Token that Tilia documents no use of; not in ``repr``."""
    expiry: datetime | None = None
    """Time of its end, UTC.

    None if Tilia does not say (it sends the zero time).
    """

    @staticmethod
    def _reshape(payload: JsonValue) -> JsonValue:
        """Return the token's fields.

        ``token`` is an object in some samples and the token itself in others.
        """
        token = payload.get("token") if isinstance(payload, dict) else None
        return {"access_token": token} if isinstance(token, str) else token
