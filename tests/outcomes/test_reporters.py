"""No crash reporter sees a secret in the frames below the user's own call: the real ones are asked."""

from __future__ import annotations

import asyncio
import base64
import signal
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from unittest import mock

import attrs
import orjson
import pytest
from support.canaries import places, search
from support.hostile import Connection, hostile_server
from support.quick import QUICK
from support.reporters import reported

import tilia_sync
from tilia_async import Environment, RequestOptions, Secret, TiliaClient, errors
from tilia_async.api import OPERATIONS
from tilia_async.ledger import BlockLedger
from tilia_async.sandbox import Fault, Sandbox
from tilia_async.tokens import FileTokenStore, TokenCache
from tilia_async.webhooks import Event, WebhookReceiver

TOKEN = "canary-token-4f1+/="
SECRET = "canary-client-secret-77"
PASSWORD = "canary-Pw-5!"
HEADER = "canary-header-9000"
LEDGER = "canary-ledger-pw"
KEY = "canary-key-16-characters-and-more"
PATH, USER, BASIC = "canary-path-segment", "user", "canary-basic-password"
HTTP_BASIC = base64.b64encode(f"{USER}:{BASIC}".encode()).decode()
CANARIES = (TOKEN, SECRET, PASSWORD, HEADER, LEDGER, KEY, PATH, BASIC, HTTP_BASIC)
HEADERS = RequestOptions(headers={"X-Api-Key": HEADER})


def examine(error: BaseException) -> None:
    search(CANARIES, places(error))
    search(CANARIES, reported(error))


async def leave(connection: Connection) -> None:
    """Take the request, and go."""
    await connection.tokens()


async def stay(connection: Connection) -> None:
    """Take the request, and never answer."""
    await connection.tokens()
    await asyncio.Event().wait()


async def repeat(connection: Connection) -> None:
    while (line := await connection.request()) is not None:
        if "/token" in line:
            await connection.answer(orjson.dumps({"access_token": TOKEN, "expires_in": 3600}))
            continue
        body = f"<pre>Authorization: Bearer {TOKEN} {PASSWORD} {HEADER}".encode()
        connection.writer.write(b"HTTP/1.1 500 X\r\nContent-Length: %d\r\n\r\n" % len(body) + body)


async def no_token(connection: Connection) -> None:
    while await connection.request() is not None:
        body = orjson.dumps({"error": "server_error", "error_description": f"client_secret={SECRET}"})
        connection.writer.write(b"HTTP/1.1 400 X\r\nContent-Length: %d\r\n\r\n" % len(body) + body)


async def no_http_for_a_token(connection: Connection) -> None:
    await connection.request()
    connection.writer.write(f"HTTP/1.1 200 OK\r\nBad Header {SECRET}\r\n\r\n".encode())


async def no_gzip_for_a_token(connection: Connection) -> None:
    await connection.request()
    head = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n"
    connection.writer.write(f"{head}{SECRET}\r\n".encode())


async def no_http(connection: Connection) -> None:
    await connection.tokens()
    connection.writer.write(f"HTTP/1.1 200 OK\r\nBad Header {TOKEN}{PASSWORD}{HEADER}\r\n\r\n".encode())


async def start(tilia: TiliaClient) -> None:
    await tilia.registration.start("nyx@mail.example", PASSWORD, "nyx@mail.example", options=HEADERS)


async def send(tilia: TiliaClient) -> None:
    body = {"username": "nyx@mail.example", "password": PASSWORD, "email": "nyx@mail.example"}
    await tilia.send(OPERATIONS["registration.start"], body=body, options=HEADERS)


async def send_secret(tilia: TiliaClient) -> None:
    body = {"username": "nyx@mail.example", "profile": [{"word": Secret(PASSWORD)}], "email": "nyx@mail.example"}
    await tilia.send(OPERATIONS["registration.start"], body=body, options=HEADERS)


CALLS = {"start": start, "send": send, "a secret in a body": send_secret}


@asynccontextmanager
async def client(template: str, **settings: object) -> AsyncIterator[TiliaClient]:
    async with TiliaClient("id", SECRET, template, retry=QUICK, token_cache=TokenCache(), **settings) as tilia:
        yield tilia


