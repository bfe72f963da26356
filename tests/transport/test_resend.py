"""Nothing below the SDK sends a request again."""

import aiohttp
import pytest
from support.hostile import Connection, hostile_server

from tilia_async import Operation, Repeat, RetryPolicy, Service, TiliaClient, errors
from tilia_async.tokens import TokenCache


async def serve_once_then_drop(connection: Connection) -> None:
    """Answer the first request, read the second and drop the connection: a kept-alive connection that dies in use."""
    if await connection.tokens() is not None:
        await connection.answer()
        await connection.request()


def operation(method: str, repeat: Repeat) -> Operation[object]:
    return Operation("things.change", method, Service.ACCOUNTS, "/v1/thing", dict[str, str], scopes=(), repeat=repeat)


@pytest.mark.asyncio
@pytest.mark.parametrize("method", ["PUT", "DELETE", "POST", "PATCH"])
async def test_a_write_on_a_dropped_connection_arrives_once(method: str) -> None:
    async with hostile_server(serve_once_then_drop) as server:
        change = operation(method, Repeat.NEVER)
        async with TiliaClient("id", "secret", server.template, token_cache=TokenCache()) as tilia:
            await tilia.send(change)
            with pytest.raises(errors.OutcomeUnknownError) as caught:
                await tilia.send(change)
        assert server.requests == [f"{method} /accounts/v1/thing HTTP/1.1"] * 2
        assert caught.value.took_effect is None


@pytest.mark.asyncio
async def test_a_safe_operation_is_repeated_as_often_as_the_policy_says_and_no_more() -> None:
    async def drop_always(connection: Connection) -> None:
        await connection.tokens()

    async with hostile_server(drop_always) as server:
        retry = RetryPolicy(attempts=4, initial=0)
        async with TiliaClient("id", "secret", server.template, retry=retry, token_cache=TokenCache()) as tilia:
            with pytest.raises(errors.OutcomeUnknownError):
                await tilia.send(operation("PUT", Repeat.SAFE))
        assert len(server.requests) == 4


@pytest.mark.asyncio
async def test_the_switch_is_needed() -> None:
    """aiohttp as it comes sends a PUT twice. If this fails, the private switch in sessions.py can go."""
    async with hostile_server(serve_once_then_drop) as server, aiohttp.ClientSession() as session:
        url = f"http://127.0.0.1:{server.port}/x"
        async with session.put(url) as response:
            await response.read()
        async with session.put(url) as response:
            await response.read()
        assert len(server.requests) == 3
