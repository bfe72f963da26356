"""Every error can say what was sent, what was tried, what was decided and why."""

from __future__ import annotations

import asyncio
import pickle
from datetime import UTC, datetime, timedelta

import pytest
from support.hostile import Connection, hostile_server

from tilia_async import Limits, RequestOptions, RetryPolicy, TiliaClient, errors
from tilia_async.sandbox import Fault, Sandbox
from tilia_async.tokens import TokenCache

QUICK = RetryPolicy(attempts=3, initial=0.001, maximum=0.001)


@pytest.mark.asyncio
async def test_each_attempt_is_observed_with_its_decision(sandbox: Sandbox, tilia: TiliaClient) -> None:
    account = await tilia.accounts.register("nyx", email="nyx@mail.example")
    sandbox.faults.add("accounts.block", Fault.DROP_AFTER_COMMIT)
    sandbox.faults.add("accounts.block", Fault.SERVER_ERROR_HTML)
    sandbox.faults.add("accounts.block", Fault.RATE_LIMITED, retry_after=600)
    before = datetime.now(UTC)
    with pytest.raises(errors.RateLimitedError) as caught:
        await tilia.accounts.block(account.account_id, options=RequestOptions(retry=QUICK))
    error = caught.value
    call = error.call
    assert call is not None
    assert call.operation == "accounts.block"
    assert "POST accounts /v1/{account_id}/user-info/block" in call.request
    assert account.account_id not in call.request
    first, second, third = call.attempts
    assert [attempt.sent for attempt in call.attempts] == [True, True, True]
    assert "the server closed the connection" in first.outcome
    assert first.cause is not None
    assert first.cause.startswith("aiohttp.client_exceptions.ServerDisconnectedError at aiohttp.")
    assert first.decision.startswith("attempt 2 of 3 follows in ")
    assert second.outcome == "500 Internal Server Error"
    assert second.cause is None
    assert "429" in third.outcome
    assert third.decision == "all 3 attempts are used up"
    assert first.token_generation == third.token_generation > 0
    assert 0 <= first.at <= second.at <= third.at <= call.elapsed
    assert before - timedelta(seconds=1) <= call.started_at <= call.sent_at <= call.ended_at <= datetime.now(UTC)
    told = error.explain()
    for part in (str(error), call.request, first.outcome, first.cause, second.decision, third.decision, error.remedy):
        assert part in told
    assert f"identified by: account_id={account.account_id}" in told
    assert "took effect: nobody can know" in told
    again = pickle.loads(pickle.dumps(error))
    assert (again.call, again.explain()) == (call, told)


@pytest.mark.asyncio
async def test_a_body_is_shown_by_the_names_of_its_fields(sandbox: Sandbox, tilia: TiliaClient) -> None:
    sandbox.faults.add("registration.start", Fault.DROP_BEFORE_COMMIT)
    with pytest.raises(errors.OutcomeUnknownError) as caught:
        await tilia.registration.start("nyx@mail.example", "J5Ks+%ML-Tx_/}Eb", "nyx@mail.example")
    assert "with username, password, email; headers Authorization, Content-Type" in caught.value.call.request
    assert "J5Ks" not in caught.value.explain()


@pytest.mark.asyncio
async def test_a_token_that_was_replaced_is_reported(sandbox: Sandbox, tilia: TiliaClient) -> None:
    sandbox.faults.add("accounts.get", Fault.TOKEN_REVOKED, times=None)
    with pytest.raises(errors.MissingScopeError) as caught:
        await tilia.accounts.get("acct_1")
    first, second = caught.value.call.attempts
    assert first.decision == "try once more with a new token"
    assert first.token_generation < second.token_generation
    assert second.decision == "status 401 would come again"


@pytest.mark.asyncio
@pytest.mark.parametrize("attempts", [1, 2, 3])
async def test_the_try_with_a_new_token_is_on_top_of_the_attempts(
    sandbox: Sandbox, tilia: TiliaClient, attempts: int
) -> None:
    once = RequestOptions(retry=RetryPolicy(attempts=attempts, initial=0, maximum=0))
    sandbox.faults.add("payment_methods.list", Fault.TOKEN_REVOKED)
    for _ in range(attempts - 1):
        sandbox.faults.add("payment_methods.list", Fault.SERVER_ERROR_EMPTY)
    assert await tilia.payment_methods.list("acct_1", options=once) == []
    sandbox.faults.add("payment_methods.list", Fault.TOKEN_REVOKED)
    sandbox.faults.add("payment_methods.list", Fault.SERVER_ERROR_EMPTY, times=None)
    with pytest.raises(errors.ServerError) as caught:
        await tilia.payment_methods.list("acct_1", options=once)
    assert caught.value.call.attempts[-1].decision == f"all {attempts} attempts are used up"
    assert len(caught.value.call.attempts) == attempts + 1


@pytest.mark.asyncio
async def test_what_never_got_a_token_made_no_attempt(sandbox: Sandbox, tilia: TiliaClient) -> None:
    sandbox.faults.add("auth.token", Fault.TOKEN_OUTAGE, times=None)
    calls = [tilia.accounts.get("acct_1"), tilia.accounts.find("nyx")]
    failures = await asyncio.gather(*calls, return_exceptions=True)
    told = [failure.call for failure in failures if isinstance(failure, errors.TokenError)]
    assert [call.operation for call in told] == ["accounts.get", "accounts.find"], "each has a record of its own"
    assert [call.attempts for call in told] == [(), ()]
    assert all("it came to no attempt" in failure.explain() for failure in failures)


@pytest.mark.asyncio
async def test_an_attempt_that_the_deadline_ends_is_observed() -> None:
    async def hang(connection: Connection) -> None:
        await connection.tokens()
        await asyncio.Event().wait()

    async with hostile_server(hang) as server:
        settings = {"token_cache": TokenCache(), "limits": Limits(connections=1, per_host=1)}
        async with TiliaClient("id", "secret", server.template, timeout=0.3, **settings) as tilia:
            with pytest.raises(errors.OutcomeUnknownError) as caught:
                await tilia.accounts.block("acct_1")
    (only,) = caught.value.call.attempts
    assert only.sent
    assert only.outcome.startswith("no answer: 0.3 s are over")
    assert only.elapsed <= caught.value.call.elapsed
    assert caught.value.call.timeout == 0.3


@pytest.mark.asyncio
async def test_what_is_refused_here_explains_itself_too(tilia: TiliaClient) -> None:
    with pytest.raises(errors.InvalidRequestError) as caught:
        await tilia.accounts.get("")
    told = caught.value.explain()
    assert caught.value.call is None
    assert "account_id: is empty" in told
    assert "took effect: no" in told
    assert "Nothing was sent" in told