@pytest.mark.asyncio
@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("script", [leave, repeat, no_token, no_http, no_http_for_a_token, no_gzip_for_a_token])
async def test_a_call_that_fails(call: str, script: Callable[[Connection], Awaitable[None]]) -> None:
    async with hostile_server(script) as server, client(server.template) as tilia:
        with pytest.raises(errors.TiliaError) as caught:
            await CALLS[call](tilia)
    examine(caught.value)


@pytest.mark.asyncio
@pytest.mark.parametrize("call", CALLS)
async def test_a_call_that_is_late(call: str) -> None:
    async with hostile_server(stay) as server, client(server.template, timeout=0.3) as tilia:
        with pytest.raises(errors.TransportError) as caught:
            await CALLS[call](tilia)
    examine(caught.value)


async def by_task(call: Awaitable[None], arrived: asyncio.Event) -> None:
    task = asyncio.ensure_future(call)
    await arrived.wait()
    task.cancel()
    await task


async def by_wait_for(call: Awaitable[None], _arrived: asyncio.Event) -> None:
    await asyncio.wait_for(call, 0.3)


async def by_timeout(call: Awaitable[None], _arrived: asyncio.Event) -> None:
    async with asyncio.timeout(0.3):
        await call


async def by_group(call: Awaitable[None], arrived: asyncio.Event) -> None:
    async def fail() -> None:
        await arrived.wait()
        raise KeyError

    async with asyncio.TaskGroup() as group:
        group.create_task(call)
        group.create_task(fail())


@pytest.mark.asyncio
@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("way", [by_task, by_wait_for, by_timeout, by_group])
async def test_a_call_that_is_cancelled(call: str, way: Callable[..., Awaitable[None]]) -> None:
    async with hostile_server(stay) as server, client(server.template) as tilia:
        with pytest.raises((asyncio.CancelledError, TimeoutError, ExceptionGroup)) as caught:
            await way(CALLS[call](tilia), server.arrived)
    examine(caught.value)


@pytest.mark.asyncio
async def test_a_call_that_is_cancelled_while_it_waits_for_a_token() -> None:
    asked = asyncio.Event()

    async def silent(connection: Connection) -> None:
        await connection.request()
        asked.set()
        await asyncio.Event().wait()

    async with hostile_server(silent) as server, client(server.template) as tilia:
        task = asyncio.ensure_future(start(tilia))
        await asked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
    examine(caught.value)


@pytest.mark.parametrize(
    "fault", [None, Fault.DROP_AFTER_COMMIT, Fault.SERVER_ERROR_HTML, Fault.TOKEN_OUTAGE, Fault.TOKEN_REVOKED]
)
def test_a_call_that_fails_without_a_loop(fault: Fault | None) -> None:
    with tilia_sync.Sandbox(wallet_delay=0) as sandbox:
        if fault is not None:
            sandbox.faults.add("auth.token" if fault is Fault.TOKEN_OUTAGE else "registration.start", fault, times=9)
        where = sandbox.environment if fault is not None else "http://127.0.0.1:1/{service}"
        settings = {"retry": QUICK, "token_cache": TokenCache()}
        with tilia_sync.TiliaClient(sandbox.client_id, sandbox.client_secret, where, **settings) as tilia:
            for call in (
                lambda: tilia.registration.start("nyx@mail.example", PASSWORD, "nyx@mail.example", options=HEADERS),
                lambda: tilia.send(OPERATIONS["registration.start"], body={"password": PASSWORD}, options=HEADERS),
            ):
                with pytest.raises(errors.TiliaError) as caught:
                    call()
                secrets = (*CANARIES, sandbox.client_secret, *sandbox._sandbox._tokens._tokens)
                search(secrets, places(caught.value))
                search(secrets, reported(caught.value))


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="signals of POSIX")
def test_a_call_that_ctrl_c_ends() -> None:
    with tilia_sync.Sandbox(wallet_delay=0) as sandbox:
        sandbox.faults.add("registration.start", Fault.HANG_AFTER_COMMIT)

        def interrupt() -> None:
            while not any("register" in request.path for request in sandbox.requests):
                arrived.wait(0.01)
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

        arrived = threading.Event()
        with tilia_sync.TiliaClient(sandbox.client_id, sandbox.client_secret, sandbox.environment) as tilia:
            interrupter = threading.Thread(target=interrupt)
            interrupter.start()
            with pytest.raises(KeyboardInterrupt) as caught:
                tilia.registration.start("nyx@mail.example", PASSWORD, "nyx@mail.example", options=HEADERS)
            interrupter.join()
        secrets = (*CANARIES, sandbox.client_secret, *sandbox._sandbox._tokens._tokens)
        search(secrets, places(caught.value))
        search(secrets, reported(caught.value))


