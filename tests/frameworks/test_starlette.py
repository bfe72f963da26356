"""FastAPI with one client for the application, its errors as answers, and notifications."""

from __future__ import annotations

import logging
import warnings
from typing import Annotated

import pytest
from support.deliveries import BLOCK, delivery

from tilia_async import TiliaClient, errors
from tilia_async.integrations.http_errors import answer_to
from tilia_async.models import RegisteredAccount
from tilia_async.testing import SandboxCalls
from tilia_async.webhooks import AccountBlockChanged, WebhookReceiver
from tilia_sync import Sandbox

pytest.importorskip("fastapi")
from fastapi import Depends, FastAPI, WebSocket

with warnings.catch_warnings():
    # Newer releases ask for another client of HTTP, which older ones do not know.
    warnings.simplefilter("ignore")
    from fastapi.testclient import TestClient

from tilia_async.integrations.starlette import error_response, get_tilia, lifespan

Tilia = Annotated[TiliaClient, Depends(get_tilia)]


def application(**settings: object) -> FastAPI:
    app = FastAPI(exception_handlers={errors.TiliaError: error_response}, **settings)

    @app.post("/players/{name}")
    async def register(name: str, tilia: Tilia) -> RegisteredAccount:
        return await tilia.accounts.register(name, email=f"{name}@mail.example")

    @app.post("/players/{account_id}/block")
    async def block(account_id: str, tilia: Tilia) -> None:
        await tilia.accounts.block(account_id, reason="fraud")

    @app.websocket("/wallets/{account_id}")
    async def wallets(socket: WebSocket, account_id: str, tilia: Tilia) -> None:
        await socket.accept()
        await socket.send_json([wallet.to_dict() for wallet in await tilia.wallets.list(account_id)])
        await socket.close()

    return app


def test_views_share_a_client_that_ends_with_the_application(tilia_sandbox: Sandbox) -> None:
    clients: list[TiliaClient] = []

    def connect() -> TiliaClient:
        clients.append(TiliaClient.from_env())
        return clients[0]

    with TestClient(application(lifespan=lifespan(connect))) as browser:
        account = browser.post("/players/nyx").json()
        assert tilia_sandbox.accounts[account["account_id"]].username == "nyx"
        with browser.websocket_connect(f"/wallets/{account['account_id']}") as socket:
            assert len(socket.receive_json()) == 3
    assert len(clients) == 1
    assert "closed" in repr(clients[0])


def test_errors_are_answers_that_say_nothing_private(tilia_sandbox: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    with TestClient(application(lifespan=lifespan())) as browser:
        browser.post("/players/nyx")
        taken, bad = browser.post("/players/nyx"), browser.post(f"/players/{'n' * 600}")
        missing = browser.post("/players/acct_nobody/block")
        tilia_sandbox.faults.add("accounts.register", "drop_after_commit")
        caplog.clear()
        unknown = browser.post("/players/vex")
    assert [each.status_code for each in (taken, bad, missing, unknown)] == [409, 422, 404, 504]
    assert taken.json() == {"error": "AccountExistsError", "operation": "accounts.register", "took_effect": False}
    assert "username" in bad.json()["problems"]
    assert unknown.json() == {"error": "OutcomeUnknownError", "operation": "accounts.register", "took_effect": None}
    (told,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert told.getMessage() == "answered with 504: OutcomeUnknownError of accounts.register, took effect: None"
    assert told.exc_info is not None


def test_a_lifespan_that_was_not_run_is_named(tilia_sandbox: Sandbox) -> None:
    # Not entered, so its lifespan does not run.
    browser = TestClient(application(lifespan=lifespan()), raise_server_exceptions=False)
    answer = browser.post("/players/nyx")
    assert (answer.status_code, answer.json()["error"]) == (500, "ConfigurationError")


def test_a_test_gives_the_application_a_client_of_its_own(async_tilia: TiliaClient, tilia_calls: SandboxCalls) -> None:
    app = application()
    app.dependency_overrides[get_tilia] = lambda: async_tilia
    with TestClient(app) as browser:
        assert browser.post("/players/nyx").status_code == 200
    assert TestClient(app).post("/players/vex").status_code == 200
    tilia_calls.assert_times("accounts.register", 2)


def test_notifications_are_mounted(tilia_sandbox: Sandbox) -> None:
    receiver, seen = WebhookReceiver(basic_auth=("tilia", "s3cret")), list[str | None]()

    @receiver.on(AccountBlockChanged)
    async def blocked(event: AccountBlockChanged) -> None:
        seen.append(event.account_id)

    app = application(lifespan=lifespan())
    app.mount("/tilia", receiver.asgi)
    body = delivery(BLOCK)
    with TestClient(app) as browser:
        assert browser.post("/tilia/", content=body).status_code == 401
        assert browser.post("/tilia/", content=body, auth=("tilia", "s3cret")).status_code == 204
    assert seen == [BLOCK["account_id"]]


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.RateLimitedError(status=429), 503),
        (errors.ConnectError("no route"), 503),
        (errors.DeadlineExceededError("too slow"), 504),
        (errors.MissingScopeError(status=401), 500),
        (errors.ConfigurationError("TILIA_ENVIRONMENT: is not set"), 500),
        (errors.TokenError("refused"), 502),
        (errors.ServerError(status=503), 502),
        (errors.ForbiddenError(status=403), 502),
        (errors.AccountBlockedError(status=403), 403),
        (errors.TiliaError("anything"), 500),
    ],
)
def test_who_can_mend_it_decides_about_the_status(error: errors.TiliaError, status: int) -> None:
    assert answer_to(error).status == status


def test_a_wait_that_tilia_asks_for_is_passed_on() -> None:
    error = errors.RateLimitedError(status=429)
    error.retry_after = 2.4
    assert answer_to(error).headers == {"Retry-After": "2"}
