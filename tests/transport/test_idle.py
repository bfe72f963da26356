"""A connection that the server has ended while it was idle: nothing was sent on it, so the request goes on another."""

from __future__ import annotations

import asyncio
import select
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import aiohttp
import pytest
import trustme
import uvloop
from support.counts import count
from support.hostile import Connection, HostileServer
from support.interruption import assert_no_slot_is_held, elsewhere
from support.keeper import Keeper, abort, close, complain, speak

from tilia_async import Environment, Operation, Repeat, RetryPolicy, Service, TiliaClient, errors
from tilia_async.tokens import TokenCache

WRITE = Operation("things.write", "POST", Service.ACCOUNTS, "/v1/thing", dict[str, str], scopes=(), repeat=Repeat.NEVER)
NO_WAIT_IS_SHORT = RetryPolicy(attempts=3, initial=1000, maximum=1000)
LOOPS = pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
NewLoop = Callable[[], asyncio.AbstractEventLoop]


@contextmanager
def served(keeper: Keeper, *, tls: bool = False) -> Iterator[tuple[HostileServer, ssl.SSLContext | bool, str]]:
    """The server, what a connector needs to trust it, and the template of its URLs."""
    if not tls:
        with elsewhere(keeper.serve) as server:
            yield server, True, server.template
        return
    authority = trustme.CA()
    context, trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.configure_trust(trusting)
    with elsewhere(keeper.serve, context) as server:
        yield server, trusting, server.template.replace("http:", "https:")


@contextmanager
def running(
    new_loop: NewLoop, template: str, trusted: ssl.SSLContext | bool
) -> Iterator[tuple[asyncio.Runner, TiliaClient]]:
    """A loop, and a client whose connections are those of a session of the user's."""
    with asyncio.Runner(loop_factory=new_loop) as runner:

        async def opened() -> tuple[aiohttp.ClientSession, TiliaClient]:
            session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trusted))
            tilia = TiliaClient(
                "id", "secret", template, session=session, retry=NO_WAIT_IS_SHORT, token_cache=TokenCache()
            )
            return session, tilia

        session, tilia = runner.run(opened())
        try:
            yield runner, tilia
        finally:
            runner.run(tilia.aclose())
            runner.run(session.close())


ENDS = {
    "closed": (close, False),
    "aborted": (abort, False),
    "answered unasked, then closed": (complain, False),
    "answered unasked": (speak, False),
    "TLS, closed": (close, True),
    "TLS, cut off": (abort, True),
    "TLS, answered unasked, then closed": (complain, True),
    "TLS, answered unasked": (speak, True),
}


@LOOPS
@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("lives", ["a loop that sleeps", "a loop that runs for each event"])
def test_a_write_goes_out_on_another_connection_at_once(new_loop: NewLoop, end: str, lives: str) -> None:
    how, tls = ENDS[end]
    keeper = Keeper(how)
    with (
        served(keeper, tls=tls) as (server, trusted, template),
        running(new_loop, template, trusted) as (runner, tilia),
    ):

        async def sleeps() -> None:
            for number in range(4):
                came = await tilia.send(WRITE)
                assert (came.value, came.attempts, len(server.requests)) == ({}, 1, number + 1)
                keeper.end_idle()

        if lives == "a loop that sleeps":
            runner.run(sleeps())
        else:
            for number in range(4):
                came = runner.run(tilia.send(WRITE))
                assert (came.value, came.attempts, len(server.requests)) == ({}, 1, number + 1)
                keeper.end_idle()
        assert_no_slot_is_held(tilia)
    assert keeper.accepted == 4
    count("idle connections ended", 4)


@LOOPS
@pytest.mark.parametrize("tls", [False, True])
def test_however_many_connections_have_ended_the_next_calls_succeed(new_loop: NewLoop, tls: bool) -> None:
    keeper = Keeper()
    with (
        served(keeper, tls=tls) as (server, trusted, template),
        running(new_loop, template, trusted) as (runner, tilia),
    ):

        async def many() -> None:
            for _ in range(3):
                assert {each.attempts for each in await asyncio.gather(*(tilia.send(WRITE) for _ in range(20)))} == {1}
                keeper.end_idle()
            assert (await tilia.send(WRITE)).attempts == 1

        runner.run(many())
        assert len(server.requests) == 61


@LOOPS
def test_a_healthy_tls_connection_that_has_something_to_read_is_kept(new_loop: NewLoop) -> None:
    """TLS 1.3 sends tickets after the handshake."""
    keeper = Keeper()
    with (
        served(keeper, tls=True) as (server, trusted, template),
        running(new_loop, template, trusted) as (runner, tilia),
    ):
        for _ in range(20):
            runner.run(tilia.send(WRITE))
        assert len(server.requests) == 20
    assert keeper.accepted == 1


@LOOPS
def test_what_ends_after_the_look_stays_in_doubt(new_loop: NewLoop) -> None:
    async def drop(connection: Connection) -> None:
        if await connection.tokens() is not None:
            connection.writer.transport.abort()

    with elsewhere(drop) as server, running(new_loop, server.template, True) as (runner, tilia):
        with pytest.raises(errors.OutcomeUnknownError) as caught:
            runner.run(tilia.send(WRITE))
        assert caught.value.took_effect is None
        assert len(server.requests) == 1


class Late(aiohttp.TCPConnector):
    """Hands a new connection over when something has come on it, which the loop may know nothing of."""

    async def connect(self, req: Any, traces: Any, timeout: Any) -> aiohttp.connector.Connection:  # noqa: ASYNC109 - aiohttp's own names
        connection = await super().connect(req, traces, timeout)
        protocol, transport = connection.protocol, connection.transport
        if not (protocol.should_close or transport.is_closing()):
            assert select.select([transport.get_extra_info("socket")], [], [], 10)[0]
        return connection


@LOOPS
@pytest.mark.parametrize(
    ("first_words", "told"),
    [
        (b"", "ended the connection before anything was sent"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "answered before it was asked"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", "answered before it was asked"),
    ],
)
def test_a_new_connection_that_cannot_be_used_is_a_failed_attempt_in_which_nothing_was_sent(
    new_loop: NewLoop, first_words: bytes, told: str
) -> None:
    accepted = 0

    async def refuse(connection: Connection) -> None:
        nonlocal accepted
        accepted += 1
        connection.writer.write(first_words)
        if not first_words:
            connection.writer.close()
        assert await connection.reader.read() == b""

    async def run() -> None:
        async with aiohttp.ClientSession(connector=Late()) as session:
            retry = RetryPolicy(attempts=3, initial=0)
            there = Environment.at(server.template, {Service.AUTH: tokens.template.replace("{service}", "auth")})
            async with TiliaClient(
                "id", "secret", there, retry=retry, session=session, token_cache=await with_token(there)
            ) as tilia:
                with pytest.raises(errors.ConnectError, match=told) as caught:
                    await tilia.send(WRITE)
        assert caught.value.took_effect is False
        assert [attempt.sent for attempt in caught.value.call.attempts] == [False] * 3

    async def with_token(there: Environment) -> TokenCache:
        cache = TokenCache()
        async with TiliaClient("id", "secret", there, token_cache=cache) as tilia:
            await tilia.access_token(())
        return cache

    with (
        elsewhere(refuse) as server,
        elsewhere(Keeper().serve) as tokens,
        asyncio.Runner(loop_factory=new_loop) as runner,
    ):
        runner.run(run())
    assert accepted == 3
