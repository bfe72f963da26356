"""One request on the wire, and its answer read to the end."""

from __future__ import annotations

import zlib
from typing import Final

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError
from yarl import URL

from tilia_async.tokens.token import AccessToken
from tilia_async.transport.idle import EndedConnectionError, UnaskedAnswerError, UnusableConnectionError
from tilia_async.transport.passage import Passage, passage
from tilia_async.wire.envelope import NoAnswer, RawAnswer
from tilia_async.wire.request import WireRequest

_CONNECTING: tuple[tuple[type[Exception], str], ...] = (
    (aiohttp.ClientConnectorDNSError, "the host name did not resolve"),
    (aiohttp.ClientConnectorCertificateError, "the server's certificate is not trusted"),
    (aiohttp.ClientConnectorSSLError, "TLS failed"),
    (aiohttp.ClientProxyConnectionError, "the proxy could not be reached"),
    (aiohttp.ClientHttpProxyError, "the proxy refused"),
    (aiohttp.ClientConnectorError, "the connection failed"),
    (aiohttp.ServerDisconnectedError, "the server closed the connection"),
    (aiohttp.ClientPayloadError, "the answer was cut off"),
    (aiohttp.ClientResponseError, "the answer is no HTTP"),
    (EndedConnectionError, "the server ended the connection before anything was sent"),
    (UnaskedAnswerError, "the server had answered before it was asked"),
    (ConnectionResetError, "the connection was reset"),
)

# Two bytes of JSON can become a hundred of memory and some microseconds of a blocked loop. No long list that Tilia
# documents has fewer bytes to a value, or to an object, than these.
_BYTES_OF_A_VALUE: Final = 16
_BYTES_OF_A_CONTAINER: Final = 48
_FEW: Final = 10_000


async def exchange(
    session: aiohttp.ClientSession,
    request: WireRequest,
    token: AccessToken | None,
    passed: Passage,
    response_bytes: int,
) -> RawAnswer | NoAnswer:
    """Send a request once and read the answer. Every failure that is the network's comes back as a value.

    Args:
        token: goes into the header ``Authorization``; None: there is none yet.
        passed: learns when the request was sent.
        response_bytes: the largest body that is read.
    """
    url = URL(request.url, encoded=True)
    places, host = passed.places, url.raw_authority
    if not places.take(host):
        await places.wait(host)
    reset = passage.set(passed)
    try:
        response = await _begin(session, request, url, token)
        # aiohttp's own ``async with`` does this at greater length, for answers that are read to their end, too.
        try:
            return await _read(response, response_bytes)
        finally:
            if not response.closed:
                response.close()
            if request.body is not None:
                # The task that writes the body may still be there, if the server did not wait for its end.
                await response.wait_for_close()
    except (aiohttp.ClientError, HttpProcessingError, OSError, EOFError) as error:
        reason, cause = _told(error), _cause(error)
    except RuntimeError as error:
        # aiohttp's words for a session that was closed while the call was on its way to it.
        if not session.closed:
            raise
        reason, cause = _told(error), _cause(error)
    finally:
        passage.reset(reset)
        places.give_back(host)
    return NoAnswer(passed.sent, reason, cause)


async def _begin(
    session: aiohttp.ClientSession, request: WireRequest, url: URL, token: AccessToken | None
) -> aiohttp.ClientResponse:
    """Send a request on a connection that can be used: of the idle ones, those that have ended are passed over."""
    while True:
        try:
            # The token is in no variable here: frames can be printed with their variables.
            return await session.request(
                request.method,
                url,
                headers=request.headers
                if token is None
                else {**request.headers, "Authorization": f"Bearer {token.value}"},
                data=request.body,
                allow_redirects=False,
            )
        except UnusableConnectionError as error:
            if not error.idle:
                raise


async def _read(response: aiohttp.ClientResponse, limit: int) -> RawAnswer:
    cause = None
    try:
        body, defect = await _body(response, limit)
    except zlib.error:
        body, defect = None, "it is no gzip"
    except (aiohttp.ClientError, HttpProcessingError, OSError, EOFError) as error:
        body, defect, cause = None, f"it was cut off: {_told(error)}", _cause(error)
    if body is not None and len(body) > _FEW:
        defect = _too_dense(body, limit)
    return RawAnswer(response.status, response.headers, None if defect else body, defect, cause)


async def _body(response: aiohttp.ClientResponse, limit: int) -> tuple[bytes | None, str]:
    """The body, or why there is none. aiohttp's own way to unpack is not asked: in some releases it knows no limit."""
    length, encoding = response.content_length, response.headers.get("Content-Encoding", "identity").lower()
    if encoding not in {"identity", "gzip"}:
        return None, "it came in an encoding that was not asked for"
    if length is not None and length <= limit and encoding == "identity":
        # A short answer is there as a whole when its headers are.
        content = response.content
        return content.read_nowait() if content.is_eof() else await response.read(), ""
    body, came = bytearray(), False
    gzip = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16) if encoding == "gzip" else None
    if length is None or length <= limit:
        async for chunk in response.content.iter_any():
            came = True
            body += chunk if gzip is None else gzip.decompress(chunk, limit + 1 - len(body))
            if len(body) > limit or (gzip is not None and gzip.unused_data):
                break
    if len(body) > limit or (length or 0) > limit:
        response.close()
        return None, f"it is larger than {limit} bytes"
    if gzip is not None and came and not gzip.eof:
        return None, "it was cut off"
    return bytes(body), ""


def _too_dense(body: bytes, limit: int) -> str:
    """What an answer has too much of for its size. What stands in texts is counted, too: counting has to be cheap."""
    containers = body.count(b"{") + body.count(b"[")
    most = max(_FEW, limit // _BYTES_OF_A_CONTAINER)
    if containers > most:
        return f"it holds more than {most} objects and lists"
    most = max(_FEW, limit // _BYTES_OF_A_VALUE)
    return f"it holds more than {most} values" if containers + body.count(b",") > most else ""


def _told(error: Exception) -> str:
    """What happened, as text: the exception itself holds frames in which the token stands."""
    words = next((words for kind, words in _CONNECTING if isinstance(error, kind)), "the connection failed")
    detail = str(error.strerror or "") if isinstance(error, OSError) else ""
    return f"{words} ({type(error).__name__}{': ' if detail else ''}{detail})"


def _cause(error: Exception) -> str:
    """Type, place and message of a library's exception; whoever knows the secrets masks them."""
    place, trace = "", error.__traceback__
    while trace is not None:
        place, trace = f"{trace.tb_frame.f_globals.get('__name__')}:{trace.tb_lineno}", trace.tb_next
    message = str(error)
    return f"{type(error).__module__}.{type(error).__qualname__} at {place}{': ' if message else ''}{message}"
