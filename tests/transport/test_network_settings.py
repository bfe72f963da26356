"""Proxies, certificates and sessions as settings: what is refused at once, and that no password is shown."""

from __future__ import annotations

import ssl
import traceback
from base64 import b64encode
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest

import tilia_sync
from tilia_async import TiliaClient, errors
from tilia_async.secret import Secret
from tilia_async.transport.send_state import SENT

PASSWORD = "canary-pw1"
CODED = b64encode(f"corp:{PASSWORD}".encode()).decode()
BOTH = pytest.mark.parametrize("package", [TiliaClient, tilia_sync.TiliaClient], ids=["async", "sync"])


def assert_hidden(error: BaseException) -> None:
    told = traceback.TracebackException.from_exception(error, capture_locals=True)
    for frame in told.stack:
        if "tilia_" in frame.filename and "/tests/" not in frame.filename:
            assert PASSWORD not in repr(frame.locals)
            assert CODED not in repr(frame.locals)
    assert PASSWORD not in repr(error)


@BOTH
@pytest.mark.parametrize("how", ["constructor", "from_env", "variable"])
@pytest.mark.parametrize(
    ("proxy", "words"),
    [
        (f"corp:{PASSWORD}@proxy:3128", "it is no URL such as"),
        (f"ftp://corp:{PASSWORD}@proxy:3128", "it is no URL such as"),
        (f"http://corp:{PASSWORD}/@proxy:3128", "%2F"),
        (f"http://corp:{PASSWORD}@proxy:3128/path", "nothing follows the port"),
        (f"http://corp:{PASSWORD}@proxy:99999", "it is no URL such as"),
        (f"http://corp:{PASSWORD}@", "it is no URL such as"),
        (f"http://a%3Ab:{PASSWORD}@proxy:3128", "colon"),
        (f"http://corp:{PASSWORD}\n@proxy:3128", "cannot be printed"),
        (f"socks5://corp:{PASSWORD}@proxy:1080", "aiohttp-socks"),
    ],
)
def test_a_proxy_that_is_none(package: Any, how: str, proxy: str, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def make() -> object:
        if how == "constructor":
            return package("id", "s3cret", "staging", proxy=proxy)
        if how == "from_env":
            return package.from_env(client_id="id", client_secret="s3cret", environment="staging", proxy=proxy)
        monkeypatch.setenv("TILIA_PROXY", proxy)
        return package.from_env(client_id="id", client_secret="s3cret", environment="staging")

    with pytest.raises(errors.ConfigurationError, match=words) as caught:
        make()
    assert_hidden(caught.value)


@BOTH
@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"proxy": 3128}, "proxy: a URL such as .* is wanted, not int"),
        ({"trust_env": "yes"}, "trust_env is bool, not str"),
        ({"ssl": False}, "ssl is SSLContext or None, not bool"),
        ({"ssl": ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)}, "ssl: it is a context for servers"),
        ({"proxy": "http://proxy:3128", "trust_env": True}, "proxy and trust_env: give one of them"),
    ],
)
def test_settings_that_cannot_be(package: Any, settings: dict[str, Any], words: str) -> None:
    with pytest.raises(errors.ConfigurationError, match=words):
        package("id", "s3cret", "staging", **settings)


@BOTH
def test_plain_http_is_not_sent_to_a_proxy_elsewhere(package: Any) -> None:
    with pytest.raises(errors.ConfigurationError, match=r"http://proxy\.example:3128 is not on this machine"):
        package("id", "s3cret", "http://127.0.0.1:1/{service}", proxy=f"http://corp:{PASSWORD}@proxy.example:3128")


@BOTH
def test_a_proxy_by_variable_or_as_a_secret_is_shown_nowhere(package: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"http://corp:{PASSWORD}@proxy.example:3128"
    monkeypatch.setenv("TILIA_PROXY", url)
    for client in (
        package.from_env(client_id="id", client_secret="s3cret", environment="staging"),
        package("id", "s3cret", "staging", proxy=Secret(url)),
    ):
        pool = getattr(client, "_client", client)._pool
        assert pool.outward.proxy.url == "http://proxy.example:3128"
        assert pool.outward.proxy.authorization.reveal() == f"Basic {CODED}"
        assert PASSWORD not in f"{client!r} {pool!r} {pool.outward!r}"
        assert CODED not in f"{client!r} {pool!r} {pool.outward!r}"


class Own(aiohttp.ClientRequest):
    pass


async def refuse(_request: object, _handler: object) -> Any: ...


async def judge(_response: object) -> None: ...


LOST: dict[str, Callable[[], aiohttp.ClientSession]] = {
    "headers": lambda: aiohttp.ClientSession(headers={"X-Key": PASSWORD}),
    "skip_auto_headers": lambda: aiohttp.ClientSession(skip_auto_headers=["User-Agent"]),
    "auth": lambda: aiohttp.ClientSession(auth=aiohttp.BasicAuth("corp", PASSWORD)),
    "cookies": lambda: aiohttp.ClientSession(cookies={"a": PASSWORD}),
    "base_url": lambda: aiohttp.ClientSession("https://example.com"),
    "timeout": lambda: aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=3)),
    "version": lambda: aiohttp.ClientSession(version=aiohttp.HttpVersion10),
    "middlewares": lambda: aiohttp.ClientSession(middlewares=[refuse]),
    "raise_for_status": lambda: aiohttp.ClientSession(raise_for_status=judge),
    "request_class": lambda: aiohttp.ClientSession(request_class=Own),
    "response_class": lambda: aiohttp.ClientSession(response_class=type("Mine", (aiohttp.ClientResponse,), {})),
    "proxy": lambda: aiohttp.ClientSession(proxy=f"socks5://corp:{PASSWORD}@proxy:1080"),
}


@pytest.mark.asyncio
@pytest.mark.filterwarnings("ignore:.*deprecated.*:DeprecationWarning")
@pytest.mark.parametrize("setting", LOST)
async def test_what_a_session_would_lose_is_refused(setting: str) -> None:
    async with LOST[setting]() as session:
        with pytest.raises(errors.ConfigurationError, match=f"session: its {setting}") as caught:
            TiliaClient("id", "s3cret", "staging", session=session)
    assert_hidden(caught.value)


@pytest.mark.asyncio
async def test_a_session_with_requests_of_its_own_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    async with aiohttp.ClientSession() as session:
        monkeypatch.setattr(session, "_request", refuse, raising=False)
        with pytest.raises(errors.ConfigurationError, match="session: the requests of ClientSession are its own"):
            TiliaClient("id", "s3cret", "staging", session=session)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("setting", "value"), [("proxy", "http://proxy:1"), ("trust_env", True), ("ssl", ssl.create_default_context())]
)
async def test_a_session_has_settings_of_its_own(setting: str, value: Any) -> None:
    async with aiohttp.ClientSession() as session:
        with pytest.raises(errors.ConfigurationError, match=f"{setting} and session: give {setting} to the session"):
            TiliaClient("id", "s3cret", "staging", session=session, **{setting: value})


@pytest.mark.asyncio
async def test_what_a_session_may_have() -> None:
    trace = aiohttp.TraceConfig()
    async with aiohttp.ClientSession(raise_for_status=True, trust_env=True, trace_configs=[trace]) as session:
        tilia = TiliaClient("id", "s3cret", "staging", session=session)
        opened = await tilia._pool.session()
        assert opened.trace_configs == [SENT, trace]
        assert opened.trust_env is False, "Routes reads the variables, and no login for Tilia"
        await tilia.aclose()
        assert not session.closed
