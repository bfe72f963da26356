"""Tokens in Redis, for processes on many hosts (extra ``redis``)."""

from __future__ import annotations

import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol, TypeVar, cast

import attrs
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from tilia_async.secret import Secret, hide
from tilia_async.settings_checks import checked_lease
from tilia_async.text import readable
from tilia_async.tokens.cipher import TokenCipher, checked_key
from tilia_async.tokens.store import LONGEST_LEASE, Claim, LeasedClaim, StoreError, checked_url
from tilia_async.tokens.token import AccessToken, Identity

T = TypeVar("T")

_SECONDS: Final = 2.0

_NOW: Final = "local time = redis.call('TIME'); local now = time[1] * 1000 + math.floor(time[2] / 1000); "
"""Beginning of a script: milliseconds by Redis's clock."""
_LOAD: Final = f"{_NOW} return {{string.format('%d', now), unpack(redis.call('HGETALL', KEYS[1]))}}"
_SAVE: Final = f"""
{_NOW}
local left = tonumber(ARGV[2])
local issued = now + left - tonumber(ARGV[3])
local rows = redis.call('HGETALL', KEYS[1])
for at = 1, #rows, 2 do
    local ends, since = string.match(rows[at + 1], '^(%-?%d+) (%-?%d+) ')
    if rows[at] == ARGV[1] and since and tonumber(since) > issued and tonumber(since) <= now then return 0 end
    if not ends or tonumber(ends) < now then redis.call('HDEL', KEYS[1], rows[at]) end
end
redis.call('HSET', KEYS[1], ARGV[1], string.format('%d %d ', now + left, issued) .. ARGV[4])
if redis.call('PTTL', KEYS[1]) < left then redis.call('PEXPIRE', KEYS[1], math.max(left, 1)) end
return 1
"""
_DISCARD: Final = (
    "if redis.call('HGET', KEYS[1], ARGV[1]) == ARGV[2] then return redis.call('HDEL', KEYS[1], ARGV[1]) end return 0"
)
_RELEASE: Final = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"


class _Commands(Protocol):
    """A connection to Redis.

    The library's own types are those of its two packages at once.
    """

    def eval(self, script: str, numkeys: int, /, *keys_and_args: str | int) -> Awaitable[object]: ...

    def set(self, name: str, value: str, /, *, px: int, nx: bool) -> Awaitable[object]: ...

    async def aclose(self) -> None: ...


_client: Final = cast("Callable[..., _Commands]", Redis.from_url)  # pyright: ignore[reportUnknownMemberType] - see above


