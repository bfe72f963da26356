"""The tables of a ledger, and their migrations.

How a database of an older version becomes one of this.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final, TypeAlias

import attrs
from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Double,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    select,
    text,
)
from sqlalchemy.engine import Connection, Dialect
from sqlalchemy.schema import CreateColumn, CreateIndex, CreateTable, SchemaItem
from sqlalchemy.types import TypeDecorator, TypeEngine

from tilia_async.errors import LedgerError


class Moment(TypeDecorator[datetime]):
    """A moment, in UTC. SQLite keeps no time zones."""

    impl: TypeEngine[Any] | type[TypeEngine[Any]] = DateTime(timezone=True)  # as SQLAlchemy declares it
    cache_ok: bool | None = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return the time in UTC.

        For SQLite the zone is not said.
        """
        if value is None:
            return None
        value = value.astimezone(UTC)
        return value if dialect.name == "postgresql" else value.replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return an aware datetime in UTC."""
        if value is None:
            return None
        return value.astimezone(UTC) if dialect.name == "postgresql" else value.replace(tzinfo=UTC)


METADATA: Final = MetaData()


def _records(metadata: MetaData, *added: SchemaItem) -> Table:
    return Table(
        "tilia_block_records",
        metadata,
        Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
        Column("job_id", String(255)),
        Column("action", String(16), nullable=False),
        Column("account_id", String(255), nullable=False),
        Column("state", String(16), nullable=False),
        Column("source", String(16), nullable=False),
        Column("issuer", String(255), nullable=False),
        Column("reason", Text),
        Column("actor", Text),
        Column("review_at", Moment),
        Column("requested_at", Moment, nullable=False),
        Column("settled_at", Moment),
        Column("error", Text),
        # The run, call or notification that has the record in hand, or had it last.
        Column("run_id", String(64), nullable=False),
        *added,
        # The account comes first, so that this index finds the records of an account, too: each costs a job its share.
        UniqueConstraint("account_id", "job_id", "action", name="tilia_one_record_for_a_job"),
    )


RECORDS: Final = _records(
    METADATA,
    # Of a notification: when Tilia sent it, if it says so; and the blocks that it names, a JSON list.
    Column("sent_at", Moment),
    Column("block_ids", Text),
)

_FIRST_RECORDS: Final = _records(MetaData())
"""The records as the first version had them."""

BY_REVIEW: Final = Index(
    "tilia_records_to_review",
    RECORDS.c.review_at,
    sqlite_where=RECORDS.c.review_at.is_not(None),
    postgresql_where=RECORDS.c.review_at.is_not(None),
)
ONCE_FOR_EVENT: Final = Index(
    "tilia_one_record_for_an_event",
    RECORDS.c.run_id,
    unique=True,
    sqlite_where=text("source = 'webhook'"),
    postgresql_where=text("source = 'webhook'"),
)


def _runs(metadata: MetaData, *added: SchemaItem) -> Table:
    return Table(
        "tilia_bulk_runs",
        metadata,
        Column("run_id", String(64), primary_key=True),
        Column("job_id", String(255), nullable=False),
        # Seconds since 1970, by the database's clock.
        Column("expires_at", Double, nullable=False),
        *added,
    )


RUNS: Final = _runs(
    METADATA,
    # Where it runs, and since when; of a fleet's submitter only the lease is of interest.
    Column("host", String(255)),
    Column("pid", Integer),
    Column("process", String(255)),
    Column("started_at", Double),
)

_FIRST_RUNS: Final = _runs(MetaData())
"""The runs as the first version had them."""

JOBS: Final = Table(
    "tilia_bulk_jobs",
    METADATA,
    Column("job_id", String(255), primary_key=True),
    # Of the environment that its accounts are in: a rehearsal in another must not pass for the job.
    Column("origin", String(1024), nullable=False),
    # As the job was begun; without an action it was begun by a version that did not keep this.
    Column("action", String(16)),
    Column("reason", Text),
    Column("actor", Text),
    Column("review_at", Moment),
    # The job whose blocks this one lifts.
    Column("undoes", String(255)),
    Column("started_at", Moment),
    # Of a job that a fleet shares; without a state, one process does the job.
    Column("state", String(16)),
    Column("total", BigInteger),
    Column("finished_at", Moment),
)
BY_UNDONE: Final = Index(
    "tilia_jobs_by_undone",
    JOBS.c.undoes,
    sqlite_where=JOBS.c.undoes.is_not(None),
    postgresql_where=JOBS.c.undoes.is_not(None),
)

_OF_A_FLEET: Final = frozenset({"state", "total", "finished_at"})
"""Columns of the jobs that came with the fleet."""

_FIRST_JOBS: Final = Table(
    JOBS.name,
    MetaData(),
    Column("job_id", String(255), primary_key=True),
    Column("origin", String(1024), nullable=False),
)
"""The jobs as the first version had them."""

BATCHES: Final = Table(
    "tilia_bulk_batches",
    METADATA,
    Column("job_id", String(255), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    # Its records are those of its job from one id to another; those of others lie between them.
    Column("first_id", BigInteger, nullable=False),
    Column("last_id", BigInteger, nullable=False),
    Column("total", Integer, nullable=False),
    # The run that has it in hand: nobody else may settle its records.
    Column("run_id", String(64)),
    Column("worker", String(255)),
    # Seconds since 1970, by the database's clock.
    Column("taken_at", Double),
    Column("expires_at", Double),
    Column("finished_at", Double),
    # Outcomes that this run has put on record; and how many of its records have which.
    *(
        Column(name, Integer, nullable=False, server_default=text("0"))
        for name in ("answered", "confirmed", "not_found", "refused", "unknown", "failed", "overtaken")
    ),
)

OPEN_BATCHES: Final = Index(
    "tilia_open_batches",
    BATCHES.c.job_id,
    sqlite_where=BATCHES.c.finished_at.is_(None),
    postgresql_where=BATCHES.c.finished_at.is_(None),
)

WORKERS: Final = Table(
    "tilia_fleet_workers",
    METADATA,
    Column("worker", String(255), primary_key=True),
    Column("concurrency", Integer, nullable=False),
    # Seconds since 1970, by the database's clock.
    Column("started_at", Double, nullable=False),
    Column("expires_at", Double, nullable=False),
)

MESSAGES: Final = Table(
    "tilia_fleet_messages",
    METADATA,
    # Of a job that an engine outside of the database delivers: its batches.
    Column("job_id", String(255), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    # Seconds since 1970, by the database's clock; without, it was not handed to the engine yet.
    Column("sent_at", Double),
)

VERSIONS: Final = Table("tilia_ledger_version", METADATA, Column("version", Integer, primary_key=True))


@attrs.frozen
class NewColumn:
    """A column that a table of an earlier version gets."""

    table: str
    column: Column[object]


@attrs.frozen
class Storage:
    """Settings of a table in PostgreSQL; SQLite has none.

    Rows are changed twice, so there is room for their new versions beside them, and what is dead is removed early.
    """

    table: str
    settings: str


Addition: TypeAlias = Table | Index | NewColumn | Storage

MIGRATIONS: Final[tuple[tuple[Addition, ...], ...]] = (
    (_FIRST_RECORDS, _FIRST_RUNS, _FIRST_JOBS),
    (BY_REVIEW, ONCE_FOR_EVENT),
    (
        *(
            NewColumn(JOBS.name, column)
            for column in JOBS.c
            if column.name not in _FIRST_JOBS.c and column.name not in _OF_A_FLEET
        ),
        BY_UNDONE,
        *(NewColumn(RECORDS.name, column) for column in RECORDS.c if column.name not in _FIRST_RECORDS.c),
    ),
    (
        *(NewColumn(JOBS.name, column) for column in JOBS.c if column.name in _OF_A_FLEET),
        BATCHES,
        OPEN_BATCHES,
        WORKERS,
        Storage(RECORDS.name, "fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02"),
        Storage(BATCHES.name, "fillfactor = 50"),
    ),
    (
        MESSAGES,
        *(NewColumn(RUNS.name, column) for column in RUNS.c if column.name not in _FIRST_RUNS.c),
    ),
)
"""Migrations: the additions of each version.

