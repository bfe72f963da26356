"""Leases of batches where the database is slow, on a clock of the test's own."""

from __future__ import annotations

import asyncio
import types
from collections.abc import Callable

import pytest

from tilia_async.fleet.batch_record import BatchRecord
from tilia_async.ledger.batches import Taken
from tilia_async.ledger.record import BlockAction

pytestmark = pytest.mark.asyncio

LEASE = 1.0


class _EnoughError(Exception):
    """The test has seen enough."""


class World:
    """A database and a clock.

    A transaction waits for others, and then works; each takes its time.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, waits: float, works: float) -> None:
        self.now = 0.0
        self.expires_at = LEASE
        self.lapses = 0
        self.renewals = 0
        self._waits, self._works = waits, works
        module = "tilia_async.fleet.batch_record"
        monkeypatch.setattr(f"{module}.monotonic", lambda: self.now)
        monkeypatch.setattr(f"{module}.asyncio", types.SimpleNamespace(sleep=self.sleep, Lock=asyncio.Lock))
        monkeypatch.setattr(f"{module}.renew", self.renew)
        self.record = BatchRecord(
            self, Taken("wave", 0, "run", BlockAction.BLOCK, "here", {}, frozenset()), LEASE, 8, 0.0
        )  # type: ignore[arg-type] - all that it asks for

    async def sleep(self, seconds: float) -> None:
        await self.pass_by(seconds)

    async def pass_by(self, seconds: float) -> None:
        self.now += seconds
        assert not self.record.is_live(self.now) or self.now < self.expires_at, "it may send what is another's"

    def renew(self, _transaction: object, _batch: Taken, lease: float) -> bool:
        self.lapses += self.now >= self.expires_at
        self.renewals += 1
        if self.renewals == 20:
            raise _EnoughError
        self.expires_at = self.now + lease
        return True

    async def transact(self, work: Callable[[object], object]) -> object:
        await self.pass_by(self._waits)
        done = work(None)
        await self.pass_by(self._works)
        return done


@pytest.mark.parametrize(("waits", "works"), [(0.0, 0.0), (0.1, 0.4), (0.0, 0.7), (0.3, 0.3), (0.0, 0.9), (0.05, 0.85)])
async def test_a_lease_is_kept_while_a_renewal_takes_less(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, waits: float, works: float
) -> None:
    world = World(monkeypatch, waits, works)
    with pytest.raises(_EnoughError):
        await world.record.keep()
    assert world.lapses == 0
    assert "ran out" not in caplog.text


async def test_a_lease_that_ran_out_is_renewed_for_whoever_wants_to_send_and_said(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    world = World(monkeypatch, waits=5.0, works=0.4)
    world.now = 3.0
    await asyncio.gather(world.record.revive(), world.record.revive(), world.record.revive())
    assert world.renewals == 1
    assert world.record.is_live(world.now)
    assert "of the job 'wave', 1 seconds, ran out" in caplog.text
    assert "5.4 seconds" in caplog.text


async def test_what_is_settled_puts_a_renewal_off(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, 0.0, 0.0)
    monkeypatch.setattr("tilia_async.fleet.batch_record.settle", lambda *each: world.renew(*each[:2], each[3]))
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        await world.pass_by(seconds)
        if len(slept) < 5:
            await world.record._write([])
        elif len(slept) == 6:
            raise _EnoughError

    monkeypatch.setattr("tilia_async.fleet.batch_record.asyncio.sleep", sleep)
    with pytest.raises(_EnoughError):
        await world.record.keep()
    # Four times it was settled, and then it was renewed.
    assert world.renewals == 5
    assert slept == pytest.approx([LEASE / 3] * 6)
