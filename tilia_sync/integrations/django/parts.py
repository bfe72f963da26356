"""Client, ledger and receiver of a process.

Made from the settings.
"""

from __future__ import annotations

from typing import Final

from django.core.signals import setting_changed

import tilia_async
from tilia_async.errors import ConfigurationError
from tilia_async.ledger import BlockLedger as AsyncBlockLedger
from tilia_async.secret import Secret
from tilia_async.webhooks import Event
from tilia_sync.client import TiliaClient
from tilia_sync.integrations.django.app_settings import read_settings
from tilia_sync.integrations.django.signals import event_received
from tilia_sync.integrations.per_process import PerProcess
from tilia_sync.ledger import BlockLedger
from tilia_sync.loop_thread import LOOP_THREAD
from tilia_sync.webhooks import WebhookReceiver


def get_client() -> TiliaClient:
    """Return the client of this process.

    It is made with the first use, and serves all threads, before and after a fork. With a ledger in the settings each
    block is recorded there.

    Raises:
        ConfigurationError: a setting is missing or wrong; the message names it.
    """
    return _client.get()


def get_async_client() -> tilia_async.TiliaClient:
    """Return the asynchronous client of this process, for asynchronous views.

    It is made with the first use, and serves all event loops. With a ledger in the settings each block is recorded
    there, too.

    Raises:
        ConfigurationError: a setting is missing or wrong; the message names it.
    """
    return _async_client.get()


def get_ledger() -> BlockLedger | None:
    """Return the ledger of this process.

    None if the settings have none.

    Raises:
        ConfigurationError: its URL is wrong, or the extra ``ledger`` is not installed.
    """
    return None if read_settings().ledger is None else _ledger.get()


def get_receiver() -> WebhookReceiver:
    """Return the receiver behind ``webhook_view``.

    Raises:
        ConfigurationError: the settings have no ``WEBHOOK``, or a wrong one.
    """
    return _receiver.get()


def _connect() -> TiliaClient:
    given = read_settings()
    return TiliaClient.from_env(
        client_id=given.client_id,
        client_secret=given.client_secret,
        environment=given.environment,
        ledger=get_ledger(),
        **given.options,
    )


def _connect_async() -> tilia_async.TiliaClient:
    given = read_settings()
    return tilia_async.TiliaClient.from_env(
        client_id=given.client_id,
        client_secret=given.client_secret,
        environment=given.environment,
        ledger=None if given.ledger is None else _async_ledger.get(),
        **given.options,
    )


def _open() -> BlockLedger:
    return BlockLedger.open(_location())


def _open_async() -> AsyncBlockLedger:
    return AsyncBlockLedger.open(_location())


def _location() -> Secret:
    location = read_settings().ledger
    if location is None:
        raise ConfigurationError("TILIA['LEDGER']: is not set")
    return location


def _receive() -> WebhookReceiver:
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


_client: Final = PerProcess(_connect, TiliaClient.close)
_ledger: Final = PerProcess(_open, BlockLedger.close)
# Closed in the loop thread: whoever closes them may have no event loop, or be in the middle of one.
_async_client: Final = PerProcess(_connect_async, lambda client: LOOP_THREAD.run(client.aclose, waits=False))
_async_ledger: Final = PerProcess(_open_async, lambda ledger: LOOP_THREAD.run(ledger.aclose, waits=False))
_receiver: Final = PerProcess(_receive, lambda _receiver: None)


def _settings_changed(*, setting: str, **_details: object) -> None:
    if setting == "TILIA":
        for each in (_receiver, _client, _async_client, _ledger, _async_ledger):
            each.close()


# Tests override settings.
setting_changed.connect(_settings_changed)
