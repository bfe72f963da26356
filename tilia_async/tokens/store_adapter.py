"""An adapter between a cache and a store.

One identity's view of a token store: what others fetched serves, and what is fetched is stored for them.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import UTC, datetime
from enum import Enum, auto
from typing import Final, Literal, TypeGuard, TypeVar

import attrs

from tilia_async.errors import ConfigurationError
from tilia_async.os_threads import ProcessLock
from tilia_async.secret import Secret
from tilia_async.tokens.bounded import put
from tilia_async.tokens.single_flight import Fetch
from tilia_async.tokens.store import Claim, SharedTokenStore, StoreError, TokenStore
from tilia_async.tokens.token import AccessToken, Identity, is_sendable

T = TypeVar("T")

STEP_SECONDS: Final = 2.0
"""Longest step of a store, in seconds."""
AWAY_SECONDS: Final = 5.0
"""Rest for a store that took too long, in seconds."""

_LONGEST_WAIT: Final = 10.0
"""Longest wait for another who asks, in seconds.

That one may wait out an outage, or be stopped without being dead.
"""
_RELEASE_SECONDS: Final = 0.2
"""Time for a resting store to release, in seconds."""
_FIRST_LOOK: Final = 0.02
_LONGEST_LOOK: Final = 0.25
_CLOCK_TOLERANCE: Final = 5.0

_log = logging.getLogger("tilia_async.tokens")

_Step = Literal["load", "save", "discard", "claim", "release"]
_WORDS: Final[Mapping[_Step, str]] = {
    "load": "load",
    "save": "save",
    "discard": "discard",
    "claim": "claim",
    "release": "release its claim",
}


class _Failed(Enum):
    FAILED = auto()


_FAILED: Final = _Failed.FAILED
"""Result of a step that failed.

