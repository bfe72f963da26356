"""A SOCKS proxy, by the connector of a session: the one way there is, since aiohttp has none of its own."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest
from aiohttp_socks import ProxyConnector, ProxyType
from support.forward_proxy import Certificates
from support.hostile import Connection, hostile_server
from support.interruption import assert_no_slot_is_held
from support.socks_proxy import SocksProxy, socks_proxy

from tilia_async import Operation, Repeat, RetryPolicy, Service, TiliaClient, errors
from tilia_async.tokens import TokenCache

WRITE = Operation("things.write", "POST", Service.ACCOUNTS, "/v1/thing", dict[str, str], scopes=(), repeat=Repeat.NEVER)
ONCE = RetryPolicy(attempts=1)


async def answer(connection: Connection) -> None:
    while await connection.tokens() is not None:
        await connection.answer()


def connector(proxy: SocksProxy, **settings: Any) -> ProxyConnector:
    return ProxyConnector("127.0.0.1", proxy.port, ProxyType.SOCKS5, **settings)


@pytest.mark.asyncio
@pytest.mark.parametrize("login", [None, ("corp", "p@ss")], ids=["open", "login"])
async def test_every_request_goes_through_the_sessions_socks_proxy(login: tuple[str, str] | None) -> None:
    certificates = Certificates()
    user, password = login or (None, None)
    async with hostile_server(answer, certificates.server()) as server, socks_proxy(login=login) as proxy:
        way = connector(proxy, username=user, password=password, rdns=True, ssl=certificates.client())
        async with aiohttp.ClientSession(connector=way) as session:
            template = f"https://{{service}}.tilia.test:{server.port}"
            async with TiliaClient("id", "s3cret", template, session=session, token_cache=TokenCache()) as tilia:
                assert (await tilia.send(WRITE)).value == {}
                assert (await tilia.send(WRITE)).value == {}
                assert_no_slot_is_held(tilia)
        # The names are the proxy's to look up, and the second request goes over the first one's connection.
        assert sorted(proxy.asked) == [("accounts.tilia.test", server.port), ("auth.tilia.test", server.port)]


@pytest.mark.asyncio
@pytest.mark.parametrize("fault", ["login", "target", "away"])
async def test_what_a_socks_proxy_refuses_was_not_sent(fault: str, unused_tcp_port: int) -> None:
    async with socks_proxy(login=("corp", "other") if fault == "login" else None) as proxy:
        if fault == "away":
            proxy.port = unused_tcp_port
        way = connector(proxy, username="corp", password="hunter-two")
        async with aiohttp.ClientSession(connector=way) as session:
            template = f"http://127.0.0.1:{unused_tcp_port}/{{service}}"
            async with TiliaClient(
                "id", "s3cret", template, session=session, token_cache=TokenCache(), retry=ONCE
            ) as tilia:
                with pytest.raises(errors.TransportError) as caught:
                    await tilia.send(WRITE)
                assert_no_slot_is_held(tilia)
        assert caught.value.took_effect is False
        assert "hunter-two" not in f"{caught.value} {caught.value.call}"
