"""The accounts of usernames, looked up beforehand."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Final

from tilia_async.cli.account_file import Entry
from tilia_async.cli.text_lines import Problem, ProblemKind
from tilia_async.client import TiliaClient
from tilia_async.errors import InvalidRequestError, NotFoundError
from tilia_async.text import readable

_AT_ONCE: Final = 1_000
"""Names between two writes to the temporary database."""


def looked_up(
    names: Iterable[Entry], tilia: TiliaClient, concurrency: int, tell: Callable[[str, str], None]
) -> Iterator[Entry | Problem]:
    """Yield the account of each name, in order.

    A name that nobody has is a problem of its line. The client is closed at the end.

    Args:
        tell: is told each name and its account.

    Raises:
        TiliaError: a look-up failed for another reason.
    """
    with asyncio.Runner() as runner:
        try:
            waiting = iter(names)
            while some := list(islice(waiting, _AT_ONCE)):
                found = runner.run(_found(some, tilia, concurrency))
                for name, each in zip(some, found, strict=True):
                    if isinstance(each, Entry):
                        tell(name.value, each.value)
                yield from found
        finally:
            runner.run(tilia.aclose())


async def _found(names: Iterable[Entry], tilia: TiliaClient, concurrency: int) -> list[Entry | Problem]:
    slots = asyncio.Semaphore(concurrency)

    async def find(name: Entry) -> Entry | Problem:
        async with slots:
            try:
                account = await tilia.accounts.find(name.value)
            except NotFoundError:
                what = f"Tilia knows nobody named '{readable(name.value)}'"
            except InvalidRequestError as error:
                what = str(error)
            else:
                return Entry(name.line, account.account_id)
        return Problem(name.line, ProblemKind.UNKNOWN_NAME, what)

    tasks: list[asyncio.Task[Entry | Problem]] = []
    try:
        async with asyncio.TaskGroup() as group:
            tasks += [group.create_task(find(name)) for name in names]
    except ExceptionGroup as failed:
        # Of failures at the same time one is enough: nothing was done yet.
        raise failed.exceptions[0] from None
    return [task.result() for task in tasks]
