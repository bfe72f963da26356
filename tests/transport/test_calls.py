"""A call on sessions, loops and servers that are not as they should be."""

import asyncio
import socket

import aiohttp
import pytest
from support.hostile import Connection, HostileServer, hostile_server
from support.quick import QUICK
from support.things import READ, WRITE, client, hanging

from tilia_async import Limits, Operation, RequestOptions, RetryPolicy, TiliaClient, errors
from tilia_async.sandbox import Fault, Sandbox
from tilia_async.tokens import TokenCache

__all__ = ["hanging"]


def closed_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


@pytest.mark.asyncio
@pytest.mark.parametrize("operation", [READ, WRITE])
async def test_a_refused_connection_means_that_nothing_was_sent(operation: Operation[object]) -> None:
    template = f"http://127.0.0.1:{closed_port()}/{{service}}"
    async with TiliaClient("id", "secret", template, retry=QUICK, token_cache=TokenCache()) as tilia:
        with pytest.raises(errors.ConnectError) as caught:
            await tilia.send(operation)
    assert caught.value.took_effect is False
    assert str(caught.value).startswith(f"{operation.name}: ")


@pytest.mark.asyncio
async def test_a_failing_tls_handshake_means_that_nothing_was_sent(sandbox: Sandbox) -> None:
    template = f"https://127.0.0.1:{sandbox.port}/{{service}}"
    async with TiliaClient("id", "secret", template, retry=QUICK, token_cache=TokenCache()) as tilia:
        with pytest.raises(errors.ConnectError, match="TLS"):
            await tilia.send(WRITE)


@pytest.mark.asyncio
@pytest.mark.parametrize("attempts", [1, 3])
async def test_a_never_operation_is_tried_again_while_nothing_was_sent(attempts: int) -> None:
    template = f"http://127.0.0.1:{closed_port()}/{{service}}"
    cache = TokenCache()
    started = asyncio.get_running_loop().time()
    retry = RetryPolicy(attempts=attempts, initial=0)
    async with TiliaClient("id", "secret", template, retry=retry, token_cache=cache) as tilia:
        with pytest.raises(errors.ConnectError):
            await tilia.send(WRITE)
    assert asyncio.get_running_loop().time() - started < 2


HOSTILE = {
    "no http": b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
    "header bomb": b"HTTP/1.1 200 OK\r\n" + b"X-A: " + b"a" * 70_000 + b"\r\n\r\n",
    "cut off in the head": b"HTTP/1.1 200 OK\r\nContent-Le",
    "cut off in the body": b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"status":',
    "bad chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n",
    "bad gzip": b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nabcde",
    "empty": b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    "too large": b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + b"x" * 5000,
    "endless chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"400\r\n" + b"x" * 1024 + b"\r\n" + b"400\r\n" + b"x" * 1024 + b"\r\n",
    "utf-16": b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n\xff\xfe{\x00}\x00",
    "deep": b"HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n" + b"[" * 1000 + b"]" * 1000,
}  # fmt: skip


@pytest.mark.asyncio
@pytest.mark.parametrize("raw", HOSTILE.values(), ids=HOSTILE)
async def test_a_hostile_answer_to_a_write_is_an_error_of_ours_that_admits_the_doubt(raw: bytes) -> None:
    async def send_raw(connection: Connection) -> None:
        if await connection.tokens() is not None:
            connection.writer.write(raw)
            await connection.writer.drain()

    async with hostile_server(send_raw) as server:
        async with client(server, limits=Limits(response_bytes=2048), timeout=5) as tilia:
            with pytest.raises((errors.OutcomeUnknownError, errors.ResponseDecodeError)) as caught:
                await tilia.send(WRITE)
        assert caught.value.took_effect is None
        assert len(server.requests) == 1


