"""The record of blocks: ``BlockLedger.open("sqlite:///blocks.db")``. It needs the extra ``ledger``."""

from tilia_async.ledger.filters import RecordFilter
from tilia_async.ledger.ledger import BlockLedger
from tilia_async.ledger.record import BlockAction, BlockRecord, RecordSource, RecordState

__all__ = ["BlockAction", "BlockLedger", "BlockRecord", "RecordFilter", "RecordSource", "RecordState"]
