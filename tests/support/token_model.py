"""A model of the token cache.

Said anew: from the design's words on tokens, without a line of the cache's code.

It knows nothing of tasks and locks: things happen one after the other, and each caller gets what is due.
"""

from __future__ import annotations

import attrs

Scopes = frozenset[str]

SOFT, HARD = 0.75, 0.95
REMEMBERED, AT_MOST = 5.0, 60.0


@attrs.frozen
class Token:
    """A token that the endpoint granted."""

    value: str
    granted: Scopes
    lifetime: float
    asked_at: float
    generation: int

    @property
    def soft(self) -> float:
        return self.asked_at + self.lifetime * SOFT

    @property
    def hard(self) -> float:
        return self.asked_at + self.lifetime * HARD


@attrs.frozen
class Failure:
    """A failure of the endpoint.

    One without a status is not an answer at all.
    """

    kind: str
    status: int | None = None
    retry_after: float | None = None

    @property
    def remembered(self) -> float:
        """Seconds for which it is remembered.

        Refusals for seconds; what asks to wait, for as long as it asks, within reason.
        """
        if self.status is None:
            return 0
        if self.retry_after is not None:
            return min(self.retry_after, AT_MOST)
        return REMEMBERED if self.status < 500 else 0


ABANDONED = Failure("abandoned")
CLOSED = Failure("closed")


@attrs.define(eq=False)
class Owner:
    """A client, with its scopes.

    Those that it wants in one token from the start.
    """

    together: Scopes = frozenset()
    closed: bool = False


@attrs.define(eq=False)
class Caller:
    """A caller that needs a token, and its result."""

    owner: Owner
    scopes: Scopes
    union: bool = False
    result: Token | Failure | None = None
    at: float = 0
    cancelled: bool = False

    @property
    def waits(self) -> bool:
        return self.result is None and not self.cancelled

    @property
    def asks_for(self) -> Scopes:
        return self.owner.together if self.union else self.scopes


@attrs.define(eq=False)
class SingleFlight:
    """An exchange under way."""

    owner: Owner
    generation: int
    asked_at: float
    callers: list[Caller] = attrs.field(factory=list)


@attrs.frozen
class Given:
    """A token that is a plain hit.

    For its scopes until then.
    """

    token: Token
    until: float


@attrs.frozen
class Refused:
    """A failure of the endpoint that is remembered."""

    failure: Failure
    since: float

    @property
    def until(self) -> float:
        return self.since + self.failure.remembered

    def as_of(self, now: float) -> Failure:
        asked = self.failure.retry_after
        return attrs.evolve(self.failure, retry_after=None if asked is None else max(0.0, asked - (now - self.since)))


@attrs.frozen
class Doubt:
    """A token that the API refused for some scopes."""

    value: str
    since: float


