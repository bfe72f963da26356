"""The settings of a client, as values.

Where Tilia is, how long, how often, how many.
"""

from __future__ import annotations

import ipaddress
import os
from base64 import b64encode
from collections.abc import Iterable, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Any, ClassVar, Final, TypeGuard
from urllib.parse import unquote, urlsplit

import attrs

from tilia_async.errors import ConfigurationError
from tilia_async.secret import HiddenFields, Secret

_PLACEHOLDER: Final = "{service}"


def _is_text(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and value.isprintable()


def shown(value: object) -> str:
    """Return a setting as a message may quote it.

    A value that is not a plain word or URL may be a secret in the wrong place.
    """
    if not isinstance(value, str):
        return f"{type(value).__name__}"
    if "@" in value:
        return "(a text with credentials in it)"
    is_word = len(value) <= 12 and value.isalpha()
    return repr(value) if is_word or "://" in value or not value else "(a text that is not shown, it may be a secret)"


def _url_problem(url: str, setting: str) -> str | None:
    """Name the problem of a URL.

    None if it has none.

    It may have a password in it, so the error is raised where nobody holds it.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        return f"{setting}: {shown(url)} is not a URL: {error}"
    if parts.username is not None or parts.password is not None:
        # The URL itself is left out: it holds a password.
        return f"{setting}: the URL carries credentials; they belong in client_id and client_secret"
    if not host or parts.scheme not in {"http", "https"}:
        return f"{setting}: {shown(url)} is not an http or https URL"
    if parts.query or parts.fragment:
        return f"{setting}: {shown(url)} has a query or a fragment"
    if parts.scheme == "http" and not is_loopback(host):
        return f"{setting}: {shown(url)} is plain http to a host that is not loopback; secrets go over https only"
    return None


def is_loopback(host: str) -> bool:
    """Return True for this machine's host names and addresses."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Service(StrEnum):
    """A part of Tilia's API.

    Its value is the first label of its host name (fact sheet "accounts", D1).
    """

    AUTH = "auth"
    ACCOUNTS = "accounts"
    REGISTRATION = "registration"
    PAYMENTS = "payments"
    WALLETS = "wallets"
    INVOICING = "invoicing"
    PII = "pii"
    BALANCES = "balances"


@attrs.frozen(init=False)
class Environment:
    """The addresses of Tilia's services.

    ``Environment.PRODUCTION`` and ``Environment.STAGING`` are Tilia's own; ``at`` makes another one.
    """

    name: str
    template: str
    services: Mapping[Service, str] = attrs.field(factory=dict[Service, str], hash=False)
    _urls: Mapping[Service, str] = attrs.field(
        init=False,
        repr=False,
        eq=False,
        default=attrs.Factory(
            lambda self: {service: _url(self.template, self.services, service) for service in Service}, takes_self=True
        ),
    )

    PRODUCTION: ClassVar[Environment]
    STAGING: ClassVar[Environment]

    def __init__(self, name: str, template: str, services: Mapping[Service, str] | None = None) -> None:
        problem = _environment_problem(template, services or {})
        if problem is not None:
            # What is refused may be a secret in the wrong place, and frames can be printed with their variables.
            del self, name, template, services
            raise ConfigurationError(problem)
        self.__attrs_init__(  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType] - attrs makes it
            name, template, {} if services is None else services
        )

    @classmethod
    def at(cls, template: str, services: Mapping[Service, str] | None = None) -> Environment:
        """Make an environment at other addresses.

        Args:
            template: a URL in which ``{service}`` stands for the service's name, e.g.
                ``http://127.0.0.1:8411/{service}``.
            services: URLs of single services that lie elsewhere.

        Raises:
            ConfigurationError: a URL is malformed, has no ``{service}``, carries credentials, a query or a fragment,
                or is plain http to a host that is not loopback; or there is no such service.
        """
        found = _environment_at(template, services or {})
        if isinstance(found, str):
            del template, services
            raise ConfigurationError(found)
        return found

    @classmethod
    def of(cls, environment: str | Environment) -> Environment:
        """Return an ``Environment`` for a name or a template.

        Takes ``"production"``, ``"staging"``, a URL template or an ``Environment``.

        Raises:
            ConfigurationError: it is none of these.
        """
        found = find_environment(environment)
        if isinstance(found, ConfigurationError):
            del environment
            raise found
        return found

    def url(self, service: Service) -> str:
        """Return the base URL of a service.

        The service's paths are appended to it; it has no slash at its end.
        """
        return self._urls[service]


