"""A receiver as a WSGI application: under the validator, and in a real server."""

import http.client
import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

import pytest
from support.deliveries import BLOCK, UNBLOCK, basic, delivery

from tilia_async.tokens import TokenCache
from tilia_async.webhooks import AccountBlockChanged
from tilia_sync import Sandbox, TiliaClient, WebhookReceiver


class Dribble(io.BytesIO):
    """Brings fewer bytes than are asked for."""

    def read(self, size: int | None = -1) -> bytes:
        return super().read(min(size, 7) if size is not None and size > 0 else size)


def call(receiver: WebhookReceiver, body: bytes = b"", **environ: object) -> tuple[str, dict[str, str]]:
    """Ask the application under the validator; status line and headers."""
    request: dict[str, object] = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/tilia/secret",
        "SCRIPT_NAME": "",
        "QUERY_STRING": "",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": Dribble(body),
        **environ,
    }
    setup_testing_defaults(request)
    answered: list[tuple[str, dict[str, str]]] = []

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: object = None) -> object:
        answered.append((status, dict(headers)))
        return lambda _: None

    answer = validator(receiver.wsgi)(request, start_response)
    assert b"".join(answer) == b""
    answer.close()  # type: ignore[attr-defined]
    return answered[0]


def status(receiver: WebhookReceiver, body: bytes = b"", **environ: object) -> int:
    return int(call(receiver, body, **environ)[0].split()[0])


def test_a_delivery_reaches_its_handler_in_the_thread_of_the_request() -> None:
    receiver, threads = WebhookReceiver(path_secret="sécret"), list[threading.Thread]()

    @receiver.on(AccountBlockChanged)
    def blocked(_: AccountBlockChanged) -> None:
        threads.append(threading.current_thread())

    path = "/tilia/sécret".encode().decode("latin-1")
    assert call(receiver, delivery(BLOCK), PATH_INFO=path)[0] == "204 No Content"
    assert status(receiver, delivery(UNBLOCK), SCRIPT_NAME=path, PATH_INFO="") == 204
    assert status(receiver, delivery(BLOCK), PATH_INFO="/tilia/s\xffcret") == 404
    assert threads == [threading.current_thread()] * 2


def test_credentials_and_methods() -> None:
    receiver = WebhookReceiver(basic_auth=("user", "password"))
    assert status(receiver, delivery(BLOCK), HTTP_AUTHORIZATION=basic("user", "password")) == 204
    for wrong in ("Basic \xff\xfe", "Básic", "", basic("user", "wrong")):
        assert status(receiver, delivery(BLOCK), HTTP_AUTHORIZATION=wrong) == 401
    line, headers = call(receiver, delivery(BLOCK))
    assert (line, headers["WWW-Authenticate"][:5]) == ("401 Unauthorized", "Basic")
    line, headers = call(WebhookReceiver(), REQUEST_METHOD="GET")
    assert (line, headers["Allow"]) == ("405 Method Not Allowed", "POST")


class Unread(io.BytesIO):
    def read(self, size: int | None = -1) -> bytes:
        raise AssertionError("it is read")


def test_sizes() -> None:
    receiver = WebhookReceiver(max_body=10)
    assert status(receiver, b" " * 10) == 400
    assert status(receiver, **{"CONTENT_LENGTH": "11", "wsgi.input": Unread()}) == 413
    assert status(receiver, **{"CONTENT_LENGTH": "", "wsgi.input": Unread()}) == 411


@pytest.mark.parametrize(
    ("length", "status_line"),
    [*((odd, "400 Bad Request") for odd in ("-1", "ten", "1_0", "²")), ("9" * 5000, f"413 {HTTPStatus(413).phrase}")],
)
def test_odd_lengths(length: str, status_line: str) -> None:
    # Not under the validator, which refuses it first.
    statuses: list[str] = []
    environ = {"REQUEST_METHOD": "POST", "CONTENT_LENGTH": length, "wsgi.input": Unread()}
    WebhookReceiver().wsgi(environ, lambda status, _headers: statuses.append(status))  # type: ignore[arg-type,return-value]
    assert statuses == [status_line]


def test_a_body_whose_server_knows_its_end_needs_no_length() -> None:
    receiver = WebhookReceiver(max_body=1000)
    known = {"CONTENT_LENGTH": "", "wsgi.input_terminated": True}
    assert status(receiver, **known, **{"wsgi.input": Dribble(delivery(BLOCK))}) == 204
    endless = Dribble(b" " * 100_000)
    assert status(receiver, **known, **{"wsgi.input": endless}) == 413
    assert endless.tell() <= 1001


def test_a_body_that_ends_too_early_is_none() -> None:
    body = delivery(BLOCK)
    assert status(WebhookReceiver(), body, CONTENT_LENGTH=str(len(body) + 1)) == 400


class Quiet(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def served(receiver: WebhookReceiver) -> Iterator[WSGIServer]:
    with make_server("127.0.0.1", 0, validator(receiver.wsgi), handler_class=Quiet) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def test_over_real_http() -> None:
    receiver, seen = WebhookReceiver(path_secret="secret"), list[str | None]()

    @receiver.on(AccountBlockChanged)
    def blocked(event: AccountBlockChanged) -> None:
        seen.append(event.account_id)

    with served(receiver) as server:
        for path, body, expected in (("/secret", delivery(BLOCK), 204), ("/secret", b"{", 400), ("/other", b"{}", 404)):
            connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=10)
            connection.request("POST", path, body)
            assert connection.getresponse().status == expected
            connection.close()
    assert seen == [BLOCK["account_id"]]


def test_the_sandbox_blocks_and_a_plain_handler_knows() -> None:
    with Sandbox(wallet_delay=0) as sandbox:
        credentials = (sandbox.client_id, sandbox.client_secret, sandbox.environment)
        with TiliaClient(*credentials, token_cache=TokenCache()) as tilia:
            receiver, told = WebhookReceiver(tilia, confirm=True, basic_auth=("tilia", "pw")), list[bool | None]()

            @receiver.on(AccountBlockChanged)
            def blocked(event: AccountBlockChanged) -> None:
                told.append(event.is_blocked)
                assert len(told) > 1, "fails the first time"

            with served(receiver) as server:
                url = f"http://127.0.0.1:{server.server_port}/tilia"
                sandbox.register_webhook(url, events=["account-block-unblock-webhook"], basic_auth=("tilia", "pw"))
                account_id = tilia.accounts.register("nyx", email="nyx@mail.example").account_id
                tilia.accounts.block(account_id)
                sandbox.notified()
                assert told == [True, True]
                tilia.accounts.unblock(account_id)
                sandbox.notified()
                assert told == [True, True, False]
                sandbox.block_as_tilia(account_id)
                sandbox.notified()
                assert told == [True, True, False, True]
            assert [each.answers for each in sandbox.notifications] == [[500, 204], [204], [204]]


def test_a_notification_may_be_caused_in_any_thread() -> None:
    receiver, seen = WebhookReceiver(), list[str | None]()
    receiver.on(AccountBlockChanged)(lambda event: seen.append(event.blocks[0].issuer))
    with Sandbox(wallet_delay=0) as sandbox, served(receiver) as server:
        credentials = (sandbox.client_id, sandbox.client_secret, sandbox.environment)
        with TiliaClient(*credentials, token_cache=TokenCache()) as tilia:
            account_id = tilia.accounts.register("nyx", email="nyx@mail.example").account_id
        sandbox.register_webhook(f"http://127.0.0.1:{server.server_port}/")
        sandbox.block_as_tilia(account_id)
        sandbox.notified()
    assert seen == ["tilia"]
