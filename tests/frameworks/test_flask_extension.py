"""The extension for Flask: a client, errors as answers, notifications."""

from __future__ import annotations

import pytest
from support.deliveries import BLOCK, basic, delivery

from tilia_async.errors import TiliaError
from tilia_async.webhooks import AccountBlockChanged
from tilia_sync import Sandbox, WebhookReceiver

flask = pytest.importorskip("flask")

from tilia_sync.integrations.flask import Tilia, webhook_view  # noqa: E402 - after the skip


def application(tilia: Tilia) -> object:
    app = flask.Flask(__name__)
    tilia.init_app(app)

    @app.post("/players/<name>")
    def register(name: str) -> dict[str, object]:
        return tilia.client.accounts.register(name, email=f"{name}@mail.example").to_dict()

    return app


def test_views_use_one_client_and_its_errors_are_answers(tilia_sandbox: Sandbox) -> None:
    tilia = Tilia()
    app = application(tilia)
    browser = app.test_client()
    account = browser.post("/players/nyx").json
    assert tilia_sandbox.accounts[account["account_id"]].username == "nyx"
    taken = browser.post("/players/nyx")
    assert (taken.status_code, taken.json["error"], taken.json["took_effect"]) == (409, "AccountExistsError", False)
    assert app.extensions["tilia"] is tilia
    client = tilia.client
    tilia.close()
    assert tilia.client is not client


def test_a_handler_of_the_application_stays(tilia_sandbox: Sandbox) -> None:
    app = flask.Flask(__name__)
    app.register_error_handler(TiliaError, lambda _error: ("mine", 418))
    tilia = Tilia(app)
    app.get("/")(lambda: tilia.client.accounts.get("nobody").to_dict())
    answer = app.test_client().get("/")
    assert (answer.status_code, answer.text) == (418, "mine")


def test_notifications_come_in_by_a_view() -> None:
    app, seen = flask.Flask(__name__), list[str | None]()
    receiver = WebhookReceiver(basic_auth=("tilia", "s3cret"), path_secret="long-word")
    receiver.on(AccountBlockChanged)(lambda event: seen.append(event.account_id))
    app.add_url_rule("/tilia/<secret>", view_func=webhook_view(receiver), methods=["POST"])
    browser, login = app.test_client(), {"Authorization": basic("tilia", "s3cret")}
    answers = [
        browser.post(path, data=delivery(BLOCK), headers=headers).status_code
        for path, headers in (("/tilia/guess", login), ("/tilia/long-word", {}), ("/tilia/long-word", login))
    ]
    assert (answers, seen) == ([404, 401, 204], [BLOCK["account_id"]])
