"""An access token, and whose it is."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta

import attrs

from tilia_async.config import Credentials
from tilia_async.secret import InProcess, Secret, hide

_SOFT = 0.75
_HARD = 0.95
_LONGEST = 16_384


@attrs.frozen
class Identity:
    """Identity of the tokens' owner.

    Two clients with the same identity share them.

    Attributes:
        secret_digest: SHA-256 of the client's secret. A file of tokens without a key of its own is sealed with it, so
            keep it as you keep the secret.
    """

    token_url: str
    client_id: str
    secret_digest: str = attrs.field(repr=False)

    @classmethod
    def of(cls, token_url: str, credentials: Credentials) -> Identity:
        return cls(
            token_url,
            credentials.client_id,
            hashlib.sha256(credentials.client_secret.reveal().encode()).hexdigest(),
        )


def is_sendable(value: str) -> bool:
    """Return True if a header can carry the token's text."""
    return value.isascii() and value.isprintable() and bool(value) and " " not in value and len(value) <= _LONGEST


@attrs.frozen
class AccessToken(InProcess):
    """A token of the ``client_credentials`` grant (fact sheet "accounts", A1).

    It is not pickled: a store of your own keeps ``value`` and the other fields, sealed as ``FileTokenStore`` does.

    Attributes:
        scopes: what it was granted, which may be less than was asked for.
        lifetime: seconds from issue to expiry, as the token endpoint said.
        issued_at: when, in seconds of the cache's monotonic clock.
        expires_at: when it ends, in UTC, for people and for stores that outlive the process.
        generation: rises with every flight of a cache, so that a slow one never replaces a newer token.
    """

    _value: Secret = attrs.field(converter=hide, repr=False)
    scopes: frozenset[str]
    lifetime: float
    issued_at: float
    expires_at: datetime
    generation: int = attrs.field(default=0, eq=False)

    _INSTEAD = "keep its value and its other fields sealed, as FileTokenStore does"

    @property
    def value(self) -> str:
        """The token's text.

        It is not shown; use it in place.
        """
        return self._value.reveal()

    @property
    def issued_on(self) -> datetime:
        """Time of issue, by the calendar.

        For those who do not share the monotonic clock.
        """
        return self.expires_at - timedelta(seconds=self.lifetime)

    @property
    def refresh_at(self) -> float:
        """Time from which a new one is fetched.

        It is served meanwhile. A fraction of the lifetime, so short ones work too.
        """
        return self.issued_at + self.lifetime * _SOFT

    @property
    def unusable_at(self) -> float:
        """Time from which it is not served any more.

        It might end on its way to Tilia.
        """
        return self.issued_at + self.lifetime * _HARD

    def replaces(self, other: AccessToken) -> bool:
        """Return True if a store keeps this one instead.

        It does unless the other was issued later.

        One that was issued in the future dates from before the clock was put back, and is replaced as well.
        """
        return not self.issued_on < other.issued_on <= datetime.now(UTC)
