"""Receivers as the servers of users load them.

``received_by:receiver.asgi``, ``received_by:application`` and others.

What was handled is written to the file that the variable RECEIVED names, a line for each event.
"""

import asyncio
import os
import time

from starlette.applications import Starlette
from starlette.routing import Mount, Route

import tilia_sync
from tilia_async.webhooks import AccountBlockChanged, WebhookReceiver

SECRET = "a-long-random-word"
SETTINGS = {"path_secret": SECRET, "max_body": 200_000, "body_timeout": 0.5}

receiver = WebhookReceiver(**SETTINGS)
blocking = tilia_sync.WebhookReceiver(**SETTINGS)


def note(event: AccountBlockChanged, what: str) -> None:
    with open(os.environ["RECEIVED"], "a") as out:
        out.write(f"{what} {event.account_id}\n")


@receiver.on(AccountBlockChanged)
async def blocked(event: AccountBlockChanged) -> None:
    note(event, "begun")
    if event.account_id == "fails":
        raise RuntimeError("the database is down")
    if event.account_id == "hangs":
        await asyncio.sleep(60)
    note(event, "done")


@blocking.on(AccountBlockChanged)
def blocked_too(event: AccountBlockChanged) -> None:
    note(event, "begun")
    if event.account_id == "fails":
        raise RuntimeError("the database is down")
    if event.account_id == "hangs":
        time.sleep(60)
    note(event, "done")


application = blocking.wsgi
# A server that knows no applications but of ASGI 3 in a module.
asgi = receiver.asgi
starlette = Starlette(routes=[Mount("/mounted", receiver.asgi), Route(f"/route/{SECRET}", receiver.asgi)])
