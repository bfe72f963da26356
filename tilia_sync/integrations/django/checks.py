"""System checks of the settings."""

from __future__ import annotations

import os
from collections.abc import Iterator

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning  # noqa: A004 - Django's own name

from tilia_async.config import Environment
from tilia_async.errors import ConfigurationError
from tilia_sync.client import TiliaClient
from tilia_sync.integrations.django.app_settings import AppSettings, read_settings
from tilia_sync.ledger import BlockLedger
from tilia_sync.webhooks import WebhookReceiver


def check_settings(**_options: object) -> list[CheckMessage]:
    """Look at ``settings.TILIA``, and send nothing.

    ``tilia.E001``: it cannot be read, or no client can be made of it. ``tilia.E002``: ``LEDGER_DATABASE`` is no alias
    of ``DATABASES``. ``tilia.E003``: ``WEBHOOK`` is wrong. ``tilia.E004``: ``LEDGER`` is wrong, or its extra is not
    installed. ``tilia.W001``: ``WEBHOOK`` asks for no secret. ``tilia.W002``: the production environment with
    ``DEBUG``. ``tilia.W003``: a variable and its setting are missing.
    """
    try:
        given = read_settings()
        missing = _missing(given)
        if missing:
            # No error: what builds or migrates an application may have no credentials.
            return [Warning(f"calls to Tilia will fail: {', '.join(missing)} not set", id="tilia.W003"), *_of(given)]
        client = TiliaClient.from_env(
            client_id=given.client_id,
            client_secret=given.client_secret,
            environment=given.environment,
            **given.options,
        )
    except (ConfigurationError, TypeError) as error:
        return [Error(str(error), hint="See settings.TILIA and the variables TILIA_….", id="tilia.E001")]
    client.close()
    return list(_of(given))


def _missing(given: AppSettings) -> list[str]:
    wanted = {
        "TILIA_CLIENT_ID": given.client_id,
        "TILIA_CLIENT_SECRET": given.client_secret,
        "TILIA_ENVIRONMENT": given.environment,
    }
    return [name for name, value in wanted.items() if value is None and not os.environ.get(name)]


def _of(given: AppSettings) -> Iterator[CheckMessage]:
    if given.ledger_database is not None and given.ledger_database not in settings.DATABASES:
        yield Error(
            f"TILIA['LEDGER_DATABASE']: {given.ledger_database!r} is no alias of DATABASES",
            hint="Add the ledger's database there: the admin reads it.",
            id="tilia.E002",
        )
    if given.ledger is not None:
        try:
            # It connects with the first use.
            BlockLedger.open(given.ledger).close()
        except ConfigurationError as error:
            yield Error(f"TILIA['LEDGER']: {error}", id="tilia.E004")
    if given.webhook is not None:
        if not given.webhook.asks:
            yield Warning(
                "TILIA['WEBHOOK'] asks for no secret: anybody who finds its URL can post events",
                hint="Give BASIC_AUTH, and enter the same for the destination in Tilia Tools.",
                id="tilia.W001",
            )
        else:
            try:
                WebhookReceiver(basic_auth=given.webhook.basic_auth, path_secret=given.webhook.path_secret)
            except ConfigurationError as error:
                yield Error(f"TILIA['WEBHOOK']: {error}", id="tilia.E003")
    if settings.DEBUG and given.environment in ("production", Environment.PRODUCTION):
        yield Warning("the production environment of Tilia is used with DEBUG = True", id="tilia.W002")