BODIES: dict[str, dict[str, object]] = {
    "no JSON": {"password": PASSWORD, "other": object()},
    "no text": {"password": PASSWORD + "\udcff"},
    "a list": [PASSWORD],
    "a text": PASSWORD,
}


@pytest.mark.parametrize("body", BODIES)
def test_a_body_that_is_refused(body: str) -> None:
    with tilia_sync.TiliaClient("id", SECRET, "http://127.0.0.1:1/{service}", retry=QUICK) as tilia:
        with pytest.raises(errors.InvalidRequestError) as caught:
            tilia.send(OPERATIONS["registration.start"], body=BODIES[body], options=HEADERS)
    examine(caught.value)


@pytest.mark.parametrize("password", [PASSWORD + "x" * 20, PASSWORD.encode(), [PASSWORD]])
def test_a_password_that_is_refused(password: object) -> None:
    with tilia_sync.TiliaClient("id", SECRET, "http://127.0.0.1:1/{service}", retry=QUICK) as tilia:
        with pytest.raises(errors.InvalidRequestError) as caught:
            tilia.registration.start("nyx@mail.example", password, "nyx@mail.example")
    examine(caught.value)


AT_LEDGER = f"postgresql://user:{LEDGER}@127.0.0.1:1/blocks"
WRONG: dict[str, Callable[[], object]] = {
    f"{package.__module__} {name}": made
    for package in (TiliaClient, tilia_sync.TiliaClient)
    for name, made in {
        "environment": lambda package=package: package("id", SECRET, "nowhere"),
        "a list": lambda package=package: package("id", SECRET, ["staging"]),
        "bytes for a place": lambda package=package: package("id", "staging", SECRET.encode()),
        "no place": lambda package=package: package("id", SECRET, None),
        "session": lambda package=package: package("id", SECRET, "staging", session=5),
        "token cache": lambda package=package: package("id", SECRET, "staging", token_cache=5),
        "ledger": lambda package=package: package("id", SECRET, "staging", ledger=5),
        "no such setting": lambda package=package: package.from_env(client_secret=SECRET, client_id="id", environment="staging", x=1),
        "swapped": lambda package=package: package("id", "staging", SECRET),
        "credentials in the URL": lambda package=package: package("id", "s", f"https://u:{SECRET}@x.example/{{service}}"),
        "swapped in from_env": lambda package=package: package.from_env(client_id="id", client_secret="x", environment=SECRET),
        "timeout": lambda package=package: package("id", SECRET, "staging", timeout=-1),
        "scopes": lambda package=package: package("id", SECRET, "staging", scopes="a b"),
        "a scope": lambda package=package: package("id", SECRET, "staging", scopes=["a b"]),
        "limits": lambda package=package: package("id", SECRET, "staging", limits=5),
        "retry": lambda package=package: package("id", SECRET, "staging", retry=5),
        "operations": lambda package=package: package("id", SECRET, "staging", operations={"x": 5}),
        "client id": lambda package=package: package(None, SECRET, "staging"),
        "bytes": lambda package=package: package("id", SECRET.encode(), "staging"),
        "line break": lambda package=package: package("id", f"{SECRET}\n", "staging"),
        "a surrogate": lambda package=package: package("id", f"{SECRET}\udcff", "staging"),
        "from_env": lambda package=package: package.from_env(client_secret=SECRET, client_id="id", environment="nowhere"),
        "from_env with settings": lambda package=package: package.from_env(
            client_secret=SECRET, client_id="id", environment="staging", timeout="x"
        ),
    }.items()
} | {
    "environment at": lambda: Environment.at(f"https://u:{SECRET}@x.example/{{service}}"),
    "environment at services": lambda: Environment.at("https://x.example/{service}", {"auth": f"https://u:{SECRET}@x.example"}),
    "environment of": lambda: Environment.of(f"https://u:{SECRET}@[x.example/{{service}}"),
    "environment": lambda: Environment("x", f"https://u:{SECRET}@x.example/{{service}}"),
    "a header": lambda: RequestOptions(headers={"X-Api-Key": f"{HEADER}\n"}),
    "a reserved header": lambda: RequestOptions(headers={"Authorization": f"Bearer {TOKEN}"}),
    "a header and a timeout": lambda: RequestOptions(timeout=-1, headers={"X-Api-Key": HEADER}),
    "a header and a policy": lambda: RequestOptions(retry=5, headers={"X-Api-Key": HEADER}),
    "headers": lambda: RequestOptions(headers=[HEADER]),
    "a short key": lambda: FileTokenStore("x", key=KEY[:12]),
    "a key of bytes": lambda: FileTokenStore("x", key=KEY.encode()),
}  # fmt: skip

