"""The two ways of a request: what each writes, and when which is taken."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp.client_proto import ResponseHandler
from aiohttp.client_reqrep import ClientRequest
from aioresponses import aioresponses
from support.hostile import TOKEN, Connection, hostile_server
from support.interruption import assert_no_slot_is_held
from support.quick import QUICK
from test_hosts import MockedResponse

from tilia_async import Environment, Operation, Repeat, RequestOptions, Service, TiliaClient, errors
from tilia_async.json_value import JsonInput
from tilia_async.tokens import TokenCache
from tilia_async.transport.direct import Direct
from tilia_async.transport.send_state import current_send

READ = Operation("things.read", "GET", Service.ACCOUNTS, "/v1/thing", dict[str, str], scopes=(), repeat=Repeat.SAFE)
WRITE = Operation("things.write", "POST", Service.ACCOUNTS, "/v1/thing", dict[str, str], scopes=(), repeat=Repeat.NEVER)
GOOD = b'{"status":"Success","payload":{}}'


@asynccontextmanager
async def client(template: str | Environment, **settings: Any) -> AsyncIterator[TiliaClient]:
    async with TiliaClient("id", "secret", template, retry=QUICK, token_cache=TokenCache(), **settings) as tilia:
        yield tilia


@pytest.fixture
def asked(way: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The methods of the requests that went the direct way."""
    seen: list[str] = []
    ask = Direct.ask

    async def noted(direct: Direct, request: Any, *args: Any) -> Any:
        seen.append(request.method)
        return await ask(direct, request, *args)

    monkeypatch.setattr(Direct, "ask", noted)
    return seen


def declared(method: str, path: str = "/v1/thing", *, keyed: bool = False) -> Operation[Any]:
    repeat = Repeat.KEYED if keyed else Repeat.SAFE
    return Operation("things.do", method, Service.ACCOUNTS, path, dict[str, str], scopes=(), repeat=repeat)


REQUESTS: dict[str, tuple[Operation[Any], Mapping[str, JsonInput] | None, RequestOptions | None]] = {
    **{method: (declared(method), None, None) for method in ("GET", "POST", "PUT", "PATCH", "DELETE")},
    **{f"{method} with a body": (declared(method), {"a": "é" * 100}, None) for method in ("POST", "PUT", "DELETE")},
    "GET with a body": (declared("GET"), {"a": 1}, None),
    "keyed": (declared("POST", keyed=True), {"a": 1}, RequestOptions(idempotency_key="b4c2ac5c-6f0a-4ce9-9d6a-1b8f1f6a8a51")),
    "headers": (declared("GET"), None, RequestOptions(headers={"x-trace": "é 1", "user-AGENT": "mine", "Accept": "*/*"})),
    "a large body": (declared("POST"), {"a": "x" * 900_000}, None),
    "no path": (declared("GET", ""), None, None),
    "a blank in the path": (declared("GET", "/v1/a b"), None, None),
    "a fragment": (declared("GET", "/v1/a#c"), None, None),
    "a path that is no ASCII": (declared("GET", "/v1/é"), None, None),
}  # fmt: skip


async def bytes_of(name: str, template: str = "http://127.0.0.1:{port}/{{service}}") -> tuple[list[bytes], bytes]:
    operation, body, options = REQUESTS[name]
    came: list[tuple[list[bytes], bytes]] = []

    async def record(connection: Connection) -> None:
        while True:
            try:
                head = await connection.reader.readuntil(b"\r\n\r\n")
            except asyncio.IncompleteReadError:
                return
            lines = head.split(b"\r\n")
            length = next((int(line[15:]) for line in lines if line.lower().startswith(b"content-length:")), 0)
            came.append((lines, await connection.reader.readexactly(length)))
            await connection.answer(TOKEN if b"/token" in head else GOOD)

    async with hostile_server(record) as server:
        async with client(template.format(port=server.port)) as tilia:
            await tilia.send(operation, body=body, options=options)
            assert_no_slot_is_held(tilia)
        (_, (lines, sent)) = came
        port = b"%d" % server.port
        return [lines[0], *sorted(line.replace(port, b"PORT").lower() for line in lines[1:])], sent


