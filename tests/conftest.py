"""Fixtures that tests of all rooms share."""

import asyncio
import gc
import os
import random
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import hypothesis  # noqa: F401 - loaded before anything is frozen: it looks for what refers to the objects it is given
import pytest_asyncio
from support.postgres import drop_databases
from support.quick import QUICK

from tilia_async import TiliaClient
from tilia_async.sandbox import Sandbox
from tilia_async.tokens import TokenCache
from tilia_async.transport.direct import Direct

if "TILIA_TEST_BY_SESSION" in os.environ:
    Direct.takes = lambda _direct, _request: False

# Chosen once for a run: the processes that share its work have to choose the same tests.
SEED = os.environ.setdefault("TILIA_OUTCOMES_SEED", str(random.randrange(1_000_000)))


# Hundreds of tests start interpreters, which take three times as long where each compiles all that it imports: containers
# often have the first of these variables, and installers that leave that to the first import are many.
if os.environ.pop("PYTHONDONTWRITEBYTECODE", ""):
    os.environ.setdefault("PYTHONPYCACHEPREFIX", str(Path(__file__).parent.parent / ".pytest_cache" / "bytecode"))


# The tests' interpreters run in Python's development mode for its warnings, which has the hooks of its allocators beside
# them: a fifth of what such an interpreter takes, to find faults in extensions that are not ours.
os.environ.setdefault("PYTHONMALLOC", "pymalloc")


# A run in the background of a shell may not be interrupted, nor may what it starts: many tests press Ctrl-C.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_report_header() -> str:
    return f"outcomes: TILIA_OUTCOMES_SEED={SEED}"


def pytest_collection_finish() -> None:
    # Many tests have garbage collected to see what is left. The tests themselves are none, and ten thousand of them are
    # what most of that time goes into.
    gc.collect()
    gc.freeze()


def pytest_sessionfinish() -> None:
    asyncio.run(drop_databases())


@pytest_asyncio.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox(wallet_delay=0) as running:
        yield running


@pytest_asyncio.fixture
async def tilia(sandbox: Sandbox) -> AsyncIterator[TiliaClient]:
    async with TiliaClient(
        sandbox.client_id, sandbox.client_secret, sandbox.environment, retry=QUICK, token_cache=TokenCache()
    ) as client:
        yield client