for _package in (BlockLedger, tilia_sync.BlockLedger):
    for _name, _url, _settings in [
        ("kind", f"mysql://user:{LEDGER}@h/d", {}),
        ("port", f"postgresql://user:{LEDGER}@h:port/d", {}),
        ("at", f"postgresql://user:{LEDGER}@x@h/d", {}),
        ("bytes", AT_LEDGER.encode(), {}),
        ("lease", AT_LEDGER, {"lease": -1}),
        ("memory", f"sqlite://?password={LEDGER}", {}),
    ]:
        for _made in (_package, _package.open):
            WRONG[f"{_package.__module__} {_name} {_made.__name__}"] = lambda made=_made, url=_url, settings=_settings: (
                made(url, **settings)
            )

for _receiver in (WebhookReceiver, tilia_sync.WebhookReceiver):
    for _name, _settings in {
        "path": {"path_secret": f"{PATH}/x"},
        "paths": {"path_secret": [PATH, ""]},
        "bytes": {"path_secret": PATH.encode()},
        "basic": {"basic_auth": ("a:b", BASIC)},
        "basics": {"basic_auth": [(USER, BASIC), (USER, None)]},
        "a list": {"basic_auth": [USER, BASIC]},
        "confirm": {"path_secret": PATH, "basic_auth": (USER, BASIC), "confirm": True},
        "max_body": {"path_secret": PATH, "basic_auth": (USER, BASIC), "max_body": -1},
        "remembered": {"path_secret": PATH, "basic_auth": (USER, BASIC), "remembered": -1},
    }.items():
        WRONG[f"{_receiver.__module__} {_name}"] = lambda made=_receiver, settings=_settings: made(**settings)

for _sandbox in (Sandbox, tilia_sync.Sandbox):
    for _name, _url, _settings in [
        ("url", f"https://example.com/{PATH}", {"basic_auth": (USER, BASIC)}),
        ("no url", f"http://[{PATH}", {"basic_auth": (USER, BASIC)}),
        ("credentials", f"http://{USER}:{BASIC}@127.0.0.1/", {}),
        ("event", f"http://127.0.0.1/{PATH}", {"basic_auth": (USER, BASIC), "events": ["none"]}),
        ("pair", f"http://127.0.0.1/{PATH}", {"basic_auth": (USER, BASIC, 5)}),
        ("colon", f"http://127.0.0.1/{PATH}", {"basic_auth": ("a:b", BASIC)}),
        ("surrogate", f"http://127.0.0.1/{PATH}", {"basic_auth": (USER, BASIC + "\udcff")}),
    ]:
        WRONG[f"{_sandbox.__module__} {_name}"] = lambda made=_sandbox, url=_url, settings=_settings: (
            made().register_webhook(url, **settings)
        )


@pytest.mark.parametrize("name", WRONG)
def test_a_setting_that_is_refused(name: str) -> None:
    with pytest.raises((errors.ConfigurationError, TypeError, ValueError, AttributeError)) as caught:
        WRONG[name]()
    examine(caught.value)


def test_an_environment_variable_that_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TILIA_CLIENT_ID", "id")
    monkeypatch.setenv("TILIA_CLIENT_SECRET", SECRET)
    monkeypatch.setenv("TILIA_ENVIRONMENT", f"https://u:{SECRET}@x.example/{{service}}")
    for package in (TiliaClient, tilia_sync.TiliaClient):
        with pytest.raises(errors.ConfigurationError, match="TILIA_ENVIRONMENT") as caught:
            package.from_env()
        examine(caught.value)


