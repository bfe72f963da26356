"""Settings, secrets and credentials: who may deliver, and what it may weigh."""

import inspect
import logging
import subprocess
import sys

import pytest
from support.both_receivers import Make, Seen, make
from support.canaries import frames, places, search
from support.deliveries import BLOCK, basic, delivery

import tilia_sync
from tilia_async import TiliaClient
from tilia_async.errors import ConfigurationError
from tilia_async.secret import Secret
from tilia_async.webhooks import (
    Event,
    WebhookReceiver,
)

__all__ = ["make"]


def test_wrong_settings_and_handlers() -> None:
    with pytest.raises(ConfigurationError, match="class of events"):
        WebhookReceiver().on(dict)  # type: ignore[type-var] - on purpose
    with pytest.raises(ConfigurationError, match="class of events"):
        WebhookReceiver().on("account")  # type: ignore[arg-type] - on purpose

    async def coroutine(_: Event) -> None: ...

    with pytest.raises(ConfigurationError, match="plain function"):
        tilia_sync.WebhookReceiver().on(Event)(coroutine)
    for package in (WebhookReceiver, tilia_sync.WebhookReceiver):
        for settings in (
            {"confirm": True},
            {"max_body": 0},
            {"max_body": 1.5},
            {"remembered": 0},
            {"remembered": True},
            {"remembered": None},
            {"max_body": "x"},
            {"path_secret": 5},
            {"basic_auth": 5},
            {"basic_auth": "user:password"},
        ):
            with pytest.raises(ConfigurationError, match=next(iter(settings))):
                package(**settings)
    for handler_timeout in (0, -1, float("nan"), "30", True, []):
        with pytest.raises(ConfigurationError, match="handler_timeout"):
            WebhookReceiver(handler_timeout=handler_timeout)


@pytest.mark.asyncio
async def test_a_receiver_without_a_secret_says_so_loudly(
    make: Make, tilia: TiliaClient, caplog: pytest.LogCaptureFixture
) -> None:
    for settings, why in (({}, "are not true"), ({"tilia": tilia, "confirm": True}, "handled again")):
        caplog.clear()
        make(**settings)
        (record,) = caplog.records
        assert record.levelno == logging.WARNING
        assert "asks for no secret" in record.getMessage()
        assert why in record.getMessage()
        assert "basic_auth" in record.getMessage()
        caplog.clear()
        make(**settings, basic_auth=("tilia", "canary"))
        make(**settings, path_secret="canary")
        assert caplog.records == []


@pytest.mark.parametrize("package", ["tilia_async.webhooks", "tilia_sync"])
def test_who_has_set_up_no_log_sees_it_too(package: str) -> None:
    script = f"from {package} import WebhookReceiver; WebhookReceiver()"
    ended = subprocess.run([sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, check=True)
    assert "asks for no secret" in ended.stderr
    assert ended.stdout == ""


def test_the_secret_that_no_log_shows_is_named_first() -> None:
    for package in (WebhookReceiver, tilia_sync.WebhookReceiver):
        told = " ".join((inspect.getdoc(package) or "").split())
        assert 0 < told.index("basic_auth=(") < told.index("path_secret")
        assert "stands in the access log of each server" in told


@pytest.mark.asyncio
async def test_a_body_in_any_form_is_taken_and_measured_in_bytes(make: Make) -> None:
    body = delivery({**BLOCK, "note": "é" * 50})
    wide = memoryview(body + b" " * (-len(body) % 4)).cast("I")
    for form in (body, bytearray(body), memoryview(body), wide, body.decode()):
        size = len(body) if form is not wide else wide.nbytes
        assert await make(max_body=size).handle(form) == 204  # type: ignore[arg-type] - on purpose
        assert await make(max_body=size - 1).handle(form) == 413  # type: ignore[arg-type] - on purpose
    for none in (None, 5, [], "\ud800"):
        assert await make().handle(none) == 400  # type: ignore[arg-type] - on purpose


@pytest.mark.asyncio
@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b'{"event_name":"kyc-webhook","message":1}'])
async def test_no_notification_is_400(make: Make, body: bytes, caplog: pytest.LogCaptureFixture) -> None:
    assert await make().handle(body) == 400
    assert "a notification was refused" in caplog.text


@pytest.mark.asyncio
async def test_a_body_of_the_limit_is_read_and_one_byte_more_is_not(make: Make) -> None:
    body = delivery(BLOCK)
    assert await make(max_body=len(body)).handle(body) == 204
    assert await make(max_body=len(body) - 1).handle(body) == 413


@pytest.mark.asyncio
async def test_a_path_secret_is_the_last_segment_and_may_be_one_of_several(make: Make) -> None:
    receiver = make(path_secret=["old-secret", "new-sécret"])
    for path in ("old-secret", "/tilia/old-secret", "/tilia/new-sécret/", "/new-sécret"):
        assert await receiver.handle(delivery(BLOCK), path=path) == 204
    for path in ("", "/", "/tilia", "/old-secret/x", "/old-secre", "/old-secrett", "\udcff", "/Old-secret"):
        assert await receiver.handle(delivery(BLOCK), path=path) == 404
    assert await receiver.handle(delivery(BLOCK)) == 404
    assert await make(path_secret="one").handle(delivery(BLOCK), path="/one") == 204


