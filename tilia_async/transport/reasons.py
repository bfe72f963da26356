"""Reasons of a failed connection, as text."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError

from tilia_async.proxy import Proxy
from tilia_async.transport.idle import EndedConnectionError, UnsolicitedResponseError
from tilia_async.transport.send_state import SendState
from tilia_async.wire.envelope import NoResponse

_CONNECTING: tuple[tuple[type[Exception], str], ...] = (
    (aiohttp.ClientConnectorDNSError, "the host name did not resolve"),
    (aiohttp.ClientConnectorSSLError, "TLS failed"),
    (aiohttp.ClientConnectorError, "the connection failed"),
    (aiohttp.ServerDisconnectedError, "the server closed the connection"),
    (aiohttp.ClientPayloadError, "the answer was cut off"),
    (aiohttp.ClientResponseError, "the answer is no HTTP"),
    (EndedConnectionError, "the server ended the connection before anything was sent"),
    (UnsolicitedResponseError, "the server had answered before it was asked"),
    (HttpProcessingError, "the answer is no HTTP"),
    (ConnectionResetError, "the connection was reset"),
)

_CA: Final = "pass an ssl.SSLContext that trusts its issuer as ssl=, or --ca-file to the command"
_OURS: Final = "pass an ssl.SSLContext with load_cert_chain(...) as ssl=, or --cert-file to the command"
_LOGIN: Final = "it wants a login, or another one than it was given: http://user:password@host:port"
_WORDS_OF_PROXIES: Final[Mapping[int, str]] = {
    401: _LOGIN,
    403: "its rules forbid this host: have it allowed there, or exempt it from the proxy",
    407: _LOGIN,
    502: "it cannot reach the host",
    503: "it cannot reach the host, or has too much to do",
    504: "it got no answer from the host",
}
_BROKEN_OFF: Final = (aiohttp.ServerDisconnectedError, aiohttp.ClientResponseError, HttpProcessingError)
_PASSING: Final = frozenset({408, 429, 500, 502, 503, 504})
"""Statuses of a proxy that may pass.

A proxy that says so may say otherwise a moment later.
"""

_DEEPEST: Final = 8
"""Depth to which exceptions behind an exception are followed."""

# By these a server refuses a client for its certificate, or for having none.
_CLIENT_REFUSED: Final = (
    "ALERT_CERTIFICATE_REQUIRED",
    "ALERT_BAD_CERTIFICATE",
    "ALERT_UNSUPPORTED_CERTIFICATE",
    "ALERT_CERTIFICATE_REVOKED",
    "ALERT_CERTIFICATE_EXPIRED",
    "ALERT_CERTIFICATE_UNKNOWN",
    "ALERT_UNKNOWN_CA",
)


class ProxyLoginError(aiohttp.ClientError):
    """A proxy's demand for a login.

    It wants one, or another one, for a request that it was to pass on.
    """

    status = 407


class AttemptTimeoutError(aiohttp.ClientError):
    """The time of one attempt is over."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"the attempt took longer than {seconds:g} s (attempt_timeout)")


def not_answered(error: Exception, send_state: SendState, proxy: Proxy | None, *, tls: bool) -> NoResponse:
    """Return the result of an attempt that failed.

    It ended with a library's exception.

    Args:
        passed: how far it got.
        proxy: what it went through.
        tls: it was to go over TLS.
    """
    failure = cause(error)
    if isinstance(error, AttemptTimeoutError):
        return NoResponse(send_state.sent, str(error), failure)
    reason = describe(error, proxy, send_state.sent)
    if tls and not send_state.again and _is_silent(error):
        reason += f"; if it wants a certificate of this client, {_OURS}"
    # With TLS 1.3 a client may write before its certificate is looked at; the server does not look at that first.
    refused = isinstance(error, ProxyLoginError) or (_refuses_certificate(error) and not send_state.again)
    return NoResponse(send_state.sent and not refused, reason, failure, refused or _would_come_again(error))


