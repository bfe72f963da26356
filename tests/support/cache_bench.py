"""A token cache on a clock that a test holds."""

import asyncio
from datetime import UTC, datetime

import attrs
import pytest

from tilia_async.config import Credentials
from tilia_async.errors import TiliaError
from tilia_async.secret import Secret
from tilia_async.tokens import AccessToken, Identity, TokenCache

READ, WRITE, BOTH = frozenset({"read"}), frozenset({"write"}), frozenset({"read", "write"})


@attrs.define(eq=False)
class Owner:
    closed: bool = False


NOBODY = Owner()


@attrs.define
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@attrs.define
class Endpoint:
    """Counts the exchanges, and lets them through on demand."""

    clock: Clock
    lifetime: float = 100.0
    failure: TiliaError | None = None
    granted: frozenset[str] | None = None
    same: str | None = None
    asked: list[frozenset[str]] = attrs.field(factory=list)
    gate: asyncio.Event = attrs.field(factory=asyncio.Event)

    async def __call__(self, scopes: frozenset[str], generation: int) -> AccessToken:
        self.asked.append(scopes)
        await self.gate.wait()
        if self.failure is not None:
            raise self.failure
        granted = scopes if self.granted is None else self.granted
        value = self.same or f"token-{len(self.asked)}"
        return AccessToken(value, granted, self.lifetime, self.clock.now, datetime.now(UTC), generation)


class Bench:
    """A cache, a clock and an endpoint."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.cache = TokenCache(clock=self.clock)
        self.identity = Identity.of("https://auth.example/token", Credentials("id", Secret("secret")))
        self.held = self.cache._tokens_of(self.identity)
        self.endpoint = Endpoint(self.clock)
        self.endpoint.gate.set()

    async def acquire(self, scopes: frozenset[str], owner: Owner = NOBODY) -> AccessToken:
        return await self.held.acquire(scopes, self.endpoint, owner)

    async def settle(self) -> None:
        """Let what flies land."""
        for _ in range(10):
            await asyncio.sleep(0)


@pytest.fixture
def bench() -> Bench:
    return Bench()
