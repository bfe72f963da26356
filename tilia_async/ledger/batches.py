"""Batches of a fleet's jobs, in a ledger on PostgreSQL.

A batch is a range of the records' primary key. Who has it in hand may settle its records, and nobody else: each write
looks at the batch first, so a worker that was thought dead and wakes up changes nothing any more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final, cast

import attrs
import orjson
from sqlalchemy import text

from tilia_async.ledger.intent import LONGEST_LEASE
from tilia_async.ledger.job_state import JobState
from tilia_async.ledger.prepared import Prepared, Row, Transaction
from tilia_async.ledger.record import OPEN_STATES, BlockAction, RecordState, overtaken_because
from tilia_async.ledger.standing import Standing, standings
from tilia_async.ledger.statements import statements

COUNTED: Final = tuple(
    state.value
    for state in (
        RecordState.CONFIRMED,
        RecordState.NOT_FOUND,
        RecordState.REFUSED,
        RecordState.UNKNOWN,
        RecordState.FAILED,
    )
)
"""Outcomes that a batch counts, by column."""

_LEFT: Final = (RecordState.PLANNED, *OPEN_STATES)
"""States with something left to do for a fleet."""

_NOW: Final = "(extract(epoch from clock_timestamp())::double precision)"


@attrs.frozen
class Taken:
    """A batch that a run has taken.

    Attributes:
        origin: of the environment that its accounts are in.
        left: its records with something left to do, by account.
        doubtful: the accounts that an earlier run may have sent.
    """

    job_id: str
    number: int
    run_id: str
    action: BlockAction
    origin: str
    left: Mapping[str, int]
    doubtful: frozenset[str]


@attrs.frozen
class NotTaken:
    """A batch that cannot be taken now.

    Attributes:
        seconds: until its run is taken for dead; None: nothing of it is left to do, or its job does not run.
    """

    seconds: float | None


@attrs.frozen
class Settled:
    """The outcome of a record of a batch.

    Attributes:
        was_unknown: it counts among the unknown ones until now.
    """

    record_id: int
    state: RecordState
    error: str | None
    was_unknown: bool


_SET: Final = """
        UPDATE tilia_block_records AS r
        SET state = new.state, error = new.error, settled_at = clock_timestamp()
        FROM json_to_recordset(CAST(:rows AS json)) AS new (id bigint, state text, error text)
        WHERE r.id = new.id
"""

_PARTS: Final = {
    "now": _NOW,
    "live": f"b.expires_at BETWEEN {_NOW} AND {_NOW} + {LONGEST_LEASE}",
    "add_counts": ", ".join(f"{name} = {name} + :{name}" for name in COUNTED),
    "set_counts": ", ".join(f"{name} = :{name}" for name in (*COUNTED, "overtaken")),
    "set_records": _SET,
}
"""Parts of statements, by the names that stand for them.

A batch is live while its run renews its lease; one that ends further ahead than any may was given before the clock was
set back.
"""


def _prepared(sql: str) -> Prepared:
    return Prepared(text(sql.format_map(_PARTS)))


_TAKE: Final = _prepared("""
    UPDATE tilia_bulk_batches AS b
    SET run_id = :run, worker = :worker, taken_at = {now}, expires_at = {now} + :lease, answered = 0
    FROM tilia_bulk_jobs AS j
    WHERE b.job_id = :job AND b.number = :number AND j.job_id = b.job_id AND j.state = 'running'
      AND b.finished_at IS NULL AND (b.run_id IS NULL OR NOT {live})
    RETURNING b.first_id, b.last_id, j.action, j.origin
""")

_LOOK: Final = _prepared("""
    SELECT j.state, b.finished_at, greatest(0, b.expires_at - {now})
    FROM tilia_bulk_batches AS b JOIN tilia_bulk_jobs AS j ON j.job_id = b.job_id
    WHERE b.job_id = :job AND b.number = :number
""")

_RECORDS: Final = _prepared("""
    SELECT id, account_id, state FROM tilia_block_records
    WHERE id BETWEEN :first AND :last AND job_id = :job
    ORDER BY id
""")

_INTEND: Final = _prepared("""
    UPDATE tilia_block_records
    SET state = CASE WHEN state IN ('planned', 'failed') THEN 'intended' ELSE 'unknown' END,
        run_id = :run, requested_at = :at, settled_at = NULL
    WHERE id = ANY (ARRAY(SELECT CAST(json_array_elements_text(CAST(:ids AS json)) AS bigint)))
""")

_LEAVE_ALONE: Final = _prepared("{set_records}")

_COUNT: Final = _prepared("""
    UPDATE tilia_bulk_batches AS b
    SET {set_counts}
    WHERE job_id = :job AND number = :number
