"""One call from start to end: deadlines, cancellation, failures of the network, what is left behind."""

import asyncio
import gc
import os
import random
import re
import socket
import time
from collections.abc import AsyncIterator

import aiohttp
import pytest
import pytest_asyncio
from support.counts import count
from support.hostile import Connection, HostileServer, hostile_server
from support.quick import QUICK

from tilia_async import Limits, Operation, Repeat, RequestOptions, RetryPolicy, Service, TiliaClient, errors
from tilia_async.sandbox import Fault, Sandbox
from tilia_async.tokens import TokenCache

READ = Operation("things.read", "GET", Service.ACCOUNTS, "/v1/thing", dict[str, str], scopes=(), repeat=Repeat.SAFE)
WRITE = Operation("things.write", "POST", Service.ACCOUNTS, "/v1/thing", dict[str, str], scopes=(), repeat=Repeat.NEVER)
SLACK = 0.25


def client(server: HostileServer, **settings: object) -> TiliaClient:
    return TiliaClient("id", "secret", server.template, token_cache=TokenCache(), **settings)


async def hang(connection: Connection) -> None:
    await connection.tokens()
    await asyncio.Event().wait()


@pytest_asyncio.fixture
async def hanging() -> AsyncIterator[HostileServer]:
    async with hostile_server(hang) as server:
        yield server


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("operation", "error_class", "effect"),
    [(READ, errors.DeadlineExceededError, False), (WRITE, errors.OutcomeUnknownError, None)],
)
async def test_a_call_ends_with_its_deadline(
    hanging: HostileServer, operation: Operation[object], error_class: type[errors.TransportError], effect: bool | None
) -> None:
    async with client(hanging, timeout=0.3) as tilia:
        started = time.monotonic()
        with pytest.raises(error_class) as caught:
            await tilia.send(operation)
    assert 0.3 <= time.monotonic() - started < 0.3 + SLACK
    assert caught.value.took_effect is effect
    assert "0.3 s" in str(caught.value)


@pytest.mark.asyncio
async def test_a_hanging_token_endpoint_is_inside_the_deadline() -> None:
    async def no_token(connection: Connection) -> None:
        await connection.request()
        await asyncio.Event().wait()

    async with hostile_server(no_token) as server, client(server) as tilia:
        started = time.monotonic()
        with pytest.raises(errors.DeadlineExceededError, match="waiting for a token") as caught:
            await tilia.send(WRITE, options=RequestOptions(timeout=0.2))
        assert time.monotonic() - started < 0.2 + SLACK
        assert caught.value.took_effect is False
    async with hostile_server(no_token) as server, client(server, timeout=0.2) as tilia:
        with pytest.raises(errors.DeadlineExceededError, match="waiting for a token"):
            await tilia.access_token(["x"])


@pytest.mark.asyncio
async def test_all_attempts_share_one_deadline() -> None:
    async def slow_error(connection: Connection) -> None:
        while await connection.tokens() is not None:
            await asyncio.sleep(0.15)
            connection.writer.write(b"HTTP/1.1 500 E\r\nContent-Length: 0\r\n\r\n")

    async with hostile_server(slow_error) as server:
        async with client(server, timeout=0.4, retry=RetryPolicy(attempts=100, initial=0)) as tilia:
            started = time.monotonic()
            with pytest.raises(errors.TiliaError):
                await tilia.send(READ)
        assert time.monotonic() - started < 0.4 + SLACK
        assert 2 <= len(server.requests) <= 3


@pytest.mark.asyncio
async def test_a_wait_that_would_pass_the_deadline_is_not_begun(tilia: TiliaClient, sandbox: Sandbox) -> None:
    sandbox.faults.add("accounts.get", Fault.RATE_LIMITED, retry_after=20)
    started = time.monotonic()
    with pytest.raises(errors.RateLimitedError) as caught:
        await tilia.accounts.get("acct_1", options=RequestOptions(timeout=5))
    assert time.monotonic() - started < 1
    assert (caught.value.retry_after, caught.value.retryable) == (20, True)


