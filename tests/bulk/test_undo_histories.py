"""Undoing, whatever happened before, frees nobody whom something else blocks, and everybody whom only the job blocked."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.blocking import BlockingTilia, notification
from support.hostile import hostile_server
from support.postgres import new_database
from support.scripted import DROPPED, Reply, client_of, failing

from tilia_async import TiliaClient, errors
from tilia_async.bulk import BulkOutcome, BulkReport
from tilia_async.ledger import BlockLedger

ACCOUNTS = ("x", "y", "z")
JOBS = ("A", "B", "C")

some = st.frozensets(st.sampled_from(ACCOUNTS), min_size=1)
one = st.sampled_from(ACCOUNTS)
job = st.sampled_from(JOBS)
steps = st.one_of(
    st.tuples(st.just("job"), job, some, st.frozensets(st.sampled_from(ACCOUNTS), max_size=1)),
    st.tuples(st.just("job"), job, some, st.just(frozenset())),
    st.tuples(st.just("undo"), job),
    st.tuples(st.just("undo"), job),
    st.tuples(st.just("call"), one),
    st.tuples(st.just("lost call"), one, st.booleans()),
    st.tuples(st.just("unblock"), one),
    st.tuples(st.just("unblock list"), some),
    st.tuples(st.just("tilia blocks"), one),
    st.tuples(st.just("tilia clears"), one),
    st.tuples(st.just("echo"), one),
)
histories = st.lists(steps, min_size=2, max_size=14)
runs = itertools.count()


@attrs.define(eq=False)
class World:
    """The truth, and what is on record: for each account what holds it blocked, for certain or perhaps.

    Attributes:
        holders: a job, a number of a call, or Tilia.
        perhaps: those of which nobody knows.
        confirmed: by job, the accounts that it has confirmed.
        lifted: by job, the accounts that were freed by undoing it.
        changed_back: by job, the accounts that it has on record and that were freed since, or for which it was undone.
        by_tilia: whom Tilia blocked.
    """

    tilia: TiliaClient
    ledger: BlockLedger
    served: BlockingTilia
    prefix: str
    holders: dict[str, set[object]] = attrs.field(factory=lambda: {each: set() for each in ACCOUNTS})
    perhaps: set[object] = attrs.field(factory=set)
    records: dict[str, set[str]] = attrs.field(factory=lambda: {each: set() for each in JOBS})
    confirmed: dict[str, set[str]] = attrs.field(factory=lambda: {each: set() for each in JOBS})
    lifted: dict[str, set[str]] = attrs.field(factory=lambda: {each: set() for each in JOBS})
    changed_back: dict[str, set[str]] = attrs.field(factory=lambda: {each: set() for each in JOBS})
    by_tilia: set[str] = attrs.field(factory=set)
    calls: int = 0

    def named(self, account: str) -> str:
        return f"{self.prefix}{account}"

    async def do(self, step: Sequence[object]) -> None:
        action, *arguments = step
        await getattr(self, f"do_{str(action).replace(' ', '_')}")(*arguments)

    async def do_job(self, job_id: str, accounts: frozenset[str], lost: frozenset[str]) -> None:
        async def lose(_action: str, account_id: str) -> Reply | None:
            return DROPPED if account_id in {self.named(each) for each in lost} else None

        self.served.after = lose
        report = await self.tilia.bulk.block(
            [self.named(each) for each in sorted(accounts)], job_id=self.prefix + job_id
        )
        left = accounts - self.confirmed[job_id] - self.changed_back[job_id]
        assert report.counts[BulkOutcome.OVERTAKEN] == len(accounts & self.changed_back[job_id])
        for each in left:
            self.records[job_id].add(each)
            self.holders[each].add(job_id)
            if each not in lost:
                self.confirmed[job_id].add(each)
        assert report.counts[BulkOutcome.UNKNOWN] == len(lost & left)

    def free(self, account: str) -> None:
        self.holders[account].clear()
        for job_id in JOBS:
            if account in self.records[job_id]:
                self.changed_back[job_id].add(account)

    async def do_undo(self, job_id: str) -> None:
        if not self.records[job_id]:
            return
        report = await self.tilia.bulk.undo(self.prefix + job_id)
        kept = set()
        for each in self.records[job_id] - self.lifted[job_id]:
            held = job_id in self.holders[each]
            self.holders[each].discard(job_id)
            if self.holders[each]:
                kept.add(each)
                self.changed_back[job_id].add(each)
            elif held:
                self.lifted[job_id].add(each)
                self.free(each)
        assert {item.account_id for item in kept_of(report)} == {self.named(each) for each in kept}
        assert report.total == len(self.records[job_id])

    async def do_call(self, account: str) -> None:
        await self.tilia.accounts.block(self.named(account))
        self.calls += 1
        self.holders[account].add(self.calls)

    async def do_lost_call(self, account: str, took_effect: bool) -> None:
        async def lose(_action: str, _account_id: str) -> Reply | None:
            return DROPPED

        self.served.before, self.served.after = (nothing, lose) if took_effect else (lose, nothing)
        with pytest.raises(errors.OutcomeUnknownError):
            await self.tilia.accounts.block(self.named(account))
        self.calls += 1
        self.holders[account].add(self.calls)
        self.perhaps.add(self.calls)

    async def do_unblock(self, account: str) -> None:
        try:
            await self.tilia.accounts.unblock(self.named(account))
        except errors.ForbiddenError:
            assert account in self.by_tilia
        else:
            self.free(account)

    async def do_unblock_list(self, accounts: frozenset[str]) -> None:
        items = self.tilia.bulk.stream_unblock([self.named(each) for each in accounts])
        async for item in items:
            account = item.account_id.removeprefix(self.prefix)
            several = len(self.holders[account]) > 1
            assert bool(item.also_blocked_by) is several
            if item.outcome is BulkOutcome.DONE:
                self.free(account)

    async def do_tilia_blocks(self, account: str) -> None:
        self.by_tilia.add(account)
        self.holders[account].add("tilia")
        await self.ledger.apply(notification(self.named(account)))

    async def do_tilia_clears(self, account: str) -> None:
        self.by_tilia.discard(account)
        self.served.blocked.discard(self.named(account))
        self.free(account)
        await self.ledger.apply(notification(self.named(account), blocked=False))

    async def do_echo(self, account: str) -> None:
        """Tilia reports a block of ours, as long as it is surely one."""
        if any(each in JOBS or isinstance(each, int) for each in self.holders[account]):
            await self.ledger.apply(notification(self.named(account), issuer="publisher", block_id="blk_2"))

    async def guard(self, action: str, account_id: str) -> Reply | None:
        is_tilias = account_id.removeprefix(self.prefix) in self.by_tilia
        return failing(403) if is_tilias and action == "unblock" else None

    def check(self) -> None:
        for account, holders in self.holders.items():
            blocked = self.named(account) in self.served.blocked
            if holders - self.perhaps - {"tilia"}:
                assert blocked, f"{account} is free, although {holders} hold it"
            elif not holders:
                assert not blocked, f"{account} is blocked, although nothing holds it"


async def nothing(_action: str, _account_id: str) -> Reply | None:
    return None


def kept_of(report: BulkReport) -> list[object]:
    return [item for item in report.failures if item.outcome is BulkOutcome.KEPT]


async def live(histories: Sequence[Sequence[Sequence[object]]], url: str) -> None:
    async with AsyncExitStack() as stack:
        ledger = await stack.enter_async_context(BlockLedger.open(url))
        for history in histories:
            served = BlockingTilia()
            async with hostile_server(served.serve) as server, client_of(server.template, ledger=ledger) as tilia:
                world = World(tilia, ledger, served, f"{next(runs)}-")
                for step in [*history, *(("undo", each) for each in JOBS)]:
                    served.before, served.after = world.guard, nothing
                    await world.do(step)
                    world.check()
                in_force = {record.account_id: record async for record in ledger.blocked()}
                for account, holders in world.holders.items():
                    if holders - world.perhaps:
                        assert world.named(account) in in_force


@pytest.mark.timeout(180)
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=histories)
def test_undoing_frees_whom_only_the_job_blocked(tmp_path: Path, history: Sequence[Sequence[object]]) -> None:
    asyncio.run(live([history], f"sqlite:///{tmp_path}/blocks.db"))


@pytest.mark.nightly
@pytest.mark.timeout(300)
@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(several=st.lists(histories, min_size=3, max_size=3))
def test_and_over_postgresql(several: Sequence[Sequence[Sequence[object]]]) -> None:
    async def over_postgresql() -> None:
        async with new_database() as url:
            await live(several, url)

    asyncio.run(over_postgresql())
