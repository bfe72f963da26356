"""Everything here holds on both ways of a request: written on a connection of the pool, and asked of the session."""

import pytest

from tilia_async.transport.direct import Direct

BY_SESSION = "TILIA_TEST_BY_SESSION"
"""The environment variable by which a test's own process learns that it shall ask the session."""


@pytest.fixture(autouse=True, params=["direct", "session"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    chosen: str = request.param
    if chosen == "session":
        monkeypatch.setattr(Direct, "takes", lambda _direct, _request: False)
        monkeypatch.setenv(BY_SESSION, "1")
    return chosen
