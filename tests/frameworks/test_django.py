"""A Django view, synchronous and in an asynchronous server, in a process of its own: Django is configured once."""

import json
import subprocess
import sys

import pytest
from support.settings import running_sandbox

pytest.importorskip("django")

PROJECT = """
import asyncio, json, sys, threading
import django
from django.conf import settings
from django.http import JsonResponse
from django.test import AsyncClient, Client
from django.urls import path
from tilia_sync import TiliaClient, errors

settings.configure(
    ALLOWED_HOSTS=["testserver"], ROOT_URLCONF=__name__, SECRET_KEY="only here", USE_TZ=True,
    MIDDLEWARE=["__main__.errors_as_json"],
)
django.setup()
tilia = TiliaClient.from_env()

def errors_as_json(get_response):
    return lambda request: get_response(request)

def register(request, name):
    try:
        account = tilia.accounts.get_or_register(name, email=f"{name}@mail.example")
        wallets = tilia.wallets.list(account.account_id)
    except errors.TiliaError as error:
        return JsonResponse({"error": str(error)}, status=502)
    return JsonResponse({"account_id": account.account_id, "currencies": [wallet.currency for wallet in wallets]})

def players(request, account_id):
    # An answer that is streamed while the iterator is read.
    from django.http import StreamingHttpResponse
    return StreamingHttpResponse(f"{invoice.invoice_id};" for invoice in tilia.invoices.list(account_id))

urlpatterns = [path("players/<str:name>", register), path("invoices/<str:account_id>", players)]

def main():
    client = Client()
    answers = []
    threads = [
        threading.Thread(target=lambda: answers.append(client.post("/players/nyx").json())) for _ in range(8)
    ]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
    account_id = answers[0]["account_id"]
    streamed = b"".join(client.get(f"/invoices/{account_id}").streaming_content)
    # Under ASGI Django runs such a view in a thread of its own: no loop is blocked, nothing is warned about.
    under_asgi = asyncio.run(AsyncClient().post("/players/nyx")).json()
    print(json.dumps([answers, streamed.decode(), under_asgi]))

main()
"""


def test_a_django_view() -> None:
    with running_sandbox() as (sandbox, environment):
        done = subprocess.run(
            [sys.executable, "-W", "error:::tilia_sync", "-W", "error::RuntimeWarning", "-c", PROJECT],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")
        answers, streamed, under_asgi = json.loads(done.stdout)
        (account_id,) = sandbox.accounts.keys() - {sandbox.publisher_account_id}
        assert answers == [{"account_id": account_id, "currencies": ["USD", "TOK", "TOK"]}] * 8
        assert under_asgi == answers[0]
        assert streamed == ""
