"""Cache of recent refusals.

Scope sets refused by the token endpoint, tokens refused by the API.
"""

from __future__ import annotations

import copy
from typing import Final

import attrs

from tilia_async.errors import TiliaError, TokenError
from tilia_async.secret import Secret
from tilia_async.tokens.bounded import put
from tilia_async.tokens.token import AccessToken

REFUSAL_SECONDS: Final = 5.0
"""Seconds that a refusal is remembered by default.

A refusal by the token endpoint, for its scope set, if it does not say; also how long a token that replaced a refused
one is not replaced again.
"""
LONGEST_REFUSAL_SECONDS: Final = 60.0
"""Longest memory of a refusal, in seconds.

It holds whatever the endpoint says: what it said by mistake must not stop a program for a day.
"""


@attrs.frozen
class Refusal:
    """A refusal by the token endpoint, with its end.

    Until then it counts.
    """

    at: float
    until: float
    error: TokenError

    def as_of(self, now: float) -> TokenError:
        """Return the error for one who asks now.

        Of the seconds to wait, some have passed.
        """
        error = copy.copy(self.error)
        if error.retry_after is not None:
            error.retry_after = max(0.0, error.retry_after - (now - self.at))
        return error


class NegativeCache:
    """Scope sets that the token endpoint refused.

    Each counts for seconds, and for itself.
    """

    def __init__(self) -> None:
        self._refusals: dict[frozenset[str], Refusal] = {}

    def remember(self, scopes: frozenset[str], outcome: TiliaError, now: float) -> None:
        """Cache a refusal, or a failure with Retry-After.

        A passing state is cached if it says how long it lasts. What may pass at any moment is not remembered.
        """
        if not isinstance(outcome, TokenError) or outcome.status is None:
            return
        if outcome.retry_after is not None:
            seconds = min(outcome.retry_after, LONGEST_REFUSAL_SECONDS)
        elif outcome.status < 500:
            seconds = REFUSAL_SECONDS
        else:
            return
        put(self._refusals, scopes, Refusal(now, now + seconds, outcome))

    def recall(self, scopes: frozenset[str], now: float) -> Refusal | None:
        """Return the refusal that still counts."""
        refusal = self._refusals.get(scopes)
        return refusal if refusal is not None and now < refusal.until else None


@attrs.frozen
class RejectedToken:
    """A scope set whose token the API refused.

    The token was then replaced.

    Attributes:
        since: when the refused token was dropped.
        value: that token's.
    """

    since: float
    value: Secret

    def covers(self, token: AccessToken, now: float) -> bool:
        """Return True for a fresh replacement of the token.

        The token is the replacement, and the refusal is not long ago.
        """
        return now - self.since < REFUSAL_SECONDS and token.issued_at >= self.since
