"""The status of a fleet, for people."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

import attrs

from tilia_async.bulk import BulkOutcome, BulkProgress
from tilia_async.cli.output import Cell
from tilia_async.cli.progress import duration, progress_of
from tilia_async.fleet import Fleet, FleetWorker, JobState, JobStatus
from tilia_async.text import readable

_SECONDS: Final = 1.0
"""Seconds between two looks at a job that is watched."""

_ENDED: Final = frozenset({JobState.FINISHED, JobState.CANCELLED})


async def watch(fleet: Fleet, job_id: str, *, as_json: bool) -> JobStatus:
    """Show a job on standard error until it ends."""
    status = await fleet.status(job_id)
    with progress_of(f"{status.action} {readable(job_id)}", status.total, as_json=as_json) as progress:
        while True:
            progress.total, progress.notes = status.total, _notes(status)
            progress.rests = status.state is not JobState.RUNNING or not status.workers
            progress.update(
                BulkProgress(
                    total=status.settled,
                    counts=status.counts,
                    in_flight=0,
                    limit=0,
                    holding=0.0,
                    elapsed=0.0,
                    rate=status.rate,
                )
            )
            if status.state in _ENDED:
                return status
            await asyncio.sleep(_SECONDS)
            status = await fleet.status(job_id)


def _notes(status: JobStatus) -> Sequence[str]:
    """Say who works, or why nobody does."""
    if status.state is JobState.PLANNED:
        return ["being submitted"]
    if status.state is not JobState.RUNNING:
        return [status.state.value]
    if not status.workers:
        return ["no worker is at it"]
    return ["1 worker" if status.workers == 1 else f"{status.workers:,} workers"]


def is_all_done(status: JobStatus) -> bool:
    """Tell whether every account of a job is done."""
    return status.counts[BulkOutcome.DONE] == status.total


def fields_of(status: JobStatus, *, as_json: bool) -> Mapping[str, Cell]:
    """Return a status as it is shown."""
    if as_json:
        return {**attrs.asdict(status), "settled": status.settled}
    outcomes = [f"{outcome.replace('_', ' ')} {number:,}" for outcome, number in status.counts.items() if number]
    left = status.total - status.settled
    is_running = status.state is JobState.RUNNING
    return {
        "job": status.job_id,
        "state": status.state.value,
        "action": status.action,
        "reason": status.reason,
        "actor": status.actor,
        "settled": f"{status.settled:,} of {status.total:,}",
        "outcomes": outcomes,
        "pace": f"{status.rate:,.0f} a second" if is_running else None,
        "left": f"about {duration(left / status.rate)}" if is_running and left and status.rate else None,
        "workers": status.workers if is_running else None,
        "started": status.started_at,
        "finished": status.finished_at,
    }


def worker_rows(workers: Sequence[FleetWorker]) -> Sequence[Mapping[str, Cell]]:
    """Return a row for each worker."""
    return [
        {
            "worker": worker.name,
            "concurrency": worker.concurrency,
            "since": worker.started_at,
            "works on": [f"{each.job_id} #{each.number}" for each in worker.batches] or "nothing",
        }
        for worker in workers
    ]
