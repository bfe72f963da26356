"""Proxies, for real: what they see, what they refuse, and what becomes of a call then."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from support.forward_proxy import Certificates, ForwardProxy, forward_proxy, proxy_elsewhere
from support.hostile import Connection, HostileServer, hostile_server
from support.quick import QUICK

import tilia_sync
from tilia_async import Operation, Repeat, Service, TiliaClient, errors
from tilia_async.sandbox import Sandbox
from tilia_async.tokens import TokenCache
from tilia_async.transport.routes import Routes

READ = Operation("things.read", "GET", Service.ACCOUNTS, "/v1/thing", dict[str, str], scopes=(), repeat=Repeat.SAFE)
WRITE = Operation("things.write", "POST", Service.ACCOUNTS, "/v1/thing", dict[str, str], scopes=(), repeat=Repeat.NEVER)
LOGIN = "corp:p%40ss"
BASIC = "Proxy-Authorization: Basic " + b64encode(b"corp:p@ss").decode()


async def answer(connection: Connection) -> None:
    while await connection.tokens() is not None:
        await connection.answer()


@asynccontextmanager
async def tls_server(certificates: Certificates, **wants: Any) -> AsyncIterator[HostileServer]:
    async with hostile_server(answer, certificates.server(**wants)) as server:
        yield server


def at(server: HostileServer) -> str:
    return f"https://127.0.0.1:{server.port}/{{service}}"


@asynccontextmanager
async def client(template: Any, **settings: Any) -> AsyncIterator[TiliaClient]:
    async with TiliaClient("id", "s3cret", template, retry=QUICK, token_cache=TokenCache(), **settings) as tilia:
        yield tilia


def with_login(proxy: ForwardProxy) -> str:
    return f"http://{LOGIN}@127.0.0.1:{proxy.port}"


def assert_tunnelled(proxy: ForwardProxy, server: HostileServer) -> None:
    """The proxy was asked for tunnels alone, saw its own login in each, and nothing of Tilia's."""
    assert proxy.heads
    for head in proxy.heads:
        assert head.startswith(f"CONNECT 127.0.0.1:{server.port} HTTP/1.1\r\n")
        assert BASIC in head.split("\r\n")
        assert "\r\nauthorization:" not in head.lower()
    assert proxy.tunnels
    for secret in (b"s3cret", b"Bearer", b"/v1/thing"):
        assert secret not in proxy.tunnels


@pytest.mark.asyncio
async def test_every_request_goes_through_a_tunnel() -> None:
    certificates = Certificates()
    async with tls_server(certificates) as server, forward_proxy(login="corp:p@ss") as proxy:
        async with client(at(server), proxy=with_login(proxy), ssl=certificates.client()) as tilia:
            assert (await tilia.send(READ)).value == {}
            assert (await tilia.send(WRITE, body={"a": 1})).value == {}
            assert "p%40ss" not in repr(tilia)
    assert_tunnelled(proxy, server)
    assert len(proxy.heads) == 1, "the tunnel is kept"


def test_the_synchronous_client_goes_through_a_tunnel() -> None:
    from support.interruption import elsewhere

    certificates = Certificates()
    with elsewhere(answer, certificates.server()) as server, proxy_elsewhere(login="corp:p@ss") as proxy:
        with tilia_sync.TiliaClient(
            "id", "s3cret", at(server), token_cache=TokenCache(), proxy=with_login(proxy), ssl=certificates.client()
        ) as tilia:
            assert tilia.send(READ).value == {}
    assert_tunnelled(proxy, server)


@pytest.mark.asyncio
async def test_a_client_certificate_is_shown_through_a_proxy_that_speaks_tls() -> None:
    certificates = Certificates()
    async with (
        tls_server(certificates, wants_client=True) as server,
        forward_proxy(login="corp:p@ss", tls=certificates.server()) as proxy,
    ):
        through = with_login(proxy).replace("http:", "https:")
        async with client(at(server), proxy=through, ssl=certificates.client(shows=True)) as tilia:
            assert (await tilia.send(WRITE)).value == {}
    assert_tunnelled(proxy, server)


@pytest.mark.asyncio
async def test_plain_requests_on_this_machine_are_passed_on(sandbox: Sandbox) -> None:
    async with forward_proxy(login="corp:p@ss") as proxy:
        async with TiliaClient(
            sandbox.client_id,
            sandbox.client_secret,
            sandbox.environment,
            proxy=with_login(proxy),
            token_cache=TokenCache(),
        ) as tilia:
            assert await tilia.payment_methods.list("acct_1") == []
    assert [head.split(" ")[1].split("/")[3] for head in proxy.heads] == ["auth", "payments"]
    assert all(BASIC in head for head in proxy.heads)
    assert "Proxy-Authorization" not in sandbox.requests[-1].headers


