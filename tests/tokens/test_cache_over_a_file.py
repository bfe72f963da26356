"""A cache over a file of tokens: other clocks, replaced tokens, files that cannot be used."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from support.quick import QUICK

from tilia_async import TiliaClient, errors
from tilia_async.config import Credentials
from tilia_async.sandbox import Fault, Sandbox
from tilia_async.secret import Secret
from tilia_async.tokens import AccessToken, FileTokenStore, Identity, TokenCache

READ = frozenset({"read"})
MINE = Identity.of("https://auth.example/token", Credentials("id", Secret("a secret of at least 16 characters")))


class Anyone:
    closed = False


async def no_fetch(scopes: frozenset[str], generation: int) -> AccessToken:
    raise AssertionError("there is one in the store")


async def one_call(sandbox: Sandbox, path: Path) -> TiliaClient:
    cache = TokenCache(FileTokenStore(path))
    tilia = TiliaClient(sandbox.client_id, sandbox.client_secret, sandbox.environment, token_cache=cache, retry=QUICK)
    await tilia.payment_methods.list("acct_1")
    return tilia


@pytest.mark.parametrize("now", [0.0, 5.0, 1e9])
def test_the_monotonic_clock_of_another_process_does_not_matter(tmp_path: Path, now: float) -> None:
    store = FileTokenStore(tmp_path / "tokens")
    ends = datetime.now(UTC) + timedelta(seconds=80)
    asyncio.run(store.save(MINE, AccessToken("token", READ, 100, time.monotonic() - 20, ends)))
    found = asyncio.run(TokenCache(store, clock=lambda: now)._tokens_of(MINE).acquire(READ, no_fetch, Anyone()))
    assert now + 50 < found.refresh_at < now + 60
    assert now + 70 < found.unusable_at < now + 76


@pytest.mark.asyncio
async def test_after_a_401_a_token_that_another_process_fetched_is_taken(tmp_path: Path, sandbox: Sandbox) -> None:
    first, second = await one_call(sandbox, tmp_path / "tokens"), await one_call(sandbox, tmp_path / "tokens")
    sandbox.revoke_tokens()
    for tilia in (first, second):
        await tilia.payment_methods.list("acct_1")
        await tilia.aclose()
    assert [request.operation for request in sandbox.requests].count("auth.token") == 2


@pytest.mark.asyncio
async def test_a_store_that_cannot_be_used_stops_no_call_but_says_so(
    tmp_path: Path, sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.write_text("")
    tilia = await one_call(sandbox, in_the_way / "tokens")
    await tilia.aclose()
    assert "the token store could not" in caplog.text


@pytest.mark.asyncio
async def test_a_refusal_of_one_operation_keeps_no_other_from_a_new_token(sandbox: Sandbox) -> None:
    async with TiliaClient(
        sandbox.client_id, sandbox.client_secret, sandbox.environment, token_cache=TokenCache(), retry=QUICK
    ) as tilia:
        account = await tilia.accounts.register("nyx", email="nyx@mail.example")
        sandbox.faults.add("accounts.get", Fault.TOKEN_REVOKED, None)
        with pytest.raises(errors.MissingScopeError):
            await tilia.accounts.get(account.account_id)
        sandbox.faults.add("accounts.block", Fault.TOKEN_REVOKED)
        assert (await tilia.accounts.block(account.account_id)).is_blocked