URLS = [
    f"postgresql://user:{LEDGER}@127.0.0.1:{{port}}/blocks",
    f"postgresql://user:{LEDGER}@no-such-host.invalid:{{port}}/blocks",
    f"postgresql://127.0.0.1:{{port}}/blocks?user=u&password={LEDGER}",
    f"postgresql://user:{LEDGER}@127.0.0.1:{{port}}/blocks?no_such_option={LEDGER}",
    f"postgresql://user:{LEDGER}@127.0.0.1:{{port}}/blocks?prepared_statement_cache_size=x",
    f"postgresql://user:{LEDGER}@127.0.0.1:{{port}}/blocks?plugin=none",
    f"postgresql://user:{LEDGER}@127.0.0.1:{{port}}/blocks?ssl={LEDGER}",
    f"postgresql://user:{LEDGER}@127.0.0.1:{{port}}/blocks?host=a,b&port=1,2,3",
    f"sqlite:////no/such/directory/blocks.db?password={LEDGER}",
    f"sqlite:////no/such/directory/blocks.db?plugin={LEDGER}",
]


@pytest.mark.asyncio
@pytest.mark.parametrize("url", URLS)
async def test_a_ledger_that_cannot_be_reached(url: str, unused_tcp_port: int) -> None:
    url = url.format(port=unused_tcp_port)
    with pytest.raises((errors.LedgerError, errors.ConfigurationError)) as caught:
        async with BlockLedger.open(url):
            pass
    examine(caught.value)


@pytest.mark.parametrize("url", URLS[:2])
def test_a_ledger_that_cannot_be_reached_without_a_loop(url: str, unused_tcp_port: int) -> None:
    with pytest.raises(errors.LedgerError) as caught:
        with tilia_sync.BlockLedger.open(url.format(port=unused_tcp_port)) as ledger:
            ledger.history("acct_1")
    examine(caught.value)


@pytest.mark.asyncio
async def test_a_ledger_whose_opening_is_cancelled() -> None:
    came = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        came.set()
        try:
            await reader.read()
        finally:
            writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    ledger = BlockLedger.open(f"postgresql://user:{LEDGER}@127.0.0.1:{port}/blocks")
    task = asyncio.ensure_future(ledger.history("acct_1"))
    await came.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError) as caught:
        await task
    examine(caught.value)
    for left in asyncio.all_tasks() - {asyncio.current_task()}:
        left.cancel()
        await asyncio.wait([left])
        if not left.cancelled() and left.exception() is not None:
            examine(left.exception())
    await ledger.aclose()
    server.close()
    await server.wait_closed()
    await asyncio.sleep(0)


# --- Webhooks ---------------------------------------------------------------------------------------------------------

BODY = orjson.dumps({"event_name": "kyc-webhook", "message": {"account_id": "acct_1"}})


@attrs.define
class Stopped(BaseException):
    """What ends a worker, such as SystemExit: nothing that a receiver may keep to itself."""


def receiver(package: type) -> WebhookReceiver:
    return package(path_secret=PATH, basic_auth=(USER, BASIC))


def asgi_scope() -> dict[str, object]:
    headers = [(b"authorization", f"Basic {HTTP_BASIC}".encode()), (b"content-length", str(len(BODY)).encode())]
    return {"type": "http", "method": "POST", "path": f"/tilia/{PATH}", "headers": headers}


async def receive() -> dict[str, object]:
    return {"type": "http.request", "body": BODY}


async def nothing(_message: object) -> None: ...


async def through_asgi(hook: WebhookReceiver) -> None:
    await hook.asgi(asgi_scope(), receive, nothing)


async def through_aiohttp(hook: WebhookReceiver) -> None:
    from aiohttp.test_utils import make_mocked_request

    headers = {"Authorization": f"Basic {HTTP_BASIC}"}
    payload = mock.Mock()
    payload.iter_any = chunks
    await hook.aiohttp_handler(make_mocked_request("POST", f"/tilia/{PATH}", headers=headers, payload=payload))


async def chunks() -> AsyncIterator[bytes]:
    yield BODY


