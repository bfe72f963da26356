"""A Django project for servers of ASGI.

With the package's own view, and a receiver beside Django. What was handled is written to the file that the variable RECEIVED names.
"""

import os

import django
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.dispatch import receiver as connected
from django.urls import include, path

from tilia_async.webhooks import AccountBlockChanged, WebhookReceiver
from tilia_sync.integrations.django import event_received

settings.configure(
    ALLOWED_HOSTS=["*"],
    INSTALLED_APPS=["tilia_sync.integrations.django"],
    ROOT_URLCONF=__name__,
    SECRET_KEY="only here",
    USE_TZ=True,
    TILIA={"WEBHOOK": {"PATH_SECRET": "a-long-random-word"}},
)
django.setup()

beside = WebhookReceiver(path_secret="a-long-random-word")


def note(event: AccountBlockChanged, where: str) -> None:
    with open(os.environ["RECEIVED"], "a") as out:
        out.write(f"{where} {event.account_id}\n")


@beside.on(AccountBlockChanged)
async def heard(event: AccountBlockChanged) -> None:
    note(event, "beside")


@connected(event_received, sender=AccountBlockChanged)
def heard_inside(event: AccountBlockChanged, **_: object) -> None:
    note(event, "inside")


urlpatterns = [path("tilia/", include("tilia_sync.integrations.django.urls"))]
inside = get_asgi_application()


async def application(scope, receive, send):  # type: ignore[no-untyped-def]  # the types of ASGI are each server's own
    mounted = scope["type"] == "http" and scope["path"].startswith("/notifications/")
    await (beside.asgi if mounted else inside)(scope, receive, send)
