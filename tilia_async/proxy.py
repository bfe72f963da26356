"""The HTTP proxy that a client's connections go through."""

from __future__ import annotations

from base64 import b64encode
from typing import Final
from urllib.parse import unquote, urlsplit

import attrs

from tilia_async.errors import ConfigurationError
from tilia_async.secret import Secret
from tilia_async.settings_checks import is_loopback


@attrs.frozen
class Proxy:
    """An HTTP proxy, and the login for it.

    Attributes:
        url: without the login, e.g. ``http://proxy.example:3128``.
        authorization: the header ``Proxy-Authorization``; None: it wants none.
    """

    url: str
    authorization: Secret | None = attrs.field(default=None, repr=False)

    @property
    def is_here(self) -> bool:
        """True if it runs on this machine.

        Then nothing leaves the machine in the clear.
        """
        return self.url.startswith("https:") or is_loopback(urlsplit(self.url).hostname or "")


def find_proxy(proxy: Secret) -> Proxy | ConfigurationError:
    """Find the proxy that a setting names, or the refusal.

    To be raised where nobody holds the setting, which may have a password in it.
    """
    if not proxy.is_text:
        return ConfigurationError(f"proxy: a URL such as {_PROXY_FORM} is wanted, not {proxy.kind}")
    if not proxy.reveal().isprintable():
        return ConfigurationError("proxy: it has a character that cannot be printed in it")
    try:
        parts = urlsplit(proxy.reveal())
        host, port = parts.hostname, parts.port
    except ValueError:
        # Its words may quote the URL.
        return ConfigurationError(
            f"proxy: it is no URL such as {_PROXY_FORM}; write / ? # and @ of a password as %2F %3F %23 and %40"
        )
    if parts.scheme.startswith("socks"):
        return ConfigurationError(
            "proxy: only HTTP proxies are spoken to; for SOCKS pass an aiohttp session with a connector for it, "
            "e.g. of aiohttp-socks, as session="
        )
    if parts.scheme not in {"http", "https"} or not host or not _is_host(host):
        return ConfigurationError(f"proxy: it is no URL such as {_PROXY_FORM}")
    if parts.path not in {"", "/"} or parts.query or parts.fragment:
        return ConfigurationError(f"proxy: nothing follows the port in {_PROXY_FORM}")
    address = f"[{host}]" if ":" in host else host
    url = f"{parts.scheme}://{address}{'' if port is None else f':{port}'}"
    if parts.username is None and parts.password is None:
        return Proxy(url)
    return _with_login(url, Secret(unquote(parts.username or "")), Secret(unquote(parts.password or "")))


_PROXY_FORM: Final = "http://user:password@host:port"


def _is_host(host: str) -> bool:
    return host.isprintable() and " " not in host and "%" not in host


def _with_login(url: str, user: Secret, password: Secret) -> Proxy | ConfigurationError:
    if ":" in user.reveal():
        return ConfigurationError("proxy: a user with a colon in its name cannot log in to a proxy (RFC 7617)")
    return Proxy(url, basic_login(user, password))


def basic_login(user: Secret, password: Secret) -> Secret:
    """Return the header by which a user logs in (RFC 7617)."""
    return Secret("Basic " + b64encode(f"{user.reveal()}:{password.reveal()}".encode()).decode())
