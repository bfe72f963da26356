"""Refused tokens and rate limits."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

import pytest
from support.samples import ACCOUNT, CALLS, PHRASE, PROFILE, failure

from tilia_async import RetryPolicy, errors

if TYPE_CHECKING:
    from support.recorder import Recorder

    from tilia_async import TiliaClient

EXPIRED = {"status": "Failure", "message": [], "codes": [], "payload": {"error": "token is expired"}}
UNAUTHORIZED = {"status": "Failure", "message": [], "codes": [], "payload": {"error": "unauthorized"}}
SERVER_ERROR = {
    "error": "server_error",
    "error_description": "The authorization server encountered an unexpected condition that prevented it from "
    "fulfilling the request.",
}
ONCE = ["accounts.register", "registration.start", "registration.complete"]

BLOCKED = {**PROFILE, "is_blocked": True}


@pytest.mark.asyncio
@pytest.mark.parametrize("name", ["accounts.get", "accounts.block", *ONCE])
async def test_unauthorized_twice(api: Recorder, name: str) -> None:
    """A new token and another try, then it is over."""
    api.answer(401, UNAUTHORIZED, times=5)
    async with api.client(attempts=3) as tilia:
        with pytest.raises(errors.UnauthorizedError) as caught:
            await CALLS[name](tilia)
    assert [sent.headers["Authorization"] for sent in api.calls] == ["Bearer token-1", "Bearer token-2"]
    assert len(api.tokens) == 2
    assert (caught.value.status, caught.value.took_effect) == (401, False)
    assert "token-2" not in f"{caught.value} {caught.value!r} {caught.value.args}"


@pytest.mark.asyncio
async def test_missing_scope(api: Recorder) -> None:
    """The error says what the token was granted and what the operation needs."""
    api.granted = "user_info"
    api.answer(401, UNAUTHORIZED, times=5)
    async with api.client(attempts=3) as tilia:
        with pytest.raises(errors.MissingScopeError) as caught:
            await tilia.accounts.get(ACCOUNT)
    assert {str(scope) for scope in caught.value.needed} == {"search_accounts"}
    assert {str(scope) for scope in caught.value.granted} == {"user_info"}
    assert len(api.calls) <= 2


@pytest.mark.asyncio
@pytest.mark.parametrize("page", [True, False])
async def test_a_proxys_401_does_not_pass_for_an_answer_of_tilia(api: Recorder, page: bool) -> None:
    """A bulk job takes a structured 401 for a word about the account."""
    api.answer(401, "<html>log in first</html>" if page else UNAUTHORIZED, times=5)
    async with api.client() as tilia:
        with pytest.raises(errors.UnauthorizedError) as caught:
            await tilia.accounts.block(ACCOUNT)
    assert caught.value.structured is not page


@pytest.mark.asyncio
@pytest.mark.parametrize("name", ["accounts.get", "accounts.block", *ONCE])
async def test_unauthorized_once(api: Recorder, name: str) -> None:
    """A 401 was refused before it ran: even what is never repeated is tried again with a new token."""
    api.answer(401, EXPIRED)
    api.answer(
        201 if name == "registration.start" else 200,
        {
            "status": "Success",
            "payload": {**BLOCKED, "username": "SOME_USERNAME", "email": None, "registration_id": "reg"},
        },
    )
    async with api.client(attempts=3) as tilia:
        await CALLS[name](tilia)
    assert [sent.headers["Authorization"] for sent in api.calls] == ["Bearer token-1", "Bearer token-2"]
    assert api.calls[0].body == api.calls[1].body


@pytest.mark.asyncio
@pytest.mark.parametrize("status", [200, 400, 401, 403, 500])
@pytest.mark.parametrize("name", ["accounts.get", "accounts.block"])
async def test_expired_token(api: Recorder, name: str, status: int) -> None:
    """An expired token says so in the body; under which status is not documented."""
    async with api.client(attempts=3) as tilia:
        api.succeed(BLOCKED)
        await CALLS[name](tilia)
        api.answer(status, EXPIRED)
        api.succeed(BLOCKED)
        assert (await CALLS[name](tilia)).is_blocked is True
        api.succeed(BLOCKED)
        await CALLS[name](tilia)
    used = [sent.headers["Authorization"].removeprefix("Bearer ") for sent in api.calls]
    assert used == ["token-1", "token-1", "token-2", "token-2"]
    assert len(api.tokens) == 2


@pytest.mark.asyncio
@pytest.mark.parametrize("name", ["accounts.get", "registration.start"])
async def test_token_refused(api: Recorder, tilia: TiliaClient, name: str) -> None:
    """The token endpoint answers an unknown client with a 400 that has no envelope."""
    api.refuse_token(400, SERVER_ERROR, times=5)
    with pytest.raises(errors.TokenError) as caught:
        await CALLS[name](tilia)
    error = caught.value
    assert (error.status, error.error, error.error_description) == (400, *SERVER_ERROR.values())
    needed = "search_accounts" if name == "accounts.get" else "write_registrations"
    assert {str(scope) for scope in error.scopes} == {needed}
    assert error.took_effect is False
    assert api.calls == []
    assert PHRASE not in f"{error} {error!r} {error.args}"


@pytest.mark.asyncio
@pytest.mark.parametrize("body", [b"", "<html></html>", SERVER_ERROR], ids=["empty", "html", "json"])
async def test_token_endpoint_down(api: Recorder, tilia: TiliaClient, body: Any) -> None:
    """Without a token nothing is sent."""
    api.refuse_token(500, body, times=9)
    with pytest.raises(errors.TiliaError) as caught:
        await tilia.accounts.block(ACCOUNT)
    assert caught.value.took_effect is False
    assert api.calls == []


@pytest.mark.asyncio
@pytest.mark.parametrize("name", ["accounts.get", "accounts.block"])
async def test_retry_after_is_waited_out(api: Recorder, name: str) -> None:
    """The server says how long to wait, and so long it is."""
    api.answer(429, failure({"error": "slow down"}), {"Retry-After": "1"})
    api.succeed(BLOCKED)
    async with api.client(attempts=3) as tilia:
        begun = time.monotonic()
        await CALLS[name](tilia)
    assert 0.9 <= time.monotonic() - begun < 10
    assert len(api.calls) == 2


@pytest.mark.asyncio
async def test_retry_after_in_seconds(api: Recorder, tilia: TiliaClient) -> None:
    """Seconds are read as seconds."""
    api.answer(429, failure(None), {"Retry-After": "7"})
    with pytest.raises(errors.RateLimitedError) as caught:
        await tilia.accounts.get(ACCOUNT)
    assert (caught.value.retry_after, caught.value.status, caught.value.took_effect) == (7, 429, False)


@pytest.mark.asyncio
async def test_retry_after_as_a_date(api: Recorder, tilia: TiliaClient) -> None:
    """A date is read as the seconds until then."""
    when = format_datetime(datetime.now(UTC) + timedelta(seconds=40), usegmt=True)
    api.answer(429, b"", {"Retry-After": when})
    with pytest.raises(errors.RateLimitedError) as caught:
        await tilia.accounts.get(ACCOUNT)
    assert caught.value.retry_after is not None
    assert 30 <= caught.value.retry_after <= 40


@pytest.mark.asyncio
@pytest.mark.parametrize("header", [{}, {"Retry-After": "soon"}], ids=["absent", "odd"])
async def test_retry_after_unknown(api: Recorder, tilia: TiliaClient, header: dict[str, str]) -> None:
    """A rate limit that says nothing readable is a rate limit all the same."""
    api.answer(429, b"", header)
    with pytest.raises(errors.RateLimitedError) as caught:
        await tilia.accounts.get(ACCOUNT)
    assert caught.value.retry_after is None


@pytest.mark.asyncio
@pytest.mark.parametrize("limit", [60.0, 5.0])
async def test_retry_after_beyond_the_limit(api: Recorder, limit: float) -> None:
    """Too long a wait is not begun."""
    api.answer(429, b"", {"Retry-After": str(int(limit) + 1)}, times=3)
    policy = RetryPolicy(attempts=3, initial=0, maximum=0, retry_after_limit=limit)
    async with api.client(retry=policy, timeout=300.0) as tilia:
        begun = time.monotonic()
        with pytest.raises(errors.RateLimitedError) as caught:
            await tilia.accounts.get(ACCOUNT)
    assert time.monotonic() - begun < 4
    assert (caught.value.retry_after, len(api.calls)) == (limit + 1, 1)


@pytest.mark.asyncio
async def test_refused_scopes_are_remembered(api: Recorder, tilia: TiliaClient) -> None:
    """A refusal is not asked for again at once, and does no harm to other scopes."""
    api.refuse_token(400, SERVER_ERROR)
    for _ in range(2):
        with pytest.raises(errors.TokenError):
            await tilia.accounts.get(ACCOUNT)
    assert len(api.tokens) == 1
    api.succeed({"is_blocked": True})
    await tilia.accounts.block(ACCOUNT)
    assert api.call.headers["Authorization"] == "Bearer token-1"


@pytest.mark.asyncio
@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_credentials_are_not_redirected(api: Recorder, tilia: TiliaClient, status: int) -> None:
    """The token endpoint cannot send the credentials elsewhere."""
    api.refuse_token(status, b"", {"Location": "/elsewhere/token"}, times=9)
    with pytest.raises(errors.TiliaError) as caught:
        await tilia.accounts.get(ACCOUNT)
    assert caught.value.took_effect is False
    assert {sent.path for sent in api.requests} == {"/auth/token"}


@pytest.mark.asyncio
async def test_one_flight_for_all(api: Recorder, tilia: TiliaClient) -> None:
    """However many calls wait for a token, it is asked for once."""
    api.succeed(PROFILE, times=40)
    await asyncio.gather(*(tilia.accounts.get(ACCOUNT) for _ in range(40)))
    assert (len(api.tokens), len(api.calls)) == (1, 40)


@pytest.mark.asyncio
async def test_one_new_token_for_all(api: Recorder, tilia: TiliaClient) -> None:
    """However many calls find the token expired, one new one is asked for."""
    api.succeed(PROFILE)
    await tilia.accounts.get(ACCOUNT)
    api.answer(401, EXPIRED, times=20)
    api.succeed(PROFILE, times=20)
    await asyncio.gather(*(tilia.accounts.get(ACCOUNT) for _ in range(20)))
    assert len(api.tokens) == 2
