"""The first use of a ledger in this process.

It tells the longest time for which the event loop stood still.

``first_use.py URL`` prints it in seconds, then what the main thread's processor time was meanwhile.
"""

from __future__ import annotations

import asyncio
import sys
import time

from tilia_async.ledger import BlockLedger


async def main(url: str) -> None:
    longest = 0.0
    over = False

    async def watch() -> None:
        nonlocal longest
        before = time.thread_time()
        while not over:
            await asyncio.sleep(0)
            now = time.thread_time()
            longest = max(longest, now - before)
            before = now

    watching = asyncio.create_task(watch())
    await asyncio.sleep(0.05)
    longest = 0.0
    ledger = BlockLedger.open(url)
    await ledger.history("acct_1")
    await ledger.aclose()
    over = True
    await watching
    sys.stdout.write(f"{longest:.3f}\n")


if __name__ == "__main__":
    assert "sqlalchemy" not in sys.modules
    asyncio.run(main(sys.argv[1]))
