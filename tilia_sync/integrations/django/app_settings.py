"""``settings.TILIA``, read and checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

import attrs
from django.conf import settings

from tilia_async.config import Environment
from tilia_async.errors import ConfigurationError
from tilia_async.secret import Secret, hide
from tilia_async.webhooks.gate import BasicAuth, PathSecrets

_KEYS: Final = frozenset(
    {"CLIENT_ID", "CLIENT_SECRET", "ENVIRONMENT", "OPTIONS", "LEDGER", "LEDGER_DATABASE", "WEBHOOK"}
)
_WEBHOOK_KEYS: Final = frozenset({"BASIC_AUTH", "PATH_SECRET", "CONFIRM"})


@attrs.frozen
class WebhookSettings:
    """Settings of the view for notifications."""

    basic_auth: BasicAuth = attrs.field(default=None, repr=False)
    path_secret: PathSecrets = attrs.field(default=None, repr=False)
    confirm: bool = False

    @property
    def asks(self) -> bool:
        """A delivery needs a secret to be taken."""
        return self.basic_auth is not None or self.path_secret is not None


@attrs.frozen
class AppSettings:
    """Settings of the app.

    Attributes:
        options: other arguments of ``TiliaClient``.
        ledger: URL of the ledger.
        ledger_database: alias in ``DATABASES`` of the same database.
        webhook: None: no notifications are taken.
    """

    client_id: str | None = None
    client_secret: Secret | None = None
    environment: str | Environment | None = None
    options: Mapping[str, Any] = attrs.field(factory=dict[str, Any], repr=False)
    ledger: Secret | None = None
    ledger_database: str | None = None
    webhook: WebhookSettings | None = None


def read_settings() -> AppSettings:
    """Return what ``settings.TILIA`` says.

    Raises:
        ConfigurationError: it is no dictionary, or has a key that means nothing.
    """
    try:
        return _read()
    except ConfigurationError as error:
        failure = ConfigurationError(str(error))
    # Raised out here: the frames in there hold the settings as they are, and printers of frames print variables.
    raise failure


def _read() -> AppSettings:
    given = _dictionary("TILIA", getattr(settings, "TILIA", {}), _KEYS)
    secret, ledger, webhook = given.get("CLIENT_SECRET"), given.get("LEDGER"), given.get("WEBHOOK")
    options = _dictionary("TILIA['OPTIONS']", given.get("OPTIONS", {}), None)
    return AppSettings(
        client_id=given.get("CLIENT_ID"),
        client_secret=None if secret is None else hide(secret),
        environment=given.get("ENVIRONMENT"),
        options=options,
        ledger=None if ledger is None else hide(ledger),
        ledger_database=given.get("LEDGER_DATABASE"),
        webhook=None if webhook is None else _webhook(webhook),
    )


def _webhook(value: object) -> WebhookSettings:
    given = _dictionary("TILIA['WEBHOOK']", value, _WEBHOOK_KEYS)
    return WebhookSettings(
        _pair(given.get("BASIC_AUTH")), given.get("PATH_SECRET"), given.get("CONFIRM", False) is True
    )


def _pair(value: Any) -> Any:
    """Return a login as a tuple.

    Settings that come from JSON have lists.
    """
    given: object = value
    if not isinstance(given, list):
        return value
    listed = cast("list[object]", given)
    return tuple(listed) if listed and all(isinstance(each, str) for each in listed) else listed


def _dictionary(name: str, value: object, keys: frozenset[str] | None) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ConfigurationError(f"{name}: a dictionary is wanted, not {type(value).__name__}")
    given = cast("Mapping[str, Any]", value)
    unknown = sorted(str(key) for key in given if keys is not None and key not in keys)
    if unknown:
        raise ConfigurationError(
            f"{name}: {', '.join(unknown)} means nothing here; known are {', '.join(sorted(keys or ()))}"
        )
    return given
