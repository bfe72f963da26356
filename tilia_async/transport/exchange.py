"""One request on the wire, and its answer read to the end."""

from __future__ import annotations

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError
from yarl import URL

from tilia_async.tokens.token import AccessToken
from tilia_async.transport.body import read
from tilia_async.transport.direct import Direct
from tilia_async.transport.idle import UnusableConnectionError
from tilia_async.transport.passage import Passage, passage
from tilia_async.transport.reasons import cause, told
from tilia_async.wire.envelope import NoAnswer, RawAnswer
from tilia_async.wire.request import WireRequest


async def exchange(
    session: aiohttp.ClientSession,
    direct: Direct | None,
    request: WireRequest,
    token: AccessToken | None,
    passed: Passage,
    response_bytes: int,
) -> RawAnswer | NoAnswer:
    """Send a request once and read the answer. Every failure that is the network's comes back as a value.

    Args:
        direct: the shorter way to the session's connections; None: there is none.
        token: goes into the header ``Authorization``; None: there is none yet.
        passed: learns when the request was sent.
        response_bytes: the largest body that is read.
    """
    url = request.url
    path = url.find("/", url.find("//") + 2)
    origin = url if path < 0 else url[:path]
    places = passed.places
    if not places.take(origin):
        await places.wait(origin)
    try:
        # Of the idle connections, those that have ended are passed over.
        while True:
            try:
                if direct is not None and direct.takes(request):
                    return await direct.ask(request, origin, token, passed, response_bytes)
                return await _ask(session, request, token, passed, response_bytes)
            except UnusableConnectionError as error:
                if not error.idle:
                    raise
    except (aiohttp.ClientError, HttpProcessingError, OSError, EOFError) as error:
        reason, why = told(error), cause(error)
    except RuntimeError as error:
        # aiohttp's words for a session that was closed while the call was on its way to it.
        if not session.closed:
            raise
        reason, why = told(error), cause(error)
    finally:
        places.give_back(origin)
    return NoAnswer(passed.sent, reason, why)


async def _ask(
    session: aiohttp.ClientSession,
    request: WireRequest,
    token: AccessToken | None,
    passed: Passage,
    response_bytes: int,
) -> RawAnswer:
    """Ask the session as anybody would."""
    reset = passage.set(passed)
    try:
        # The token is in no variable here: frames can be printed with their variables.
        response = await session.request(
            request.method,
            URL(request.url, encoded=True),
            headers=(
                request.headers.reveal()
                if token is None
                else {**request.headers.reveal(), "Authorization": f"Bearer {token.value}"}
            ),
            data=None if request.body is None else request.body.reveal(),
            allow_redirects=False,
        )
        # aiohttp's own ``async with`` does this at greater length, for answers that are read to their end, too.
        try:
            return RawAnswer(
                response.status, response.headers, *await read(response.headers, response.content, response_bytes)
            )
        finally:
            if not response.closed:
                response.close()
            if request.body is not None:
                # The task that writes the body may still be there, if the server did not wait for its end.
                await response.wait_for_close()
    finally:
        passage.reset(reset)
