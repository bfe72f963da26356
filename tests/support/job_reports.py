"""Reads a job's report and its records."""

from __future__ import annotations

import pickle
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import attrs
import pytest

from support.scripted import (
    ScriptedTilia,
)
from tilia_async import RetryPolicy, TiliaClient, errors
from tilia_async.bulk import BulkItem, BulkReport

Start = Callable[..., Awaitable[tuple[ScriptedTilia, TiliaClient]]]
PATIENT = RetryPolicy(attempts=3, initial=0.001, maximum=0.002)
SMALL_MULTIPLE = 8


class UserError(Exception):
    """The user's own."""


def numbers(report: BulkReport) -> dict[str, int]:
    """Return the outcomes that there were."""
    return {outcome.name: number for outcome, number in report.counts.items() if number}


async def finished(job: Awaitable[BulkReport] | AsyncIterator[BulkItem]) -> object:
    return await job if isinstance(job, Awaitable) else [item async for item in job]


def noting(accounts: list[str], read: list[str]) -> Iterator[str]:
    for each in accounts:
        read.append(each)
        yield each


@attrs.define(eq=False)
class Source:
    """Accounts without end, and how many were taken of them."""

    taken: int = 0
    closed: bool = False

    def plain(self) -> Iterator[str]:
        try:
            while True:
                self.taken += 1
                yield f"acct_{self.taken}"
        finally:
            self.closed = True

    async def asynchronous(self) -> AsyncIterator[str]:
        for each in self.plain():
            yield each


def stopped(
    caught: pytest.ExceptionInfo[errors.BulkStoppedError], job_id: str | None = None
) -> errors.BulkStoppedError:
    """Return the error, after what holds for each of them."""
    error = caught.value
    assert isinstance(error, errors.TiliaError)
    assert error.job_id == error.report.job_id
    assert job_id is None or error.job_id == job_id
    assert sum(error.report.counts.values()) == error.report.total
    assert not error.report.complete, "a job that stopped has something left to do"
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.job_id, again.report.total) == (str(error), error.job_id, error.report.total)
    assert (type(again.cause), str(again.cause)) == (type(error.cause), str(error.cause))
    assert numbers(again.report) == numbers(error.report)
    assert str(error.cause) in str(error) or type(error.cause).__name__ in str(error), "it says why"
    return error
