"""Tokens in PostgreSQL, for processes on many hosts (extras ``postgres`` and ``store``)."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final, LiteralString, TypeAlias, TypeVar
from urllib.parse import parse_qsl, unquote, urlsplit

import attrs
import psycopg
from psycopg.rows import TupleRow

from tilia_async.postgres import TimedConnection, address_of, opened
from tilia_async.secret import Secret, hide
from tilia_async.settings_checks import checked_lease
from tilia_async.text import readable
from tilia_async.tokens.cipher import TokenCipher, checked_key
from tilia_async.tokens.store import LONGEST_LEASE, Claim, LeasedClaim, StoreError, checked_url
from tilia_async.tokens.token import AccessToken, Identity
from tilia_async.wire.redactor import Redactor

T = TypeVar("T")

_SECONDS: Final = 2.0
_SCHEMES: Final = ("postgresql", "postgres", "postgresql+psycopg", "postgresql+asyncpg")
"""A ledger takes them, too, whatever driver they name."""

_LOAD: Final = """
SELECT scopes, sealed, extract(epoch FROM expires_at - clock_timestamp())::float8 FROM tilia_tokens WHERE name = $1
"""
_SAVE: Final = """
WITH new AS (SELECT clock_timestamp() + $4 * interval '1 second' AS expires_at),
timed AS (SELECT expires_at, expires_at - $5 * interval '1 second' AS issued_at FROM new)
INSERT INTO tilia_tokens AS kept (name, scopes, sealed, issued_at, expires_at)
SELECT $1, $2, $3, issued_at, expires_at FROM timed
ON CONFLICT (name, scopes) DO UPDATE
SET sealed = excluded.sealed, issued_at = excluded.issued_at, expires_at = excluded.expires_at
WHERE kept.issued_at <= excluded.issued_at OR kept.issued_at > clock_timestamp()
"""
_DISCARD: Final = "DELETE FROM tilia_tokens WHERE name = $1 AND scopes = $2 AND sealed = $3"
_SWEEP: Final = """
DELETE FROM tilia_tokens WHERE (name, scopes) IN (
    SELECT name, scopes FROM tilia_tokens WHERE expires_at < clock_timestamp() FOR UPDATE SKIP LOCKED
)
"""
_CLAIM: Final = """
INSERT INTO tilia_token_claims AS held (name, holder, expires_at)
VALUES ($1, $2, clock_timestamp() + $3 * interval '1 second')
ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, expires_at = excluded.expires_at
WHERE held.expires_at <= clock_timestamp()
RETURNING true
"""
_RELEASE: Final = "DELETE FROM tilia_token_claims WHERE name = $1 AND holder = $2"
_LOOK: Final = "SELECT FROM tilia_tokens, tilia_token_claims LIMIT 0"
_ONE_AT_A_TIME: Final = "SELECT pg_advisory_xact_lock(hashtext('tilia_tokens'))"


_Transaction: TypeAlias = psycopg.AsyncRawCursor[TupleRow]
"""A cursor in a transaction.