def find_environment(environment: str | Environment) -> Environment | ConfigurationError:
    """Find the environment that a setting names, or the refusal.

    To be raised where nobody holds the setting, which may be a secret in the wrong place.
    """
    if isinstance(environment, Environment):
        return environment
    known = {"production": Environment.PRODUCTION, "staging": Environment.STAGING}
    if isinstance(environment, str) and environment in known:  # pyright: ignore[reportUnnecessaryIsInstance] - callers may have no checker
        return known[environment]
    if not _is_text(environment) or _PLACEHOLDER not in environment:
        return ConfigurationError(
            f"environment: {shown(environment)} is neither 'production' nor 'staging' "
            f"nor a URL with {_PLACEHOLDER} in it"
        )
    found = _environment_at(environment, {})
    return ConfigurationError(found) if isinstance(found, str) else found


def _environment_at(template: str, services: Mapping[Service, str]) -> Environment | str:
    """Return the environment at other addresses, or its problems."""
    known = {service.value for service in Service}
    overrides: dict[Service, str] = {}
    for service, url in services.items():
        if service not in known or not _is_text(url):
            return f"services: {service!r} is none of {', '.join(sorted(known))}, or has no URL"
        overrides[Service(service)] = url.rstrip("/")
    address = template.rstrip("/") if _is_text(template) else template
    problem = _environment_problem(address, overrides)
    return problem or Environment(shown(address).strip("'"), address, overrides)


def _environment_problem(template: object, services: Mapping[Service, str]) -> str | None:
    if not _is_text(template) or _PLACEHOLDER not in template:
        return f"environment: {shown(template)} has no {_PLACEHOLDER} in it"
    problems = (_url_problem(_url(template, services, service), f"environment ({service})") for service in Service)
    return next((problem for problem in problems if problem is not None), None)


def _url(template: str, services: Mapping[Service, str], service: Service) -> str:
    override = services.get(service)
    return template.replace(_PLACEHOLDER, service.value) if override is None else override


Environment.PRODUCTION = Environment("production", "https://{service}.tilia-inc.com")
Environment.STAGING = Environment("staging", "https://{service}.staging.tilia-inc.com")


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


_LARGEST: Final = 1e15


def _is_number(value: object) -> TypeGuard[int | float]:
    """Return True for a finite number.

    True and False are not numbers here, whatever Python says.
    """
    # Compared with a number, because the largest integers have no place in a float.
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < _LARGEST


def _positive(instance: object, attribute: attrs.Attribute[float], value: object) -> None:
    if not _is_number(value) or value <= 0:
        raise ConfigurationError(f"{type(instance).__name__}.{attribute.name} is a positive number, not {value!r}")


def _not_negative(instance: object, attribute: attrs.Attribute[float], value: object) -> None:
    if not _is_number(value) or value < 0:
        raise ConfigurationError(f"{type(instance).__name__}.{attribute.name} is 0 or more, not {value!r}")


def _count(instance: object, attribute: attrs.Attribute[int], value: object) -> None:
    checked_count(f"{type(instance).__name__}.{attribute.name}", value)


@attrs.frozen
class RetryPolicy:
    """Limits and pauses of sending a call again.

    It never makes an operation repeatable that is not.

    Attributes:
        attempts: attempts in all, the first included.
        initial: the longest first wait, in seconds; it doubles with every attempt. The wait itself is drawn evenly
            between 0 and that (full jitter).
        maximum: the longest wait, in seconds.
        retry_after_limit: the longest ``Retry-After`` that is waited out, in seconds; a longer one is an error at once.
        attempt_timeout: the longest time for one attempt of an operation that may be repeated, in seconds, counted from
            when it has a connection to itself or may open one; then the next one follows, within the call's timeout.
            None: the call's timeout alone counts.
    """

    attempts: int = attrs.field(default=3, validator=_count)
    initial: float = attrs.field(default=0.2, validator=_not_negative)
    maximum: float = attrs.field(default=5.0, validator=_not_negative)
    retry_after_limit: float = attrs.field(default=60.0, validator=_not_negative)
    attempt_timeout: float | None = attrs.field(default=None, validator=attrs.validators.optional(_positive))


@attrs.frozen
class Limits:
    """The most that a client may use.

    Attributes:
        connections: connections in all, per event loop.
        per_host: connections to one host, per event loop.
        response_bytes: the largest answer that is read, in bytes after decompression. Whatever a server sends, one
            answer costs at most 12 times as much memory while it is read.
    """

    connections: int = attrs.field(default=100, validator=_count)
    per_host: int = attrs.field(default=50, validator=_count)
    response_bytes: int = attrs.field(default=8_388_608, validator=_count)


