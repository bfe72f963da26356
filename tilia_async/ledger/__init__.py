"""The record of blocks: ``BlockLedger.open("sqlite:///blocks.db")``. It needs the extra ``ledger``."""

from tilia_async.ledger.block_job import BlockJob
from tilia_async.ledger.filters import BlockFilter, RecordFilter
from tilia_async.ledger.job_state import JobState
from tilia_async.ledger.ledger import BlockLedger
from tilia_async.ledger.record import BlockAction, BlockRecord, RecordSource, RecordState

__all__ = [
    "BlockAction",
    "BlockFilter",
    "BlockJob",
    "BlockLedger",
    "BlockRecord",
    "JobState",
    "RecordFilter",
    "RecordSource",
    "RecordState",
]
