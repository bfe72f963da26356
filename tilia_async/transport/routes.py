"""The proxy that a request goes through."""

from __future__ import annotations

import asyncio
from urllib.request import proxy_bypass

import attrs
from aiohttp.helpers import get_env_proxy_for_url
from yarl import URL

from tilia_async.errors import ConfigurationError
from tilia_async.proxy import Proxy, basic_login, find_proxy
from tilia_async.secret import Secret
from tilia_async.settings_checks import is_loopback


class Routes:
    """The proxies of one session.

    aiohttp's own ``trust_env`` would log in to Tilia with what ``~/.netrc`` says about its hosts, so that is not asked
    for: the variables are read the same way, and of ``~/.netrc`` only the login for the proxy.

    Args:
        proxy: for every request.
        trust_env: read the variables; only without a proxy for every request. Read once for each host.
    """

    def __init__(self, proxy: Proxy | None, trust_env: bool) -> None:
        self._proxy = proxy
        self._from_variables = trust_env and proxy is None
        self._found: dict[str, Proxy | None] = {}

    async def find(self, origin: str) -> Proxy | None:
        """Return the proxy for a URL.

        For its scheme, host and port; None: there is none.

        Raises:
            ConfigurationError: a variable of the environment names a proxy that cannot be used.
        """
        if not self._from_variables:
            return self._proxy
        if origin not in self._found:
            # It reads a file.
            found = await asyncio.to_thread(_by_variables, origin)
            if isinstance(found, ConfigurationError):
                raise found
            self._found[origin] = found
        return self._found[origin]


def login_of(auth: object) -> Secret:
    """Return the header for an aiohttp ``BasicAuth``.

    Its login is what aiohttp keeps.
    """
    return basic_login(Secret(getattr(auth, "login", "")), Secret(getattr(auth, "password", "")))


def _is_exempt(url: URL) -> bool:
    """Return True if ``NO_PROXY`` names the target.

    Also a host with its port, or an IPv6 address in brackets: aiohttp asks for the bare host alone, and what
    the standard library compares is text.
    """
    host, port = url.host_subcomponent or "", url.port
    return any(map(proxy_bypass, (host, f"{host}:{port}")))


def _by_variables(origin: str) -> Proxy | ConfigurationError | None:
    url = URL(origin)
    if _is_exempt(url):
        return None
    try:
        address, login = get_env_proxy_for_url(url)
    except LookupError:
        return None
    found = find_proxy(Secret(str(address)))
    if isinstance(found, ConfigurationError):
        return ConfigurationError(f"{url.scheme.upper()}_PROXY: {found}")
    if login is not None:
        found = attrs.evolve(found, authorization=login_of(login))
    if url.scheme == "http" and is_loopback(url.host or "") and not found.is_here:
        # From there it is another machine that goes by this name, and the secrets would go there in the clear.
        return None
    return found
