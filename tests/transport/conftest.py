"""Everything here holds on both ways of a request: written on a connection of the pool, and asked of the session."""

import os

import pytest
from aiohttp.client_reqrep import ClientRequest
from support.interruption import forget_sockets

from tilia_async.transport.direct import Direct

BY_SESSION = "TILIA_TEST_BY_SESSION"
"""The environment variable by which a whole run, or a test's own process, learns that it shall ask the session."""


# An aiohttp with other names than those that are known has one way only.
ALL_BY_SESSION = BY_SESSION in os.environ or not hasattr(ClientRequest, "send")


SLOW = frozenset(
    {
        "test_cancellation",
        "test_certificates",
        "test_frames",
        "test_frames_of_ctrl_c",
        "test_hostile_servers",
        "test_surroundings",
    }
)
"""Files that ask the session by night alone, and whenever a whole run does."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        asked = isinstance(item, pytest.Function) and hasattr(item, "callspec") and item.callspec.params.get("way")
        if asked == "session" and item.path.stem in SLOW and not ALL_BY_SESSION:
            item.add_marker(pytest.mark.nightly)


@pytest.fixture(autouse=True, params=["session"] if ALL_BY_SESSION else ["direct", "session"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    chosen: str = request.param
    if chosen == "session":
        monkeypatch.setattr(Direct, "takes", lambda _direct, _request: False)
        monkeypatch.setenv(BY_SESSION, "1")
    return chosen


@pytest.fixture(autouse=True)
def counted_from_here() -> None:
    """Sockets counted from here on, without those that earlier tests left to the garbage collector."""
    forget_sockets()