What each version adds to the one before it; the first adds to nothing.
"""

_LOCK: Final = 0x7111A
"""Key of PostgreSQL's advisory lock for migrations.

Processes that open a new database at once migrate it one after the other.
"""


def find_version(connection: Connection) -> int:
    """Return the version of the tables.

    0 if there are none. It waits for nobody who writes.

    Raises:
        LedgerError: the database was made by a newer version of this package.
    """
    if not connection.dialect.has_table(connection, VERSIONS.name):
        return 0
    found = connection.execute(select(VERSIONS.c.version)).scalar() or 0
    if found > len(MIGRATIONS):
        raise LedgerError(
            f"the ledger is of version {found}, and this package knows {len(MIGRATIONS)} at most: update tilia-sdk"
        )
    return found


def is_current(version: int) -> bool:
    """Tell whether tables are of the version of this package."""
    return version == len(MIGRATIONS)


def migrate(connection: Connection) -> None:
    """Bring the database to this package's version.

    It does so in the transaction under way.

    Raises:
        LedgerError: the database was made by a newer version of this package.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    else:
        # The driver begins none by itself before a statement that changes the schema.
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    VERSIONS.create(connection, checkfirst=True)
    # Another process may have done it while this one waited.
    found = find_version(connection)
    for added in MIGRATIONS[found:]:
        for each in added:
            add(connection, each)
    if found != len(MIGRATIONS):
        connection.execute(VERSIONS.delete())
        connection.execute(VERSIONS.insert().values(version=len(MIGRATIONS)))


def add(connection: Connection, item: Addition) -> None:
    """Add a part of a version to a database."""
    if isinstance(item, Storage):
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql(f"ALTER TABLE {item.table} SET ({item.settings})")
    elif isinstance(item, NewColumn):
        column = CreateColumn(item.column).compile(dialect=connection.dialect)
        connection.exec_driver_sql(f"ALTER TABLE {item.table} ADD COLUMN {column}")
    elif isinstance(item, Index):
        connection.execute(CreateIndex(item))
    else:
        connection.execute(CreateTable(item))
