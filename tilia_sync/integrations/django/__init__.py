"""The integration into Django.

Add ``"tilia_sync.integrations.django"`` to ``INSTALLED_APPS``. What ``settings.TILIA`` does not say is read from the
variables of ``TiliaClient.from_env()``:

::

    TILIA = {
        "CLIENT_ID": "…", "CLIENT_SECRET": "…", "ENVIRONMENT": "staging",
        "OPTIONS": {"timeout": 10.0},            # other arguments of TiliaClient
        "LEDGER": "postgresql://…",              # a record of every block, for get_client() and for notifications
        "LEDGER_DATABASE": "blocks",             # the alias in DATABASES by which the admin reads it
        "WEBHOOK": {"BASIC_AUTH": ("tilia", "…"), "CONFIRM": True},
    }

``get_client()`` is the client, ``get_async_client()`` that for asynchronous views.
``path("tilia/", include("tilia_sync.integrations.django.urls"))`` takes notifications in, and sends them as the signal
``event_received``. ``error_response`` answers for errors of calls, and ``ErrorMiddleware`` for those that views let
pass. ``manage.py tilia`` is the command, and ``manage.py check`` looks at the settings.
"""

from tilia_sync.integrations.django.errors import ErrorMiddleware, error_response
from tilia_sync.integrations.django.parts import get_async_client, get_client, get_ledger, get_receiver
from tilia_sync.integrations.django.signals import event_received
from tilia_sync.integrations.django.views import webhook_view

__all__ = [
    "ErrorMiddleware",
    "error_response",
    "event_received",
    "get_async_client",
    "get_client",
    "get_ledger",
    "get_receiver",
    "webhook_view",
]
