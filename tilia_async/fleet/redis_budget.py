"""The fleet's budget, kept in Redis (extra ``redis``)."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final, Protocol, TypeVar, cast

import attrs
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from tilia_async.errors import ConfigurationError, LedgerError
from tilia_async.fleet.budget import MEMORY_SECONDS, BudgetState, Permits
from tilia_async.secret import Secret, hide
from tilia_async.text import readable
from tilia_async.tokens.store import checked_url

T = TypeVar("T")

_SECONDS: Final = 2.0
_TRIES: Final = 100
"""Tries of a change, while others are faster."""
_COLLIDED_SECONDS: Final = 0.01
_LIVES: Final = int(2 * MEMORY_SECONDS * 1000)
"""Milliseconds without a lease that end a budget."""

_READ: Final = """
local time = redis.call('TIME')
return {string.format('%d.%06d', time[1], time[2]), redis.call('GET', KEYS[1])}
"""
_WRITE: Final = """
local found = redis.call('GET', KEYS[1])
if (found or '') ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1
"""


class _Commands(Protocol):
    """A client of Redis.

    The library's own types are those of its two packages at once.
    """

    def eval(self, script: str, numkeys: int, /, *keys_and_args: str | int) -> Awaitable[object]: ...

    async def aclose(self) -> None: ...


_client: Final = cast("Callable[..., _Commands]", Redis.from_url)  # pyright: ignore[reportUnknownMemberType] - see above


class RedisBudget:
    """Budget that all workers on one Redis share.

    By Redis's clock, and by the same rules as the one in PostgreSQL. It takes the leases off the ledger's database,
    four a second for each worker. Nothing is lost with it: a budget that is gone begins anew at a hundred requests a
    second.

    ::

        fleet = tilia.fleet.with_budget(RedisBudget("redis://redis.example/0"))
        await fleet.work(concurrency=64)

    Args:
        url: ``redis://``, ``rediss://`` (TLS) or ``unix://``, as redis-py reads it.
        prefix: begins its name in Redis, which goes on with the environment's address.

    Raises:
        ConfigurationError: the URL is of another kind.
    """

    def __init__(self, url: str | Secret, *, prefix: str = "tilia:") -> None:
        example = "redis://user:password@host:6379/0"
        self._url = checked_url(hide(url), ("redis", "rediss", "unix"), example, of="fleet's budget")
        self._prefix = prefix

    def __repr__(self) -> str:
        return "<RedisBudget>"

    @asynccontextmanager
    async def opened(self, name: str) -> AsyncGenerator[OpenRedisBudget]:
        """Open the connections of one worker, and close them.

        Args:
            name: what the budget is of, such as the origin of the environment.

        Raises:
            ConfigurationError: Redis does not know an option of the URL.
            LedgerError: it does not answer, or says no.
        """
        # Raised after the except clause: its frames hold the password, and would go along as its context.
        try:
            client = _client(
                self._url.reveal(),
                socket_timeout=_SECONDS,
                socket_connect_timeout=_SECONDS,
                retry=Retry(NoBackoff(), 0),
                decode_responses=True,
            )
        except (TypeError, ValueError) as error:
            failure = ConfigurationError(f"redis-py does not read the URL of the budget ({type(error).__name__})")
        else:
            try:
                budget = OpenRedisBudget(client, f"{self._prefix}budget:{name}")
                await budget.check()
                yield budget
            finally:
                await client.aclose()
            return
        raise failure


class OpenRedisBudget:
    """The budget of one environment, with a worker's connections.

    Each change is read, made by the rules in Python, and written if nobody else wrote meanwhile; else it is made again.
    """

    def __init__(self, client: _Commands, name: str) -> None:
        self._client = client
        self._name = name

    async def check(self) -> None:
        """See that Redis answers.

        Raises:
            LedgerError: it does not, or its key holds something else.
        """
        await self._read()

    async def lease(self, wanted: int) -> Permits:
        """Return permits for this worker alone.

        Raises:
            LedgerError: the budget cannot be reached.
        """
        return await self._change(lambda state, now: state.lease(wanted, now))

    async def report(self, epoch: int, wait: float) -> None:
        """Tell that Tilia asked for less.

        Args:
            epoch: that of the permits under which the refused request was sent.
            wait: seconds for which nobody shall send.

        Raises:
            LedgerError: the budget cannot be reached.
        """
        await self._change(lambda state, now: (state.refused(epoch, wait, now), None))

    async def _change(self, work: Callable[[BudgetState, float], tuple[BudgetState, T]]) -> T:
        for _ in range(_TRIES):
            now, found, before = await self._read()
            after, result = work(before, now)
            if after == before or await self._eval(_WRITE, found, _written(after), _LIVES):
                return result
            # Many that collide must not all come again at the same moment.
            await asyncio.sleep(random.uniform(0, _COLLIDED_SECONDS))  # noqa: S311 - spreads load
        raise LedgerError("the fleet's budget in Redis cannot be written: other workers always write meanwhile")

    async def _read(self) -> tuple[float, str, BudgetState]:
        now, found = cast("tuple[str, str | None]", await self._eval(_READ))
        try:
            return float(now), found or "", BudgetState() if not found else _read(found)
        except (ValueError, TypeError) as error:
            kind = type(error).__name__
        raise LedgerError(f"the fleet's budget in Redis cannot be read: its key holds something else ({kind})")

    async def _eval(self, script: str, *values: str | int) -> object:
        try:
            return await self._client.eval(script, 1, self._name, *values)
        except (OSError, TimeoutError, RedisError) as error:
            kind = type(error).__name__
            why = f"{readable(str(error))} ({kind})" if isinstance(error, RedisError) else kind
        # Its frames hold the password, so nothing is chained.
        raise LedgerError(f"the fleet's budget in Redis cannot be reached: {why}")


def _written(state: BudgetState) -> str:
    return json.dumps(attrs.asdict(state))


def _read(text: str) -> BudgetState:
    found = json.loads(text)
    state = BudgetState(**found)
    if not all(isinstance(value, int | float) or (name, value) == ("ceiling", None) for name, value in found.items()):
        raise TypeError(text)
    return state
