"""The token cache: keyed by identity and scopes, one flight per scope set, no lock on a hit."""

from __future__ import annotations

import asyncio
import contextvars
import copy
import itertools
import os
import threading
import time
import weakref
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from typing import Final, Protocol

import attrs

from tilia_async.errors import ClientClosedError, TiliaError, TokenError
from tilia_async.tokens.flight import ABANDONED, Flight, Outcome
from tilia_async.tokens.store import MemoryTokenStore, TokenStore
from tilia_async.tokens.token import AccessToken, Identity

REFUSAL_SECONDS: Final = 5.0
"""How long a refusal by the token endpoint is remembered for its scope set, and how long a token that replaced a
refused one is not replaced again."""
_POLL_SECONDS: Final = 0.25
_PATIENCE: Final = 2
_MOST_IDENTITIES: Final = 256


class Fetch(Protocol):
    """Get a new token from the token endpoint."""

    def __call__(self, scopes: frozenset[str], generation: int) -> Awaitable[AccessToken]: ...


class Owner(Protocol):
    """Whoever starts flights, and ends them when it is closed."""

    @property
    def closed(self) -> bool: ...


class TokenCache:
    """Tokens shared by everything in a process that has the same identity.

    Clients that are given none share one per process. A token whose scopes are a superset of those needed serves.

    Args:
        store: where tokens are kept; in memory by default.
        clock: seconds that only rise.
    """

    def __init__(self, store: TokenStore | None = None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self._store: TokenStore = MemoryTokenStore() if store is None else store
        self._shelves: dict[Identity, Shelf] = {}
        self._generations = itertools.count(1)
        _caches.add(self)

    def shelf(self, identity: Identity) -> Shelf:
        """The tokens of one identity."""
        shelf = self._shelves.get(identity)
        if shelf is None:
            # A service that makes clients for many publishers does not keep the tokens of all of them for ever. Clients
            # that use a shelf keep it whatever happens here.
            for known in list(self._shelves)[: 1 - _MOST_IDENTITIES]:
                self._shelves.pop(known, None)
            # setdefault() makes one winner of two threads that come at once.
            shelf = self._shelves.setdefault(identity, Shelf(identity, self._store, self.clock, self._generations))
        return shelf

    def __repr__(self) -> str:
        return f"<TokenCache: {len(self._shelves)} identities>"

    def forget_flights(self) -> None:
        """In the child of a fork: nothing of the parent's flies here."""
        for shelf in self._shelves.values():
            shelf.forget_flights()


_caches: weakref.WeakSet[TokenCache] = weakref.WeakSet()


def _after_fork() -> None:
    for cache in _caches:
        cache.forget_flights()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)

_shared_lock = threading.Lock()
_shared: list[TokenCache] = []


def shared_cache() -> TokenCache:
    """The one cache of this process."""
    with _shared_lock:
        if not _shared:
            _shared.append(TokenCache())
        return _shared[0]


@attrs.frozen
class _Refusal:
    until: float
    error: TokenError


@attrs.frozen
class _Turn:
    """What one caller gets: a token, a flight to wait for or to start, or the refusal of an earlier one."""

    token: AccessToken | None = None
    flight: Flight | None = None
    refusal: TokenError | None = None
    starts: bool = False


@attrs.frozen
class Suspect:
    """A scope set for which a token was refused and replaced.

    Attributes:
        since: when the refused token was dropped.
        value: that token's.
    """

    since: float
    value: str = attrs.field(repr=False)

    def covers(self, token: AccessToken, now: float) -> bool:
        """The token is the replacement, and the refusal is not long ago."""
        return now - self.since < REFUSAL_SECONDS and token.issued_at >= self.since


