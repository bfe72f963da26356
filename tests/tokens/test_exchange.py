"""The exchange with the token endpoint, over HTTP."""

import asyncio
from datetime import UTC, datetime

import orjson
import pytest
from support.hostile import Connection, hostile_server
from support.quick import QUICK

from tilia_async import TiliaClient, errors
from tilia_async.sandbox import Fault, Sandbox
from tilia_async.tokens import TokenCache

SECRET = "canary-secret"
TOKEN = "canary-token"


def answering(body: object, status: bytes = b"200 OK") -> object:
    raw = body if isinstance(body, bytes) else orjson.dumps(body)

    async def answer(connection: Connection) -> None:
        while await connection.request() is not None:
            connection.writer.write(b"HTTP/1.1 " + status + b"\r\nContent-Length: %d\r\n\r\n" % len(raw) + raw)

    return answer


GOOD = {"access_token": TOKEN, "token_type": "Bearer", "expires_in": 3600, "scope": "a,b"}


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("answer", "scopes", "lifetime"),
    [
        (GOOD, {"a", "b"}, 3600),
        ({**GOOD, "expires_in": "60"}, {"a", "b"}, 60),
        ({**GOOD, "scope": "a b"}, {"a", "b"}, 3600),
        ({**GOOD, "token_type": "bearer"}, {"a", "b"}, 3600),
        ({"access_token": TOKEN}, {"x"}, 3600),
    ],
)
async def test_a_usable_answer(answer: object, scopes: set[str], lifetime: float) -> None:
    async with hostile_server(answering(answer)) as server:
        async with TiliaClient("id", SECRET, server.template, token_cache=TokenCache()) as tilia:
            token = await tilia.access_token(["x"])
    assert (token.value, token.scopes, token.lifetime) == (TOKEN, scopes, lifetime)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "answer",
    [
        b"", b"[]", b"{", b'"x"', {}, {**GOOD, "access_token": ""}, {**GOOD, "access_token": 7},
        {**GOOD, "access_token": TOKEN + "\r\nX: y"}, {**GOOD, "access_token": TOKEN + "é"},
        {**GOOD, "token_type": "mac"}, {**GOOD, "expires_in": -1}, {**GOOD, "expires_in": "soon"},
        {**GOOD, "expires_in": True}, {**GOOD, "access_token": TOKEN * 10_000},
    ],
)  # fmt: skip
async def test_an_unusable_answer_is_a_token_error_that_shows_no_token(answer: object) -> None:
    async with hostile_server(answering(answer)) as server:
        async with TiliaClient("id", SECRET, server.template, retry=QUICK, token_cache=TokenCache()) as tilia:
            with pytest.raises(errors.TokenError) as caught:
                await tilia.accounts.get("acct_1")
    assert str(caught.value).startswith("accounts.get: ")
    assert TOKEN not in str(caught.value)
    assert SECRET not in str(caught.value)
    assert caught.value.took_effect is False


@pytest.mark.asyncio
async def test_an_outage_is_tried_again(sandbox: Sandbox, tilia: TiliaClient) -> None:
    sandbox.faults.add("auth.token", Fault.TOKEN_OUTAGE, times=2)
    await tilia.access_token(["user_info"])
    assert [request.operation for request in sandbox.requests] == ["auth.token"] * 3


@pytest.mark.asyncio
async def test_the_secret_is_in_the_form_and_nowhere_else(sandbox: Sandbox, tilia: TiliaClient) -> None:
    await tilia.payment_methods.list("acct_1")
    token_request, call = sandbox.requests
    assert sandbox.client_secret.encode() in token_request.body
    assert token_request.query == ""
    assert sandbox.client_secret not in f"{token_request.headers}{call.headers}{call.path}{call.query}{call.body!r}"


@pytest.mark.asyncio
async def test_a_dead_token_endpoint_is_a_connect_error_of_the_operation() -> None:
    async with TiliaClient(
        "id", SECRET, "http://127.0.0.1:1/{service}", retry=QUICK, token_cache=TokenCache()
    ) as tilia:
        with pytest.raises(errors.ConnectError, match=r"accounts\.block: no token") as caught:
            await tilia.accounts.block("acct_1")
    assert caught.value.took_effect is False


@pytest.mark.asyncio
async def test_clients_with_the_same_credentials_share_their_tokens(sandbox: Sandbox) -> None:
    cache = TokenCache()
    for _ in range(3):
        async with TiliaClient(
            sandbox.client_id, sandbox.client_secret, sandbox.environment, token_cache=cache
        ) as tilia:
            await tilia.payment_methods.list("acct_1")
    assert sum(request.operation == "auth.token" for request in sandbox.requests) == 1
    async with TiliaClient(sandbox.client_id, "other", sandbox.environment, token_cache=cache) as tilia:
        with pytest.raises(errors.TokenError):
            await tilia.payment_methods.list("acct_1")


@pytest.mark.asyncio
async def test_an_endpoint_that_echoes_the_form_does_not_get_the_secret_into_an_error() -> None:
    secret = "s p/a+c e"
    echo = {"error": f"client_secret=s+p%2Fa%2Bc+e {secret}", "error_description": f"{secret} " * 10_000}
    async with hostile_server(answering(echo, b"400 Bad Request")) as server:
        async with TiliaClient("id", secret, server.template, retry=QUICK, token_cache=TokenCache()) as tilia:
            with pytest.raises(errors.TokenError) as caught:
                await tilia.accounts.get("acct_1")
    shown = f"{caught.value} {caught.value.error} {caught.value.error_description}"
    assert secret not in shown
    assert "s+p%2Fa%2Bc+e" not in shown
    assert len(str(caught.value)) < 1000


@pytest.mark.asyncio
async def test_the_token_endpoints_retry_after_is_heeded(sandbox: Sandbox, tilia: TiliaClient) -> None:
    sandbox.faults.add("auth.token", Fault.RATE_LIMITED, retry_after=600)
    with pytest.raises(errors.TokenError) as caught:
        await tilia.access_token(["user_info"])
    assert (caught.value.status, caught.value.retry_after) == (429, 600)
    assert len(sandbox.requests) == 1


@pytest.mark.asyncio
async def test_a_wait_that_does_not_fit_into_the_time_is_not_begun(sandbox: Sandbox) -> None:
    """And the endpoint's word reaches the caller, instead of a deadline that says nothing."""
    sandbox.faults.add("auth.token", Fault.RATE_LIMITED, retry_after=30)
    async with TiliaClient(
        sandbox.client_id, sandbox.client_secret, sandbox.environment, timeout=20, token_cache=TokenCache()
    ) as tilia:
        started = asyncio.get_running_loop().time()
        for _ in range(2):
            with pytest.raises(errors.TokenError) as caught:
                await tilia.access_token(["user_info"])
            assert caught.value.status == 429
        assert asyncio.get_running_loop().time() - started < 5
    assert len(sandbox.requests) == 1, "and it is remembered"


@pytest.mark.asyncio
async def test_a_lifetime_that_no_calendar_can_hold_is_a_long_one() -> None:
    async with hostile_server(answering({**GOOD, "expires_in": 1e300})) as server:
        async with TiliaClient("id", SECRET, server.template, token_cache=TokenCache()) as tilia:
            token = await tilia.access_token(["a"])
            assert await tilia.access_token(["a"]) is token
    assert token.issued_on.year == datetime.now(UTC).year