@pytest.mark.asyncio
async def test_basic_credentials_may_be_one_of_several_pairs(make: Make) -> None:
    receiver = make(basic_auth=[("tilia", "old"), ("tilia", "new: sécret")])
    for header in (
        basic("tilia", "old"),
        basic("tilia", "new: sécret"),
        basic("tilia", "old").replace("Basic", "bAsIc "),
    ):
        assert await receiver.handle(delivery(BLOCK), authorization=header) == 204
    wrong = ("", "Basic", "Basic !", "Bearer x", basic("tilia", "wrong"), basic("", "old"), basic("tilia", ""), "tilia:old",
             "Basic \udcff", "Básic é", basic("tilia", "old")[:-1], "Basic " + "A" * 100_001)  # fmt: skip
    for header in wrong:
        assert await receiver.handle(delivery(BLOCK), authorization=header) == 401, header
    assert await receiver.handle(delivery(BLOCK)) == 401
    wrapped = make(basic_auth=(Secret("a"), Secret("b")), path_secret=Secret("c"))
    assert await wrapped.handle(delivery(BLOCK), authorization=basic("a", "b"), path="c") == 204
    assert await make(basic_auth=("a", "b")).handle(delivery(BLOCK), authorization=basic("a", "b")) == 204


@pytest.mark.asyncio
async def test_with_both_a_secret_and_credentials_both_are_asked_for(make: Make) -> None:
    receiver = make(path_secret="s3cret", basic_auth=("a", "b"))
    assert await receiver.handle(delivery(BLOCK), path="/s3cret") == 401
    assert await receiver.handle(delivery(BLOCK), authorization=basic("a", "b")) == 404
    assert await receiver.handle(delivery(BLOCK), path="/s3cret", authorization=basic("a", "b")) == 204


@pytest.mark.asyncio
async def test_who_is_not_known_learns_nothing_of_what_else_is_wrong(make: Make) -> None:
    receiver = make(path_secret="s3cret", max_body=1).receiver
    assert receiver.refusal("GET", "/wrong") == 404
    assert receiver.refusal("GET", "/s3cret") == 405
    assert receiver.refusal("POST", "/s3cret", content_length=2) == 413
    assert receiver.refusal("POST", "/s3cret", content_length=1) is None


@pytest.mark.parametrize("wrong", ["", "a/canary", "/", ".", "..", "canary\n", [], ["fine", ""], [None], [5]])
def test_path_secrets_that_cannot_be_sent(wrong: object) -> None:
    for package in (WebhookReceiver, tilia_sync.WebhookReceiver):
        with pytest.raises(ConfigurationError, match="path_secret") as caught:
            package(path_secret=wrong)
        shows_no_secret(caught.value)


@pytest.mark.parametrize(
    "wrong", [("", "canary"), ("a:b", "canary"), ("a", ""), [], ["a", "canary"], [("a", "canary"), ()], ("a", None)]
)
def test_basic_credentials_that_are_none(wrong: object) -> None:
    for package in (WebhookReceiver, tilia_sync.WebhookReceiver):
        with pytest.raises(ConfigurationError, match="basic_auth") as caught:
            package(basic_auth=wrong)
        shows_no_secret(caught.value)


def shows_no_secret(error: BaseException) -> None:
    assert frames(error)
    search(["canary"], places(error))


@pytest.mark.asyncio
async def test_secrets_are_in_no_repr_and_no_log(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    receiver = make(path_secret="canary-path", basic_auth=("user", "canary-password"))
    receiver.on(Event, Seen(failures=1).take)
    request = {"path": "/canary-path", "authorization": basic("user", "canary-password")}
    for body, expected in ((delivery(BLOCK), 500), (delivery(BLOCK), 204), (delivery(BLOCK), 204), (b"{", 400)):
        assert await receiver.handle(body, **request) == expected
    core = receiver.receiver._core
    shown = caplog.text + repr([receiver.receiver, vars(receiver.receiver), vars(core), vars(core.gate)])
    assert "canary" not in shown
    assert basic("user", "canary-password")[6:] not in shown
    assert caplog.records


@pytest.mark.asyncio
async def test_the_frames_of_a_failed_handler_hold_no_secret(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    receiver = make(path_secret="canary-path", basic_auth=("user", "canary-password"))
    receiver.on(Event, Seen(failures=1).take)
    await receiver.handle(delivery(BLOCK), path="/canary-path", authorization=basic("user", "canary-password"))
    (record,) = [each for each in caplog.records if each.exc_info]
    assert record.exc_info is not None
    assert record.exc_info[1] is not None
    shows_no_secret(record.exc_info[1])