@pytest.mark.asyncio
async def test_a_full_pool_is_an_error_that_says_so(hanging: HostileServer) -> None:
    async with client(hanging, limits=Limits(connections=2, per_host=1), timeout=5) as tilia:
        await tilia.access_token(())
        first = asyncio.create_task(tilia.send(WRITE))
        await hanging.arrived.wait()
        others = [asyncio.create_task(tilia.send(READ)) for _ in range(3)]
        with pytest.raises(errors.DeadlineExceededError) as caught:
            await tilia.send(WRITE, options=RequestOptions(timeout=0.2))
        assert caught.value.took_effect is False
        told = re.search(
            r"after ([0-9.]+) s of waiting for a connection, with (\d+) more waiting and (\d+) in use",
            str(caught.value),
        )
        assert told is not None, str(caught.value)
        assert 0.1 < float(told[1]) < 0.2 + SLACK
        assert told.groups()[1:] == ("3", "1")
        assert "2 in all, 1 per host" in str(caught.value)
        (attempt,) = caught.value.call.attempts
        assert not attempt.sent
        for other in others:
            other.cancel()
        await asyncio.wait(others)
        first.cancel()
        await asyncio.wait([first])


@pytest.mark.asyncio
async def test_cancelling_a_call_frees_its_connection_and_leaves_nothing(hanging: HostileServer) -> None:
    async with client(hanging, limits=Limits(connections=1, per_host=1)) as tilia:
        for _ in range(3):
            hanging.arrived.clear()
            call = asyncio.create_task(tilia.send(WRITE))
            await hanging.arrived.wait()
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
    assert asyncio.all_tasks() - {asyncio.current_task()} <= {
        task for task in asyncio.all_tasks() if "serve" in repr(task.get_coro())
    }


@pytest.mark.asyncio
@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="counts open files as Linux shows them")
@pytest.mark.parametrize("calls", [600, pytest.param(10_000, marks=pytest.mark.nightly)])
async def test_many_calls_with_cancellations_leave_no_file_descriptor_and_no_task(sandbox: Sandbox, calls: int) -> None:
    chance = random.Random(calls)
    descriptors = len(os.listdir("/proc/self/fd"))
    cancelled = came_through = failed = 0
    async with TiliaClient(
        sandbox.client_id, sandbox.client_secret, sandbox.environment, token_cache=TokenCache(), retry=QUICK
    ) as tilia:
        account = await tilia.accounts.register("nyx", email="nyx@mail.example")

        async def cancel_at_random(task: asyncio.Task[object]) -> None:
            for _ in range(chance.randrange(25)):
                await asyncio.sleep(0)
            task.cancel()

        for _ in range(0, calls, 50):
            for fault in chance.sample([Fault.DROP_AFTER_COMMIT, Fault.SLOW_BODY, Fault.TOKEN_REVOKED], 2):
                sandbox.faults.add("accounts.get", fault, seconds=0.01)
            tasks = [asyncio.create_task(tilia.accounts.get(account.account_id)) for _ in range(50)]
            # The first is left alone, whatever the speed of the machine.
            await asyncio.gather(*(cancel_at_random(task) for task in tasks[1:] if chance.random() < 0.8))
            results = await asyncio.gather(*tasks, return_exceptions=True)
            cancelled += sum(isinstance(result, asyncio.CancelledError) for result in results)
            came_through += sum(not isinstance(result, BaseException) for result in results)
            failed += sum(isinstance(result, errors.TiliaError) for result in results)
        assert cancelled > calls / 20
        assert came_through >= calls / 50
        assert cancelled + came_through + failed == calls
        sandbox.faults.clear()
        # A token's exchange belongs to nobody who waited for it, so it may still be under way until here.
        assert (await tilia.accounts.get(account.account_id)).username == "nyx"
        assert (tilia._pool.waiting, tilia._pool.busy) == (0, 0)
    await sandbox.aclose()
    gc.collect()
    for _ in range(100):
        if len(os.listdir("/proc/self/fd")) <= descriptors:
            break
        await asyncio.sleep(0.01)
    assert len(os.listdir("/proc/self/fd")) <= descriptors
    assert asyncio.all_tasks() == {asyncio.current_task()}
    count("calls cancelled at random", cancelled)


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
async def test_what_is_left_of_the_deadline_bounds_the_waits() -> None:
    async def slow_and_busy(connection: Connection) -> None:
        while await connection.tokens() is not None:
            await asyncio.sleep(0.5)
            connection.writer.write(b"HTTP/1.1 429 Busy\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n")

    async with hostile_server(slow_and_busy) as server, client(server) as tilia:
        started = time.monotonic()
        with pytest.raises(errors.RateLimitedError):
            await tilia.send(READ, options=RequestOptions(timeout=1.2))
        assert time.monotonic() - started < 1, "1 s of waiting does not fit into what 0.5 s have left of 1.2 s"


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
