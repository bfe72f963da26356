"""Requests of the command to a sandbox that runs."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Collection, Coroutine
from datetime import UTC, datetime
from typing import Final

import orjson

from tilia_async.cli.failure import CommandError, ExitStatus
from tilia_async.cli.output import Cell, show_fields, show_rows
from tilia_async.cli.sandbox_server import lines_of
from tilia_async.cli.signals import until_signal
from tilia_async.cli.terminal import Screen, complain, say, say_json
from tilia_async.errors import TiliaError
from tilia_async.json_value import JsonObject, JsonValue
from tilia_async.money import Money
from tilia_async.sandbox import RecordedRequest, RemoteSandbox
from tilia_async.sandbox.request_json import details, summary
from tilia_async.sandbox.routing import names_of_route

URL_VARIABLE: Final = "TILIA_SANDBOX_URL"
"""Variable that says where the sandbox runs."""
_UNITS: Final = {"": 1, "s": 1, "m": 60, "min": 60, "h": 3_600, "d": 86_400}


async def ask(url: str, question: Callable[[RemoteSandbox], Awaitable[None]]) -> None:
    """Do something with a sandbox.

    Raises:
        CommandError: no sandbox answers, or it refuses.
    """
    try:
        async with RemoteSandbox(url) as sandbox:
            await question(sandbox)
    except ConnectionError as error:
        raise CommandError(str(error), ExitStatus.UNREACHABLE) from None
    except LookupError as error:
        raise CommandError(str(error.args[0]), ExitStatus.NOT_FOUND) from None
    except TiliaError:
        raise
    except ValueError as error:
        raise CommandError(str(error), ExitStatus.USAGE) from None


async def requests(sandbox: RemoteSandbox, *, operation: str | None, limit: int, follow: bool, as_json: bool) -> None:
    """Print the last requests, and those that follow.

    Those that follow if asked for; as JSON a line each, then.

    Raises:
        ValueError: there is no such operation.
    """
    wanted = None if operation is None else names_of_route(operation)
    found = [each for each in await sandbox.requests() if wanted is None or each.operation in wanted]
    last = found[-limit:] if limit else []
    if as_json and not follow:
        say_json([details(each) for each in last])
        return
    for each in last:
        _say_request(each, as_json=as_json)
    if follow:
        await _until_signal_or_end(_follow(sandbox, wanted, as_json=as_json))
    elif not last:
        complain("Nothing has arrived yet." if operation is None else f"No request of {operation} has arrived yet.")


async def _follow(sandbox: RemoteSandbox, wanted: Collection[str] | None, *, as_json: bool) -> None:
    async for each in sandbox.follow():
        if wanted is None or each.operation in wanted:
            _say_request(each, as_json=as_json)


async def _until_signal_or_end(work: Coroutine[object, object, None]) -> None:
    """Work until a signal comes; a failure is raised."""
    working, signalled = asyncio.ensure_future(work), asyncio.ensure_future(until_signal())
    try:
        await asyncio.wait({working, signalled}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            await working
    finally:
        working.cancel()
        signalled.cancel()
        await asyncio.gather(working, signalled, return_exceptions=True)


async def add_fault(
    sandbox: RemoteSandbox, operation: str, fault: str, *, times: int | None, seconds: float | None, as_json: bool
) -> None:
    await sandbox.faults.add(operation, fault, times, seconds=seconds)
    await faults(sandbox, as_json=as_json)


async def clear_faults(sandbox: RemoteSandbox, *, as_json: bool) -> None:
    await sandbox.faults.clear()
    await faults(sandbox, as_json=as_json)


async def faults(sandbox: RemoteSandbox, *, as_json: bool) -> None:
    """Print the faults that wait."""
    rows = [
        {
            "operation": each.operation,
            "fault": each.fault.name.lower(),
            "times": each.left if as_json or each.left is not None else "always",
            "seconds": each.seconds,
        }
        for each in await sandbox.faults.scheduled()
    ]
    show_rows(rows, as_json=as_json)


async def advance(sandbox: RemoteSandbox, time: str, *, as_json: bool) -> None:
    """Put the clock forward, and print the time.

    Args:
        time: seconds, or with a unit: ``90``, ``30min``, ``1h``, ``2d``.
    """
    await sandbox.clock.advance(seconds_of(time))
    show_fields({"now": datetime.fromtimestamp(await sandbox.clock.now(), UTC)}, as_json=as_json)


async def fund(sandbox: RemoteSandbox, account_id: str, amount: Money, wallet: str | None, *, as_json: bool) -> None:
    """Put money into a wallet, and print it."""
    await sandbox.fund(account_id, amount, wallet)
    show_fields({"account_id": account_id, "added": amount.display()}, as_json=as_json)


async def kyc(sandbox: RemoteSandbox, account_id: str, state: str, pii_level: str | None, *, as_json: bool) -> None:
    await sandbox.set_kyc(account_id, state, pii_level)
    account = (await sandbox.accounts())[account_id]
    row: dict[str, Cell] = {"account_id": account_id, "state": account.kyc.state, "pii_level": account.kyc.pii_level}
    show_fields(row, as_json=as_json)


async def trigger(sandbox: RemoteSandbox, event_name: str, account_id: str | None, message: str | None) -> None:
    """Bring an event about, and print its message.

    Args:
        message: JSON, notified as it is.
    """
    say_json(await sandbox.trigger(event_name, account_id, message=_object(message)))


async def reset(sandbox: RemoteSandbox) -> None:
    await sandbox.reset()
    complain("The sandbox is as it was when it started.")


def seconds_of(time: str) -> float:
    """Return the seconds of a time.

    It has a unit, or is in seconds.

    Raises:
        ValueError: it is none.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([a-z]*)", time.strip().lower())
    if found is None or found[2] not in _UNITS:
        raise ValueError(f"a time is like 90, 30min, 1h or 2d, not {time!r}")
    return float(found[1]) * _UNITS[found[2]]


def _object(text: str | None) -> JsonObject | None:
    """Return a message that was given as JSON.

    Raises:
        ValueError: it is no JSON object.
    """
    if text is None:
        return None
    try:
        value: JsonValue = orjson.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise ValueError(f"a message is a JSON object, not {text!r}")  # noqa: TRY004 - it is its value that is wrong
    return value


def _say_request(request: RecordedRequest, *, as_json: bool) -> None:
    lines = [orjson.dumps(summary(request)).decode()] if as_json else lines_of(request, Screen().columns)
    for line in lines:
        say(line)
