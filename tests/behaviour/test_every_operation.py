"""Each operation through both packages: the same bytes on the wire, and the same made of each answer."""

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable

import pytest
from support import money_calls, samples
from support.both_packages import InThreads, collected
from support.recorder import CLIENT_ID, Recorded, Recorder

import tilia_async
import tilia_sync
from tilia_async import RetryPolicy, errors
from tilia_async.api import OPERATIONS
from tilia_async.tokens import TokenCache

GOOD = {
    "accounts.get": samples.PROFILE,
    "accounts.find": samples.PROFILE,
    "accounts.is_blocked": samples.PROFILE,
    "accounts.block": {"is_blocked": True},
    "accounts.unblock": {"is_blocked": False},
    "accounts.register": samples.REGISTERED,
    "registration.start": {"registration_id": samples.NONCE},
    "registration.complete": samples.COMPLETED,
    "wallets.get": samples.WALLET_DOC,
    "wallets.balances": samples.BALANCES_DOC,
    "payment_methods.list": [samples.CARD, samples.USD_WALLET],
    "auth.create_redirect": {"nonce_auth_id": samples.NONCE, "redirect": samples.HOSTED},
    "auth.create_user_token": samples.LONG_TOKEN,
}
CALLS: dict[str, Callable[[object], object]] = {
    **samples.CALLS,
    **{name: known.call for name, known in money_calls.CALLS.items()},
    # Iterated over in both packages, so there is nothing to await yet.
    "invoices.list": lambda tilia: tilia.invoices.list(samples.ACCOUNT),
    "escrow.list_by_reference": lambda tilia: tilia.escrow.list_by_reference("8987749"),
}
CHANGES = {"host", "idempotency-key", "user-agent", "authorization"}
"""Headers whose values are new each time."""


def answers(name: str) -> list[tuple[int, object]]:
    """The good answer, a refusal, a failure, and one that cannot be read."""
    known = money_calls.CALLS.get(name)
    good = (known.status, known.answer) if known else (200, {"status": "Success", "payload": GOOD[name]})
    return [good, (404, samples.failure("not found")), (500, b""), (200, b'{"status": "Succ')]


def settings() -> dict[str, object]:
    return {"retry": RetryPolicy(attempts=2, initial=0, maximum=0), "token_cache": TokenCache()}


def sent(request: Recorded) -> tuple[str, str, bytes, dict[str, str]]:
    headers = {name.lower(): value for name, value in request.headers.items() if name.lower() not in CHANGES}
    return request.method, request.path, request.body, headers


async def outcome(api: Recorder, call: object, answer: tuple[int, object]) -> tuple[object, ...]:
    """Result of a call, and what it sent."""
    status, body = answer
    api.requests.clear()
    api.answer(status, body, times=2)
    try:
        value: object = await collected(call) if isinstance(call, AsyncIterator) else await call
        if inspect.isgenerator(value):
            value = await asyncio.to_thread(list, value)
    except errors.TiliaError as error:
        attempts = getattr(error, "attempts", None)
        found: tuple[object, ...] = (type(error), str(error), error.operation, error.took_effect, attempts)
    else:
        found = (value,)
    api._answers.clear()
    return (*found, [sent(request) for request in api.calls])


def test_all_are_here() -> None:
    # A wallet has no list of its own at Tilia.
    assert OPERATIONS.keys() - CALLS.keys() <= {"wallets.list"}


@pytest.mark.asyncio
async def test_both_packages_send_and_understand_the_same() -> None:
    async with Recorder() as api:
        credentials = (CLIENT_ID, "secret", f"http://127.0.0.1:{api.port}/{{service}}")
        synchronous = tilia_sync.TiliaClient(*credentials, **settings())
        async with tilia_async.TiliaClient(*credentials, **settings()) as asynchronous:
            for name, call in CALLS.items():
                for answer in answers(name):
                    expected = await outcome(api, call(asynchronous), answer)
                    assert await outcome(api, call(InThreads(synchronous)), answer) == expected, name
                    # Something was sent, and the good answer was read.
                    assert expected[-1], name
                    assert answer != answers(name)[0] or not isinstance(expected[0], type), (name, expected[:2])
        await InThreads(synchronous).aclose()