@pytest.mark.asyncio
@pytest.mark.parametrize("status", [407, 403, 502, 1], ids=str)
@pytest.mark.parametrize("when", ["token", "call"])
async def test_a_tunnel_that_is_refused_is_the_proxys(status: int, when: str) -> None:
    certificates, cache = Certificates(), TokenCache()
    async with tls_server(certificates) as server, forward_proxy() as proxy:
        settings: dict[str, Any] = {"proxy": with_login(proxy), "ssl": certificates.client(), "retry": QUICK}
        if when == "call":
            async with TiliaClient("id", "s3cret", at(server), token_cache=cache, **settings) as tilia:
                await tilia.access_token(())
        proxy.refuse = status
        proxy.heads.clear()
        async with TiliaClient("id", "s3cret", at(server), token_cache=cache, **settings) as tilia:
            with pytest.raises(errors.ConnectError, match=f"the proxy http://127.0.0.1:{proxy.port}") as caught:
                await tilia.send(WRITE)
    assert caught.value.took_effect is False
    assert caught.value.lasting is (status in {407, 403})
    assert len(proxy.heads) == (1 if status in {407, 403} else 3)
    assert server.requests == []
    told = caught.value.explain()
    assert "p%40ss" not in told
    assert "p@ss" not in told
    assert status == 1 or str(status) in told


@pytest.mark.asyncio
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_tunnel_that_ends_at_once_is_the_proxys_and_has_carried_nothing(scheme: str) -> None:
    certificates = Certificates()
    tls = certificates.server() if scheme == "https" else None
    async with tls_server(certificates) as server, forward_proxy(refuse=200, tls=tls) as proxy:
        through = proxy.url.replace("http:", f"{scheme}:")
        async with client(at(server), proxy=through, ssl=certificates.client()) as tilia:
            with pytest.raises(errors.ConnectError, match=f"the proxy {through} made a connection .* ended") as caught:
                await tilia.send(WRITE)
    assert (caught.value.took_effect, caught.value.lasting, len(proxy.heads)) == (False, False, QUICK.attempts)
    assert server.requests == []


@pytest.mark.asyncio
@pytest.mark.parametrize("tunnel", [True, False])
async def test_addresses_of_ip_version_6(tunnel: bool) -> None:
    certificates = Certificates()
    tls = certificates.server() if tunnel else None
    async with hostile_server(answer, tls, host="::1") as server, forward_proxy(login="corp:p@ss", host="::1") as proxy:
        template = f"{'https' if tunnel else 'http'}://[::1]:{server.port}/{{service}}"
        through = f"http://{LOGIN}@[::1]:{proxy.port}"
        async with client(template, proxy=through, ssl=certificates.client()) as tilia:
            assert (await tilia.send(READ)).value == {}
        for head in proxy.heads:
            assert BASIC in head.split("\r\n")
            assert head.split()[1].startswith(f"[::1]:{server.port}" if tunnel else f"http://[::1]:{server.port}/")
        proxy.refuse = 403
        async with client(template, proxy=through, ssl=certificates.client()) as tilia:
            with pytest.raises(errors.TiliaError) as caught:
                await tilia.send(READ)
    assert "p@ss" not in caught.value.explain()


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("exempt", "host", "passes"),
    [
        ("*", "127.0.0.1", True),
        ("127.0.0.1", "127.0.0.1", True),
        ("other.example, 127.0.0.1:{port}", "127.0.0.1", True),
        ("127.0.0.1:1", "127.0.0.1", False),
        ("localhost", "localhost", True),
        ("LOCALHOST:{port}", "localhost", True),
        (".localhost", "localhost", True),
        ("ocalhost", "localhost", False),
        ("::1", "[::1]", True),
        ("[::1]", "[::1]", True),
        ("[::1]:{port}", "[::1]", True),
        ("[::1]:1", "[::1]", False),
        ("::2", "[::1]", False),
        # What no form of text can say: the standard library knows no networks, and a star only alone.
        ("127.0.0.0/8", "127.0.0.1", False),
        ("other.example,*", "127.0.0.1", False),
    ],
)
async def test_forms_of_no_proxy(
    home: Path, monkeypatch: pytest.MonkeyPatch, exempt: str, host: str, passes: bool
) -> None:
    certificates = Certificates()
    listening = "::1" if "::1" in host else "127.0.0.1"
    async with hostile_server(answer, certificates.server(), host=listening) as server, forward_proxy() as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        monkeypatch.setenv("NO_PROXY", exempt.format(port=server.port))
        template = f"https://{host}:{server.port}/{{service}}"
        async with client(template, trust_env=True, ssl=certificates.client()) as tilia:
            assert (await tilia.send(READ)).value == {}
    assert (proxy.heads == []) is passes