The call goes on without the store.
"""


class _Unclaimed:
    """Claim of a store that gives none.

    Such a store leaves it to each process to ask.
    """

    async def release(self) -> None:
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
        self._to_discard: dict[Secret, AccessToken] = {}
        self._away_until = float("-inf")

    async def find_or_fetch(self, scopes: frozenset[str], fetch: Fetch, generation: int, *, fresh: bool) -> AccessToken:
        """Return a token of the store, or a new one.

        Args:
            fresh: one that wants a refresh will not do, because the caller has one.

        Raises:
            ConfigurationError: the store refuses to be used as it is, or is synchronous.
            TiliaError: what the exchange ended with.
        """
        await self._discard_refused()
        claim: Claim | None = None if isinstance(self._store, SharedTokenStore) else _Unclaimed()
        try:
            clock, pause = asyncio.get_running_loop().time, _FIRST_LOOK
            ends_at = clock() + _LONGEST_WAIT
            while True:
                found = await self._find(scopes, fresh=fresh)
                if isinstance(found, AccessToken):
                    return attrs.evolve(found, generation=generation)
                # The look after the claim is the one that counts: what was saved before is seen by it.
                if found is _FAILED or claim is not None or clock() >= ends_at:
                    break
                claim = await self._claim(scopes)
                if claim is None:
                    await asyncio.sleep(pause)
                    pause = min(pause * 1.5, _LONGEST_LOOK)
            token = await fetch(scopes, generation)
            await self._save(token)
            return token
        finally:
            if claim is not None:
                await self._release(claim)

    def discard(self, token: AccessToken) -> None:
        """Forget a token that was refused.

        It is not served again. The store hears of it when it is asked next, until it has forgotten it.
        """
        with self._lock:
            if Secret(token.value) not in self._refused:
                put(self._refused, Secret(token.value), None)
                put(self._to_discard, Secret(token.value), token)

    async def _discard_refused(self) -> None:
        with self._lock:
            refused = dict(self._to_discard)
        for value, token in refused.items():
            if await self._discard(token) is not _FAILED:
                with self._lock:
                    self._to_discard.pop(value, None)

    async def _discard(self, token: AccessToken) -> _Failed | None:
        return await self._step("discard", lambda: self._store.discard(self._identity, token))

    async def _find(self, scopes: frozenset[str], *, fresh: bool) -> AccessToken | _Failed | None:
        loaded = await self._step("load", self._loaded)
        if isinstance(loaded, _Failed):
            return loaded
        now, wall = self._clock(), datetime.now(UTC)
        with self._lock:
            known = [token for token in loaded if token.scopes >= scopes and Secret(token.value) not in self._refused]
        usable = [
            token
            for token in (_on_this_clock(token, now, wall) for token in known)
            if token is not None and now < (token.refresh_at if fresh else token.unusable_at)
        ]
        return max(usable, key=lambda token: token.refresh_at, default=None)

    async def _save(self, token: AccessToken) -> None:
        with self._lock:
            # The endpoint insists on it, so it is no worse than any other.
            self._refused.pop(Secret(token.value), None)
            self._to_discard.pop(Secret(token.value), None)
        await self._step("save", lambda: self._store.save(self._identity, token))

    async def _claim(self, scopes: frozenset[str]) -> Claim | None:
        store = self._store
        if not isinstance(store, SharedTokenStore):
            return _Unclaimed()
        claim = await self._step("claim", lambda: store.claim(self._identity, scopes))
        return _Unclaimed() if isinstance(claim, _Failed) else claim

    async def _release(self, claim: Claim) -> None:
        # What a store gave as a claim may be none.
        await self._step("release", lambda: claim.release())  # noqa: PLW0108 - looked up in the step

    async def _loaded(self) -> list[AccessToken]:
        loaded: Iterable[object] = await self._coroutine("load", self._store.load(self._identity))
        return [each for each in loaded if _is_sound(each)]

    async def _step(self, step: _Step, take: Callable[[], Awaitable[T]]) -> T | _Failed:
        """Return what comes of a step of the store.

        Raises:
            ConfigurationError: ``load`` refuses to be used as it is.
        """
        is_away = self._clock() < self._away_until
        if is_away and step != "release":
            return _FAILED
        limit = asyncio.timeout(_RELEASE_SECONDS if is_away else STEP_SECONDS)
        try:
            async with limit:
                return await self._coroutine(step, take())
        except (ConfigurationError, StoreError) as error:
            if step == "load" and isinstance(error, ConfigurationError):
                raise
            reason = str(error)
        except asyncio.CancelledError:
            # It may be a store's own, of a task within; only what was asked of this task ends it.
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            reason = "it was cancelled"
        except Exception as error:  # noqa: BLE001 - a store may be code of others, and it is a convenience
            # Whose text may quote what it was given.
            reason = type(error).__name__
            if limit.expired():
                self._away_until = self._clock() + AWAY_SECONDS
                reason = f"it took longer than {STEP_SECONDS:g} s, and is left alone for {AWAY_SECONDS:g} s"
        _log.warning("the token store could not %s, the call goes on without it: %s", _WORDS[step], reason)
        return _FAILED

    def _coroutine(self, step: _Step, answer: Awaitable[T]) -> Awaitable[T]:
        if inspect.isawaitable(answer):  # pyright: ignore[reportUnnecessaryComparison] - stores written for older versions
            return answer
        raise ConfigurationError(
            f"{type(self._store).__name__}.{step} is synchronous, but the methods of a TokenStore are coroutines: "
            f"write 'async def {step}', and what blocks in it as 'await asyncio.to_thread(...)'"
        )


def _is_sound(each: object) -> TypeGuard[AccessToken]:
    """Return True for a token that can be used.

    A store may give anything.
    """
    return isinstance(each, AccessToken) and _are_sound(each.value, each.scopes, each.lifetime, each.expires_at)


def _are_sound(value: str, scopes: object, lifetime: object, ends: object) -> bool:
    return (
        is_sendable(value)
        and isinstance(scopes, frozenset)
        and isinstance(lifetime, int | float)
        and isinstance(ends, datetime)
        and ends.tzinfo is not None
    )


def _on_this_clock(token: AccessToken, now: float, wall: datetime) -> AccessToken | None:
    """Return a token as this process sees it.

    The monotonic clock of the one that stored it says nothing here.

    None if it was issued in the future: a wall clock was put back, so nobody knows when it ends.
    """
    left = (token.expires_at - wall).total_seconds()
    if left > token.lifetime + _CLOCK_TOLERANCE:
        return None
    return attrs.evolve(token, issued_at=now - max(0.0, token.lifetime - left))
