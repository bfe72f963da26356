"""The tokens of one identity.

Kept by scopes, one flight per scope set, no lock on a hit.
"""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

import attrs

from tilia_async.errors import ClientClosedError, TiliaError, TokenError
from tilia_async.observe.watched_call import context_of_flight
from tilia_async.os_threads import ProcessLock
from tilia_async.secret import Secret
from tilia_async.tokens.bounded import put
from tilia_async.tokens.negative_cache import NegativeCache, RejectedToken
from tilia_async.tokens.single_flight import ABANDONED, Fetch, Outcome, Owner, SingleFlight
from tilia_async.tokens.store import TokenStore
from tilia_async.tokens.store_adapter import StoreAdapter
from tilia_async.tokens.token import AccessToken, Identity
from tilia_async.tracebacks import cut

_inherited: Final[list[SingleFlight]] = []


@attrs.frozen
class _Turn:
    """The turn of one caller.

    It gets a token, a flight to wait for or to start, or the refusal of an earlier one.
    """

    token: AccessToken | None = None
    flight: SingleFlight | None = None
    refusal: TokenError | None = None
    starts: bool = False


class IdentityTokens:
    """The tokens, flights and refusals of one identity.

    Attributes:
        suspects: the scope sets whose token was refused lately; mostly empty.
    """

    def __init__(
        self, identity: Identity, store: TokenStore | None, clock: Callable[[], float], generations: Iterator[int]
    ) -> None:
        self._stored = None if store is None else StoreAdapter(store, identity, clock)
        self._clock = clock
        self._generations = generations
        self._lock = ProcessLock()
        # What a hit reads: until when, and which. Entries are replaced, never changed, so it is read without the lock.
        self._hot: dict[frozenset[str], tuple[float, AccessToken]] = {}
        self._tokens: dict[frozenset[str], AccessToken] = {}
        self._flights: dict[frozenset[str], SingleFlight] = {}
        self._refusals = NegativeCache()
        self.suspects: dict[frozenset[str], RejectedToken] = {}

    def find(self, scopes: frozenset[str]) -> AccessToken | None:
        """Return the fresh token for these scopes.

        If there is one that needs no refresh: no lock, no await.
        """
        entry = self._hot.get(scopes)
        if entry is not None and self._clock() < entry[0]:
            return entry[1]
        return None

    def usable(self, scopes: frozenset[str]) -> AccessToken | None:
        """Return the token that ``acquire`` would serve at once."""
        with self._lock:
            return self._search_locked(scopes, self._clock())

    async def acquire(self, scopes: frozenset[str], fetch: Fetch, owner: Owner) -> AccessToken:
        """Acquire a token for these scopes.

        Kept, being fetched, or fetched now.

        Raises:
            ClientClosedError: the owner is closed.
            TiliaError: what the exchange ended with; each waiter gets an exception of its own.
        """
        while True:
            loop = asyncio.get_running_loop()
            with self._lock:
                # Asked under the lock, so that release() either is seen here or sees the flight that starts here.
                if owner.closed:
                    raise ClientClosedError("the client is closed")
                turn = self._turn_locked(scopes, loop, owner)
                waiter = None if turn.flight is None or turn.token is not None else turn.flight.join(loop)
            if turn.flight is not None and turn.starts:
                self._start(turn.flight, scopes, fetch, turn.token)
            if turn.token is not None:
                return turn.token
            outcome = turn.refusal if turn.flight is None or waiter is None else await turn.flight.wait(waiter)
            if isinstance(outcome, AccessToken):
                return outcome
            if isinstance(outcome, TiliaError):
                raise copy.copy(outcome)

    def alias(self, scopes: frozenset[str], together: frozenset[str]) -> None:
        """Serve fewer scopes from a wider token.

        What is served for some scopes is served for fewer of them as well.
        """
        with self._lock:
            entry = self._hot.get(together)
            if entry is not None and entry[1].scopes >= scopes:
                put(self._hot, scopes, entry)

    def refuse(self, token: AccessToken, needed: frozenset[str], *, expired: bool) -> bool:
        """Drop exactly that token, because Tilia refused it.

        False if asking for another now would not help.

        The token that replaced a refused one stays when it is refused at once for the same scopes: then the
        credentials are at fault, and fifty calls that find out together must not ask for fifty tokens.

        Args:
            needed: the scopes of the operation that was refused.
            expired: Tilia says why, so a new token helps, unless it is the same again.
        """
        with self._lock:
            now = self._clock()
            if self._holds_locked(token.value):
                suspect = self.suspects.get(needed)
                if (
                    suspect is not None
                    and suspect.covers(token, now)
                    and (not expired or Secret(token.value) == suspect.value)
                ):
                    return False
                self._hot = {key: entry for key, entry in self._hot.items() if entry[1].value != token.value}
                self._tokens = {key: kept for key, kept in self._tokens.items() if kept.value != token.value}
                put(self.suspects, needed, RejectedToken(now, Secret(token.value)))
        if self._stored is not None:
            self._stored.discard(token)
        return True

    def accept(self, needed: frozenset[str]) -> None:
        """Note that Tilia took a token.

        For these scopes: so the last refusal was the token's fault and is forgotten.
        """
        self.suspects.pop(needed, None)

    async def release(self, owner: Owner) -> None:
        """End the flights of a closing client.

        Whoever else waits for them starts anew.
        """
        with self._lock:
            ended = [(key, flight) for key, flight in self._flights.items() if flight.owner is owner]
            for key, _ in ended:
                del self._flights[key]
        here = [task for _, flight in ended if (task := flight.cancel()) is not None]
        if here:
            await asyncio.wait(here)

    def _holds_locked(self, value: str) -> bool:
        hot = any(token.value == value for _, token in self._hot.values())
        return hot or any(token.value == value for token in self._tokens.values())

    def _turn_locked(self, scopes: frozenset[str], loop: asyncio.AbstractEventLoop, owner: Owner) -> _Turn:
        at_hand = self.find(scopes)
        if at_hand is not None:
            return _Turn(at_hand)
        now = self._clock()
        token = self._search_locked(scopes, now)
        refusal = self._refusals.recall(scopes, now)
        flight = self._flights.get(scopes)
        if flight is not None and flight.dead:
            if flight.is_inherited:
                # Kept, since it may hold the store's claim, which the garbage collector would give back for the parent.
                _inherited.append(flight)
            flight = None
        if token is not None:
            fresh = now < token.refresh_at
            # While a refresh is on its way, or after one that failed, the old token is a plain hit again for a while.
            rest = now + max(1.0, token.lifetime / 20) if refusal is None else refusal.until
            put(self._hot, scopes, (token.refresh_at if fresh else min(token.unusable_at, rest), token))
            if fresh or flight is not None or refusal is not None:
                return _Turn(token)
        elif flight is not None:
            return _Turn(flight=flight)
        elif refusal is not None:
            return _Turn(refusal=refusal.as_of(now))
        flight = self._flights[scopes] = SingleFlight(loop, owner, next(self._generations))
        return _Turn(token, flight, starts=True)

    def _search_locked(self, scopes: frozenset[str], now: float) -> AccessToken | None:
        """Search the best usable token for these scopes.

        The one with all of them that lasts longest; or the one that was given when they were asked.
        """
        entry = self._hot.get(scopes)
        known = [] if entry is None else [entry[1]]
        kept = [token for token in self._tokens.values() if token.scopes >= scopes]
        usable = [token for token in (*known, *kept) if now < token.unusable_at]
        return max(usable, key=lambda token: (token.refresh_at, token.generation), default=None)

    def _start(self, flight: SingleFlight, scopes: frozenset[str], fetch: Fetch, at_hand: AccessToken | None) -> None:
        # Outside the lock, because an eager task factory runs the task at once. With a context of its own, because
        # whoever started it may be gone long before it ends.
        context = context_of_flight()
        exchange = self._fly(scopes, fetch, flight.generation, at_hand)
        try:
            task = flight.loop.create_task(exchange, name="tilia token", context=context)
        except BaseException:  # whatever it is, nobody must wait for a flight that never was
            exchange.close()
            with self._lock:
                self._land_locked(flight, scopes, ABANDONED)
            raise
        flight.task = task
        # Not in a ``finally`` of the task: one that is cancelled before its first step never gets there.
        task.add_done_callback(partial(self._landed, flight, scopes))

    async def _fly(self, scopes: frozenset[str], fetch: Fetch, generation: int, at_hand: AccessToken | None) -> Outcome:
        try:
            if self._stored is None:
                return await fetch(scopes, generation)
            return await self._stored.find_or_fetch(scopes, fetch, generation, fresh=at_hand is not None)
        except ClientClosedError:
            # Its client was closed. That is not an answer for the other clients that wait.
            return ABANDONED
        except TiliaError as error:
            return copy.copy(error)
        except Exception as error:  # noqa: BLE001 - a defect must reach those who wait; left alone, they would wait on
            return TokenError(f"the exchange failed: {type(error).__name__}", status=None, scopes=scopes)
        except BaseException as error:  # raised again
            # The loop shows what ends it, and the frames hold the client's secret.
            cut(error, None)
            raise

    def _landed(self, flight: SingleFlight, scopes: frozenset[str], task: asyncio.Task[Outcome]) -> None:
        outcome = ABANDONED if task.cancelled() or task.exception() is not None else task.result()
        with self._lock:
            self._land_locked(flight, scopes, outcome)

    def _land_locked(self, flight: SingleFlight, scopes: frozenset[str], outcome: Outcome) -> None:
        if self._flights.get(scopes) is flight:
            del self._flights[scopes]
        if isinstance(outcome, AccessToken):
            self._keep_locked(scopes, outcome)
        elif isinstance(outcome, TiliaError):
            self._refusals.remember(scopes, outcome, self._clock())
        flight.settle(outcome)

    def _keep_locked(self, scopes: frozenset[str], token: AccessToken) -> None:
        kept = self._tokens.get(token.scopes)
        if kept is not None and kept.generation > token.generation and self._clock() < kept.unusable_at:
            token = kept
        else:
            put(self._tokens, token.scopes, token)
        # Under what was asked for as well: if less was granted, asking again with every call would not bring more.
        entry = self._hot.get(scopes)
        if entry is None or entry[1].generation <= token.generation:
            put(self._hot, scopes, (token.refresh_at, token))
