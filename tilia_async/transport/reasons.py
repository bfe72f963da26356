"""What went wrong with a connection, as text."""

from __future__ import annotations

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError

from tilia_async.transport.idle import EndedConnectionError, UnaskedAnswerError

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
    (HttpProcessingError, "the answer is no HTTP"),
    (ConnectionResetError, "the connection was reset"),
)


def told(error: Exception) -> str:
    """What happened, as text: the exception itself holds frames in which the token stands."""
    words = next((words for kind, words in _CONNECTING if isinstance(error, kind)), "the connection failed")
    detail = str(error.strerror or "") if isinstance(error, OSError) else ""
    return f"{words} ({type(error).__name__}{': ' if detail else ''}{detail})"


def cause(error: Exception) -> str:
    """Type, place and message of a library's exception; whoever knows the secrets masks them."""
    place, trace = "", error.__traceback__
    while trace is not None:
        place, trace = f"{trace.tb_frame.f_globals.get('__name__')}:{trace.tb_lineno}", trace.tb_next
    message = str(error)
    return f"{type(error).__module__}.{type(error).__qualname__} at {place}{': ' if message else ''}{message}"
