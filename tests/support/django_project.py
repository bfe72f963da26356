"""A Django project with the SDK's app.

In a process of its own, because Django is configured once in a process. What came of it is printed as JSON.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import django
from django.conf import settings

folder = sys.argv[1]
settings.configure(
    ALLOWED_HOSTS=["testserver"],
    ROOT_URLCONF=__name__,
    SECRET_KEY="only here",
    USE_TZ=True,
    PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
    INSTALLED_APPS=[
        "django.contrib.admin", "django.contrib.auth", "django.contrib.contenttypes", "django.contrib.messages",
        "django.contrib.sessions", "tilia_sync.integrations.django",
    ],
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware", "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.contrib.messages.middleware.MessageMiddleware", "tilia_sync.integrations.django.ErrorMiddleware",
    ],
    TEMPLATES=[{
        "BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True,
        "OPTIONS": {"context_processors": [
            "django.template.context_processors.request", "django.contrib.auth.context_processors.auth",
            "django.contrib.messages.context_processors.messages",
        ]},
    }],
    DATABASES={
        "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": f"{folder}/django.db"},
        "blocks": {"ENGINE": "django.db.backends.sqlite3", "NAME": f"{folder}/blocks.db"},
    },
    TILIA={
        "OPTIONS": {"timeout": 20.0},
        "LEDGER": f"sqlite:///{folder}/blocks.db",
        "LEDGER_DATABASE": "blocks",
        "WEBHOOK": {"BASIC_AUTH": ["tilia", "s3cret"]},
    },
)  # fmt: skip
django.setup()

from django.contrib import admin  # noqa: E402 - Django has to be set up first
from django.contrib.auth.models import User  # noqa: E402 - as above
from django.core.checks import run_checks  # noqa: E402 - as above
from django.core.management import CommandError, call_command, execute_from_command_line  # noqa: E402 - as above
from django.dispatch import receiver  # noqa: E402 - as above
from django.http import JsonResponse  # noqa: E402 - as above
from django.test import AsyncClient, Client, override_settings  # noqa: E402 - as above
from django.test.utils import setup_test_environment  # noqa: E402 - as above
from django.urls import include, path  # noqa: E402 - as above

from support.canaries import chain, frames  # noqa: E402 - as above
from support.deliveries import BLOCK, UNBLOCK, basic, delivery  # noqa: E402 - as above
from tilia_async.errors import ConfigurationError  # noqa: E402 - as above
from tilia_async.webhooks import AccountBlockChanged  # noqa: E402 - as above
from tilia_sync.integrations.django import event_received, get_async_client, get_client, get_ledger  # noqa: E402 - as above


async def register(_request: object, name: str) -> JsonResponse:
    tilia = get_async_client()
    account = await tilia.accounts.get_or_register(name, email=f"{name}@mail.example")
    if not await tilia.accounts.is_blocked(account.account_id):
        await tilia.accounts.block(account.account_id, reason="in an asynchronous view")
    return JsonResponse({"account_id": account.account_id})


def look_up(_request: object, name: str) -> JsonResponse:
    return JsonResponse(get_client().accounts.find(name).to_dict())


async def look_up_asynchronously(_request: object, name: str) -> JsonResponse:
    return JsonResponse((await get_async_client().accounts.find(name)).to_dict())


def fail(_request: object) -> JsonResponse:
    raise ValueError("the view's own")


urlpatterns = [
    path("fail/", fail),
    path("found/<str:name>/", look_up),
    path("found-asynchronously/<str:name>/", look_up_asynchronously),
    path("players/<str:name>/", register),
    path("admin/", admin.site.urls),
    path("tilia/", include("tilia_sync.integrations.django.urls")),
]
seen: list[tuple[str | None, bool | None]] = []
failures: list[Exception] = []


@receiver(event_received, sender=AccountBlockChanged)
def blocked(event: AccountBlockChanged, **_details: object) -> None:
    if failures:
        raise failures.pop()
    seen.append((event.account_id, event.is_blocked))


def of_client() -> object:
    client = get_client()
    account = client.accounts.register("nyx", email="nyx@mail.example")
    client.accounts.block(account.account_id, reason="chargeback fraud", actor="ops")
    (record,) = get_ledger().history(account.account_id)
    return [client is get_client(), record.reason, account.account_id]


def of_async_views() -> object:
    browser = AsyncClient()
    answers = [asyncio.run(browser.post("/players/vex/")) for _ in range(2)]
    account_id = answers[1].json()["account_id"]
    (record,) = get_ledger().history(account_id)
    client = get_async_client()
    with override_settings(TILIA={}):
        return [[answer.status_code for answer in answers], record.reason, "closed" in repr(client)]


def of_errors() -> object:
    """Return the answers to errors that views let pass."""
    there, under_asgi = Client(raise_request_exception=False), AsyncClient(raise_request_exception=False)
    answers = [
        there.get("/found/nobody/"),
        asyncio.run(under_asgi.get("/found-asynchronously/nobody/")),
        there.get("/fail/"),
    ]
    return [[each.status_code for each in answers], [each.json() for each in answers[:2]]]


def of_webhook() -> object:
    browser, login = Client(enforce_csrf_checks=True), {"Authorization": basic("tilia", "s3cret")}

    def post(body: bytes, headers: dict[str, str]) -> int:
        return browser.post("/tilia/", body, content_type="application/json", headers=headers).status_code

    found = [browser.get("/tilia/").status_code, post(delivery(BLOCK), {}), post(b"not json", login)]
    failures.append(ValueError("the receiver's own"))
    found += [post(delivery(BLOCK), login), post(delivery(BLOCK), login), post(delivery(BLOCK), login)]
    under_asgi = AsyncClient().post("/tilia/", delivery(UNBLOCK), content_type="application/json", headers=login)
    found.append(asyncio.run(under_asgi).status_code)
    records = get_ledger().history(BLOCK["account_id"])
    return [found, seen, [record.source for record in records]]


def of_admin(account_id: str) -> object:
    call_command("migrate", verbosity=0)
    User.objects.create_superuser("root", password="only here")
    browser, pages = Client(), "/admin/tilia/blockrecord/"
    browser.login(username="root", password="only here")
    listed = browser.get(pages, {"q": account_id, "state__exact": "confirmed"})
    record = listed.context["cl"].queryset.get()
    detail = browser.get(f"{pages}{record.pk}/change/")
    refused = [
        browser.post(f"{pages}{each}").status_code for each in ("add/", f"{record.pk}/delete/", f"{record.pk}/change/")
    ]
    anybody = Client().get(pages).status_code
    return [
        [listed.status_code, detail.status_code, anybody, refused],
        [record.account_id, record.reason, record.requested_at.tzinfo is not None, str(record)],
        "chargeback fraud" in detail.text and "Save" not in detail.text,
    ]


def of_checks() -> Iterator[list[str]]:
    given = settings.TILIA
    changes: list[dict[str, object]] = [
        {},
        {"CLIENTID": "one"},
        {"ENVIRONMENT": "stagin"},
        {"OPTIONS": {"timeuot": 1}},
        {"LEDGER_DATABASE": "nowhere"},
        {"LEDGER": "mysql://127.0.0.1/blocks"},
        {"WEBHOOK": {}},
        {"WEBHOOK": {"BASIC_AUTH": ["with:colon", "s3cret"]}},
        {"ENVIRONMENT": "production"},
    ]
    for change in changes:
        with override_settings(TILIA={**given, **change}, DEBUG=True):
            yield [message.id for message in run_checks(tags=["tilia"])]
    client_id = os.environ.pop("TILIA_CLIENT_ID")
    yield [message.id for message in run_checks(tags=["tilia"])]
    os.environ["TILIA_CLIENT_ID"] = client_id


CANARY = "canary-secret-4712"


def of_frames() -> Iterator[list[bool]]:
    secrets = {"CLIENT_SECRET": CANARY, "LEDGER": f"postgresql://game:{CANARY}@127.0.0.1/game"}
    login = {"BASIC_AUTH": ["tilia", CANARY]}
    changes: list[dict[str, object]] = [
        {"SECERT": 1}, {"OPTIONS": 1}, {"WEBHOOK": 1}, {"WEBHOOK": {**login, "CONFRIM": True}},
    ]  # fmt: skip
    for change in changes:
        with override_settings(TILIA={**secrets, "WEBHOOK": login, **change}):
            try:
                get_client()
            except ConfigurationError as error:
                shown = [repr(frame.f_locals) for each in chain(error) for frame in frames(each)]
                yield [bool(shown), CANARY in f"{error}{shown}"]


def of_command() -> object:
    # It writes to the descriptor itself.
    stdout, written = os.dup(1), Path(folder) / "stdout.txt"
    with written.open("w") as file:
        os.dup2(file.fileno(), 1)
        with contextlib.suppress(SystemExit):
            execute_from_command_line(["manage.py", "tilia", "accounts", "find", "nyx", "--json"])
        os.dup2(stdout, 1)
    with contextlib.suppress(CommandError):
        call_command("tilia", "accounts", "find", "nobody")
        return "it ended well"
    return json.loads(written.read_text())


def of_changed_settings() -> object:
    before = get_client()
    with override_settings(TILIA={"CLIENT_ID": "another"}):
        other = repr(get_client())
    return ["closed" in repr(before), "another" in other, get_client() is not before]


def main() -> None:
    setup_test_environment()
    client = of_client()
    call_command("makemigrations", check_changes=True, dry_run=True, verbosity=0)
    parts = {
        "client": client,
        "asynchronous views": of_async_views(),
        "errors": of_errors(),
        "webhook": of_webhook(),
        "admin": of_admin(client[2]),
        "checks": list(of_checks()),
        "frames": list(of_frames()),
        "command": of_command(),
        "changed settings": of_changed_settings(),
    }
    sys.stdout.write(json.dumps(parts))
    sys.stdout.flush()
    # Django's thread for asynchronous views stays.
    os._exit(0)


if __name__ == "__main__":
    main()
