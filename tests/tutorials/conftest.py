"""``tilia`` is a client of each package in turn, and what the sandbox tells meanwhile can be read."""

from collections.abc import Iterator

import orjson
import pytest
from support.both_packages import make, tilia

from tilia_async.sandbox import Sandbox
from tilia_async.webhooks import UnknownEvent, parse_event

__all__ = ["make", "tilia"]


@pytest.fixture(autouse=True)
def read_notifications(sandbox: Sandbox) -> Iterator[None]:
    told: list[bytes] = []

    def remember(event_name: str, message: dict[str, object]) -> None:
        told.append(orjson.dumps({"event_name": event_name, "message": message}))

    sandbox._world.notify = remember
    yield
    assert told
    assert [body for body in told if isinstance(parse_event(body), UnknownEvent)] == []