async def by_hand(hook: WebhookReceiver) -> None:
    await hook.handle(BODY, path=f"/{PATH}", authorization=f"Basic {HTTP_BASIC}")


@pytest.mark.asyncio
@pytest.mark.parametrize("way", [through_asgi, through_aiohttp, by_hand])
async def test_a_delivery_that_is_stopped(way: Callable[..., Awaitable[None]]) -> None:
    hook = receiver(WebhookReceiver)

    @hook.on(Event)
    async def stopped(_event: Event) -> None:
        raise Stopped

    with pytest.raises(Stopped) as caught:
        await way(hook)
    examine(caught.value)


@pytest.mark.asyncio
@pytest.mark.parametrize("way", [through_asgi, through_aiohttp, by_hand])
async def test_a_delivery_that_is_cancelled(way: Callable[..., Awaitable[None]]) -> None:
    hook, began = receiver(WebhookReceiver), asyncio.Event()

    @hook.on(Event)
    async def waits(_event: Event) -> None:
        began.set()
        await asyncio.Event().wait()

    task = asyncio.ensure_future(way(hook))
    await began.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError) as caught:
        await task
    examine(caught.value)


@pytest.mark.asyncio
@pytest.mark.parametrize("package", [WebhookReceiver, tilia_sync.WebhookReceiver])
async def test_credentials_that_are_no_text_are_wrong_ones(package: type) -> None:
    hook = receiver(package)
    right = {"path": f"/{PATH}", "authorization": f"Basic {HTTP_BASIC}"}
    assert hook.refusal("POST", **right) is None
    for wrong, status in [
        ({"path": f"/{PATH}".encode()}, 404),
        ({"authorization": f"Basic {HTTP_BASIC}".encode()}, 401),
    ]:
        assert hook.refusal("POST", **{**right, **wrong}) == status
        handled = hook.handle(BODY, **{**right, **wrong})
        assert (await handled if package is WebhookReceiver else handled) == status


@pytest.mark.asyncio
async def test_an_answer_that_cannot_be_sent() -> None:
    async def gone(_message: object) -> None:
        raise OSError

    with pytest.raises(OSError) as caught:
        await receiver(WebhookReceiver).asgi(asgi_scope(), receive, gone)
    examine(caught.value)


@pytest.mark.parametrize("wsgi", [True, False])
def test_a_delivery_that_is_stopped_without_a_loop(wsgi: bool) -> None:
    import io

    hook = receiver(tilia_sync.WebhookReceiver)

    @hook.on(Event)
    def stopped(_event: Event) -> None:
        raise Stopped

    environ = {
        "REQUEST_METHOD": "POST", "PATH_INFO": f"/tilia/{PATH}", "HTTP_AUTHORIZATION": f"Basic {HTTP_BASIC}",
        "CONTENT_LENGTH": str(len(BODY)), "wsgi.input": io.BytesIO(BODY),
    }  # fmt: skip
    deliver = (
        (lambda: hook.wsgi(environ, lambda *_: None))
        if wsgi
        else lambda: hook.handle(BODY, path=f"/{PATH}", authorization=f"Basic {HTTP_BASIC}")
    )
    with pytest.raises(Stopped) as caught:
        deliver()
    examine(caught.value)


# --- The search itself ------------------------------------------------------------------------------------------------


class OldSecret(str):
    """A text that shows a mask, as long as nobody slices it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "***"

    __str__ = __repr__


@pytest.mark.parametrize(
    "hidden",
    [
        OldSecret(SECRET * 20),
        {"password": SECRET},
        [SECRET],
        (b"x" + SECRET.encode(),),
        {SECRET},
        [{"a": OldSecret(SECRET)}],
    ],
)
def test_what_is_not_hidden_is_found(hidden: object, tmp_path: Path) -> None:
    path = tmp_path / "tilia_async_module.py"
    path.write_text("def fail(hidden):\n    raise KeyError\n")
    namespace: dict[str, object] = {"__name__": "tilia_async.module"}
    exec(compile(path.read_text(), str(path), "exec"), namespace)
    with pytest.raises(KeyError) as caught:
        namespace["fail"](hidden)
    with pytest.raises(AssertionError, match="a secret of"):
        search([SECRET], places(caught.value))
    with pytest.raises(AssertionError, match="a secret of"):
        search([SECRET], reported(caught.value))
