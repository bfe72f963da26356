"""An adapter between a cache and a store.

A shelf's view of a token store: what others fetched serves, and what is fetched is stored for them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final, TypeVar

import attrs

from tilia_async.errors import ConfigurationError
from tilia_async.os_threads import ProcessLock
from tilia_async.secret import Secret
from tilia_async.tokens.bounded import put
from tilia_async.tokens.single_flight import Fetch
from tilia_async.tokens.store import Claim, SharedTokenStore, TokenStore
from tilia_async.tokens.token import AccessToken, Identity

T = TypeVar("T")

_LOOK_SECONDS: Final = 0.02
_LOOKS: Final = 500
"""Number of looks: ten seconds in all.

Whoever asks on behalf of the others may wait out an outage, or be stopped without being dead.
"""
_CLOCK_TOLERANCE: Final = 5.0
_NOTHING: Final[tuple[AccessToken, ...]] = ()

_log = logging.getLogger("tilia_async")


class _Unclaimed:
    """Claim of a store that gives none.

    Such a store leaves it to each process to ask.
    """

    def release(self) -> None:
        """Do nothing: nobody waits."""


class StoreAdapter:
    """The tokens of one identity in a store.

    The store's failures are its own: they stop no call.
    """

    def __init__(self, store: TokenStore, identity: Identity, clock: Callable[[], float]) -> None:
        self._store = store
        self._identity = identity
        self._clock = clock
        self._lock = ProcessLock()
        # Values that were refused: a store that could not discard them, or got them back, must not bring them up again.
        self._refused: dict[Secret, None] = {}

    async def find_or_fetch(self, scopes: frozenset[str], fetch: Fetch, generation: int, *, fresh: bool) -> AccessToken:
        """Return a token of the store, or a new one.

        Args:
            fresh: one that wants a refresh will not do, because the caller has one.

        Raises:
            ConfigurationError: the store refuses to be used as it is.
            TiliaError: what the exchange ended with.
        """
        claim = self._claim(scopes)
        try:
            for _ in range(_LOOKS):
                found = self._find(scopes, fresh=fresh)
                if found is not None:
                    return attrs.evolve(found, generation=generation)
                # The look after the claim is the one that counts: what was saved before is seen by it.
                if claim is not None:
                    break
                await asyncio.sleep(_LOOK_SECONDS)
                claim = self._claim(scopes)
            token = await fetch(scopes, generation)
            self._save(token)
            return token
        finally:
            if claim is not None:
                self._quietly("release its claim", claim.release, otherwise=None)

    def discard(self, token: AccessToken) -> None:
        """Forget a token that was refused."""
        with self._lock:
            if Secret(token.value) in self._refused:
                return
            put(self._refused, Secret(token.value), None)
            self._quietly("discard", lambda: self._store.discard(self._identity, token), otherwise=None)

    def _find(self, scopes: frozenset[str], *, fresh: bool) -> AccessToken | None:
        now, wall = self._clock(), datetime.now(UTC)
        with self._lock:
            loaded = self._quietly(
                "load", lambda: tuple(self._store.load(self._identity)), otherwise=_NOTHING, refusals_count=True
            )
            known = [token for token in loaded if token.scopes >= scopes and Secret(token.value) not in self._refused]
        usable = [
            token
            for token in (_on_this_clock(token, now, wall) for token in known)
            if token is not None and now < (token.refresh_at if fresh else token.unusable_at)
        ]
        return max(usable, key=lambda token: token.refresh_at, default=None)

    def _save(self, token: AccessToken) -> None:
        with self._lock:
            # The endpoint insists on it, so it is no worse than any other.
            self._refused.pop(Secret(token.value), None)
            self._quietly("save", lambda: self._store.save(self._identity, token), otherwise=None)

    def _claim(self, scopes: frozenset[str]) -> Claim | None:
        store = self._store
        unclaimed: Claim | None = _Unclaimed()
        if not isinstance(store, SharedTokenStore):
            return unclaimed
        return self._quietly("claim", lambda: store.claim(self._identity, scopes), otherwise=unclaimed)

    @staticmethod
    def _quietly(what: str, step: Callable[[], T], *, otherwise: T, refusals_count: bool = False) -> T:
        """Return a store step's result, or a substitute.

        The substitute when the step fails.

        Args:
            what: the step in words, for the warning.
            refusals_count: a store that refuses to be used as it is stops the call.
        """
        try:
            return step()
        except Exception as error:  # a store may be code of others, and it is a convenience
            if refusals_count and isinstance(error, ConfigurationError):
                raise
            # Whose text may quote what it was given.
            reason = str(error) if isinstance(error, ConfigurationError) else type(error).__name__
            _log.warning("the token store could not %s, the call goes on without it: %s", what, reason)
            return otherwise


def _on_this_clock(token: AccessToken, now: float, wall: datetime) -> AccessToken | None:
    """Return a token as this process sees it.

    The monotonic clock of the one that stored it says nothing here.

    None if it was issued in the future: a wall clock was put back, so nobody knows when it ends.
    """
    left = (token.expires_at - wall).total_seconds()
    if left > token.lifetime + _CLOCK_TOLERANCE:
        return None
    return attrs.evolve(token, issued_at=now - max(0.0, token.lifetime - left))