""")

_SETTLE: Final = _prepared("""
    WITH fence AS (
        UPDATE tilia_bulk_batches AS b
        SET {add_counts},
            answered = answered + :answered, expires_at = {now} + :lease
        WHERE b.job_id = :job AND b.number = :number AND b.run_id = :run
        RETURNING 1
    ),
    settled AS ({set_records} AND EXISTS (SELECT 1 FROM fence))
    SELECT count(*) FROM fence
""")

_RENEW: Final = _prepared("""
    UPDATE tilia_bulk_batches AS b SET expires_at = {now} + :lease
    WHERE b.job_id = :job AND b.number = :number AND b.run_id = :run
    RETURNING b.number
""")

_LOCK_JOB: Final = _prepared("SELECT state FROM tilia_bulk_jobs WHERE job_id = :job FOR SHARE")
"""Read the state of a job, and keep it.

Nobody changes it before the transaction ends.

Who goes on with a paused job sees the batch either in hand or free, and so does the run that puts it back.
"""

_LEAVE: Final = _prepared("""
    UPDATE tilia_bulk_batches AS b
    SET run_id = NULL, expires_at = NULL, finished_at = CASE WHEN CAST(:is_finished AS boolean) THEN {now} END
    WHERE b.job_id = :job AND b.number = :number AND b.run_id = :run
    RETURNING b.first_id, b.last_id
""")

_PLAN_AGAIN: Final = _prepared("""
    UPDATE tilia_block_records SET state = 'planned'
    WHERE id BETWEEN :first AND :last AND job_id = :job AND run_id = :run AND state = 'intended'
""")

_FINISH_JOBS: Final = _prepared("""
    UPDATE tilia_bulk_jobs AS j SET state = 'finished', finished_at = clock_timestamp()
    WHERE j.state IN ('running', 'paused')
      AND NOT EXISTS (SELECT 1 FROM tilia_bulk_batches AS b WHERE b.job_id = j.job_id AND b.finished_at IS NULL)
""")

_STATES: Final = _prepared("""
    SELECT job_id, state FROM tilia_bulk_jobs
    WHERE job_id = ANY (ARRAY(SELECT json_array_elements_text(CAST(:jobs AS json))))
""")

_BEAT: Final = _prepared("""
    INSERT INTO tilia_fleet_workers (worker, concurrency, started_at, expires_at)
    VALUES (:worker, :concurrency, {now}, {now} + :lease)
    ON CONFLICT (worker) DO UPDATE SET expires_at = excluded.expires_at
""")

_FORGET_DEAD: Final = _prepared("""
    DELETE FROM tilia_fleet_workers WHERE expires_at < {now} - 3600 OR worker = :worker
""")

_LEFT_TO_DO: Final = _prepared("""
    SELECT 1 FROM tilia_bulk_jobs AS j JOIN tilia_bulk_batches AS b ON b.job_id = j.job_id
    WHERE j.state = 'running' AND j.origin = :origin AND b.finished_at IS NULL LIMIT 1