@pytest.mark.asyncio
async def test_redirects_are_not_followed() -> None:
    async def redirect(connection: Connection) -> None:
        while await connection.tokens() is not None:
            connection.writer.write(b"HTTP/1.1 307 Go\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n")

    async with hostile_server(redirect) as server, client(server) as tilia:
        for _ in range(2):
            with pytest.raises(errors.ApiError) as caught:
                await tilia.send(WRITE)
            assert (caught.value.status, caught.value.took_effect) == (307, None)
        assert server.requests == ["POST /accounts/v1/thing HTTP/1.1"] * 2


@pytest.mark.asyncio
async def test_a_session_of_the_users_is_used_through_its_connector_and_left_as_it_was(sandbox: Sandbox) -> None:
    async with aiohttp.ClientSession() as session:
        async with TiliaClient(
            sandbox.client_id, sandbox.client_secret, sandbox.environment, session=session, token_cache=TokenCache()
        ) as tilia:
            session.cookie_jar.update_cookies({"a": "b"})
            await tilia.payment_methods.list("acct_1")
            assert len(session.connector._conns) > 0
        assert not session.closed
        assert session._retry_connection is True
        assert "Cookie" not in sandbox.requests[-1].headers


@pytest.mark.asyncio
async def test_a_closed_session_of_the_users_is_named() -> None:
    session = aiohttp.ClientSession()
    await session.close()
    async with TiliaClient(
        "i", "s", "http://127.0.0.1:1/{service}", session=session, token_cache=TokenCache()
    ) as tilia:
        with pytest.raises(errors.ConfigurationError, match="session"):
            await tilia.accounts.get("acct_1")


def test_a_session_of_another_loop_is_named() -> None:
    async def make() -> aiohttp.ClientSession:
        return aiohttp.ClientSession()

    async def use(session: aiohttp.ClientSession) -> None:
        async with TiliaClient(
            "i", "s", "http://127.0.0.1:1/{service}", session=session, token_cache=TokenCache()
        ) as tilia:
            with pytest.raises(errors.ConfigurationError, match="another event loop"):
                await tilia.accounts.get("acct_1")

    with asyncio.Runner() as theirs, asyncio.Runner() as ours:
        session = theirs.run(make())
        ours.run(use(session))
        theirs.run(session.close())


def test_one_client_works_in_several_loops() -> None:
    with asyncio.Runner() as home:
        sandbox = Sandbox()
        home.run(sandbox.start())
        import threading

        thread = threading.Thread(target=home.get_loop().run_forever)
        thread.start()
        tilia = TiliaClient(sandbox.client_id, sandbox.client_secret, sandbox.environment, token_cache=TokenCache())

        async def call() -> int:
            methods = await tilia.payment_methods.list("acct_1")
            await tilia._pool._parts[asyncio.get_running_loop()].session.close()
            return len(methods)

        for _ in range(3):
            assert asyncio.run(call()) == 0
        asyncio.run(tilia.aclose())
        asyncio.run_coroutine_threadsafe(sandbox.aclose(), home.get_loop()).result(5)
        home.get_loop().call_soon_threadsafe(home.get_loop().stop)
        thread.join()
    assert sum(request.operation == "auth.token" for request in sandbox.requests) == 1


@pytest.mark.asyncio
async def test_a_closed_client_says_so(tilia: TiliaClient) -> None:
    await tilia.aclose()
    await tilia.aclose()
    for call in (tilia.accounts.get("acct_1"), tilia.access_token(["x"])):
        with pytest.raises(errors.ClientClosedError):
            await call
    with pytest.raises(errors.ClientClosedError):
        async with tilia:
            pass


@pytest.mark.asyncio
async def test_closing_ends_the_calls_under_way(hanging: HostileServer) -> None:
    tilia = client(hanging)
    calls = [asyncio.create_task(tilia.send(operation)) for operation in (WRITE, READ)]
    while len(hanging.requests) < 2:
        hanging.arrived.clear()
        await hanging.arrived.wait()
    await tilia.aclose()
    write, read = await asyncio.gather(*calls, return_exceptions=True)
    assert isinstance(write, errors.OutcomeUnknownError)
    assert isinstance(read, errors.ClientClosedError)
    assert (read.operation, read.took_effect) == ("things.read", False)


