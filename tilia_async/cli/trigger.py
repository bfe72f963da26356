"""``tilia trigger``: a notification, posted to a receiver."""

from __future__ import annotations

import asyncio
import re
import secrets
import string
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from time import perf_counter
from typing import Final

import aiohttp
import click
import orjson

from tilia_async.cli.failure import CommandError, ExitStatus
from tilia_async.cli.fields import read_fields
from tilia_async.cli.options import json_option
from tilia_async.cli.output import Cell, show_fields
from tilia_async.cli.webhook_auth import AUTH_VARIABLE, DEFAULT_PORT, authorization
from tilia_async.json_value import JsonObject, JsonValue
from tilia_async.webhooks.samples import SAMPLES

_SECONDS: Final = 30.0
_KSUID: Final = re.compile(r"([a-z]+_)[0-9A-Za-z]{27}")
_UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_LETTERS: Final = string.ascii_letters + string.digits

_HELP: Final = f"""Post a notification of EVENT, as Tilia does.

Its message is the one that Tilia's pages show, with ids of its own each time, so that it is no repetition. FIELDs
replace what stands in it. It tells of nothing that has happened: a running sandbox does the deed as well.

The receiver's credentials are user:password in the variable {AUTH_VARIABLE}.

\b
Events:
{chr(10).join(f"  {name}" for name in SAMPLES)}

\b
tilia trigger account-block-unblock-webhook is_blocked:=false
tilia trigger refund-completed --to http://127.0.0.1:8000/tilia
"""


@click.command(help=_HELP)
@click.argument("event", type=click.Choice(list(SAMPLES)), metavar="EVENT")
@click.argument("given", nargs=-1, metavar="[FIELD]...")
@click.option(
    "--to",
    "url",
    metavar="URL",
    default=f"http://127.0.0.1:{DEFAULT_PORT}/",
    help="The receiver. By default it is a tilia listen on this machine.",
)
@click.option("--same-ids", is_flag=True, help="The ids of Tilia's pages, and so a repetition.")
@json_option
def trigger(event: str, given: tuple[str, ...], url: str, same_ids: bool, as_json: bool) -> None:
    """Post a notification of EVENT, as Tilia does."""
    sample = SAMPLES[event]
    message: JsonObject = {**(sample if same_ids else with_new_ids(sample)), **read_fields(given)}
    sent_at = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    envelope: JsonObject = {"event_name": event, "bucket_key": "trigger", "sent_at": sent_at, "message": message}
    started = perf_counter()
    answer = asyncio.run(_posted(url, orjson.dumps(envelope)))
    if isinstance(answer, str):
        raise CommandError(f"{url} gives no answer: {answer}", ExitStatus.UNREACHABLE)
    row: dict[str, Cell] = {
        "event_name": event,
        "status": answer,
        "milliseconds": round((perf_counter() - started) * 1000),
    }
    if as_json:
        row["message"] = message
    show_fields(row, as_json=as_json)
    if answer >= 400:
        raise CommandError(f"it was not taken: Tilia would send it again after a {answer}")
    if not 200 <= answer < 300:
        raise CommandError(
            f"it was not taken: Tilia wants a 2xx, and may never send it again after a {answer}. If that leads "
            "elsewhere, give the URL that it leads to: often the same with a slash at its end"
        )


async def _posted(url: str, body: bytes) -> int | str:
    """Post a body; return the status or the failure."""
    headers = {"Content-Type": "application/json"}
    proof = authorization()
    if proof is not None:
        headers["Authorization"] = proof.reveal()
    timeout = aiohttp.ClientTimeout(total=_SECONDS)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.post(url, data=body, headers=headers, allow_redirects=False) as answer,
        ):
            return answer.status
    except TimeoutError:
        return f"not within {_SECONDS:g} seconds"
    except (aiohttp.ClientError, ValueError) as error:
        return str(error) or type(error).__name__


def with_new_ids(message: Mapping[str, JsonValue]) -> JsonObject:
    """Return a message in which each id is another one.

    What was one id stays one.
    """
    known: dict[str, str] = {}

    def renewed(value: JsonValue) -> JsonValue:
        if isinstance(value, dict):
            return {name: renewed(each) for name, each in value.items()}
        if isinstance(value, list):
            return [renewed(each) for each in value]
        return known.setdefault(value, _new_id(value)) if isinstance(value, str) else value

    return {name: renewed(value) for name, value in message.items()}


def _new_id(value: str) -> str:
    if _UUID.fullmatch(value):
        return str(uuid.uuid4())
    found = _KSUID.fullmatch(value)
    if found is None:
        return value
    return found[1] + "".join(secrets.choice(_LETTERS) for _ in range(27))
