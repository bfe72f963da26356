"""The token cache against a model of it, whatever arrives, fails, ends or is refused, in whatever order."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import attrs
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from support.counts import count
from support.token_model import ABANDONED, CLOSED, Caller, Failure, Model, Owner, Scopes, Token

from tilia_async.config import Credentials
from tilia_async.errors import ClientClosedError, ConnectError, TiliaError, TokenError
from tilia_async.secret import Secret
from tilia_async.tokens import AccessToken, Identity, TokenCache
from tilia_async.tokens.provider import TokenProvider

EVERYTHING = frozenset({"read", "write", "admin"})
READ, WRITE, BOTH = frozenset({"read"}), frozenset({"write"}), frozenset({"read", "write"})
KEYS = [READ, WRITE, BOTH, EVERYTHING]
TOGETHER = [frozenset[str](), frozenset[str](), EVERYTHING, BOTH]
FAILURES = [
    Failure("connect"),
    Failure("defect"),
    ABANDONED,
    CLOSED,
    *(Failure("refused", status) for status in (400, 401, 403, 500, 503)),
    *(Failure("refused", 429, asked) for asked in (None, 0.0, 2.0, 30.0, 600.0)),
    Failure("refused", 503, 30.0),
]
"""Ends of exchanges, as the machine chooses them. What a closed or vanished client leaves behind is no answer for anybody."""

any_of = st.integers(0, 10**6)
keys = st.sampled_from(KEYS)
clients = st.integers(0, len(TOGETHER) - 1)
lifetimes = st.sampled_from([0.0, 2.0, 10.0, 100.0, 1000.0])
grants = st.sampled_from(["asked", "asked", "less", "more"])


@attrs.define(eq=False)
class Exchange:
    """A request that the endpoint holds back until the test lets it go."""

    scopes: Scopes
    generation: int
    asked_at: float
    answered: asyncio.Future[AccessToken | BaseException]


@attrs.define(eq=False)
class Client:
    """A client as the model and as the cache see it."""

    model: Owner
    source: TokenProvider


@attrs.define(eq=False)
class Call:
    """A caller as the model and as the cache see it."""

    model: Caller
    task: asyncio.Task[AccessToken]
    checked: bool = False


class TokenMachine(RuleBasedStateMachine):
    """Four clients of one identity share a cache; the machine is the clock, the endpoint and the API."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.model = Model()
        cache = TokenCache(clock=lambda: self.model.now)
        self.held = cache._tokens_of(Identity.of("https://auth.example/token", Credentials("id", Secret("secret"))))
        self.open: list[Exchange] = []
        self.asked = 0
        self.values = 0
        self.latest: dict[Scopes, str] = {}
        self.calls: list[Call] = []
        self.handed_out: list[AccessToken] = []
        self.dropped: set[str] = set()
        self.failures: list[BaseException] = []
        self.steps = 0
        self.clients = [self.client(together) for together in TOGETHER]

    def client(self, together: Scopes) -> Client:
        return Client(Owner(together), TokenProvider(self.held, self.fetch, together))

    async def fetch(self, scopes: Scopes, generation: int) -> AccessToken:
        self.asked += 1
        exchange = Exchange(scopes, generation, self.model.now, self.loop.create_future())
        assert all(other.scopes != scopes for other in self.open), "two flights of one scope set"
        self.open.append(exchange)
        try:
            outcome = await exchange.answered
        finally:
            self.open.remove(exchange)
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    def settle(self) -> None:
        async def ticks() -> None:
            for _ in range(15):
                await asyncio.sleep(0)

        self.loop.run_until_complete(ticks())

    @rule(which=clients, scopes=keys, together=st.integers(1, 3))
    def arrive(self, which: int, scopes: Scopes, together: int) -> None:
        """So many callers of one client at once."""
        client = self.clients[which]

        async def acquire() -> AccessToken:
            return client.source.find(scopes) or await client.source.acquire(scopes)

        for _ in range(together):
            caller = Caller(client.model, scopes)
            self.model.arrive(caller)
            self.calls.append(Call(caller, self.loop.create_task(acquire())))
        self.settle()
        self.each_caller_has_what_is_due()

    @precondition(lambda self: self.open)
    @rule(which=any_of, lifetime=lifetimes, grant=grants, same=st.booleans())
    def grant(self, which: int, lifetime: float, grant: str, same: bool) -> None:
        """The endpoint answers: as asked, with less, with more; or with the token that it gave before."""
        exchange = self.open[which % len(self.open)]
        granted = {
            "asked": exchange.scopes,
            "less": READ if exchange.scopes == BOTH else BOTH if exchange.scopes == EVERYTHING else frozenset[str](),
            "more": exchange.scopes | BOTH,
        }[grant]
        self.values += 1
        value = self.latest.get(granted, "") if same else ""
        value = self.latest[granted] = value or f"token-{self.values}"
        token = AccessToken(
            value, granted, lifetime, exchange.asked_at, datetime.now(UTC), generation=exchange.generation
        )
        before = self.held.find(exchange.scopes)
        self.dropped.discard(value)
        exchange.answered.set_result(token)
        self.model.answer(exchange.scopes, Token(value, granted, lifetime, exchange.asked_at, exchange.generation))
        self.settle()
        self.each_caller_has_what_is_due()
        after = self.held.find(exchange.scopes)
        assert before is None or after is None or after.generation >= before.generation, "an older token came back"

    @precondition(lambda self: self.open)
    @rule(which=any_of, failure=st.sampled_from(FAILURES))
    def fail(self, which: int, failure: Failure) -> None:
        """The endpoint refuses, is out of order, or is not there."""
        exchange = self.open[which % len(self.open)]
        raised: BaseException
        if failure.kind == "refused":
            raised = TokenError(
                "refused", status=failure.status, scopes=exchange.scopes, retry_after=failure.retry_after
            )
        else:
            raised = {
                "connect": ConnectError("no route"),
                "defect": ZeroDivisionError(),
                "abandoned": asyncio.CancelledError(),
                "closed": ClientClosedError("the client is closed"),
            }[failure.kind]
        exchange.answered.set_result(raised)
        self.model.answer(exchange.scopes, ABANDONED if failure is CLOSED else failure)
        self.settle()

    @precondition(lambda self: any(call.model.waits for call in self.calls))
    @rule(which=any_of)
    def cancel(self, which: int) -> None:
        """A player disconnects."""
        waiting = [call for call in self.calls if call.model.waits]
        call = waiting[which % len(waiting)]
        call.task.cancel()
        self.model.cancel(call.model)
        self.settle()

    @rule(seconds=st.sampled_from([0.1, 0.9, 1.1, 4.0, 5.1, 31.0, 61.0, 300.0]))
    def sleep(self, seconds: float) -> None:
        self.model.now += seconds

    @rule(which=any_of, past=st.sampled_from([-0.001, 0.001]))
    def sleep_until_something_changes(self, which: int, past: float) -> None:
        """Sleep to right before or right after the moment at which a token wants a refresh, ends, or may be asked for."""
        model = self.model
        tokens = [*model.by_grant.values(), *(given.token for given in model.given.values())]
        moments = [moment for token in tokens for moment in (token.soft, token.hard)]
        moments += [refused.until for refused in model.refused.values()]
        moments += [given.until for given in model.given.values()]
        moments += [doubt.since + 5 for doubt in model.doubts.values()]
        to_come = sorted({moment + past for moment in moments if moment + past > model.now})
        if to_come:
            model.now = to_come[which % len(to_come)]

    @rule(which=clients, scopes=keys, lifetime=lifetimes, grant=grants, same=st.booleans())
    def obtain(self, which: int, scopes: Scopes, lifetime: float, grant: str, same: bool) -> None:
        """A caller who gets a token at once, if the endpoint has to be asked."""
        self.arrive(which, scopes, 1)
        for place, exchange in enumerate(self.open):
            if exchange.scopes == (self.clients[which].model.together or scopes):
                self.grant(place, lifetime, grant, same)
                break

    @precondition(lambda self: self.model.given)
    @rule(which=any_of, client=clients, past=st.sampled_from([0.0, 0.001, 0.3]), again=st.integers(1, 2))
    def come_late(self, which: int, client: int, past: float, again: int) -> None:
        """A caller comes when the token wants a refresh; and once more, when it may be tried again."""
        scopes = list(self.model.given)[which % len(self.model.given)]
        for _ in range(again):
            self.model.now = max(self.model.now, self.model.given[scopes].until + past)
            self.arrive(client, scopes, 1)

    @precondition(lambda self: self.handed_out)
    @rule(which=any_of, recent=st.booleans(), needed=keys, expired=st.booleans(), callers=st.integers(1, 3))
    def refuse(self, which: int, recent: bool, needed: Scopes, expired: bool, callers: int) -> None:
        """The API says 401 to some calls with a token, be it a new one or one of long ago."""
        place = -1 - which % min(3, len(self.handed_out)) if recent else which % len(self.handed_out)
        for _ in range(callers):
            self.refuse_token(self.handed_out[place], needed, expired=expired)

    @precondition(lambda self: any(self.model.hit(scopes) for scopes in KEYS))
    @rule(
        which=any_of,
        expired=st.booleans(),
        then_expired=st.booleans(),
        lifetime=lifetimes,
        same=st.booleans(),
        accepted=st.booleans(),
    )
    def refuse_twice(
        self, which: int, expired: bool, then_expired: bool, lifetime: float, same: bool, accepted: bool
    ) -> None:
        """The API refuses a token, and later its replacement as well."""
        at_hand = [scopes for scopes in KEYS if self.model.hit(scopes)]
        scopes = at_hand[which % len(at_hand)]
        self.refuse_token(self.found(scopes), scopes, expired=expired)
        self.obtain(0, scopes, lifetime, "asked", same)
        if accepted:
            self.accept(scopes)
        if self.model.hit(scopes):
            self.refuse_token(self.found(scopes), scopes, expired=then_expired)

    def found(self, scopes: Scopes) -> AccessToken:
        token = self.held.find(scopes)
        assert token is not None
        return token

    def refuse_token(self, token: AccessToken, needed: Scopes, *, expired: bool) -> None:
        known = Token(token.value, token.scopes, token.lifetime, token.issued_at, token.generation)
        helps = self.held.refuse(token, needed, expired=expired)
        assert helps is self.model.refuse(known, needed, expired=expired)
        if helps:
            self.dropped.add(token.value)

    @rule(needed=keys)
    def accept(self, needed: Scopes) -> None:
        """The API takes a token."""
        self.clients[0].source.accept(needed)
        self.model.accept(needed)

    @rule(which=clients)
    def close(self, which: int) -> None:
        """A client closes, and another one takes its place."""
        client = self.clients[which]
        self.clients[which] = self.client(client.model.together)
        self.model.close(client.model)
        self.loop.run_until_complete(client.source.release())
        self.settle()

    @invariant()
    def the_endpoint_was_asked_as_often_as_need_be(self) -> None:
        self.steps += 1
        assert self.asked == self.model.exchanges
        in_the_air = {exchange.scopes: exchange.generation for exchange in self.open}
        assert in_the_air == {scopes: flight.generation for scopes, flight in self.model.flights.items()}

    @invariant()
    def each_caller_has_what_is_due(self) -> None:
        for call in self.calls:
            if call.checked:
                continue
            assert call.task.done() is not call.model.waits
            if call.task.done():
                call.checked = True
                self.check(call)
        self.calls = [call for call in self.calls if not call.checked]

    def check(self, call: Call) -> None:
        expected = call.model.result
        if call.model.cancelled:
            assert call.task.cancelled()
        elif isinstance(expected, Token):
            token = call.task.result()
            assert (token.value, token.generation) == (expected.value, expected.generation)
            self.handed_out.append(token)
            assert token.value not in self.dropped, "the API had refused it"
        else:
            error = call.task.exception()
            assert isinstance(error, TiliaError)
            assert all(error is not other for other in self.failures), "two callers got one exception"
            self.failures.append(error)
            self.check_failure(error, expected)

    def check_failure(self, error: TiliaError, expected: Failure | None) -> None:
        assert expected is not None
        if isinstance(error, TokenError):
            said = "refused" if error.status else "defect"
            assert (said, error.status) == (expected.kind, expected.status)
            assert error.retry_after == pytest.approx(expected.retry_after)
        else:
            assert {ConnectError: "connect", ClientClosedError: "closed"}[type(error)] == expected.kind

    @invariant()
    def a_hit_is_a_token_that_may_be_served(self) -> None:
        for scopes in KEYS:
            token, expected = self.held.find(scopes), self.model.hit(scopes)
            assert (token and (token.value, token.generation)) == (
                expected and (expected.value, expected.generation)
            ), scopes
            assert token is None or (self.model.now < token.unusable_at and token.value not in self.dropped)

    @invariant()
    def nothing_runs_that_nobody_owns(self) -> None:
        waiting = sum(call.model.waits for call in self.calls)
        assert len(asyncio.all_tasks(self.loop)) == waiting + len(self.open)

    def teardown(self) -> None:
        try:
            for which in range(len(self.clients)):
                self.close(which)
            self.each_caller_has_what_is_due()
            assert self.calls == []
            assert self.open == []
            assert asyncio.all_tasks(self.loop) == set()
            count("token cache examples")
            count("token cache steps", self.steps)
        finally:
            for task in asyncio.all_tasks(self.loop):
                task.cancel()
            self.settle()
            self.loop.close()


@pytest.mark.timeout(600)
class TestTokenMachine(TokenMachine.TestCase):
    """The same walks each time, so that a failure is one of the change at hand. To shorten one takes minutes."""

    settings = settings(max_examples=100, stateful_step_count=60, deadline=None, derandomize=True, database=None)


@pytest.mark.nightly
@pytest.mark.timeout(1800)
class TestTokenMachineAtNight(TokenMachine.TestCase):
    """Twenty times as many walks, other ones each night."""

    settings = settings(max_examples=4000, stateful_step_count=60, deadline=None, print_blob=True)