""")


def take(
    transaction: Transaction, job_id: str, number: int, *, run_id: str, worker: str, lease: float
) -> Taken | NotTaken:
    """Take a batch, and put its intents on record.

    Those of what is left of it.

    What was changed back since, by a call, another job or Tilia, is left alone.

    Args:
        lease: seconds for which it is in hand unless that is renewed.
    """
    now = _begin(transaction)
    batch: dict[str, object] = {"job": job_id, "number": number}
    rows = transaction.run(_TAKE, {**batch, "run": run_id, "worker": worker, "lease": lease})
    if not rows:
        return _not_taken(transaction.run(_LOOK, batch))
    first, last, action, origin = rows[0]
    records = transaction.run(_RECORDS, {"first": first, "last": last, "job": job_id})
    chosen = BlockAction(str(action))
    states = Counter(str(state) for _, _, state in records)
    left = {str(account): (int(str(key)), str(state)) for key, account, state in records if state in _LEFT}
    since = _changed_back(standings(transaction, sorted(left)), job_id, chosen)
    overtaken = [
        {"id": left[account][0], "state": _without(left[account][1]), "error": words}
        for account, words in since.items()
    ]
    if overtaken:
        transaction.run(_LEAVE_ALONE, {"rows": orjson.dumps(overtaken).decode()})
    mine = {account: each for account, each in left.items() if account not in since}
    ids = [key for key, _ in mine.values()]
    if ids:
        transaction.run(_INTEND, {"ids": orjson.dumps(ids).decode(), "run": run_id, "at": now})
    doubtful = frozenset(account for account, (_, state) in mine.items() if state in _MAYBE_SENT)
    settled = {name: states[name] for name in COUNTED[:3]}
    counts = {**settled, "unknown": len(doubtful), "failed": 0, "overtaken": len(since)}
    transaction.run(_COUNT, {**batch, **counts})
    keys = {account: key for account, (key, _) in mine.items()}
    return Taken(job_id, number, run_id, chosen, str(origin), keys, doubtful)


_MAYBE_SENT: Final = frozenset({RecordState.INTENDED, RecordState.UNKNOWN})


def _without(state: str) -> str:
    """Return the state of an account that is left alone.

    Where it is known that it was not sent, that is said.
    """
    return (RecordState.UNKNOWN if state in _MAYBE_SENT else RecordState.FAILED).value


def _not_taken(rows: Sequence[Row]) -> NotTaken:
    if not rows:
        return NotTaken(None)
    state, finished_at, seconds = rows[0]
    is_left = state == JobState.RUNNING.value and finished_at is None
    return NotTaken(float(str(seconds or 0)) if is_left else None)


def _changed_back(standing: Mapping[str, Standing], job_id: str, action: BlockAction) -> dict[str, str]:
    since = {account: each.opposite_since(job_id, action) for account, each in standing.items()}
    return {
        account: overtaken_because(each.record, perhaps=each.is_doubtful)
        for account, each in since.items()
        if each is not None
    }


def settle(transaction: Transaction, batch: Taken, settled: Sequence[Settled], lease: float) -> bool:
    """Put outcomes on record, and renew the lease.

    False: the batch is another's now, and nothing is written.
    """
    _begin(transaction)
    changes = Counter(each.state.value for each in settled)
    changes["unknown"] -= sum(each.was_unknown for each in settled)
    rows = [{"id": each.record_id, "state": each.state.value, "error": each.error} for each in settled]
    values: dict[str, object] = {name: changes[name] for name in COUNTED}
    values |= {"rows": orjson.dumps(rows).decode(), "answered": len(rows), "lease": lease}
    (found,) = transaction.run(_SETTLE, {**values, **_key(batch)})
    return bool(found[0])


def renew(transaction: Transaction, batch: Taken, lease: float) -> bool:
    """Renew the lease of a batch.

    False: it is another's now.
    """
    return bool(transaction.run(_RENEW, {**_key(batch), "lease": lease}))


def leave(transaction: Transaction, batch: Taken, *, is_finished: bool) -> bool:
    """Put a batch back, or finish it.

    Returns whether it is to be delivered again.

    Of what was not sent that is said on record.
    """
    _begin(transaction)
    states = transaction.run(_LOCK_JOB, {"job": batch.job_id})
    ranges = transaction.run(_LEAVE, {**_key(batch), "is_finished": is_finished})
    if not ranges:
        return False
    if not is_finished:
        first, last = ranges[0]
        transaction.run(_PLAN_AGAIN, {"first": first, "last": last, "job": batch.job_id, "run": batch.run_id})
    return not is_finished and bool(states) and states[0][0] == JobState.RUNNING.value


def finish_jobs(transaction: Transaction) -> None:
    """Finish the jobs whose batches are all finished.

    In a transaction after that of a last batch: two that end together do not see each other.
    """
    _begin(transaction)
    transaction.run(_FINISH_JOBS, {})


def states_of(transaction: Transaction, job_ids: Sequence[str]) -> Mapping[str, JobState]:
    """Return the states of some jobs of a fleet."""
    rows = transaction.run(_STATES, {"jobs": orjson.dumps(job_ids).decode()})
    return {str(job_id): JobState(str(state)) for job_id, state in rows if state is not None}


def beat(transaction: Transaction, worker: str, concurrency: int, lease: float) -> None:
    """Enter a worker, or say that it lives."""
    transaction.run(_BEAT, {"worker": worker, "concurrency": concurrency, "lease": lease})


def forget_worker(transaction: Transaction, worker: str) -> None:
    """Remove a worker that leaves, and those long dead."""
    transaction.run(_FORGET_DEAD, {"worker": worker})


def is_work_left(transaction: Transaction, origin: str) -> bool:
    """Tell whether a running job has an open batch.

    A job of one environment.
    """
    return bool(transaction.run(_LEFT_TO_DO, {"origin": origin}))


def _begin(transaction: Transaction) -> datetime:
    """Make the transaction's settings, and return the time.

    By the database's clock.
    """
    known = statements(transaction.dialect)
    if known.clock is None:
        raise RuntimeError("a fleet's ledger is on PostgreSQL")
    return cast("datetime", transaction.run(known.clock, {})[0][0])


def _key(batch: Taken) -> dict[str, object]:
    return {"job": batch.job_id, "number": batch.number, "run": batch.run_id}
