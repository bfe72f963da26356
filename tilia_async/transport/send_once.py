"""A request on the wire, and its answer read.

It is one request; the answer is read to the end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from time import monotonic
from typing import Any, Final

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError
from yarl import URL

from tilia_async.errors import TiliaError
from tilia_async.proxy import Proxy
from tilia_async.tokens.token import AccessToken
from tilia_async.transport.body import read
from tilia_async.transport.direct import Direct
from tilia_async.transport.idle import UnusableConnectionError
from tilia_async.transport.reasons import AttemptTimeoutError, ProxyLoginError, not_answered
from tilia_async.transport.routes import Routes
from tilia_async.transport.send_state import SendState, current_send
from tilia_async.wire.envelope import NoResponse, RawResponse
from tilia_async.wire.request import WireRequest

_AFTER_SCHEME: Final = len("https://")
"""Index behind the scheme of every URL.

With ``http://`` it lies in the host, whose shortest has one character.
"""


async def send_once(
    session: aiohttp.ClientSession,
    direct: Direct | None,
    request: WireRequest,
    token: AccessToken | None,
    send_state: SendState,
    response_bytes: int,
    routes: Routes | None = None,
) -> RawResponse | NoResponse:
    """Send a request once and read the answer.

    Every failure that is the network's comes back as a value.

    Args:
        direct: the shorter way to the session's connections; None: there is none.
        token: goes into the header ``Authorization``; None: there is none yet.
        passed: learns when the request was sent.
        response_bytes: the largest body that is read.
        routes: the proxies; None: there are none.

    Raises:
        ConfigurationError: the environment names a proxy that cannot be used.
    """
    url = request.url
    path = url.find("/", _AFTER_SCHEME)
    origin = url if path < 0 else url[:path]
    proxy = None if routes is None else await routes.find(origin)
    places = send_state.places
    if not places.try_acquire(origin):
        await _wait_for_place(send_state, origin)
    try:
        # Of the idle connections, those that have ended are passed over.
        while True:
            try:
                if proxy is None and direct is not None and direct.takes(request):
                    asking = direct.ask(request, origin, token, send_state, response_bytes)
                else:
                    asking = _ask(session, request, token, send_state, response_bytes, proxy)
                return await (asking if send_state.seconds is None else _within(send_state.seconds, asking))
            except UnusableConnectionError as error:
                if not error.idle:
                    raise
    except (aiohttp.ClientError, HttpProcessingError, OSError, EOFError) as error:
        ended = not_answered(error, send_state, proxy, tls=url.startswith("https:"))
    except Exception as error:  # a connector of the user's has errors of its own, as one for SOCKS; others are raised
        if not _is_of_connection(error, session, send_state):
            raise
        ended = not_answered(error, send_state, proxy, tls=url.startswith("https:"))
    finally:
        places.release(origin)
    send_state.sent = ended.sent
    return ended


async def _wait_for_place(send_state: SendState, origin: str) -> None:
    """Take a place when there is one.

    The send state learns how long that took, also where it was in vain.
    """
    since = monotonic()
    try:
        await send_state.places.acquire(origin)
    finally:
        send_state.waited = monotonic() - since


def _is_of_connection(error: Exception, session: aiohttp.ClientSession, send_state: SendState) -> bool:
    """Return True for an unknown kind of connection error.

    It tells of the way to the server.
    """
    if session.closed:
        # aiohttp's words for a session that was closed while the call was on its way to it.
        return isinstance(error, RuntimeError)
    if send_state.sent or isinstance(error, TiliaError):
        return False
    # A connector of another library, which the user has brought, raises errors of that library's own.
    makers = {_package_of(kind) for kind in type(session.connector).__mro__} - {"aiohttp", "builtins"}
    return _package_of(type(error)) in makers


def _package_of(kind: type) -> str:
    return kind.__module__.partition(".")[0]


async def _within(seconds: float, asking: Coroutine[Any, Any, RawResponse]) -> RawResponse:
    limit = asyncio.timeout(seconds)
    try:
        async with limit:
            return await asking
    except TimeoutError:
        # One of a library's is an error of the connection.
        if not limit.expired():
            raise
    raise AttemptTimeoutError(seconds)


async def _ask(
    session: aiohttp.ClientSession,
    request: WireRequest,
    token: AccessToken | None,
    send_state: SendState,
    response_bytes: int,
    proxy: Proxy | None,
) -> RawResponse:
    """Ask the session as anybody would."""
    tunnel = request.url.startswith("https:")
    reset = current_send.set(send_state)
    is_thrown_away = False
    try:
        # The token is in no variable here: frames can be printed with their variables.
        response = await session.request(
            request.method,
            URL(request.url, encoded=True),
            headers={
                **request.headers.reveal(),
                **({} if token is None else {"Authorization": f"Bearer {token.value}"}),
                **({} if tunnel else _login(proxy)),
            },
            data=None if request.body is None else request.body.reveal(),
            allow_redirects=False,
            proxy=None if proxy is None else URL(proxy.url),
            proxy_headers=_login(proxy) if tunnel else None,
        )
        # aiohttp's own ``async with`` does this at greater length, for answers that are read to their end, too.
        try:
            if proxy is not None and not tunnel and response.status == ProxyLoginError.status:
                raise ProxyLoginError
            return RawResponse(
                response.status, response.headers, *await read(response.headers, response.content, response_bytes)
            )
        except GeneratorExit:
            is_thrown_away = True
            raise
        finally:
            if not response.closed:
                response.close()
            if request.body is not None and not is_thrown_away:
                # The task that writes the body may still be there, if the server did not wait for its end.
                await response.wait_for_close()
    except GeneratorExit:
        is_thrown_away = True
        raise
    finally:
        # Nobody awaits a coroutine that is thrown away, and the context may be any other than its own.
        if not is_thrown_away:
            current_send.reset(reset)


def _login(proxy: Proxy | None) -> dict[str, str]:
    """Return the header for the proxy.

    It is not in the proxy's URL, which stands in aiohttp's errors.
    """
    if proxy is None or proxy.authorization is None:
        return {}
    return {"Proxy-Authorization": proxy.authorization.reveal()}