@pytest.mark.asyncio
@pytest.mark.parametrize("name", REQUESTS)
async def test_both_write_the_same(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    one = await bytes_of(name)
    monkeypatch.setattr(Direct, "takes", lambda _direct, _request: False)
    assert await bytes_of(name) == one
    assert len(one[0]) > 5


@pytest.mark.asyncio
async def test_both_name_the_host_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    template = "http://localhost:{port}/{{service}}"
    one = await bytes_of("GET", template)
    monkeypatch.setattr(Direct, "takes", lambda _direct, _request: False)
    assert await bytes_of("GET", template) == one
    assert b"host: localhost:port" in one[0]


@pytest.mark.asyncio
async def test_an_address_of_ipv6(asked: list[str], way: str) -> None:
    heads: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while not reader.at_eof():
            head = await reader.readuntil(b"\r\n\r\n")
            heads.append(head)
            if b"/token" in head:
                await reader.readexactly(int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0]))
            body = TOKEN if b"/token" in head else GOOD
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            if b"/token" not in head:
                break
        writer.close()

    try:
        server = await asyncio.start_server(serve, "::1", 0)
    except OSError:
        pytest.skip("this machine has no IPv6")
    port = server.sockets[0].getsockname()[1]
    async with client(f"http://[::1]:{port}/{{service}}") as tilia:
        assert (await tilia.send(READ)).value == {}
    server.close()
    assert [b"host: [::1]:%d\r\n" % port in head.lower() for head in heads] == [True, True]
    assert len(asked) == (2 if way == "direct" else 0)


@pytest.mark.asyncio
async def test_the_direct_way_is_taken_where_it_can_be(asked: list[str], way: str) -> None:
    async with hostile_server(answer) as server, client(server.template) as tilia:
        await tilia.send(READ)
        await tilia.send(WRITE, body={"a": 1})
        await tilia.send(declared("OPTIONS"))
        await tilia.send(declared("GET", "/v1/a b"))
    assert asked == (["POST", "GET", "POST"] if way == "direct" else [])


async def answer(connection: Connection) -> None:
    while await connection.tokens() is not None:
        await connection.answer()


@pytest.mark.asyncio
async def test_who_replaces_the_session_sees_all_requests_from_then_on(asked: list[str], way: str) -> None:
    async with hostile_server(answer) as server, client(server.template) as tilia:
        await tilia.send(READ)
        before = list(asked)
        with aioresponses() as mocked:
            url = server.template.format(service="accounts") + "/v1/thing"
            mocked.get(url, payload={"status": "Success", "payload": {"from": "a mock"}}, response_class=MockedResponse)
            assert (await tilia.send(READ)).value == {"from": "a mock"}
        assert asked == before
        assert (await tilia.send(READ)).value == {}
        assert len(asked) == len(before) + (way == "direct")


@pytest.mark.asyncio
async def test_who_mocks_before_the_first_call_is_heard_too(asked: list[str]) -> None:
    with aioresponses() as mocked:
        mocked.post("http://127.0.0.1:1/auth/token", payload={"access_token": "t"}, response_class=MockedResponse)
        mocked.get(
            "http://127.0.0.1:1/accounts/v1/thing",
            payload={"status": "Success", "payload": {}},
            response_class=MockedResponse,
        )
        async with client("http://127.0.0.1:1/{service}") as tilia:
            assert (await tilia.send(READ)).value == {}
    assert asked == []