@pytest.mark.asyncio
async def test_domains_in_no_proxy(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    for exempt, passes in {
        ".tilia.test": True,
        "tilia.test": True,
        "tilia.test:443": True,
        "accounts.tilia.test": True,
        "accounts.tilia.test:443": True,
        "accounts.tilia.test:8443": False,
        "ilia.test": False,
        "*.tilia.test": False,
    }.items():
        monkeypatch.setenv("NO_PROXY", exempt)
        found = await Routes(None, trust_env=True).find("https://accounts.tilia.test")
        assert (found is None) is passes, exempt


@pytest.mark.asyncio
async def test_a_plain_proxy_that_wants_a_login_has_sent_nothing_on(sandbox: Sandbox) -> None:
    async with forward_proxy(login="corp:other") as proxy:
        async with client(sandbox.environment, proxy=with_login(proxy)) as tilia:
            with pytest.raises(errors.ConnectError, match="407 and sent nothing on: it wants a login") as caught:
                await tilia.send(WRITE)
    assert (caught.value.took_effect, len(proxy.heads), len(sandbox.requests)) == (False, 1, 0)


@pytest.mark.asyncio
async def test_a_proxy_that_is_away_or_unknown_is_named(unused_tcp_port: int) -> None:
    for through, words in {
        f"http://127.0.0.1:{unused_tcp_port}": r"the proxy http://127\.0\.0\.1:\d+ could not be reached",
        "http://u:p4ss@no-such-proxy.invalid:3128": r"the name of the proxy http://no-such-proxy\.invalid:3128 did not",
    }.items():
        async with client("https://{service}.tilia.test", proxy=through) as tilia:
            with pytest.raises(errors.ConnectError, match=words) as caught:
                await tilia.send(WRITE)
        assert caught.value.took_effect is False
        assert "p4ss" not in caught.value.explain()


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "NETRC"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


@pytest.mark.asyncio
@pytest.mark.parametrize("login", ["in the variable", "in .netrc"])
async def test_the_environments_proxy(home: Path, monkeypatch: pytest.MonkeyPatch, login: str) -> None:
    certificates = Certificates()
    async with tls_server(certificates) as server, forward_proxy(login="corp:p@ss") as proxy:
        in_file = login == "in .netrc"
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}" if in_file else with_login(proxy))
        if in_file:
            (home / ".netrc").write_text("machine 127.0.0.1 login corp password p@ss\n")
            (home / ".netrc").chmod(0o600)
        async with client(at(server), trust_env=True, ssl=certificates.client()) as tilia:
            assert (await tilia.send(READ)).value == {}
    assert_tunnelled(proxy, server)


@pytest.mark.asyncio
async def test_a_login_in_netrc_is_not_sent_to_tilia(home: Path, sandbox: Sandbox) -> None:
    (home / ".netrc").write_text("default login somebody password else\n")
    (home / ".netrc").chmod(0o600)
    async with TiliaClient(
        sandbox.client_id, sandbox.client_secret, sandbox.environment, trust_env=True, token_cache=TokenCache()
    ) as tilia:
        assert await tilia.payment_methods.list("acct_1") == []
    token, call = sandbox.requests
    assert "Authorization" not in token.headers
    assert call.operation == "payment_methods.list"


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "variables",
    [
        {"NO_PROXY": "127.0.0.1", "HTTP_PROXY": "http://127.0.0.1:1"},
        {"HTTPS_PROXY": "http://127.0.0.1:1"},
        {"HTTP_PROXY": "http://proxy.invalid:3128"},
    ],
    ids=["exempted", "another scheme", "this machine from elsewhere"],
)
async def test_what_goes_past_the_environments_proxy(
    home: Path, monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox, variables: dict[str, str]
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    async with TiliaClient(
        sandbox.client_id, sandbox.client_secret, sandbox.environment, trust_env=True, token_cache=TokenCache()
    ) as tilia:
        assert await tilia.payment_methods.list("acct_1") == []


@pytest.mark.asyncio
async def test_a_variable_that_names_no_http_proxy_is_named(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "socks5://me:p4ss@127.0.0.1:1080")
    async with client("https://{service}.tilia.test", trust_env=True) as tilia:
        with pytest.raises(errors.ConfigurationError, match="HTTPS_PROXY: proxy: only HTTP proxies") as caught:
            await tilia.send(READ)
    assert "p4ss" not in caught.value.explain()


@pytest.mark.asyncio
@pytest.mark.parametrize("how", ["proxy", "login beside it", "trust_env"])
@pytest.mark.filterwarnings("ignore:.*deprecated.*:DeprecationWarning")
async def test_the_proxy_of_a_session_is_used(home: Path, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    certificates = Certificates()
    async with tls_server(certificates) as server, forward_proxy(login="corp:p@ss") as proxy:
        settings: dict[str, Any] = {"proxy": with_login(proxy)}
        if how == "trust_env":
            monkeypatch.setenv("HTTPS_PROXY", with_login(proxy))
            settings = {"trust_env": True}
        if how == "login beside it":
            settings = {"proxy": proxy.url.replace("corp:p@ss@", ""), "proxy_auth": aiohttp.BasicAuth("corp", "p@ss")}
        connector = aiohttp.TCPConnector(ssl=certificates.client())
        async with aiohttp.ClientSession(connector=connector, **settings) as session:
            async with client(at(server), session=session) as tilia:
                assert (await tilia.send(READ)).value == {}
    assert_tunnelled(proxy, server)