class Shelf:
    """The tokens, flights and refusals of one identity.

    Attributes:
        suspects: the scope sets whose token was refused lately; mostly empty.
    """

    def __init__(
        self, identity: Identity, store: TokenStore, clock: Callable[[], float], generations: Iterator[int]
    ) -> None:
        self._identity = identity
        self._store = store
        self._clock = clock
        self._generations = generations
        self._lock = threading.Lock()
        # What a hit reads. Entries are replaced, never changed, so it is read without the lock.
        self._hot: dict[frozenset[str], tuple[float, AccessToken]] = {}
        self._tokens: dict[frozenset[str], AccessToken] = {}
        self._flights: dict[frozenset[str], Flight] = {}
        self._refusals: dict[frozenset[str], _Refusal] = {}
        self.suspects: dict[frozenset[str], Suspect] = {}

    def find(self, scopes: frozenset[str]) -> AccessToken | None:
        """The token for these scopes, if there is one that needs no refresh: no lock, no await."""
        entry = self._hot.get(scopes)
        if entry is not None and self._clock() < entry[0]:
            return entry[1]
        return None

    async def acquire(self, scopes: frozenset[str], fetch: Fetch, owner: Owner) -> AccessToken:
        """A token for these scopes: kept, being fetched, or fetched now.

        Raises:
            ClientClosedError: the owner is closed.
            TiliaError: what the exchange ended with; each waiter gets an exception of its own.
        """
        while True:
            if owner.closed:
                raise ClientClosedError("the client is closed")
            loop = asyncio.get_running_loop()
            with self._lock:
                turn = self._turn(scopes, loop, owner)
                waiter = None if turn.flight is None or turn.token is not None else turn.flight.join(loop)
            if turn.flight is not None and turn.starts:
                self._start(turn.flight, scopes, fetch)
            if turn.token is not None:
                return turn.token
            outcome = turn.refusal if turn.flight is None or waiter is None else await self._wait(turn.flight, waiter)
            if isinstance(outcome, AccessToken):
                return outcome
            if isinstance(outcome, TiliaError):
                raise copy.copy(outcome)

    def alias(self, scopes: frozenset[str], token: AccessToken) -> None:
        """Serve the token for these scopes as well, which are fewer than it was asked for."""
        with self._lock:
            self._hot[scopes] = (token.refresh_at, token)

    def refuse(self, token: AccessToken, needed: frozenset[str], *, expired: bool) -> bool:
        """Drop exactly that token, because Tilia refused it. False if asking for another now would not help.

        The token that replaced a refused one stays when it is refused at once for the same scopes: then the
        credentials are at fault, and fifty calls that find out together must not ask for fifty tokens.

        Args:
            needed: the scopes of the operation that was refused.
            expired: Tilia says why, so a new token helps, unless it is the same again.
        """
        with self._lock:
            now = self._clock()
            if all(entry[1].value != token.value for entry in self._hot.values()):
                return True
            suspect = self.suspects.get(needed)
            if suspect is not None and suspect.covers(token, now) and (not expired or token.value == suspect.value):
                return False
            self._hot = {key: entry for key, entry in self._hot.items() if entry[1].value != token.value}
            self._tokens = {key: kept for key, kept in self._tokens.items() if kept.value != token.value}
            self._store.discard(self._identity, token)
            self.suspects[needed] = Suspect(now, token.value)
            return True

    def accept(self, needed: frozenset[str]) -> None:
        """Tilia took a token for these scopes, so the last refusal was the token's fault and is forgotten."""
        self.suspects.pop(needed, None)

    async def release(self, owner: Owner) -> None:
        """End the flights of a client that is being closed; whoever else waits for them starts anew."""
        with self._lock:
            ended = [(key, flight) for key, flight in self._flights.items() if flight.owner is owner]
            for key, flight in ended:
                del self._flights[key]
                flight.settle(ABANDONED)
        here = asyncio.get_running_loop()
        for _, flight in ended:
            task = flight.task
            if task is None or flight.dead:
                continue
            if flight.loop is here:
                task.cancel()
                await asyncio.wait([task])
            else:
                flight.loop.call_soon_threadsafe(task.cancel)

    def forget_flights(self) -> None:
        """In the child of a fork nothing of the parent's flies, and its lock may have been taken."""
        self._lock = threading.Lock()
        self._flights = {}

    def _turn(self, scopes: frozenset[str], loop: asyncio.AbstractEventLoop, owner: Owner) -> _Turn:
        at_hand = self.find(scopes)
        if at_hand is not None:
            return _Turn(at_hand)
        now = self._clock()
        token = self._search(scopes, now)
        flight = self._flights.get(scopes)
        if flight is not None and flight.dead:
            flight = None
        if token is not None:
            fresh = now < token.refresh_at
            # While a refresh is on its way, or after one that failed, the old token is a plain hit again for a while.
            pause = token.refresh_at if fresh else min(token.unusable_at, now + max(1.0, token.lifetime / 20))
            self._hot[scopes] = (pause, token)
            if fresh or flight is not None:
                return _Turn(token)
        elif flight is not None:
            return _Turn(flight=flight)
        elif (refusal := self._refusals.get(scopes)) is not None and now < refusal.until:
            return _Turn(refusal=refusal.error)
        flight = self._flights[scopes] = Flight(loop, owner, next(self._generations))
        return _Turn(token, flight, starts=True)

    def _search(self, scopes: frozenset[str], now: float) -> AccessToken | None:
        """The usable token with all these scopes that lasts longest; or the one that was given when they were asked."""
        entry = self._hot.get(scopes)
        known = [] if entry is None else [entry[1]]
        kept = [token for token in self._tokens.values() if token.scopes >= scopes]
        usable = [token for token in (*known, *kept) if now < token.unusable_at]
        if not usable:
            stored = (token for token in self._store.load(self._identity) if token.scopes >= scopes)
            usable = [token for token in map(self._on_this_clock, stored) if now < token.unusable_at]
        return max(usable, key=lambda token: token.refresh_at, default=None)

    def _on_this_clock(self, token: AccessToken) -> AccessToken:
        """A store may have it from another process, whose monotonic clock says nothing here."""
        left = (token.expires_at - datetime.now(UTC)).total_seconds()
        return attrs.evolve(token, issued_at=self._clock() - (token.lifetime - left), generation=0)

    def _start(self, flight: Flight, scopes: frozenset[str], fetch: Fetch) -> None:
        # Outside the lock, because an eager task factory runs the task at once. With a context of its own, because
        # whoever started it may be gone long before it ends.
        exchange = self._fly(scopes, fetch, flight.generation)
        try:
            task = flight.loop.create_task(exchange, name="tilia token", context=contextvars.Context())
        except BaseException:  # whatever it is, nobody must wait for a flight that never was
            exchange.close()
            with self._lock:
                self._land(flight, scopes, ABANDONED)
            raise
        flight.task = task
        # Not in a ``finally`` of the task: one that is cancelled before its first step never gets there.
        task.add_done_callback(partial(self._landed, flight, scopes))

    async def _fly(self, scopes: frozenset[str], fetch: Fetch, generation: int) -> Outcome:
        try:
            return await fetch(scopes, generation)
        except TiliaError as error:
            return copy.copy(error)
        except Exception as error:  # noqa: BLE001 - a defect must reach those who wait; left alone, they would wait on
            return TokenError(f"the exchange failed: {type(error).__name__}", status=None, scopes=scopes)

    def _landed(self, flight: Flight, scopes: frozenset[str], task: asyncio.Task[Outcome]) -> None:
        outcome = ABANDONED if task.cancelled() or task.exception() is not None else task.result()
        with self._lock:
            self._land(flight, scopes, outcome)

    def _land(self, flight: Flight, scopes: frozenset[str], outcome: Outcome) -> None:
        if self._flights.get(scopes) is flight:
            del self._flights[scopes]
        if isinstance(outcome, AccessToken):
            self._keep(scopes, outcome)
        elif isinstance(outcome, TokenError) and outcome.status is not None and outcome.status < 500:
            self._refusals[scopes] = _Refusal(self._clock() + REFUSAL_SECONDS, outcome)
        flight.settle(outcome)

    def _keep(self, scopes: frozenset[str], token: AccessToken) -> None:
        self._refusals.pop(scopes, None)
        kept = self._tokens.get(token.scopes)
        if kept is not None and kept.generation > token.generation:
            return
        self._tokens[token.scopes] = token
        self._store.save(self._identity, token)
        # Under what was asked for as well: if less was granted, asking again with every call would not bring more.
        self._hot[scopes] = (token.refresh_at, token)

    @staticmethod
    async def _wait(flight: Flight, waiter: asyncio.Future[Outcome]) -> Outcome:
        if flight.loop is asyncio.get_running_loop():
            return await waiter
        stalled = 0
        while not waiter.done():
            # A loop that was closed or left lying with the flight aboard tells nobody. One that only rests between
            # two runs is given the time of a few looks.
            stalled = 0 if flight.loop.is_running() else stalled + 1
            if flight.dead or stalled > _PATIENCE:
                flight.left_behind = True
                return ABANDONED
            await asyncio.wait([waiter], timeout=_POLL_SECONDS)
        return waiter.result()