@pytest.mark.asyncio
async def test_no_exception_of_a_library_hangs_on_ours(sandbox: Sandbox, tilia: TiliaClient) -> None:
    sandbox.faults.add("accounts.register", Fault.DROP_BEFORE_COMMIT)
    with pytest.raises(errors.OutcomeUnknownError) as caught:
        await tilia.accounts.register("nyx", email="nyx@mail.example")
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


@pytest.mark.asyncio
@pytest.mark.parametrize("ending", ["close", "deadline", "refused", "limited"])
async def test_a_doubtful_attempt_leaves_its_doubt_however_the_call_ends(
    sandbox: Sandbox, tilia: TiliaClient, ending: str
) -> None:
    account = await tilia.accounts.register("nyx", email="nyx@mail.example")
    await tilia.access_token(["block_accounts"])
    sandbox.faults.add("accounts.block", Fault.DROP_AFTER_COMMIT)
    slow = RequestOptions(retry=QUICK)
    if ending == "refused":
        sandbox.faults.add("accounts.block", Fault.TOKEN_REVOKED)
        sandbox.faults.add("auth.token", Fault.SERVER_ERROR_EMPTY, times=None)
    if ending == "limited":
        sandbox.faults.add("accounts.block", Fault.RATE_LIMITED, retry_after=600)
    if ending == "close":
        slow = RequestOptions(timeout=300, retry=RetryPolicy(attempts=2, initial=200, maximum=200))
    if ending == "deadline":
        sandbox.faults.add("accounts.block", Fault.LATENCY, seconds=30)
        slow = RequestOptions(timeout=0.5, retry=QUICK)
    call = asyncio.create_task(tilia.accounts.block(account.account_id, options=slow))
    if ending == "close":
        while not sandbox.accounts[account.account_id].is_blocked or tilia._pool.busy:  # noqa: ASYNC110 - nothing sets an event there
            await asyncio.sleep(0)
        await tilia.aclose()
    with pytest.raises(errors.TiliaError) as caught:
        await call
    assert caught.value.took_effect is None
    assert caught.value.operation == "accounts.block"
    assert sandbox.accounts[account.account_id].is_blocked


@pytest.mark.asyncio
async def test_cookies_are_not_kept() -> None:
    heads: list[bytes] = []

    async def bake(connection: Connection) -> None:
        while True:
            try:
                head = await connection.reader.readuntil(b"\r\n\r\n")
            except asyncio.IncompleteReadError:
                return
            heads.append(head)
            length = [line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
            await connection.reader.readexactly(int(length[0].split(b":")[1]) if length else 0)
            body = b'{"access_token":"t"}' if b"/token" in head else b'{"status":"Success","payload":{}}'
            await connection.answer(body, b"Set-Cookie: taste=sweet; Path=/\r\n")

    async with hostile_server(bake) as server:
        # By name, because aiohttp keeps no cookies of bare addresses anyway.
        template = server.template.replace("127.0.0.1", "localhost")
        async with TiliaClient("id", "secret", template, token_cache=TokenCache()) as tilia:
            for _ in range(3):
                await tilia.send(READ)
    assert len(heads) == 4
    assert not [head for head in heads if b"taste" in head]


@pytest.mark.asyncio
async def test_an_answer_that_lets_its_bearer_in_is_not_kept_in_errors(sandbox: Sandbox, tilia: TiliaClient) -> None:
    account = await tilia.accounts.register("nyx", email="nyx@mail.example")
    sandbox.faults.add("auth.create_user_token", Fault.TRUNCATED_JSON)
    with pytest.raises(errors.ResponseDecodeError) as caught:
        await tilia.auth.create_user_token(account.account_id)
    assert caught.value.payload is None