@attrs.frozen(init=False)
class RequestOptions:
    """Per-call options.

    Options with headers are not pickled, because a header may be a key: make them where the call is made.

    Attributes:
        timeout: seconds for the whole call; None: the client's.
        retry: None: the client's.
        idempotency_key: a UUID4 of yours for an operation that takes one; None: one is made for the call. It stands for
            one effect, so keep it with what it is for: the same again is safe, another is another effect.
    """

    timeout: float | None = attrs.field(default=None, validator=attrs.validators.optional(_positive))
    retry: RetryPolicy | None = None
    idempotency_key: str | None = None
    _headers: HiddenFields[str] | None = attrs.field(default=None, repr=False, hash=False)

    def __init__(
        self,
        timeout: float | None = None,
        retry: RetryPolicy | None = None,
        idempotency_key: str | None = None,
        headers: Mapping[str, str] | HiddenFields[str] | None = None,
    ) -> None:
        # At once, because frames can be printed with their variables, also that of the constructor which attrs writes.
        headers = None if headers is None else HiddenFields(headers)
        self.__attrs_init__(  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType] - attrs makes it
            timeout, retry, idempotency_key, headers
        )

    def __attrs_post_init__(self) -> None:
        expect("RequestOptions.retry", self.retry, RetryPolicy, type(None))
        problem = None if self._headers is None else headers_problem(self._headers)
        if problem is not None:
            raise ConfigurationError(f"RequestOptions.headers: {problem}")

    @property
    def headers(self) -> Mapping[str, str] | None:
        """More headers.

        ``Authorization`` and those of the body are the SDK's own and are refused.
        """
        return None if self._headers is None else MappingProxyType(self._headers.reveal())


_RESERVED: Final = frozenset(
    {"authorization", "content-type", "content-length", "transfer-encoding", "host", "idempotency-key"}
)


def headers_problem(headers: HiddenFields[str]) -> str | None:
    """Return why these headers cannot be sent; None: they can."""
    if not headers.is_mapping:
        return f"a mapping or None is wanted, not {headers.kind}"
    for name, value in headers.reveal().items():
        if not _is_header(name, value):
            return f"{name!r} cannot be sent as a header"
        if name.lower() in _RESERVED:
            return f"{name} is set by the SDK"
    return None


def _is_header(name: object, value: object) -> bool:
    return (
        isinstance(name, str)
        and isinstance(value, str)
        and name.isascii()
        and name.replace("-", "").replace("_", "").isalnum()
        and (value.isprintable() or not value)
    )


def expect(setting: str, value: object, *kinds: type, operation: str | None = None) -> None:
    """Refuse a setting of the wrong type.

    Now, and not in the middle of a call.

    Args:
        operation: to be named by the error.

    Raises:
        ConfigurationError: with the names of setting and type.
    """
    if not isinstance(value, kinds):
        wanted = " or ".join("None" if kind is type(None) else kind.__name__ for kind in kinds)
        raise ConfigurationError(f"{setting} is {wanted}, not {type(value).__name__}", operation=operation)


def _present(_instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    # A setting read with os.environ.get() is None at run time, whatever its type says.
    if problem := _text_problem(attribute.name, value):
        raise ConfigurationError(problem)


def _text_problem(name: str, value: object) -> str | None:
    """Name the problem of a client id or secret.

    None if it has none.
    """
    text = value.reveal() if isinstance(value, Secret) else value
    if not isinstance(text, str) or not text.strip():
        return f"{name} is missing; pass it, or set TILIA_{name.upper()} and use TiliaClient.from_env()"
    if not text.isprintable():
        return f"{name} has a line break or another character that cannot be printed in it"
    return None


@attrs.frozen
class Credentials:
    """A client id and its secret.

    Raises:
        ConfigurationError: one of them is missing.
    """

    client_id: str = attrs.field(validator=_present)
    client_secret: Secret = attrs.field(validator=_present, repr=False)


def from_environment(name: str) -> Secret:
    """Return the environment variable as a secret.

    Most of them are secrets.

    Raises:
        ConfigurationError: it is not set, or empty.
    """
    require_variables((name,))
    return Secret(os.environ[name])


def require_variables(names: Iterable[str]) -> None:
    """Refuse an environment that lacks a variable.

    Raises:
        ConfigurationError: some are not set, or empty; the message names all of these.
    """
    missing = [name for name in names if not os.environ.get(name, "").strip()]
    if len(missing) == 1:
        raise ConfigurationError(f"the environment variable {missing[0]} is not set")
    if missing:
        raise ConfigurationError(f"the environment variables {', '.join(missing[:-1])} and {missing[-1]} are not set")


def checked_count(name: str, value: object) -> int:
    """Return a setting that counts something.

    Raises:
        ConfigurationError: it is not a whole number ≥ 1.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ConfigurationError(f"{name} is a whole number ≥ 1, not {value!r}")
    return value


def checked_seconds(name: str, value: object) -> float:
    """Return a setting that limits a time, in seconds.

    Raises:
        ConfigurationError: it is not a positive number.
    """
    if not _is_number(value) or value <= 0:
        raise ConfigurationError(f"{name} is a positive number of seconds, not {value!r}")
    return float(value)


def checked_grace(grace: object) -> float:
    """Check the grace for calls under way.

    How long they have to end, in seconds.

    Raises:
        ConfigurationError: it is not a number, or a negative one.
    """
    if not _is_number(grace) or grace < 0:
        raise ConfigurationError(f"grace is 0 or more seconds, not {grace!r}")
    return float(grace)