class RedisTokenStore:
    """Token store that the processes of many hosts share.

    Redis holds the tokens encrypted, with a key made from the client's secret, or from yours, until they end. One
    process at a time asks for a token, the others wait for what it gets. That right is a lease by Redis's clock: a
    process that dies holding it costs the others ``lease`` seconds.

    ::

        cache = TokenCache(RedisTokenStore("redis://redis.example/0"))
        async with TiliaClient(client_id, client_secret, "production", token_cache=cache) as tilia: ...

    A token is needed about once an hour, so each step opens a connection and closes it: there is nothing to close, and
    it works in any event loop and after a fork.

    Args:
        url: ``redis://``, ``rediss://`` (TLS) or ``unix://``, as redis-py reads it.
        key: a random text of at least 16 characters, instead of the client's secret. Processes with different keys do
            not see each other's tokens, and do each other no harm.
        lease: seconds for which a process may ask on behalf of the others, 60 at most.
        prefix: begins each of its names in Redis.

    Raises:
        ConfigurationError: the URL is of another kind, the key too short, or the lease no such number.
    """

    def __init__(
        self, url: str | Secret, *, key: str | Secret | None = None, lease: float = 5.0, prefix: str = "tilia:"
    ) -> None:
        url, key = hide(url), None if key is None else hide(key)
        self._url = checked_url(url, ("redis", "rediss", "unix"), "redis://user:password@host:6379/0")
        self._key = checked_key(key)
        self._lease = checked_lease(lease, LONGEST_LEASE)
        self._prefix = prefix

    def __repr__(self) -> str:
        return "<RedisTokenStore>"

    async def load(self, identity: Identity) -> Sequence[AccessToken]:
        """Return the tokens of an identity.

        Raises:
            ConnectionError: Redis does not answer, or says no.
        """
        cipher = TokenCipher(identity, self._key)
        return [token for _, tokens in (await self._kept(cipher)).values() for token in tokens]

    async def save(self, identity: Identity, token: AccessToken) -> None:
        """Keep a token, unless a newer one is there.

        One with the same scopes that was issued later, by Redis's clock. What has ended goes.

        Raises:
            ConnectionError: as ``load``.
        """
        cipher = TokenCipher(identity, self._key)
        left = token.expires_at - datetime.now(UTC)
        row = (cipher.name_of(token.scopes), _milliseconds(left.total_seconds()), _milliseconds(token.lifetime))
        sealed = cipher.encrypt([token])
        await self._run(lambda redis: redis.eval(_SAVE, 1, self._tokens(cipher), *row, sealed))

    async def discard(self, identity: Identity, token: AccessToken) -> None:
        """Forget that token, and no other.

        Raises:
            ConnectionError: as ``load``.
        """
        cipher = TokenCipher(identity, self._key)
        kept = await self._kept(cipher)
        rows = [
            (scopes, row) for scopes, (row, tokens) in kept.items() if token.value in {each.value for each in tokens}
        ]

        async def discard(redis: _Commands) -> None:
            for row in rows:
                await redis.eval(_DISCARD, 1, self._tokens(cipher), *row)

        # Most often another process was here first, or has a newer one.
        if rows:
            await self._run(discard)

    async def claim(self, identity: Identity, scopes: frozenset[str]) -> Claim | None:
        """Return the right to ask for these scopes.

        None while somebody else has it.

        Raises:
            ConnectionError: as ``load``.
        """
        name = f"{self._prefix}claim:{TokenCipher(identity, self._key).name_of(scopes)}"
        holder = uuid.uuid4().hex
        taken = await self._run(lambda redis: redis.set(name, holder, px=_milliseconds(self._lease), nx=True))
        return LeasedClaim(lambda: self._run(lambda redis: redis.eval(_RELEASE, 1, name, holder))) if taken else None

    def _tokens(self, cipher: TokenCipher) -> str:
        return f"{self._prefix}tokens:{cipher.name}"

    async def _kept(self, cipher: TokenCipher) -> Mapping[str, tuple[str, Sequence[AccessToken]]]:
        """Return the rows of an identity by scopes' names.

        Each as it stands there, with the tokens in it.

        Raises:
            ConnectionError: as ``load``; or the key holds what nobody here put there.
        """
        answer = await self._run(lambda redis: redis.eval(_LOAD, 1, self._tokens(cipher)))
        here = datetime.now(UTC)
        try:
            # Texts, if the URL says decode_responses.
            answers = cast("list[bytes | str]", answer)
            at, *rows = (each if isinstance(each, str) else each.decode() for each in answers)
            found: dict[str, tuple[str, Sequence[AccessToken]]] = {}
            for name, row in zip(rows[::2], rows[1::2], strict=True):
                ends, _, sealed = row.split(" ")
                expires_at = here + timedelta(milliseconds=int(ends) - int(at))
                found[name] = row, [attrs.evolve(token, expires_at=expires_at) for token in cipher.decrypt(sealed)]
        except (ValueError, AttributeError, TypeError, OverflowError) as error:
            unreadable = StoreError(f"Redis: its key holds something else ({type(error).__name__})")
        else:
            return found
        raise unreadable

    async def _run(self, work: Callable[[_Commands], Awaitable[T]]) -> T:
        """Return what comes of a command.

        Raises:
            ConnectionError: Redis does not answer, or says no.
        """
        # Raised after the except clause: its frames hold the password, and would go along as its context.
        try:
            async with self._connection() as connection:
                return await work(connection)
        # A TypeError: redis-py does not know an option of the URL.
        except (OSError, TimeoutError, RedisError, TypeError, ValueError) as error:
            failure = StoreError(f"Redis: {_failure_text(error)}")
        raise failure

    @asynccontextmanager
    async def _connection(self) -> AsyncGenerator[_Commands]:
        client = _client(
            self._url.reveal(),
            socket_timeout=_SECONDS,
            socket_connect_timeout=_SECONDS,
            # Its own repetitions would outlast the time that a call has for the store.
            retry=Retry(NoBackoff(), 0),
        )
        try:
            yield client
        finally:
            await client.aclose()


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)


def _failure_text(error: Exception) -> str:
    """Return the failure in words.

    Without what the library quotes of the URL.
    """
    kind = type(error).__name__
    if isinstance(error, TypeError):
        return f"redis-py may not know an option of its URL ({kind})"
    return f"{readable(str(error))} ({kind})" if isinstance(error, RedisError) else kind
