"""Jobs over many processes and hosts: ``tilia.fleet``.

It needs the extra ``fleet``.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from tilia_async.fleet.service import Fleet
from tilia_async.fleet.status import FleetWorker, JobStatus, WorkerBatch
from tilia_async.ledger.job_state import JobState

if TYPE_CHECKING:
    from tilia_async.fleet.redis_budget import RedisBudget

__all__ = ["Fleet", "FleetWorker", "JobState", "JobStatus", "RedisBudget", "WorkerBatch"]


def __getattr__(name: str) -> object:
    if name != "RedisBudget":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        # Only who wants it needs the extra.
        return import_module(f"{__name__}.redis_budget").RedisBudget
    except ModuleNotFoundError as error:
        if error.name != "redis":
            raise
        raise ModuleNotFoundError(
            "RedisBudget needs redis, which is not installed: pip install 'tilia-sdk[redis]'", name=error.name
        ) from None
