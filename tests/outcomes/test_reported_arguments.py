"""Arguments, settings and ledgers that are refused: no reporter shows a secret."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from support.quick import QUICK
from support.reported import (
    BASIC,
    HEADER,
    HEADERS,
    KEY,
    LEDGER,
    PASSWORD,
    PATH,
    SECRET,
    TOKEN,
    USER,
    examine,
)

import tilia_sync
from tilia_async import Environment, RequestOptions, TiliaClient, errors
from tilia_async.api import OPERATIONS
from tilia_async.ledger import BlockLedger
from tilia_async.sandbox import Sandbox
from tilia_async.tokens import FileTokenStore, PostgresTokenStore, RedisTokenStore
from tilia_async.webhooks import WebhookReceiver

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
    "a short key for PostgreSQL": lambda: PostgresTokenStore(f"postgresql://u:{LEDGER}@h/d", key=KEY[:12]),
    "a port of PostgreSQL": lambda: PostgresTokenStore(f"postgresql://u:{LEDGER}@h:port/d", key=KEY),
    "a port of Redis": lambda: RedisTokenStore(f"redis://u:{LEDGER}@h:port/0", key=KEY),
    "a lease": lambda: RedisTokenStore(f"redis://u:{LEDGER}@h/0", key=KEY, lease=-1),
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
