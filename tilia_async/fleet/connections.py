"""Connections of a fleet to the ledger's PostgreSQL, by psycopg.

The engine speaks psycopg, and what it delivers is entered in the transaction that plans it.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final, Self

import psycopg
from psycopg.rows import TupleRow
from sqlalchemy.engine import make_url

from tilia_async import errors
from tilia_async.ledger.failures import words
from tilia_async.ledger.postgres_connections import address_of as libpq_address
from tilia_async.postgres import TimedConnection, opened
from tilia_async.secret import Secret

Connection = psycopg.AsyncConnection[TupleRow]

CONNECT_SECONDS: Final = 30
"""Seconds that connecting may take."""

STATEMENT_SECONDS: Final = 30.0
"""Seconds that a statement may take."""

SUBMIT_SECONDS: Final = 300.0
"""Seconds that a statement of a submission may take.

One enters up to 100,000 accounts.
"""


def address_of(url: Secret) -> Secret:
    """Return the address of a database as libpq has it."""
    parsed = make_url(url.reveal())
    return libpq_address(parsed.update_query_dict({"connect_timeout": str(CONNECT_SECONDS), **parsed.query}))


@asynccontextmanager
async def connected(url: Secret, seconds: float = STATEMENT_SECONDS) -> AsyncGenerator[Connection]:
    """Open a connection for one piece of work.

    Args:
        seconds: how long a statement may take.

    Raises:
        LedgerError: the database cannot be reached, or refuses what is asked of it.
    """
    async with told(), await connection_to(url, seconds).connect(autocommit=True) as connection:
        yield connection


def connection_to(url: Secret, seconds: float = STATEMENT_SECONDS) -> type[Connection]:
    """Return the class of connections to one database.

    They know their address, so that no pool has the password, nor the frames of a failure. No statement is prepared:
    behind a pooler in transaction mode it would be another connection's.
    """

    class Connected(TimedConnection):
        @classmethod
        async def connect(cls, conninfo: str = "", **settings: Any) -> Self:  # settings of libpq are of any type
            del conninfo
            settings["prepare_threshold"] = None
            connection = await opened(partial(super().connect, **settings), address_of(url))
            connection.seconds = seconds
            return connection

    return Connected


@asynccontextmanager
async def told() -> AsyncGenerator[None]:
    """Raise the failures of the driver as a LedgerError."""
    try:
        yield
    except (psycopg.Error, TimeoutError) as error:
        why = words(error)
    else:
        return
    # The frames of the driver hold the password, so nothing is chained.
    raise errors.LedgerError(f"the fleet's database cannot be read or written: {why}")