Its parameters are PostgreSQL's own, ``$1``.
"""


class PostgresTokenStore:
    """Token store that the processes of many hosts share.

    The database holds the tokens encrypted, with a key made from the client's secret, or from yours. One process at a
    time asks for a token, the others wait for what it gets. That right is a lease by the database's clock: a process
    that dies holding it costs the others ``lease`` seconds.

    ::

        cache = TokenCache(PostgresTokenStore("postgresql://game@db.example/game"))
        async with TiliaClient(client_id, client_secret, "production", token_cache=cache) as tilia: ...

    A token is needed about once an hour, so each step opens a connection and closes it: there is nothing to close, and
    it works in any event loop, after a fork, and behind a pooler of connections in transaction mode. The two tables are
    made with the first step; a user without that right needs them made by another, by the statements in ``SCHEMA``.

    Args:
        url: ``postgresql://user:password@host/database``; a ledger's URL will do.
        key: a random text of at least 16 characters, instead of the client's secret. Processes with different keys do
            not see each other's tokens, and do each other no harm.
        lease: seconds for which a process may ask on behalf of the others, 60 at most.

    Attributes:
        SCHEMA: the statements that make the tables.

    Raises:
        ConfigurationError: the URL is of another kind, the key too short, or the lease no such number.
    """

    SCHEMA: Final = (
        """
        CREATE TABLE IF NOT EXISTS tilia_tokens (
            name text, scopes text, sealed text NOT NULL,
            issued_at timestamptz NOT NULL, expires_at timestamptz NOT NULL,
            PRIMARY KEY (name, scopes)
        )
        """,
        """
        CREATE TABLE IF NOT EXISTS tilia_token_claims (
            name text PRIMARY KEY, holder text NOT NULL, expires_at timestamptz NOT NULL
        )
        """,
    )

    def __init__(self, url: str | Secret, *, key: str | Secret | None = None, lease: float = 5.0) -> None:
        url, key = hide(url), None if key is None else hide(key)
        self._url = checked_url(url, _SCHEMES, "postgresql://user:password@host/database")
        self._key = checked_key(key)
        self._lease = checked_lease(lease, LONGEST_LEASE)

    def __repr__(self) -> str:
        return "<PostgresTokenStore>"

    async def install(self) -> None:
        """Make the tables, unless they are there.

        Raises:
            ConnectionError: as ``load``.
        """
        await self._run(lambda database: database.execute(_LOOK))

    async def load(self, identity: Identity) -> Sequence[AccessToken]:
        """Return the tokens of an identity.

        Raises:
            ConnectionError: the database does not answer, or says no.
        """
        cipher = TokenCipher(identity, self._key)
        return [token for _, _, token in await self._kept(cipher)]

    async def save(self, identity: Identity, token: AccessToken) -> None:
        """Keep a token, unless a newer one is there.

        One with the same scopes that was issued later, by the database's clock. What has ended is swept out.

        Raises:
            ConnectionError: as ``load``.
        """
        cipher = TokenCipher(identity, self._key)
        left = (token.expires_at - datetime.now(UTC)).total_seconds()

        async def save(database: _Transaction) -> None:
            row = (cipher.name, cipher.name_of(token.scopes), cipher.encrypt([token]))
            await database.execute(_SAVE, (*row, left, float(token.lifetime)))
            await database.execute(_SWEEP)

        await self._run(save)

    async def discard(self, identity: Identity, token: AccessToken) -> None:
        """Forget that token, and no other.

        Raises:
            ConnectionError: as ``load``.
        """
        cipher = TokenCipher(identity, self._key)
        rows = [(scopes, sealed) for scopes, sealed, kept in await self._kept(cipher) if kept.value == token.value]

        async def discard(database: _Transaction) -> None:
            for row in rows:
                await database.execute(_DISCARD, (cipher.name, *row))

        # Most often another process was here first, or has a newer one.
        if rows:
            await self._run(discard)

    async def claim(self, identity: Identity, scopes: frozenset[str]) -> Claim | None:
        """Return the right to ask for these scopes.

        None while somebody else has it.

        Raises:
            ConnectionError: as ``load``.
        """
        name, holder = TokenCipher(identity, self._key).name_of(scopes), uuid.uuid4().hex
        taken = await self._run(lambda database: _rows(database, _CLAIM, name, holder, float(self._lease)))

        async def release() -> None:
            await self._run(lambda database: database.execute(_RELEASE, (name, holder)))

        return LeasedClaim(release) if taken else None

    async def _kept(self, cipher: TokenCipher) -> Sequence[tuple[str, str, AccessToken]]:
        """Return the rows of an identity.

        The name of the scopes, the encrypted token, and the token.
        """
        rows = await self._run(lambda database: _rows(database, _LOAD, cipher.name))
        now = datetime.now(UTC)
        return [
            (scopes, sealed, attrs.evolve(token, expires_at=now + timedelta(seconds=left)))
            for scopes, sealed, left in rows
            for token in cipher.decrypt(sealed)
        ]

    async def _run(self, work: Callable[[_Transaction], Awaitable[T]]) -> T:
        """Return what comes of some statements.

        The tables are made if they are not there.

        Raises:
            ConnectionError: the database does not answer, or says no.
        """
        # Raised after the except clause: its frames hold the password, and would go along as its context.
        try:
            try:
                async with self._transaction() as database:
                    return await work(database)
            except psycopg.errors.UndefinedTable:
                async with self._transaction() as database:
                    # Two that make the same table at once would fail, whatever they say about its existence.
                    await database.execute(_ONE_AT_A_TIME)
                    for statement in self.SCHEMA:
                        await database.execute(statement)
                async with self._transaction() as database:
                    return await work(database)
        except (OSError, TimeoutError, psycopg.Error) as error:
            failure = StoreError(f"PostgreSQL: {_failure_text(error, self._url)}")
        raise failure

    @asynccontextmanager
    async def _transaction(self) -> AsyncGenerator[_Transaction]:
        async with asyncio.timeout(_SECONDS):
            # A pooler keeps the server's connection for a transaction, and with it what is parsed in it.
            connection = await opened(partial(TimedConnection.connect, prepare_threshold=None), _address_of(self._url))
        connection.seconds = _SECONDS
        async with connection:
            yield psycopg.AsyncRawCursor(connection)


async def _rows(database: _Transaction, query: LiteralString, *values: object) -> Sequence[Sequence[Any]]:  # see above
    await database.execute(query, values)
    return await database.fetchall()


def _address_of(url: Secret) -> Secret:
    """Return the address of a database as libpq has it."""
    parts = urlsplit(url.reveal())
    # Not urlsplit's, in small letters: it may be the directory of a Unix socket.
    host = parts.netloc.rpartition("@")[2]
    host = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
    place = {
        "user": unquote(parts.username or ""),
        "password": unquote(parts.password or ""),
        "host": host,
        "port": str(parts.port or ""),
        "dbname": unquote(parts.path.removeprefix("/")),
    }
    return address_of(((name, value) for name, value in place.items() if value), parse_qsl(parts.query))


def _failure_text(error: Exception, url: Secret) -> str:
    """Return the failure in words.

    Without what a driver quotes of the URL.
    """
    kind = type(error).__name__
    if isinstance(error, psycopg.errors.InsufficientPrivilege):
        return f"{readable(str(error))} ({kind}); PostgresTokenStore.SCHEMA has the statements that make its tables"
    if isinstance(error, psycopg.OperationalError) or (isinstance(error, psycopg.Error) and error.sqlstate):
        return f"{readable(Redactor.of(_hidden(url)).text(str(error)))} ({kind})"
    return f"{readable(error.strerror)} ({kind})" if isinstance(error, OSError) and error.strerror else kind


def _hidden(url: Secret) -> Iterator[Secret]:
    """Return what of a URL is not repeated.

    The password, and values of options.
    """
    parts = urlsplit(url.reveal())
    values = [parts.password, unquote(parts.password or ""), *(value for _, value in parse_qsl(parts.query))]
    yield from (Secret(value) for value in values if value)
