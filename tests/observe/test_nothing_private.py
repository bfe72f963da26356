"""No id, address or secret of any operation is in a log line, a span, a metric or what an observer is told."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import unquote

import attrs
import pytest
from support import money_calls, samples
from support.both_packages import collected
from support.canaries import Logged, places, search
from support.hostile import Connection, hostile_server
from support.observing import Kept, Telemetry
from support.recorder import CLIENT_ID, Recorder
from support.reporters import reported

from tilia_async import RequestOptions, RetryPolicy, TiliaClient, errors
from tilia_async.api import OPERATIONS
from tilia_async.ledger import BlockLedger
from tilia_async.tokens import TokenCache

CALLS = {**samples.CALLS, **{name: known.call for name, known in money_calls.CALLS.items()}}
SECRET = "canary-client-secret-77"
WORDS = f"no such account {samples.ACCOUNT} of {samples.MAIL}"


@pytest.fixture
def logged() -> Iterator[Logged]:
    """Each line of ours, as it is formatted and with all that hangs on it."""
    handler, log = Logged(), logging.getLogger("tilia_async")
    log.addHandler(handler)
    log.setLevel(logging.DEBUG)
    yield handler
    log.removeHandler(handler)
    log.setLevel(logging.NOTSET)


def texts_in(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for each in value.values():
            yield from texts_in(each)
    elif isinstance(value, list):
        for each in value:
            yield from texts_in(each)
    elif isinstance(value, str):
        yield value


def private(api: Recorder) -> set[str]:
    """Values on the wire that name somebody or something: with a digit or an @, and no part of a template."""
    found = {SECRET, CLIENT_ID, samples.MAIL, samples.ACCOUNT, samples.PHRASE}
    for request in api.requests:
        path, _, query = request.path.partition("?")
        found |= {unquote(part) for part in path.split("/")} | {
            unquote(part.partition("=")[2]) for part in query.split("&")
        }
        if request.headers.get("Content-Type") == "application/json":
            found |= set(texts_in(json.loads(request.body)))
        found |= {request.headers.get(name, "") for name in ("Authorization", "Idempotency-Key", "X-Api-Key")}
    return {each for each in found if len(each) >= 6 and re.search(r"[\d@]", each)}


def told(kept: Kept, telemetry: Telemetry, logged: Logged) -> list[str]:
    spans = [f"{span.name} {span.to_json()}" for span in telemetry.spans]
    metrics = telemetry.reader.get_metrics_data()
    shown = [f"{each!r} {attrs.asdict(each)}" for each in (*kept.calls, *kept.attempts)]
    failed = [f"{call.error!s} {call.error!r} {vars(call.error)}" for call in kept.calls if call.error is not None]
    return [*logged.texts, *spans, metrics.to_json() if metrics else "", *shown, *failed, *kept.told]


@pytest.mark.asyncio
@pytest.mark.parametrize("status", [200, 404, 500])
async def test_no_operation_tells_whom_it_is_about(
    status: int, kept: Kept, telemetry: Telemetry, logged: Logged
) -> None:
    quick = RetryPolicy(attempts=2, initial=0, maximum=0)
    settings = {"retry": quick, "token_cache": TokenCache(), "observers": [kept]}
    async with Recorder() as api:
        async with TiliaClient(CLIENT_ID, SECRET, f"http://127.0.0.1:{api.port}/{{service}}", **settings) as tilia:
            for name, call in CALLS.items():
                known = money_calls.CALLS.get(name)
                good = known.answer if known else {"status": "Success", "payload": {"account_id": samples.ACCOUNT}}
                api.answer(status, good if status == 200 else samples.failure(WORDS), times=2)
                try:
                    answer = call(tilia)
                    await (collected(answer) if isinstance(answer, AsyncIterator) else answer)
                except errors.TiliaError:
                    pass
                api._answers.clear()
        secrets = private(api)
    assert {call.operation for call in kept.calls} >= {name for name in CALLS if name in OPERATIONS} - {"wallets.list"}
    assert len(secrets) > 20
    search(secrets, told(kept, telemetry, logged))


@pytest.mark.asyncio
async def test_neither_do_a_recorded_block_a_job_and_a_header_of_the_callers(
    tmp_path: Path, kept: Kept, telemetry: Telemetry, logged: Logged
) -> None:
    other = "acct_0000000000000000000000other"
    header = RequestOptions(headers={"X-Api-Key": "canary-header-9000"})
    settings = {"token_cache": TokenCache(), "observers": [kept]}
    async with Recorder() as api, BlockLedger.open(f"sqlite:///{tmp_path / 'blocks.db'}") as ledger:
        template = f"http://127.0.0.1:{api.port}/{{service}}"
        async with TiliaClient(CLIENT_ID, SECRET, template, ledger=ledger, **settings) as tilia:
            api.succeed({"account_id": samples.ACCOUNT, "is_blocked": True})
            await tilia.accounts.block(samples.ACCOUNT, "fraud by canary-42", "canary-43", options=header)
            api.answer(404, samples.failure(WORDS), times=2)
            await tilia.bulk.block([samples.ACCOUNT, other], "fraud by canary-42", actor="canary-43")
        secrets = private(api) | {"canary-42", "canary-43", other, "canary-header-9000"}
    search(secrets, told(kept, telemetry, logged))


@pytest.mark.asyncio
async def test_a_ledger_that_fails_is_logged_without_the_account(
    tmp_path: Path, kept: Kept, telemetry: Telemetry, logged: Logged
) -> None:
    async with Recorder() as api:
        ledger = BlockLedger.open(f"sqlite:///{tmp_path / 'blocks.db'}")
        template = f"http://127.0.0.1:{api.port}/{{service}}"
        async with TiliaClient(
            CLIENT_ID, SECRET, template, ledger=ledger, token_cache=TokenCache(), observers=[kept]
        ) as tilia:
            await ledger.aclose()
            with pytest.raises(errors.LedgerError) as caught:
                await tilia.accounts.block(samples.ACCOUNT, "fraud by canary-42")
        assert caught.value.operation == "accounts.block"
    search({samples.ACCOUNT, "canary-42"}, told(kept, telemetry, logged))


@pytest.mark.asyncio
async def test_no_crash_reporter_sees_a_secret_of_a_watched_call(kept: Kept, telemetry: Telemetry) -> None:
    token, password = "canary-token-4f1", "canary-Pw-5!"

    async def repeat(connection: Connection) -> None:
        while (line := await connection.request()) is not None:
            if "/token" in line:
                await connection.answer(json.dumps({"access_token": token, "expires_in": 3600}).encode())
            else:
                body = f"Bearer {token} {password}".encode()
                connection.writer.write(b"HTTP/1.1 500 X\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

    kept.headers = {"traceparent": "00-1-2-01"}
    async with hostile_server(repeat) as server:
        async with TiliaClient("id", SECRET, server.template, token_cache=TokenCache(), observers=[kept]) as tilia:
            with pytest.raises(errors.TiliaError) as caught:
                await tilia.registration.start(samples.MAIL, password, samples.MAIL)
    search({token, password, SECRET}, [*places(caught.value), *reported(caught.value)])
