"""A Flask application on a server with threads: calls out in its views, notifications in by WSGI."""

import json
import socketserver
import threading
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import pytest
from support.settings import variables

from tilia_async.tokens import TokenCache
from tilia_async.webhooks import AccountBlockChanged
from tilia_sync import Sandbox, TiliaClient, WebhookReceiver, errors

flask = pytest.importorskip("flask")


class Server(socketserver.ThreadingMixIn, WSGIServer):
    """A thread for each request."""

    request_queue_size = 64


class Quiet(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        """Not a word."""


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(wallet_delay=0) as running:
        yield running


@pytest.fixture
def blocked() -> list[tuple[str, bool]]:
    return []


@pytest.fixture
def url(sandbox: Sandbox, blocked: list[tuple[str, bool]], monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    for name, value in variables(sandbox).items():
        monkeypatch.setenv(name, value)
    tilia = TiliaClient.from_env(token_cache=TokenCache())
    receiver = WebhookReceiver(tilia, path_secret="a-long-random-word", confirm=True)

    @receiver.on(AccountBlockChanged)
    def remember(event: AccountBlockChanged) -> None:
        blocked.append((event.account_id, event.is_blocked))

    application = flask.Flask(__name__)

    @application.post("/players/<name>")
    def register(name: str) -> dict[str, object]:
        account = tilia.accounts.register(name, email=f"{name}@mail.example")
        wallets = tilia.wallets.list(account.account_id)
        return {"account_id": account.account_id, "wallets": len(wallets), "thread": threading.get_ident()}

    @application.post("/players/<account_id>/block")
    def block(account_id: str) -> tuple[str, int]:
        tilia.accounts.block(account_id, reason="fraud")
        return "", 204

    @application.errorhandler(errors.ApiError)
    def refused(error: errors.ApiError) -> tuple[dict[str, object], int]:
        return {"operation": error.operation, "thread": threading.get_ident()}, error.status

    application.wsgi_app = mounted(application.wsgi_app, receiver)
    server = make_server("127.0.0.1", 0, application, Server, Quiet)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        tilia.close()


def mounted(inner: object, receiver: WebhookReceiver) -> object:
    """The receiver's WSGI application beside another one."""

    def application(environ: dict[str, object], start_response: object) -> object:
        chosen = receiver.wsgi if environ["PATH_INFO"].startswith("/tilia/") else inner
        return chosen(environ, start_response)

    return application


def post(url: str) -> object:
    with urllib.request.urlopen(urllib.request.Request(url, method="POST"), timeout=30) as answer:
        return json.loads(answer.read() or "null")


def test_views_of_many_threads_share_a_client_and_its_token(url: str, sandbox: Sandbox) -> None:
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(post, [f"{url}/players/player{number}" for number in range(40)]))
    assert len({answer["account_id"] for answer in answers}) == 40
    assert {answer["wallets"] for answer in answers} == {3}
    assert threading.get_ident() not in {answer["thread"] for answer in answers}
    asked = [request.operation for request in sandbox.requests]
    # One for each of the two operations, whoever came first.
    assert asked.count("auth.token") == 2


def test_an_error_of_the_api_reaches_flasks_handler(url: str) -> None:
    post(f"{url}/players/nyx")
    with pytest.raises(urllib.request.HTTPError) as caught:
        post(f"{url}/players/nyx")
    with caught.value as answer:
        assert (answer.status, json.loads(answer.read())["operation"]) == (409, "accounts.register")


def test_notifications_come_in_by_wsgi(url: str, sandbox: Sandbox, blocked: list[tuple[str, bool]]) -> None:
    sandbox.register_webhook(f"{url}/tilia/a-long-random-word")
    sandbox.register_webhook(f"{url}/tilia/guessed")
    account_id = post(f"{url}/players/nyx")["account_id"]
    post(f"{url}/players/{account_id}/block")
    sandbox.notified()
    assert blocked == [(account_id, True)]
    assert {answer for sent in sandbox.notifications if sent.url.endswith("guessed") for answer in sent.answers} == {
        404
    }
