"""The sandbox's memory of a request: when it came, what it met, what was answered."""

import asyncio
import contextlib
from datetime import UTC, datetime

import aiohttp
import pytest
from support.plain import Http

from tilia_async import TiliaClient, errors
from tilia_async.sandbox import Fault, RecordedRequest, Sandbox


def last(sandbox: Sandbox, operation: str) -> RecordedRequest:
    return [request for request in sandbox.requests if request.operation == operation][-1]


@pytest.mark.asyncio
async def test_a_request_is_remembered_with_its_answer(sandbox: Sandbox, tilia: TiliaClient) -> None:
    sandbox.clock.advance(86_400)
    account_id = sandbox.add_account("nyx")
    await tilia.accounts.block(account_id)
    request = last(sandbox, "accounts.block")
    assert (request.status, request.fault, request.lies, request.dropped) == (200, None, (), False)
    assert request.template == "/accounts/v1/{account_id}/user-info/block"
    assert b"is_blocked" in request.answer
    assert request.elapsed >= 0
    assert (request.time - datetime.now(UTC)).total_seconds() > 80_000
    assert [each.number for each in sandbox.requests] == [1, 2]
    assert "status=200" in repr(request)


@pytest.mark.asyncio
async def test_a_refusal_is_remembered_as_what_it_is(sandbox: Sandbox, tilia: TiliaClient, http: Http) -> None:
    with pytest.raises(errors.NotFoundError):
        await tilia.accounts.get("nobody")
    assert last(sandbox, "accounts.get").status == 404
    async with http.session.get(http.url("nothing/here")) as answer:
        assert answer.status == 404
    request = sandbox.requests[-1]
    assert (request.operation, request.template, request.status) == (None, None, 404)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("fault", "status"),
    [(Fault.RATE_LIMITED, 429), (Fault.BAD_GATEWAY, 502), (Fault.TRUNCATED_JSON, 200), (Fault.TOKEN_REVOKED, 401),
     (Fault.CONTRADICTION_BEFORE_COMMIT, 200)],
)  # fmt: skip
async def test_the_fault_that_it_met_is_remembered(sandbox: Sandbox, http: Http, fault: Fault, status: int) -> None:
    account_id = sandbox.add_account("nyx")
    sandbox.faults.add("accounts.block", fault, retry_after=0)
    with contextlib.suppress(ValueError, aiohttp.ClientError):
        await http.call("POST", f"accounts/v1/{account_id}/user-info/block")
    request = last(sandbox, "accounts.block")
    assert (request.fault, request.status, request.dropped) == (fault, status, False)


@pytest.mark.asyncio
async def test_lies_are_remembered_beside_a_fault(sandbox: Sandbox, http: Http) -> None:
    account_id = sandbox.add_account("nyx")
    sandbox.faults.add("accounts.get", Fault.WRONG_DATE, seconds=60)
    sandbox.faults.add("accounts.get", Fault.OTHER_ID)
    sandbox.faults.add("accounts.get", Fault.LATENCY, seconds=0)
    await http.call("GET", f"accounts/v1/{account_id}/user-info")
    request = last(sandbox, "accounts.get")
    assert request.fault is Fault.LATENCY
    assert request.lies == (Fault.WRONG_DATE, Fault.OTHER_ID)


@pytest.mark.asyncio
@pytest.mark.parametrize("fault", [Fault.DROP_BEFORE_COMMIT, Fault.DROP_AFTER_COMMIT])
async def test_a_dropped_connection_has_no_status(sandbox: Sandbox, http: Http, fault: Fault) -> None:
    account_id = sandbox.add_account("nyx")
    sandbox.faults.add("accounts.block", fault)
    with pytest.raises(aiohttp.ClientError):
        await http.call("POST", f"accounts/v1/{account_id}/user-info/block")
    request = last(sandbox, "accounts.block")
    assert (request.fault, request.status, request.answer, request.dropped) == (fault, None, None, True)


@pytest.mark.asyncio
async def test_a_client_that_went_away_dropped_the_connection(sandbox: Sandbox, http: Http) -> None:
    """Also in the middle of an answer that is slow."""
    account_id = sandbox.add_account("nyx")
    for fault in (Fault.HANG_AFTER_COMMIT, Fault.SLOW_BODY):
        sandbox.faults.add("accounts.block", fault, seconds=20)
        call = asyncio.create_task(http.call("POST", f"accounts/v1/{account_id}/user-info/block"))
        with sandbox._feed.watch() as news:
            while sandbox.faults.pending:  # noqa: ASYNC110 - a fault tells nobody that it is met
                await asyncio.sleep(0)
            request = last(sandbox, "accounts.block")
            assert (request.status, request.elapsed) == (None, None)
            call.cancel()
            while request.elapsed is None:
                await news.wait()
                news.clear()
        assert (request.fault, request.status, request.answer, request.dropped) == (fault, None, None, True)


@pytest.mark.asyncio
async def test_answers_count_among_the_remembered_bytes(
    sandbox: Sandbox, http: Http, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tilia_async.sandbox import request_log

    monkeypatch.setattr(request_log, "MOST_BYTES", 1_000_000)
    sandbox.faults.add("accounts.get", Fault.OTHER_BODY_BEFORE_COMMIT, None, body='"' + "x" * 100_000 + '"')
    for _ in range(30):
        await http.call("GET", "accounts/v1/nobody/user-info")
    assert sum(len(request.answer) for request in sandbox.requests) <= 1_000_000
    assert len(sandbox.requests) >= 4
