"""Many accounts at once: what ``tilia.bulk`` returns, yields and tells."""

from tilia_async.bulk.outcome import BulkItem, BulkOutcome, BulkProgress, BulkReport
from tilia_async.bulk.service import Bulk
from tilia_async.bulk.stream import BulkStream

__all__ = ["Bulk", "BulkItem", "BulkOutcome", "BulkProgress", "BulkReport", "BulkStream"]
