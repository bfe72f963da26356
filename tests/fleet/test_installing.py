"""After the installation workers need no right to make tables."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator
from urllib.parse import urlsplit, urlunsplit

import pytest
import pytest_asyncio
from support.fleet_worker import LEASE, Scene, is_finished
from support.redis_server import SERVER
from support.scripted import client_of, ids

from tilia_async import TiliaClient, errors
from tilia_async.fleet import JobState, RedisBudget
from tilia_async.ledger import BlockLedger
from tilia_async.tokens import PostgresTokenStore, TokenCache

pytestmark = pytest.mark.asyncio

TABLES = (
    "tilia_block_records",
    "tilia_bulk_batches",
    "tilia_fleet_budgets",
    "procrastinate_jobs",
    "tilia_tokens",
    "tilia_token_claims",
)
GRANTS = """
    GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role};
    GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {role}
"""


@pytest_asyncio.fixture
async def role(fleet: Scene) -> AsyncIterator[str]:
    """A user who may make no tables."""
    name = f"{urlsplit(fleet.url).path[1:]}_worker"
    await fleet.execute(f"CREATE ROLE {name} LOGIN; REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    try:
        yield name
    finally:
        await fleet.execute(f"DROP OWNED BY {name}; DROP ROLE {name}")


def url_of(fleet: Scene, role: str) -> str:
    parts = urlsplit(fleet.url)
    return urlunsplit(parts._replace(netloc=f"{role}@{parts.netloc.rpartition('@')[2]}"))


def sharing_tokens(fleet: Scene, url: str, ledger: BlockLedger) -> TiliaClient:
    return client_of(fleet.template, ledger=ledger, token_cache=TokenCache(PostgresTokenStore(url)))


async def made(fleet: Scene) -> set[object]:
    found = await fleet.rows("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    return {name for (name,) in found}.intersection(TABLES)


@pytest.mark.parametrize("way", ["install", "submit"])
async def test_a_worker_who_may_make_no_tables_works_with_those_of_another(
    fleet: Scene, role: str, caplog: pytest.LogCaptureFixture, way: str
) -> None:
    async with sharing_tokens(fleet, fleet.url, fleet.ledger) as owner:
        if way == "install":
            assert await owner.fleet.install()
            assert not await owner.fleet.install(), "a second time changes nothing"
        else:
            await owner.fleet.submit(ids(20), job_id="first")
    assert await made(fleet) == set(TABLES)
    await fleet.execute(GRANTS.format(role=role))
    caplog.clear()
    url = url_of(fleet, role)
    async with BlockLedger.open(url, lease=LEASE) as ledger, sharing_tokens(fleet, url, ledger) as tilia:
        await tilia.fleet.submit(ids(40)[20:], job_id="wave")
        assert (await tilia.fleet.pause("wave")).state is JobState.PAUSED
        await tilia.fleet.resume("wave")
        await asyncio.wait_for(tilia.fleet.work(until_idle=True), 30)
        assert is_finished(await tilia.fleet.status("wave"))
        assert await tilia.fleet.workers() == ()
    assert Counter(fleet.scripted.arrived) == Counter(ids(40) if way == "submit" else ids(40)[20:])
    assert await fleet.rows("SELECT count(*) FROM tilia_tokens") == [(1,)]
    assert [each.getMessage() for each in caplog.records if each.levelno >= logging.WARNING] == []


async def test_one_who_may_make_no_tables_is_told_so(fleet: Scene, role: str) -> None:
    url = url_of(fleet, role)
    # The ledger and the engine are there, and what workers share is not.
    await fleet.tilia.fleet.with_budget(RedisBudget(SERVER)).install()
    await fleet.execute(GRANTS.format(role=role))
    async with BlockLedger.open(url, lease=LEASE) as ledger, sharing_tokens(fleet, url, ledger) as tilia:
        with pytest.raises(errors.LedgerError, match="lacks a privilege.*makes them once"):
            await tilia.fleet.install()
        with pytest.raises(errors.LedgerError, match=r"tokens.*PostgresTokenStore\.SCHEMA"):
            await tilia.fleet.with_budget(RedisBudget(SERVER)).install()
        assert (await tilia.fleet.submit(ids(10), job_id="wave")).state is JobState.RUNNING
        with pytest.raises(errors.LedgerError, match="lacks a privilege.*makes them once"):
            await tilia.fleet.work(until_idle=True)
    assert await made(fleet) == {"tilia_block_records", "tilia_bulk_batches", "procrastinate_jobs"}


async def test_what_is_not_used_is_not_made(fleet: Scene) -> None:
    await fleet.tilia.fleet.with_budget(RedisBudget(SERVER)).install()
    assert await made(fleet) == {"tilia_block_records", "tilia_bulk_batches", "procrastinate_jobs"}
