"""Client, ledger and receiver of a process.

Made from the settings.
"""

from __future__ import annotations

from typing import Final

from django.core.signals import setting_changed

from tilia_async.errors import ConfigurationError
from tilia_async.webhooks import Event
from tilia_sync.client import TiliaClient
from tilia_sync.integrations.django.app_settings import read_settings
from tilia_sync.integrations.django.signals import event_received
from tilia_sync.ledger import BlockLedger
from tilia_sync.webhooks import WebhookReceiver

# Dictionaries, because those are changed in one step. What comes second has opened nothing.
_clients: Final[dict[str, TiliaClient]] = {}
_ledgers: Final[dict[str, BlockLedger]] = {}
_receivers: Final[dict[str, WebhookReceiver]] = {}
_ONE: Final = "one"


def get_client() -> TiliaClient:
    """Return the client of this process.

    It is made with the first use, and serves all threads, before and after a fork. With a ledger in the settings each
    block is recorded there.

    Raises:
        ConfigurationError: a setting is missing or wrong; the message names it.
    """
    return _clients.get(_ONE) or _clients.setdefault(_ONE, _connect())


def get_ledger() -> BlockLedger | None:
    """Return the ledger of this process.

    None if the settings have none.

    Raises:
        ConfigurationError: its URL is wrong, or the extra ``ledger`` is not installed.
    """
    location = read_settings().ledger
    if location is None:
        return None
    return _ledgers.get(_ONE) or _ledgers.setdefault(_ONE, BlockLedger.open(location))


def get_receiver() -> WebhookReceiver:
    """Return the receiver behind ``webhook_view``.

    Raises:
        ConfigurationError: the settings have no ``WEBHOOK``, or a wrong one.
    """
    return _receivers.get(_ONE) or _receivers.setdefault(_ONE, _receiver())


def close() -> None:
    """Close what was made; the next use makes it anew."""
    _receivers.clear()
    while _clients:
        _clients.popitem()[1].close()
    while _ledgers:
        _ledgers.popitem()[1].close()


def _connect() -> TiliaClient:
    given = read_settings()
    return TiliaClient.from_env(
        client_id=given.client_id,
        client_secret=given.client_secret,
        environment=given.environment,
        ledger=get_ledger(),
        **given.options,
    )


def _receiver() -> WebhookReceiver:
    webhook = read_settings().webhook
    if webhook is None:
        raise ConfigurationError("TILIA['WEBHOOK']: is not set; give it BASIC_AUTH, a user and a password")
    receiver = WebhookReceiver(
        get_client() if webhook.confirm else None,
        get_ledger(),
        basic_auth=webhook.basic_auth,
        path_secret=webhook.path_secret,
        confirm=webhook.confirm,
    )
    receiver.on(Event)(_send)
    return receiver


def _send(event: Event) -> None:
    event_received.send(sender=type(event), event=event)


def _settings_changed(*, setting: str, **_details: object) -> None:
    if setting == "TILIA":
        close()


# Tests override settings.
setting_changed.connect(_settings_changed)
