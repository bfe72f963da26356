"""The recipe of docs/observability.md, with the real SDK of Sentry.

Its fence says ``py``, so that it runs here alone: ``init`` would import all frameworks that are installed.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import pytest
import sentry_sdk
from sentry_sdk.envelope import Envelope
from sentry_sdk.transport import Transport

from tilia_async import TiliaClient, errors
from tilia_async.sandbox import Fault, Sandbox

PAGE = Path(__file__).resolve().parents[2] / "docs" / "observability.md"


@pytest.fixture
def capture() -> Callable[[BaseException], dict]:
    """Event that Sentry would be sent of an error."""
    (recipe,) = re.findall(r"^```py\n(.*?)^```", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    with mock.patch.object(sentry_sdk, "init") as init:
        exec(recipe, {})
    sent: list[Envelope] = []

    class Kept(Transport):
        def capture_envelope(self, envelope: Envelope) -> None:
            sent.append(envelope)

    def send(error: BaseException) -> dict:
        client = sentry_sdk.Client(
            dsn="http://key@127.0.0.1/1",
            transport=Kept,
            default_integrations=False,
            auto_session_tracking=False,
            enable_backpressure_handling=False,
            send_client_reports=False,
            before_send=init.call_args.kwargs["before_send"],
        )
        with sentry_sdk.isolation_scope(), sentry_sdk.new_scope() as scope:
            scope.set_client(client)
            scope.set_tag("mine", "stays")
            scope.capture_exception(error)
        client.close()
        (event,) = (item.get_event() for envelope in sent for item in envelope.items)
        return event

    return send


@pytest.mark.asyncio
async def test_a_write_in_doubt_is_tagged_and_explained(
    make: Callable[..., TiliaClient], sandbox: Sandbox, capture: Callable[[BaseException], dict]
) -> None:
    tilia = make()
    nyx = await tilia.accounts.register("nyx", email="nyx@mail.example")
    sandbox.faults.add("accounts.block", Fault.DROP_AFTER_COMMIT, times=None)
    with pytest.raises(errors.OutcomeUnknownError) as caught:
        await tilia.accounts.block(nyx.account_id)
    event = capture(caught.value)
    assert event["tags"] == {"mine": "stays", "tilia.operation": "accounts.block", "took_effect": "unknown"}
    assert event["contexts"]["tilia"]["explain"] == caught.value.explain()
    assert "tilia.reconcile(error)" in event["contexts"]["tilia"]["explain"]
    assert sandbox.client_secret not in repr(event)


def test_an_error_behind_another_is_found(capture: Callable[[BaseException], dict]) -> None:
    try:
        try:
            raise errors.InvalidRequestError({"account_id": ["is empty"]}, operation="accounts.get")
        except errors.TiliaError as error:
            raise RuntimeError("the game's own") from error
    except RuntimeError as error:
        event = capture(error)
    assert event["tags"] == {"mine": "stays", "tilia.operation": "accounts.get", "took_effect": "no"}


def test_other_errors_are_left_alone(capture: Callable[[BaseException], dict]) -> None:
    event = capture(ZeroDivisionError())
    assert event["tags"] == {"mine": "stays"}
    assert "tilia" not in event["contexts"]
