"""A worker of a fleet, in a process of its own."""

from __future__ import annotations

import asyncio
import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection

from tilia_async import TiliaClient
from tilia_async.ledger import BlockLedger

SPAWN = multiprocessing.get_context("spawn")


def work(template: str, ledger_url: str, concurrency: int, orders: Connection) -> None:
    """The process: it works until somebody says something, or nobody is there any more to say it."""

    async def main() -> None:
        enough = asyncio.Event()
        asyncio.get_running_loop().add_reader(orders.fileno(), enough.set)
        async with (
            BlockLedger.open(ledger_url) as ledger,
            TiliaClient("id", "secret", template, ledger=ledger) as tilia,
        ):
            working = asyncio.create_task(tilia.fleet.work(concurrency=concurrency))
            told = asyncio.create_task(enough.wait())
            await asyncio.wait([working, told], return_when=asyncio.FIRST_COMPLETED)
            told.cancel()
            working.cancel()
            await asyncio.wait([working])
            if not working.cancelled():
                working.result()

    asyncio.run(main())


@contextmanager
def workers(number: int, template: str, ledger_url: str, concurrency: int) -> Iterator[None]:
    ours, theirs = SPAWN.Pipe()
    processes = [
        SPAWN.Process(target=work, args=(template, ledger_url, concurrency, theirs), name=f"worker {each}", daemon=True)
        for each in range(number)
    ]
    for process in processes:
        process.start()
    theirs.close()
    try:
        yield
    finally:
        # All of them see the end of the pipe, whatever ends this process.
        ours.close()
        for process in processes:
            process.join(15)
            if process.is_alive():
                process.kill()
                process.join()
