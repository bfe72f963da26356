"""Connections to PostgreSQL: the server has none left of loops that ended, and Python has nothing to complain about."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from pathlib import Path

import pytest
from sqlalchemy import text
from support.postgres import new_database

from tilia_async.ledger import BlockLedger
from tilia_async.ledger.ledger import journal_of
from tilia_async.ledger.prepared import Transaction, prepare
from tilia_async.ledger.statements import statements

SCRIPT = Path(__file__).parents[1] / "support" / "one_loop_per_event.py"

pytestmark = pytest.mark.asyncio


async def counted(way: str, loop: str = "asyncio") -> list[int]:
    async with new_database() as url:
        done = subprocess.run(  # noqa: ASYNC221 - nothing else runs here
            [
                sys.executable,
                "-X",
                "dev",
                "-W",
                "error",
                "-W",
                "ignore::DeprecationWarning",
                SCRIPT,
                way,
                url,
                f"t{uuid.uuid4().hex}",
            ],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            env={**os.environ, "LOOP": loop},
        )
    assert (done.stderr, done.returncode) == ("", 0)
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    "way",
    [
        "run",
        pytest.param("late", marks=pytest.mark.nightly),
        pytest.param("cancelled", marks=pytest.mark.nightly),
        pytest.param("interrupted", marks=pytest.mark.nightly),
        pytest.param("failed", marks=pytest.mark.nightly),
    ],
)
async def test_the_end_of_a_loop_ends_the_connections_that_were_opened_in_it(way: str) -> None:
    assert await counted(way) == [0, 0, 0]


@pytest.mark.nightly
async def test_a_loop_that_is_closed_without_a_word_leaves_no_connection_behind_the_next_use() -> None:
    *used, closed = await counted("bare")
    assert closed == 0
    assert used[0] == used[1] == used[2]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
async def test_a_forked_child_leaves_the_connections_of_its_parent_alone() -> None:
    assert await counted("fork") == [0, 0, 0]


async def test_a_transaction_of_a_ledger_may_not_stand_idle_for_long() -> None:
    async with new_database() as url, BlockLedger.open(url) as ledger:
        database = (await journal_of(ledger)).database

        def limit(transaction: Transaction) -> object:
            known = statements(transaction.dialect)
            assert known.clock is not None
            transaction.run(known.clock, {})
            shown = prepare(text("SELECT current_setting('idle_in_transaction_session_timeout')"), transaction.dialect)
            return transaction.run(shown, {})[0][0]

        assert await database.transact(limit) == "15s"
