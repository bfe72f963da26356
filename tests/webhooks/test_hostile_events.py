"""Everything that arrives as a notification is an event that can be kept, or a WebhookError."""

from __future__ import annotations

import pickle

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import deliveries
from support.counts import count
from support.odd_json import bodies

from tilia_async.errors import WebhookError
from tilia_async.webhooks import Event, parse_event
from tilia_async.webhooks.events import BY_NAME, DOCUMENTED

EXAMPLES = [60, pytest.param(1_500, marks=[pytest.mark.nightly, pytest.mark.timeout(1_200)])]
MESSAGES = [value for name, value in vars(deliveries).items() if name.isupper() and isinstance(value, dict)]
GOOD = {
    kind: {
        "event_name": kind.NAME,
        "bucket_key": "staging",
        "sent_at": "2026-07-03T00:00:01Z",
        "message": next((message for message in MESSAGES if message.keys() >= kind._SHAPE), {}),
    }
    for kind in DOCUMENTED
}


@pytest.mark.parametrize("examples", EXAMPLES)
@pytest.mark.parametrize("kind", DOCUMENTED, ids=lambda kind: kind.__name__)
def test_the_outcome_is_an_event_or_a_webhook_error(kind: type[Event], examples: int) -> None:
    @settings(
        max_examples=examples, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
    )
    @given(raw=bodies(GOOD[kind]), as_text=st.booleans())
    def tried(raw: bytes, as_text: bool) -> None:
        nonlocal inputs
        inputs += 1
        kept(raw.decode(errors="surrogateescape") if as_text else raw)

    inputs = 0
    tried()
    count("fuzz inputs", inputs)


@pytest.mark.parametrize("depth", [90, 120, 128, 140, 254, 300, 900, 1_010, 100_000])
def test_depth(depth: int) -> None:
    """Outside of hypothesis, which raises Python's limit of recursion for its tests."""
    for deep in (b"[" * depth + b"]" * depth, b'{"a":' * depth + b"1" + b"}" * depth):
        for name in (None, "", "odd", *BY_NAME):
            named = b'"event_name":%b,' % orjson.dumps(name)
            for message in (deep, b'{"account_id":%b}' % deep, b'{"x":%b,"blocks":%b}' % (deep, deep)):
                kept(b'{%b"message":%b}' % (named, message))
                kept(b'{%b"message":{},"bucket_key":%b,"sent_at":%b}' % (named, message, message))
                count("fuzz inputs", 2)
        kept(deep)


def kept(raw: bytes | str) -> None:
    """Parse a delivery, and do with its event what a receiver does."""
    try:
        event = parse_event(raw)
    except WebhookError as error:
        assert str(error).isprintable()
        assert len(str(error)) < 500
        assert str(pickle.loads(pickle.dumps(error))) == str(error)
        return
    assert isinstance(event, Event)
    assert repr(event)
    assert pickle.loads(pickle.dumps(event)) == event
    assert event.entity is None or all(isinstance(each, str) and each for each in event.entity)
    assert event.digest
    assert orjson.dumps(event.message) is not None
