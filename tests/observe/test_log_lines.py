"""Lines in the log: which there are at which level, what hangs on them, and the switch that shows them."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
from collections.abc import Callable
from unittest import mock

import pytest
from support.hostile import Connection, hostile_server
from support.quick import QUICK

from tilia_async import Operation, Repeat, RetryPolicy, Service, TiliaClient, errors
from tilia_async.bulk.adaptive_limit import AdaptiveLimit
from tilia_async.observe import log_lines
from tilia_async.sandbox import Fault, Sandbox
from tilia_async.tokens import TokenCache
from tilia_async.transport import requestor

READ = Operation("things.read", "GET", Service.ACCOUNTS, "/v1/thing", dict[str, str], scopes=(), repeat=Repeat.SAFE)
CALL = """
import asyncio
from tilia_async import TiliaClient
from tilia_async.sandbox import Sandbox

async def main():
    async with Sandbox(wallet_delay=0) as sandbox:
        async with TiliaClient(sandbox.client_id, sandbox.client_secret, sandbox.environment) as tilia:
            await tilia.accounts.register("nyx", email="nyx@mail.example")

asyncio.run(main())
"""


def lines(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    return [(record.name, record.levelname) for record in caplog.records if record.name.startswith("tilia_async")]


@pytest.mark.asyncio
async def test_one_line_for_each_attempt_and_one_for_the_call(
    make: Callable[..., TiliaClient], sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    tilia = make()
    nyx = await tilia.accounts.register("nyx", email="nyx@mail.example")
    sandbox.faults.add("accounts.get", Fault.SERVER_ERROR_HTML)
    caplog.set_level(logging.DEBUG, "tilia_async")
    await tilia.accounts.get(nyx.account_id)
    assert lines(caplog) == [
        ("tilia_async.tokens", "DEBUG"), ("tilia_async.tokens", "INFO"),
        ("tilia_async.calls", "DEBUG"), ("tilia_async.calls", "DEBUG"), ("tilia_async.calls", "INFO"),
    ]  # fmt: skip
    first, second, call = caplog.records[2:]
    words = "accounts.get: attempt 1, GET /v1/{account_id}/user-info: 500 ServerError after "
    assert first.getMessage().startswith(words)
    assert "attempt 2 of 3 follows in 0.00 s" in first.getMessage()
    assert "200 success" in second.getMessage()
    assert call.getMessage().startswith("accounts.get: success after ")
    assert call.getMessage().endswith(" s, 2 attempts")

    common = {"operation": "accounts.get", "method": "GET", "template": "/v1/{account_id}/user-info"}
    told = first.tilia
    assert told == {
        **common, "attempt": 1, "status": 500, "outcome": "ServerError", "decision": told["decision"],
        "elapsed": told["elapsed"], "waited": 0.0, "sent": True, "token_generation": told["token_generation"],
    }  # fmt: skip
    told = call.tilia
    assert told == {
        **common, "attempts": 2, "elapsed": told["elapsed"], "waited_for_token": told["waited_for_token"],
        "took_effect": False, "error": None, "status": None,
    }  # fmt: skip


@pytest.mark.asyncio
async def test_at_info_there_is_one_line_for_a_call_that_fails_too(
    make: Callable[..., TiliaClient], caplog: pytest.LogCaptureFixture
) -> None:
    tilia = make()
    await tilia.access_token({"search_accounts"})
    caplog.set_level(logging.INFO, "tilia_async")
    with pytest.raises(errors.NotFoundError):
        await tilia.accounts.find("nyx-the-first")
    (line,) = caplog.records
    assert line.getMessage().startswith("accounts.find: NotFoundError (404) after ")
    assert (line.tilia["error"], line.tilia["status"]) == ("NotFoundError", 404)


@pytest.mark.asyncio
async def test_with_no_line_to_write_no_call_is_watched(
    make: Callable[..., TiliaClient], caplog: pytest.LogCaptureFixture
) -> None:
    """And the log is asked once for each call."""
    tilia = make()
    nyx = await tilia.accounts.register("nyx", email="nyx@mail.example")
    await tilia.accounts.get(nyx.account_id)
    with mock.patch.object(requestor, "WatchedCall") as watched, mock.patch.object(requestor, "_calls") as log:
        log.isEnabledFor.return_value = False
        await tilia.accounts.get(nyx.account_id)
        assert log.mock_calls == [mock.call.isEnabledFor(logging.INFO)]
        watched.assert_not_called()
    assert lines(caplog) == []


@pytest.mark.asyncio
async def test_a_long_wait_for_the_next_attempt_has_a_line_when_it_begins(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "tilia_async.calls")
    slow = RetryPolicy(attempts=2, initial=0, maximum=0)
    async with TiliaClient(
        sandbox.client_id, sandbox.client_secret, sandbox.environment, retry=slow, token_cache=TokenCache()
    ) as tilia:
        sandbox.faults.add("accounts.find", Fault.RATE_LIMITED, retry_after=20)
        call = asyncio.create_task(tilia.accounts.find("nyx"))
        async with asyncio.timeout(10):
            while not caplog.records:  # noqa: ASYNC110 - a log has no event
                await asyncio.sleep(0.01)
        call.cancel()
        await asyncio.wait([call])
    waits, cancelled = caplog.records
    assert waits.getMessage() == "accounts.find: waits 20.0 s for the next attempt"
    assert (waits.levelno, waits.tilia["waited"], waits.tilia["why"]) == (logging.INFO, 20.0, "the next attempt")
    assert cancelled.getMessage().startswith("accounts.find: CancelledError after ")


@pytest.mark.asyncio
async def test_long_waits_for_a_token_and_for_a_connection_have_a_line_when_they_are_over(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(log_lines, "LONG_WAIT", 1e-6)
    caplog.set_level(logging.INFO, "tilia_async.calls")

    async def answered(connection: Connection) -> None:
        while await connection.tokens() is not None:
            await connection.answer()

    from tilia_async import Limits

    one = Limits(connections=1, per_host=1)
    async with hostile_server(answered) as server:
        async with TiliaClient(
            "id", "s3cret", server.template, retry=QUICK, limits=one, token_cache=TokenCache()
        ) as tilia:
            await asyncio.gather(*(tilia.send(READ) for _ in range(2)))
    told = [record.getMessage() for record in caplog.records if " waited " in record.getMessage()]
    assert [each.partition(" s ")[2] for each in told] == ["for a token", "for a token", "for a connection"]


def test_a_pause_of_a_job_has_a_line(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "tilia_async.bulk")
    limit = AdaptiveLimit(64)
    limit.refused(0.0, 1.0, 0.5)
    assert caplog.records == []
    limit.refused(1.0, 2.0, 2.5)
    limit.refused(1.0, 2.0, 2.5)
    assert [record.getMessage() for record in caplog.records] == [
        "Tilia asks for less: nothing is sent for 2.5 s, then 2 at once at most"
    ]


@pytest.mark.asyncio
async def test_a_job_has_a_line_for_its_start_and_one_for_its_end(
    make: Callable[..., TiliaClient], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "tilia_async.bulk")
    await make().bulk.block(["5e1c3f5a-8d3e-4c55-9a51-2f1f7c1d2e3f", "no/id"])
    start, end = caplog.records
    assert start.getMessage() == "bulk.block: starts"
    assert end.getMessage().startswith("bulk.block: ended after ")
    assert "2 accounts" in end.getMessage()
    assert end.tilia["counts"] == {"not_found": 1, "failed": 1}


def told_by(script: str, **variables: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script],
        capture_output=True,
        text=True,
        timeout=50,
        check=True,
        env=variables,
    )
    return done.stderr.splitlines()


@pytest.mark.parametrize(
    ("level", "lines_of"),
    [("info", {"INFO": 2, "DEBUG": 0}), ("DEBUG", {"INFO": 2, "DEBUG": 2}), ("", {"INFO": 0, "DEBUG": 0})],
)
def test_a_variable_shows_them_where_nobody_has_set_up_logging(level: str, lines_of: dict[str, int]) -> None:
    told = told_by(CALL, TILIA_LOG=level)
    assert {name: sum(f" {name} tilia_async." in line for line in told) for name in lines_of} == lines_of
    assert len(told) == sum(lines_of.values())


def test_an_application_with_handlers_of_its_own_gets_each_line_once() -> None:
    script = "import logging\nlogging.basicConfig(format='mine %(message)s')\n" + CALL
    told = told_by(script, TILIA_LOG="info")
    assert [line.split()[:2] for line in told] == [["mine", "auth.token:"], ["mine", "accounts.register:"]]


def test_a_level_that_there_is_not_is_refused() -> None:
    assert told_by("import tilia_async", TILIA_LOG="verbose") == ["TILIA_LOG: info or debug is wanted, not 'verbose'"]
