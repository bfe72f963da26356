"""The use of a session that the client was given.

What is used of an aiohttp session, and what is refused because it would be lost.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, Final

import aiohttp
import attrs
from aiohttp.client_reqrep import ClientRequest, ClientResponse

from tilia_async.errors import ConfigurationError
from tilia_async.proxy import Proxy, find_proxy
from tilia_async.secret import Secret
from tilia_async.transport.routes import login_of

_USED: Final = "connector, proxy, trust_env and trace_configs of a session are used"

_Differs = Callable[[Any], object]


@attrs.frozen
class _Lost:
    """A setting that would be lost.

    Requests of the client's own would not have what the session has.

    Attributes:
        attribute: where the session keeps it; one that a release of aiohttp has not is not looked at.
        differs: given its value, whether it was set.
        instead: what to do.
    """

    setting: str
    attribute: str
    differs: _Differs
    instead: str


def _unlike(default: object) -> _Differs:
    return lambda value: value != default


def _other_class(default: type) -> _Differs:
    return lambda value: value is not default


_LOST: Final = (
    _Lost("headers", "_default_headers", bool, "pass RequestOptions(headers=...) with the calls"),
    _Lost("skip_auto_headers", "_skip_auto_headers", bool, "the client writes its own headers"),
    _Lost("auth", "_default_auth", _unlike(None), "the client authorizes its requests itself"),
    _Lost("cookies", "_cookie_jar", len, "Tilia's API has none"),
    _Lost("base_url", "_base_url", _unlike(None), "pass Environment.at(...) as environment"),
    _Lost("timeout", "_timeout", _unlike(aiohttp.client.DEFAULT_TIMEOUT), "pass timeout= to the client"),
    _Lost("version", "_version", _unlike(aiohttp.HttpVersion11), "the client speaks HTTP/1.1"),
    _Lost("middlewares", "_middlewares", bool, "trace_configs see requests"),
    _Lost("raise_for_status", "_raise_for_status", callable, "the client raises errors of its own"),
    _Lost("request_class", "_request_class", _other_class(ClientRequest), "the client has its own"),
    _Lost("response_class", "_response_class", _other_class(ClientResponse), "the client reads answers itself"),
)


@attrs.frozen
class Adopted:
    """The adopted settings of a session.

    Beside its connector, they decide where its requests go.
    """

    proxy: Proxy | None
    trust_env: bool


def adopt(session: aiohttp.ClientSession) -> Adopted:
    """Return what is used of a session.

    Raises:
        ConfigurationError: it has a setting that cannot be used.
    """
    lost = _find_lost(session)
    if lost is not None:
        raise ConfigurationError(f"session: its {lost.setting} would be lost ({_USED}): {lost.instead}")
    kind = type(session)
    own = [name for name in ("request", "_request") if name in vars(session)]
    if own or kind.request is not aiohttp.ClientSession.request or _other_request(kind):
        raise ConfigurationError(
            f"session: the requests of {kind.__name__} are its own, and would be lost ({_USED}): "
            "pass a plain aiohttp.ClientSession"
        )
    found = _proxy_of(session)
    if isinstance(found, ConfigurationError):
        raise found
    return Adopted(found, session.trust_env)


def _find_lost(session: aiohttp.ClientSession) -> _Lost | None:
    """Return the first setting that would be lost.

    Its value may be a secret, so the error is raised where nobody holds it.
    """
    for lost in _LOST:
        value = getattr(session, lost.attribute, None)
        if value is not None and lost.differs(value):
            return lost
    return None


def _other_request(kind: type[aiohttp.ClientSession]) -> bool:
    known = aiohttp.ClientSession._request  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - what subclasses replace
    return getattr(kind, "_request", known) is not known


def _proxy_of(session: aiohttp.ClientSession) -> Proxy | ConfigurationError | None:
    """Return the proxy of a session.

    aiohttp keeps it where nobody else is meant to look: there is no other place to ask.
    """
    url, login = getattr(session, "_default_proxy", None), getattr(session, "_default_proxy_auth", None)
    if url is None:
        return None
    found = find_proxy(Secret(str(url)))
    if isinstance(found, ConfigurationError):
        return ConfigurationError(f"session: its {found}")
    if login is None or found.authorization is not None:
        return found
    return attrs.evolve(found, authorization=login_of(login))


def loop_of(session: aiohttp.ClientSession) -> object:
    """Return the event loop of a session."""
    with warnings.catch_warnings():
        # Deprecated because one's own session has the running loop; there is no other public way for someone else's.
        warnings.simplefilter("ignore", DeprecationWarning)
        return session.loop
