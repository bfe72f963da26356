"""Every write after a sleep that the server did not wait for: the connection in the pool is dead, and nobody knows."""

from __future__ import annotations

import os
import random
import time

import pytest
from support.effects import state_of
from support.quick import QUICK
from support.scenes import SCENES, Stage
from test_matrix import states

import tilia_sync
from tilia_async import Scope, TiliaClient
from tilia_async.api import OPERATIONS
from tilia_async.tokens import TokenCache

WRITES = [name for name in OPERATIONS if not OPERATIONS[name].reads]
KEEP_ALIVE = 0.2
pytestmark = pytest.mark.filterwarnings("ignore:a tilia_sync call blocks")
"""The sandbox is started from a loop on purpose."""
SEED = os.environ["TILIA_OUTCOMES_SEED"]


async def write_after_a_sleep(name: str) -> None:
    """The sandbox runs in a thread of its own, since this one's loop stands still."""
    with tilia_sync.Sandbox(wallet_delay=0, keep_alive=KEEP_ALIVE) as sandbox:
        credentials = sandbox.client_id, sandbox.client_secret, sandbox.environment
        async with TiliaClient(*credentials, scopes=tuple(Scope), token_cache=TokenCache()) as arranging:
            stage = Stage(sandbox._sandbox, arranging)
            await stage.set()
            call = await SCENES[name](stage)
        async with TiliaClient(*credentials, scopes=tuple(Scope), token_cache=TokenCache(), retry=QUICK) as tilia:
            # One that draws nothing, so that the ids are those of the other sandbox.
            await tilia.compliance.tos_status(stage.seller)
            before = len(sandbox.requests)
            time.sleep(2 * KEEP_ALIVE + 0.1)  # noqa: ASYNC251 - the loop is held up on purpose
            await call(tilia)
        assert [request.operation for request in sandbox.requests[before:]] == [name_of_route(name)]
        assert state_of(sandbox._sandbox) == (await states(name))[1]


def name_of_route(name: str) -> str:
    """The name that the sandbox has for it: two operations may have one route."""
    wanted = OPERATIONS[name]
    same = (each for each in OPERATIONS.values() if (each.method, each.path) == (wanted.method, wanted.path))
    return next(each.name for each in same if each.service == wanted.service)


@pytest.mark.asyncio
@pytest.mark.parametrize("name", random.Random(SEED).sample(WRITES, 3))
async def test_a_write_after_a_sleep(name: str) -> None:
    await write_after_a_sleep(name)


@pytest.mark.nightly
@pytest.mark.asyncio
@pytest.mark.parametrize("name", WRITES)
async def test_each_write_after_a_sleep(name: str) -> None:
    await write_after_a_sleep(name)
