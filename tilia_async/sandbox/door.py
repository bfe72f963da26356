"""The door of the sandbox.

It opens to programs that mean this sandbox, and to no web page that a browser of this machine shows.

A page of any site can have its browser post to 127.0.0.1, and by DNS rebinding read the answers, too. Such requests
have another ``Host``, or an ``Origin``, or say in ``Sec-Fetch-Site`` where they come from.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

_LOCAL: Final = "127.0.0.1"
_HTTP_PORT: Final = 80
_SAME: Final = frozenset({"same-origin", "none"})
_LOOPBACK_NAMES: Final = frozenset({"localhost", "ip6-localhost"})


class Door:
    """A guard that admits requests for this sandbox.

    It says why not to the rest.

    Args:
        allowed_hosts: further names and addresses by which clients reach it, without a port; any port goes with them.

    Raises:
        ValueError: one of them is not a name of a host.
    """

    def __init__(self, allowed_hosts: Iterable[str] = ()) -> None:
        if isinstance(allowed_hosts, str):
            raise ValueError("allowed_hosts is a list of names, not one text")  # noqa: TRY004 - as all of its values
        self._allowed = frozenset(_checked(host) for host in allowed_hosts)

    def refusal(self, headers: Mapping[str, str], port: int) -> str | None:
        """Return the sentence that refuses a request.

        None if it may come in.
        """
        host = headers.get("Host", "")
        if not self._is_ours(host, port):
            return (
                f"the sandbox does not answer to the Host {host!r}: it is {_LOCAL}:{port}. "
                "Pass allowed_hosts to Sandbox for a name of yours, e.g. host.docker.internal"
            )
        origin = headers.get("Origin")
        if origin is not None and origin != f"http://{host}":
            return f"the sandbox answers no page of {origin!r}"
        site = headers.get("Sec-Fetch-Site")
        if site is not None and site not in _SAME:
            return "the sandbox answers no page of another site"
        return None

    def _is_ours(self, host: str, port: int) -> bool:
        try:
            parts = urlsplit(f"//{host}")
            name, given = parts.hostname or "", parts.port
        except ValueError:
            return False
        if (
            parts.netloc != host
            or parts.username is not None
            or not name
            or host.partition("]")[2][:1] not in {"", ":"}
        ):
            return False
        # The full name, with the dot at its end, is the same name.
        bare = name.removesuffix(".")
        return bare in self._allowed or (_is_loopback(bare) and (_HTTP_PORT if given is None else given) == port)


def _is_loopback(name: str) -> bool:
    if name in _LOOPBACK_NAMES:
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False


def _checked(host: str) -> str:
    name = host.lower()
    bare = name[1:-1] if name.startswith("[") and name.endswith("]") else name
    is_name = bool(bare) and bare.isprintable() and not any(each in bare for each in " /@?#*,")
    if not is_name or (":" in bare and not _is_address(bare)):
        raise ValueError(f"allowed_hosts has names of hosts without a port, e.g. 'host.docker.internal', not {host!r}")
    return bare


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