@pytest.mark.asyncio
@pytest.mark.parametrize("late", [False, True])
async def test_traces_see_all_requests(asked: list[str], late: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenTelemetry and Sentry add theirs so, to each session that is made."""
    urls: list[str] = []

    async def started(_session: object, _context: object, params: aiohttp.TraceRequestStartParams) -> None:
        urls.append(params.url.path)

    def traced() -> aiohttp.TraceConfig:
        trace = aiohttp.TraceConfig()
        trace.on_request_start.append(started)
        trace.freeze()
        return trace

    made = aiohttp.ClientSession.__init__
    if not late:

        def instrumented(session: aiohttp.ClientSession, *args: Any, **settings: Any) -> None:
            made(session, *args, trace_configs=[*settings.pop("trace_configs"), traced()], **settings)

        monkeypatch.setattr(aiohttp.ClientSession, "__init__", instrumented)
    async with hostile_server(answer) as server, client(server.template) as tilia:
        await tilia.access_token(())
        if late:
            (part,) = tilia._pool._parts.values()
            part.session.trace_configs.append(traced())
            asked.clear()
            urls.append("/auth/token")
        await tilia.send(READ)
    assert urls == ["/auth/token", "/accounts/v1/thing"]
    assert asked == []


def without(name: str) -> Callable[[pytest.MonkeyPatch], None]:
    def remove(monkeypatch: pytest.MonkeyPatch) -> None:
        left = {each: getattr(ResponseHandler, each) for each in dir(ResponseHandler) if not each.startswith("__")}
        del left[name]
        monkeypatch.setattr("tilia_async.transport.direct.ResponseHandler", type("Other", (), left))

    return remove


def other_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    """The parser as on aiohttp's master, where all keywords are wanted."""
    made = ClientRequest.__init__

    def wants_all(request: ClientRequest, *args: Any, **settings: Any) -> None:
        if "params" not in settings:
            raise TypeError("missing keyword-only arguments")
        made(request, *args, **settings)

    monkeypatch.setattr(ClientRequest, "__init__", wants_all)


def other_connect(monkeypatch: pytest.MonkeyPatch) -> None:
    connect = aiohttp.TCPConnector.connect

    async def another(self: Any, req: Any, traces: Any, timeout: Any, more: Any = None) -> Any:  # noqa: ASYNC109 - aiohttp's own names
        return await connect(self, req, traces, timeout)

    monkeypatch.setattr(aiohttp.TCPConnector, "connect", another)


def other_parameters(monkeypatch: pytest.MonkeyPatch) -> None:
    def set_response_params(self: Any, **settings: Any) -> None: ...

    handler = type("Other", (ResponseHandler,), {"set_response_params": set_response_params})
    monkeypatch.setattr("tilia_async.transport.direct.ResponseHandler", handler)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "change",
    [other_requests, other_connect, other_parameters, without("should_close"), without("read"), without("exception")],
    ids=["requests", "connect", "parameters", "should_close", "read", "exception"],
)
async def test_an_aiohttp_that_is_not_as_known_is_asked_as_anybody_would(
    asked: list[str], change: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    change(monkeypatch)
    async with hostile_server(answer) as server, client(server.template) as tilia:
        assert (await tilia.send(READ)).value == {}
    assert asked == []


@pytest.mark.asyncio
async def test_a_session_that_trusts_the_environment_is_asked(asked: list[str]) -> None:
    async with hostile_server(answer) as server, aiohttp.ClientSession(trust_env=True) as session:
        async with client(server.template, session=session) as tilia:
            assert (await tilia.send(READ)).value == {}
    assert asked == []


@pytest.mark.asyncio
@pytest.mark.parametrize("settings", [{"limit": 1}, {"limit_per_host": 1}, {"force_close": True}])
async def test_the_connectors_of_others_keep_their_settings(settings: dict[str, Any]) -> None:
    heads: list[str] = []
    opened = 0

    async def serve(connection: Connection) -> None:
        nonlocal opened
        opened += 1
        while True:
            try:
                head = (await connection.reader.readuntil(b"\r\n\r\n")).decode()
            except asyncio.IncompleteReadError:
                return
            heads.append(head.lower())
            if "/token" in head:
                await connection.reader.readexactly(int(head.lower().split("content-length: ")[1].split()[0]))
            await connection.answer(TOKEN if "/token" in head else GOOD)

    async with hostile_server(serve) as server:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(**settings)) as session:
            async with client(server.template, session=session) as tilia:
                await tilia.access_token(())
                came = await asyncio.gather(*(tilia.send(READ) for _ in range(5)))
                assert [each.value for each in came] == [{}] * 5
                assert_no_slot_is_held(tilia)
    assert opened == (6 if "force_close" in settings else 1)
    assert all(("connection: close" in head) is ("force_close" in settings) for head in heads)