def describe(error: Exception, proxy: Proxy | None = None, sent: bool = True) -> str:
    """Return what happened, as text.

    The exception itself holds frames in which the token stands.

    Args:
        proxy: what the request went through.
        sent: the request may be on the wire.
    """
    name = type(error).__name__
    if proxy is not None and (words := _of_proxy(error, proxy, sent)):
        return words
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return f"the server's certificate for {error.host} is not trusted ({name}: {_unverified(error)}): {_CA}"
    if _refuses_certificate(error):
        return f"the server refuses this client's TLS certificate, or wants one ({name}: {_alert(error)}): {_OURS}"
    if "ALERT_HANDSHAKE_FAILURE" in _alert(error):
        return f"the server broke off TLS ({name}: {_alert(error)}); it may want a certificate of this client: {_OURS}"
    words = next((words for kind, words in _CONNECTING if isinstance(error, kind)), "the connection failed")
    detail = str(error.strerror or "") if isinstance(error, OSError) else ""
    return f"{words} ({name}{': ' if detail else ''}{detail})"


def _of_proxy(error: Exception, proxy: Proxy, sent: bool) -> str:
    """Return the proxy's part in a failure.

    An empty text if it has none.
    """
    if isinstance(error, aiohttp.ClientHttpProxyError | ProxyLoginError):
        words = _WORDS_OF_PROXIES.get(error.status, "ask whoever runs it")
        return f"the proxy {proxy.url} answered {error.status} and sent nothing on: {words}"
    if not sent and isinstance(error, _BROKEN_OFF):
        return f"the proxy {proxy.url} made no connection to the host and said nothing of use ({type(error).__name__})"
    if not isinstance(error, aiohttp.ClientConnectorError):
        return ""
    name, detail = type(error).__name__, error.strerror or str(error.os_error) or type(error.os_error).__name__
    if isinstance(error, aiohttp.ClientProxyConnectionError):
        return f"the proxy {proxy.url} could not be reached ({name}: {detail})"
    if type(error) is aiohttp.ClientConnectorError and not sent:
        # In the middle of the first words of TLS, which the host answers.
        return f"the proxy {proxy.url} made a connection to the host, and it ended at once ({name}: {detail})"
    if error.host != urlsplit(proxy.url).hostname:
        return ""
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return f"the name of the proxy {proxy.url} did not resolve ({name}: {detail})"
    return ""


def _unverified(error: aiohttp.ClientConnectorCertificateError) -> str:
    return getattr(error.certificate_error, "verify_message", "") or "it cannot be verified"


def _would_come_again(error: Exception) -> bool:
    """Return True if it would happen again.

    A moment later it would be the same, until somebody changes something.
    """
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return error.status not in _PASSING
    return isinstance(error, aiohttp.ClientConnectorCertificateError)


def _refuses_certificate(error: BaseException) -> bool:
    """Return True if the server refuses the certificate.

    It ended TLS for the certificate of this client, or for want of one.
    """
    return any(name in _alert(error) for name in _CLIENT_REFUSED)


def _is_silent(error: Exception) -> bool:
    """Return True if the other end went away silently.

    Some do for want of a certificate.
    """
    if isinstance(error, aiohttp.ClientConnectorError):
        return isinstance(error.os_error, ConnectionResetError | ConnectionAbortedError)
    return isinstance(error, aiohttp.ServerDisconnectedError | EndedConnectionError | OSError)


def _alert(error: BaseException | None) -> str:
    """Return OpenSSL's name for the end of TLS.

    An empty text if it was not that.
    """
    looked = 0
    while error is not None and looked < _DEEPEST:
        # aiohttp's own are of this class, and without a reason.
        if isinstance(error, ssl.SSLError) and (reason := getattr(error, "reason", None)):
            return str(reason)
        error, looked = error.__cause__ or getattr(error, "os_error", None) or error.__context__, looked + 1
    return ""


def cause(error: Exception) -> str:
    """Return a library exception's type, place and message.

    Whoever knows the secrets masks them.
    """
    place, trace = "", error.__traceback__
    while trace is not None:
        place, trace = f"{trace.tb_frame.f_globals.get('__name__')}:{trace.tb_lineno}", trace.tb_next
    # What a proxy says beside its status may repeat the login that it got.
    message = "" if isinstance(error, aiohttp.ClientHttpProxyError) else str(error)
    return f"{type(error).__module__}.{type(error).__qualname__} at {place}{': ' if message else ''}{message}"
