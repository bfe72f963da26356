"""What was refused lately: scope sets by the token endpoint, tokens by the API."""

from __future__ import annotations

import copy
from typing import Final

import attrs

from tilia_async.errors import TiliaError, TokenError
from tilia_async.secret import Secret
from tilia_async.tokens.bounded import put
from tilia_async.tokens.token import AccessToken

REFUSAL_SECONDS: Final = 5.0
"""How long a refusal by the token endpoint is remembered for its scope set if it does not say, and how long a token
that replaced a refused one is not replaced again."""
LONGEST_REFUSAL_SECONDS: Final = 60.0
"""How long at most, whatever the endpoint says: what it said by mistake must not stop a program for a day."""


@attrs.frozen
class Refusal:
    """A refusal by the token endpoint, and until when it counts."""

    at: float
    until: float
    error: TokenError

    def as_of(self, now: float) -> TokenError:
        """The error for one who asks now: of the seconds to wait, some have passed."""
        error = copy.copy(self.error)
        if error.retry_after is not None:
            error.retry_after = max(0.0, error.retry_after - (now - self.at))
        return error


class NegativeCache:
    """The scope sets that the token endpoint refused: for seconds, and each for itself."""

    def __init__(self) -> None:
        self._refusals: dict[frozenset[str], Refusal] = {}

    def remember(self, scopes: frozenset[str], outcome: TiliaError, now: float) -> None:
        """A refusal, or a passing state that says how long it lasts. What may pass at any moment is not remembered."""
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
        """The refusal that still counts."""
        refusal = self._refusals.get(scopes)
        return refusal if refusal is not None and now < refusal.until else None


@attrs.frozen
class RejectedToken:
    """A scope set for which the API refused a token, which was then replaced.

    Attributes:
        since: when the refused token was dropped.
        value: that token's.
    """

    since: float
    value: Secret

    def covers(self, token: AccessToken, now: float) -> bool:
        """The token is the replacement, and the refusal is not long ago."""
        return now - self.since < REFUSAL_SECONDS and token.issued_at >= self.since