@pytest.mark.asyncio
async def test_a_unix_socket(tmp_path: Any, asked: list[str], way: str) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                if b"/token" in head:
                    await reader.readexactly(int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0]))
                body = TOKEN if b"/token" in head else GOOD
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        except asyncio.IncompleteReadError:
            writer.close()

    server = await asyncio.start_unix_server(serve, tmp_path / "s")
    async with aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(tmp_path / "s"))) as session:
        async with client("http://127.0.0.1/{service}", session=session) as tilia:
            for _ in range(3):
                assert (await tilia.send(READ)).value == {}
    server.close()
    assert len(asked) == (4 if way == "direct" else 0)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("head", "body"),
    [(b"Content-Encoding: gzip\r\nContent-Length: %d", gzip.compress(GOOD)), (b"Connection: close", GOOD)],
    ids=["packed", "until the end of the connection"],
)
async def test_other_forms_of_an_answer(head: bytes, body: bytes) -> None:
    async def serve(connection: Connection) -> None:
        if await connection.tokens() is not None:
            lines = head % len(body) if b"%" in head else head
            connection.writer.write(b"HTTP/1.1 200 OK\r\n" + lines + b"\r\n\r\n" + body)

    async with hostile_server(serve) as server, client(server.template) as tilia:
        assert (await tilia.send(READ)).value == {}
        assert_no_slot_is_held(tilia)


@pytest.mark.asyncio
async def test_what_only_announces_an_answer_is_none() -> None:
    async def announce(connection: Connection) -> None:
        while await connection.tokens() is not None:
            connection.writer.write(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
            await connection.writer.drain()
            await connection.answer()

    async with hostile_server(announce) as server, client(server.template) as tilia:
        for _ in range(3):
            assert (await tilia.send(WRITE, body={"a": 1})).value == {}
        assert server.open == 1


@pytest.mark.asyncio
async def test_switching_protocols_is_an_answer_and_the_connection_is_not_used_again() -> None:
    async def switch(connection: Connection) -> None:
        if await connection.tokens() is not None:
            connection.writer.write(b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n")
            await connection.reader.read()

    async with hostile_server(switch) as server, client(server.template) as tilia:
        for _ in range(2):
            with pytest.raises(errors.ApiError) as caught:
                await tilia.send(WRITE)
            assert (caught.value.status, caught.value.took_effect) == (101, None)
        assert_no_slot_is_held(tilia)
        assert len(server.requests) == 2


@pytest.mark.asyncio
@pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")
async def test_an_early_answer_to_a_large_body_leaves_no_rest_of_it_for_the_next() -> None:
    async def refuse(connection: Connection) -> None:
        try:
            while True:
                head = await connection.reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                if b"/token" in head:
                    await connection.reader.readexactly(length)
                    await connection.answer(TOKEN)
                    continue
                connection.server.requests.append(head.split(b"\r\n")[0].decode())
                if length < 1_000:
                    await connection.reader.readexactly(length)
                    await connection.answer()
                    continue
                connection.writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
                await connection.reader.read()
        except asyncio.IncompleteReadError:
            return

    async with hostile_server(refuse) as server, client(server.template) as tilia:
        for _ in range(2):
            with pytest.raises(errors.ApiError) as caught:
                await tilia.send(WRITE, body={"a": "x" * 30_000_000})
            assert caught.value.status == 413
            assert (await tilia.send(WRITE, body={"a": 1})).value == {}
        assert len(server.requests) == 4
        assert_no_slot_is_held(tilia)


@pytest.mark.asyncio
async def test_a_call_in_a_generator_that_is_closed_ends_as_any_other() -> None:
    async def serve(connection: Connection) -> None:
        while await connection.tokens() is not None:
            await connection.answer()

    seen: list[object] = []

    async def undoing(tilia: TiliaClient) -> AsyncIterator[None]:
        try:
            yield
        finally:
            seen.append((await tilia.send(WRITE, body={"a": 1})).value)
            seen.append(current_send.get())

    async with hostile_server(serve) as server, client(server.template) as tilia:
        generator = undoing(tilia)
        await anext(generator)
        await generator.aclose()
    assert seen == [{}, None]
