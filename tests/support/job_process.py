"""A job in a process that can be killed.

It prints its report as one line of JSON.

Its settings come as JSON in the environment variable ``JOB``, so that they stand in no process list.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys

from tilia_async import RetryPolicy, TiliaClient
from tilia_async.ledger import BlockLedger


async def run(settings: dict[str, object]) -> dict[str, object]:
    async with (
        BlockLedger.open(settings["ledger"], lease=settings["lease"]) as ledger,
        TiliaClient(
            settings["client_id"],
            settings["client_secret"],
            settings["environment"],
            retry=RetryPolicy(attempts=1),
            ledger=ledger,
        ) as tilia,
    ):
        report = await tilia.bulk.block(
            settings["accounts"], reason="ban wave", job_id="wave", concurrency=settings["concurrency"]
        )
    return {"total": report.total, "counts": {str(outcome): number for outcome, number in report.counts.items()}}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(run(json.loads(os.environ["JOB"])))) + "\n")
