"""A plugin for pytest: Tilia in your tests, without credentials.

pytest loads it in every run where the SDK is installed. So it is a package of its own, which imports nothing of the SDK
until a test asks for a fixture.

Fixtures: ``tilia_sandbox``, ``tilia``, ``async_tilia``, ``tilia_calls``; to override, ``tilia_sandbox_options`` and
``tilia_client_options``. Markers: ``tilia`` and ``tilia_faults``.
"""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any, cast

import pytest

if TYPE_CHECKING:
    import pluggy

    import tilia_async
    import tilia_sync
    from tilia_async.testing import SandboxCalls

_OPTIONS = "tilia(**options): start the sandbox of this test with these arguments of tilia_sync.Sandbox"
_FAULTS = (
    "tilia_faults(operation, *faults, **details): let the next requests of this operation meet these faults, in order; "
    "the details are those of sandbox.faults.add"
)
_ARRIVED = pytest.StashKey["SandboxCalls"]()


def pytest_configure(config: pytest.Config) -> None:
    """Make the markers known."""
    config.addinivalue_line("markers", _OPTIONS)
    config.addinivalue_line("markers", _FAULTS)


def pytest_itemcollected(item: pytest.Item) -> None:
    """Give a marked test its sandbox.

    Also if it has no parameter for it, because its code finds the sandbox by the environment.
    """
    if not isinstance(item, pytest.Function) or "tilia_sandbox" in item.fixturenames:
        return
    if item.get_closest_marker("tilia") or item.get_closest_marker("tilia_faults"):
        # First, so that other fixtures find it by the environment, too. A list of its own, since a function shares one
        # with all its parameters, of which this may be the only marked one.
        item.fixturenames = ["tilia_sandbox", *item.fixturenames]


@pytest.hookimpl(hookwrapper=True)  # the plainer form needs pytest 8
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pluggy.Result[pytest.TestReport], None]:
    """Add what arrived to the report of a failed test."""
    outcome = yield
    report = outcome.get_result()
    calls = item.stash.get(_ARRIVED, None)
    if calls is not None and report.failed:
        report.sections.append(("Tilia sandbox: what arrived", str(calls)))


@pytest.fixture
def tilia_sandbox_options() -> dict[str, object]:
    """Return arguments of the sandbox; override it in your conftest.

    What the marker ``tilia`` says goes before it.
    """
    return {}


@pytest.fixture
def tilia_client_options() -> dict[str, object]:
    """Return arguments of both clients; override it in your conftest."""
    return {}


@pytest.fixture
def tilia_sandbox(
    request: pytest.FixtureRequest, tilia_sandbox_options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> Iterator[tilia_sync.Sandbox]:
    """Run a Tilia for this test alone.

    It listens on loopback, in a thread: synchronous and asynchronous tests use it alike. Wallets appear at once.
    ``TiliaClient.from_env()`` of both packages finds it by ``TILIA_CLIENT_ID``, ``TILIA_CLIENT_SECRET`` and
    ``TILIA_ENVIRONMENT``.
    """
    from tilia_async.testing import SandboxCalls

    node = _test(request)
    with _sandbox({"wallet_delay": 0.0, **tilia_sandbox_options, **_marked_options(node)}) as sandbox:
        node.stash[_ARRIVED] = SandboxCalls(sandbox.requests)
        monkeypatch.setenv("TILIA_CLIENT_ID", sandbox.client_id)
        monkeypatch.setenv("TILIA_CLIENT_SECRET", sandbox.client_secret)
        monkeypatch.setenv("TILIA_ENVIRONMENT", sandbox.environment.template)
        monkeypatch.delenv("TILIA_PROXY", raising=False)
        _add_faults(node, sandbox)
        _close_clients()
        yield sandbox
        _close_clients()


@pytest.fixture
def tilia_calls(request: pytest.FixtureRequest, tilia_sandbox: tilia_sync.Sandbox) -> SandboxCalls:  # noqa: ARG001 - it has to run
    """Return what arrived at the sandbox, to assert on."""
    return _test(request).stash[_ARRIVED]


@pytest.fixture
def tilia(tilia_sandbox: tilia_sync.Sandbox, tilia_client_options: dict[str, Any]) -> Iterator[tilia_sync.TiliaClient]:
    """Connect a synchronous client to the sandbox.

    It has a token cache of its own, waits milliseconds before it tries again, and gives a call five seconds.
    """
    from tilia_sync import TiliaClient

    settings = {**_quick(), **tilia_client_options}
    with TiliaClient(
        tilia_sandbox.client_id, tilia_sandbox.client_secret, tilia_sandbox.environment, **settings
    ) as client:
        yield client


@pytest.fixture
def async_tilia(
    tilia_sandbox: tilia_sync.Sandbox, tilia_client_options: dict[str, Any]
) -> Iterator[tilia_async.TiliaClient]:
    """Connect an asynchronous client to the sandbox.

    Like ``tilia``. It works in whatever event loop the test runs in, so with pytest-asyncio in each of its modes, with
    anyio's plugin on asyncio, and with ``asyncio.run`` in a plain function.
    """
    import asyncio

    from tilia_async import TiliaClient

    settings = {**_quick(), **tilia_client_options}
    client = TiliaClient(tilia_sandbox.client_id, tilia_sandbox.client_secret, tilia_sandbox.environment, **settings)
    yield client
    # The test's own loop has closed the connections at its end. A loop made so is nobody's current one afterwards.
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        runner.run(client.aclose())


def _test(request: pytest.FixtureRequest) -> pytest.Item:
    # Pytest leaves the type open.
    return cast("pytest.Item", request.node)  # pyright: ignore[reportUnknownMemberType] - pytest leaves its type open


def _sandbox(options: dict[str, Any]) -> tilia_sync.Sandbox:
    from tilia_sync import Sandbox

    try:
        return Sandbox(**options)
    except (TypeError, ValueError) as refused:
        pytest.fail(f"the sandbox's options are wrong: {refused}", pytrace=False)


def _close_clients() -> None:
    """Close clients of frameworks: the next sandbox is another."""
    integrations = sys.modules.get("tilia_sync.integrations.per_process")
    if integrations is not None:
        integrations.close_all()


def _quick() -> dict[str, Any]:
    from tilia_async import RetryPolicy
    from tilia_async.tokens import TokenCache

    return {"retry": RetryPolicy(initial=0.001, maximum=0.01), "token_cache": TokenCache(), "timeout": 5.0}


def _marked_options(node: pytest.Item) -> dict[str, Any]:
    """Return what the markers say; the nearest one wins."""
    options: dict[str, Any] = {}
    for marker in reversed(list(node.iter_markers("tilia"))):
        if marker.args:
            pytest.fail("the marker tilia takes named arguments: @pytest.mark.tilia(wallet_delay=0.5)", pytrace=False)
        options |= marker.kwargs
    return options


def _add_faults(node: pytest.Item, sandbox: tilia_sync.Sandbox) -> None:
    for marker in reversed(list(node.iter_markers("tilia_faults"))):
        if len(marker.args) < 2:
            pytest.fail(
                "the marker tilia_faults names an operation and what it meets: "
                '@pytest.mark.tilia_faults("accounts.block", "drop_after_commit")',
                pytrace=False,
            )
        operation, *faults = marker.args
        # By itself a sandbox that is called too often asks for a second's wait.
        details: dict[str, Any] = {"retry_after": 0, **marker.kwargs}
        for fault in faults:
            try:
                sandbox.faults.add(operation, fault, **details)
            except (TypeError, ValueError) as refused:
                pytest.fail(f"the marker tilia_faults: {refused}", pytrace=False)
