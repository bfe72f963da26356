"""The same fleet, without an event loop."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import AsyncExitStack

import pytest
from support.postgres import new_database

import tilia_sync
from tilia_async import errors
from tilia_async.bulk import BulkOutcome
from tilia_async.fleet import JobState


@pytest.fixture
def url() -> Iterator[str]:
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        try:
            yield runner.run(stack.enter_async_context(new_database()))
        finally:
            runner.run(stack.aclose())


def test_a_job_is_submitted_steered_and_done_in_threads(url: str) -> None:
    with (
        tilia_sync.Sandbox(wallet_delay=0) as sandbox,
        tilia_sync.BlockLedger.open(url) as ledger,
        tilia_sync.TiliaClient(sandbox.client_id, sandbox.client_secret, sandbox.environment, ledger=ledger) as tilia,
    ):
        names = [f"user{number}" for number in range(25)]
        ids = [tilia.accounts.register(name, email=f"{name}@mail.example").account_id for name in names]
        reading = list[int]()

        def read() -> Iterator[str]:
            reading.append(threading.get_ident())
            yield from [*ids, "nobody"]

        status = tilia.fleet.submit(read(), reason="fraud", job_id="wave")
        assert (status.state, status.total, reading) == (JobState.RUNNING, 26, [threading.get_ident()])
        assert tilia.fleet.pause("wave").state is JobState.PAUSED
        assert tilia.fleet.resume("wave").state is JobState.RUNNING
        tilia.fleet.work(concurrency=4, until_idle=True)
        assert tilia.fleet.status("wave").counts[BulkOutcome.DONE] == 25
        assert [item.account_id for item in tilia.fleet.failures("wave")] == ["nobody"]
        with pytest.raises(errors.ConfigurationError, match="is finished"):
            tilia.fleet.cancel("wave")

        def broken() -> Iterator[str]:
            yield ids[0]
            raise OSError("the list cannot be read")

        with pytest.raises(OSError, match="cannot be read"):
            tilia.fleet.submit(broken(), job_id="other")
        with pytest.raises(errors.ConfigurationError, match="no job 'other'"):
            tilia.fleet.status("other")

        before = signal.getsignal(signal.SIGTERM)
        terminating = threading.Thread(target=terminate_once_working, args=(tilia,))
        terminating.start()
        tilia.fleet.work(concurrency=4)
        terminating.join()
        assert signal.getsignal(signal.SIGTERM) == before
        assert tilia.fleet.workers() == ()


def terminate_once_working(tilia: tilia_sync.TiliaClient) -> None:
    while not tilia.fleet.workers():
        pass
    os.kill(os.getpid(), signal.SIGTERM)