@attrs.define(eq=False)
class Model:
    """The tokens of one identity."""

    now: float = 1000.0
    exchanges: int = 0
    by_grant: dict[Scopes, Token] = attrs.field(factory=dict)
    given: dict[Scopes, Given] = attrs.field(factory=dict)
    flights: dict[Scopes, SingleFlight] = attrs.field(factory=dict)
    refused: dict[Scopes, Refused] = attrs.field(factory=dict)
    doubts: dict[Scopes, Doubt] = attrs.field(factory=dict)

    def hit(self, scopes: Scopes) -> Token | None:
        """Served without lock or await."""
        given = self.given.get(scopes)
        return given.token if given is not None and self.now < given.until else None

    def arrive(self, caller: Caller) -> None:
        """Somebody needs a token."""
        token = self.hit(caller.scopes)
        if token is not None:
            self._finish(caller, token)
            return
        best = self._best(caller.scopes)
        union = caller.owner.together
        # What covers less than the union serves as it is: it is there because the union could not be had.
        caller.union = union > caller.scopes and (best is None or best.granted >= union)
        self._ask(caller)

    def answer(self, scopes: Scopes, outcome: Token | Failure) -> None:
        """Take the endpoint's answer."""
        flight = self.flights.pop(scopes)
        if isinstance(outcome, Token):
            self._land(scopes, outcome)
        elif outcome.remembered:
            self.refused[scopes] = Refused(outcome, self.now)
        for caller in flight.callers:
            if caller.waits:
                self._tell(caller, outcome)

    def cancel(self, caller: Caller) -> None:
        """Cancel a caller.

        Nobody else notices.
        """
        caller.cancelled = True

    def refuse(self, token: Token, needed: Scopes, *, expired: bool) -> bool:
        """Refuse a token for the API.

        Returns True if a new one may help.
        """
        held = [given.token for given in self.given.values()] + list(self.by_grant.values())
        if all(other.value != token.value for other in held):
            return True
        doubt = self.doubts.get(needed)
        replaced = doubt is not None and self.now - doubt.since < REMEMBERED and token.asked_at >= doubt.since
        # A new one may help if the replacement merely ended, unless it is the same again.
        if doubt is not None and replaced and (not expired or token.value == doubt.value):
            return False
        self.given = {key: given for key, given in self.given.items() if given.token.value != token.value}
        self.by_grant = {key: other for key, other in self.by_grant.items() if other.value != token.value}
        self.doubts[needed] = Doubt(token.value, self.now)
        return True

    def accept(self, needed: Scopes) -> None:
        """Note that the API took a token."""
        self.doubts.pop(needed, None)

    def close(self, owner: Owner) -> None:
        """Close a client.

        Its flights end, and those of others who waited for them start anew.
        """
        owner.closed = True
        ended = [flight for flight in self.flights.values() if flight.owner is owner]
        self.flights = {key: flight for key, flight in self.flights.items() if flight.owner is not owner}
        for flight in ended:
            for caller in flight.callers:
                if caller.waits:
                    self._ask(caller)

    def _ask(self, caller: Caller) -> None:
        scopes = caller.asks_for
        if caller.owner.closed:
            self._finish(caller, CLOSED)
            return
        token = self.hit(scopes) or self._serve(scopes, caller.owner)
        if token is not None:
            self._tell(caller, token)
        elif scopes not in self.flights and (refused := self._refused(scopes)) is not None:
            self._tell(caller, refused.as_of(self.now))
        else:
            self._fly(scopes, caller.owner).callers.append(caller)

    def _serve(self, scopes: Scopes, owner: Owner) -> Token | None:
        """Serve a token within its hard threshold.

        One past the soft one is refreshed behind its back.
        """
        token = self._best(scopes)
        if token is None:
            return None
        refused = self._refused(scopes)
        if self.now < token.soft:
            rest = token.soft
        elif refused is not None:
            rest = min(token.hard, refused.until)
        else:
            # Not at every call: a refresh that fails is not repeated before a twentieth of the lifetime is over.
            rest = min(token.hard, self.now + max(1.0, token.lifetime / 20))
            self._fly(scopes, owner)
        self.given[scopes] = Given(token, rest)
        return token

    def _fly(self, scopes: Scopes, owner: Owner) -> SingleFlight:
        if scopes not in self.flights:
            self.exchanges += 1
            self.flights[scopes] = SingleFlight(owner, self.exchanges, self.now)
        return self.flights[scopes]

    def _best(self, scopes: Scopes) -> Token | None:
        found = [token for token in self.by_grant.values() if token.granted >= scopes]
        if scopes in self.given:
            found.append(self.given[scopes].token)
        return max(
            (token for token in found if self.now < token.hard),
            key=lambda token: (token.soft, token.generation),
            default=None,
        )

    def _refused(self, scopes: Scopes) -> Refused | None:
        refused = self.refused.get(scopes)
        return refused if refused is not None and self.now < refused.until else None

    def _land(self, scopes: Scopes, token: Token) -> None:
        newer = self.by_grant.get(token.granted)
        if newer is not None and newer.generation > token.generation and self.now < newer.hard:
            token = newer
        self.by_grant[token.granted] = token
        given = self.given.get(scopes)
        if given is None or given.token.generation <= token.generation:
            self.given[scopes] = Given(token, token.soft)

    def _tell(self, caller: Caller, outcome: Token | Failure) -> None:
        if outcome is ABANDONED:
            self._ask(caller)
        elif caller.union and isinstance(outcome, Failure) and 400 <= (outcome.status or 0) < 500:
            self._without_union(caller)
        elif caller.union and isinstance(outcome, Token):
            if not outcome.granted >= caller.scopes:
                self._without_union(caller)
                return
            given = self.given.get(caller.owner.together)
            if given is not None and given.token.granted >= caller.scopes:
                self.given[caller.scopes] = given
            self._finish(caller, outcome)
        else:
            self._finish(caller, outcome)

    def _without_union(self, caller: Caller) -> None:
        caller.union = False
        self._ask(caller)

    def _finish(self, caller: Caller, result: Token | Failure) -> None:
        caller.result, caller.at = result, self.now
