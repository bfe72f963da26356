"""Jobs over many processes and hosts: ``tilia.fleet``.

It needs the extra ``fleet``.
"""

from tilia_async.fleet.service import Fleet
from tilia_async.fleet.status import FleetWorker, JobStatus, WorkerBatch
from tilia_async.ledger.job_state import JobState

__all__ = ["Fleet", "FleetWorker", "JobState", "JobStatus", "WorkerBatch"]
