"""The settings of a client, as values.

Where Tilia is, how long, how often, how many.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Any, ClassVar, Final, TypeGuard
from urllib.parse import urlsplit

import attrs

from tilia_async.errors import ConfigurationError
from tilia_async.secret import HiddenFields, Secret
from tilia_async.settings_checks import expect, is_count, is_loopback, is_pause, is_time_limit, shown

_PLACEHOLDER: Final = "{service}"


def _is_text(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and value.isprintable()


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

    attempts: int = attrs.field(default=3, validator=is_count)
    initial: float = attrs.field(default=0.2, validator=is_pause)
    maximum: float = attrs.field(default=5.0, validator=is_pause)
    retry_after_limit: float = attrs.field(default=60.0, validator=is_pause)
    attempt_timeout: float | None = attrs.field(default=None, validator=attrs.validators.optional(is_time_limit))


@attrs.frozen
class Limits:
    """The most that a client may use.

    Attributes:
        connections: connections in all, per event loop.
        per_host: connections to one host, per event loop.
        response_bytes: the largest answer that is read, in bytes after decompression. Whatever a server sends, one
            answer costs at most 12 times as much memory while it is read.
    """

    connections: int = attrs.field(default=100, validator=is_count)
    per_host: int = attrs.field(default=50, validator=is_count)
    response_bytes: int = attrs.field(default=8_388_608, validator=is_count)


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

    timeout: float | None = attrs.field(default=None, validator=attrs.validators.optional(is_time_limit))
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
