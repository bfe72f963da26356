"""Private authorities and client certificates, for real, on both loops."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest
import trustme
import uvloop
from support.forward_proxy import Certificates, proxy_elsewhere, strict_tls_server
from support.hostile import Connection, HostileServer
from support.interruption import elsewhere
from support.quick import QUICK

import tilia_sync
from tilia_async import Environment, Operation, Repeat, Service, TiliaClient, errors
from tilia_async.tokens import TokenCache

WRITE = Operation("things.write", "POST", Service.ACCOUNTS, "/v1/thing", dict[str, str], scopes=(), repeat=Repeat.NEVER)
LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": asyncio.new_event_loop,
    "uvloop": uvloop.new_event_loop,
}
VERSIONS = {"TLS 1.2": ssl.TLSVersion.TLSv1_2, "TLS 1.3": ssl.TLSVersion.TLSv1_3}


@pytest.fixture(params=LOOPS)
def runner(request: pytest.FixtureRequest) -> asyncio.Runner:
    return asyncio.Runner(loop_factory=LOOPS[request.param])


async def answer(connection: Connection) -> None:
    while await connection.tokens() is not None:
        await connection.answer()


def at(server: HostileServer, host: str = "127.0.0.1") -> str:
    return f"https://{host}:{server.port}/{{service}}"


async def write(template: str | Environment, **settings: Any) -> object:
    async with TiliaClient("id", "s3cret", template, retry=QUICK, token_cache=TokenCache(), **settings) as tilia:
        return (await tilia.send(WRITE)).value


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("proxied", [False, True], ids=["straight", "through a proxy"])
def test_a_private_authority_and_a_client_certificate(runner: asyncio.Runner, version: str, proxied: bool) -> None:
    certificates = Certificates()
    tls = certificates.server(wants_client=True, version=VERSIONS[version])
    with runner, elsewhere(answer, tls) as server, proxy_elsewhere() as proxy:
        through = {"proxy": proxy.url} if proxied else {}
        assert runner.run(write(at(server), ssl=certificates.client(shows=True), **through)) == {}
        assert len(server.requests) == 1
        assert len(proxy.heads) == proxied


@pytest.mark.parametrize("proxied", [False, True], ids=["straight", "through a proxy"])
def test_a_certificate_that_is_not_trusted(runner: asyncio.Runner, proxied: bool) -> None:
    certificates = Certificates()
    with runner, elsewhere(answer, certificates.server()) as server, proxy_elsewhere() as proxy:
        through = {"proxy": proxy.url} if proxied else {}
        for context in (None, Certificates().client()):
            with pytest.raises(errors.ConnectError, match="the server's certificate for 127.0.0.1 is not tr") as caught:
                runner.run(write(at(server), ssl=context, **through))
            assert "pass an ssl.SSLContext that trusts its issuer as ssl=" in str(caught.value)
            assert (caught.value.took_effect, caught.value.lasting, server.requests) == (False, True, [])
        assert len(proxy.heads) == 2 * proxied, "it is not tried again"


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("shows", ["none", "another authority's"])
@pytest.mark.parametrize("proxied", [False, True], ids=["straight", "through a proxy"])
@pytest.mark.parametrize("when", ["token", "call"])
def test_a_client_certificate_that_is_missing(
    runner: asyncio.Runner, version: str, shows: str, proxied: bool, when: str
) -> None:
    certificates = Certificates()
    context = certificates.client(trustme.CA(), shows=shows != "none")
    tls = certificates.server(wants_client=True, version=VERSIONS[version])

    with runner, elsewhere(answer) as tokens, strict_tls_server(tls) as (port, refusals), proxy_elsewhere() as proxy:
        through = {"proxy": proxy.url} if proxied else {}
        elsewhere_for_tokens = {Service.AUTH: tokens.template.format(service="auth")} if when == "call" else {}
        there = Environment.at(f"https://127.0.0.1:{port}/{{service}}", elsewhere_for_tokens)
        with pytest.raises(errors.TransportError) as caught:
            runner.run(write(there, ssl=context, **through))
    error = caught.value
    assert "certificate" in str(error)
    assert "load_cert_chain" in str(error)
    assert sum(head.startswith("CONNECT") for head in proxy.heads) == proxied * len(refusals)
    assert "nothing" not in refusals
    if version == "TLS 1.2":
        assert isinstance(error, errors.ConnectError)
        assert len(refusals) == 1 or not error.lasting
    elif not isinstance(error, errors.ConnectError):
        # Written before the server said why; if that is lost on the way, nobody knows.
        assert error.took_effect is (None if when == "call" else False)
        return
    assert error.took_effect is False


@pytest.mark.parametrize("version", VERSIONS)
def test_a_server_that_ends_without_a_word_leaves_a_write_in_doubt(runner: asyncio.Runner, version: str) -> None:
    certificates = Certificates()
    tls = certificates.server(wants_client=True, version=VERSIONS[version])
    with runner, elsewhere(answer) as tokens, elsewhere(answer, tls) as server:
        there = Environment.at(at(server), {Service.AUTH: tokens.template.format(service="auth")})
        with pytest.raises(errors.TransportError, match="if it wants a certificate of this client") as caught:
            runner.run(write(there, ssl=certificates.client()))
    assert caught.value.took_effect is (False if isinstance(caught.value, errors.ConnectError) else None)
    if version == "TLS 1.2":
        assert isinstance(caught.value, errors.ConnectError)


def test_the_synchronous_client_shows_its_certificate() -> None:
    certificates = Certificates()
    with elsewhere(answer, certificates.server(wants_client=True)) as server:
        with tilia_sync.TiliaClient(
            "id", "s3cret", at(server), token_cache=TokenCache(), ssl=certificates.client(shows=True)
        ) as tilia:
            assert tilia.send(WRITE).value == {}
        with tilia_sync.TiliaClient("id", "s3cret", at(server), token_cache=TokenCache()) as tilia:
            with pytest.raises(errors.ConnectError, match="certificate"):
                tilia.send(WRITE)


def test_the_certificates_of_a_session_are_used(runner: asyncio.Runner) -> None:
    certificates = Certificates()

    async def call() -> object:
        connector = aiohttp.TCPConnector(ssl=certificates.client(shows=True))
        async with aiohttp.ClientSession(connector=connector) as session:
            return await write(at(server), session=session)

    with runner, elsewhere(answer, certificates.server(wants_client=True)) as server:
        assert runner.run(call()) == {}
