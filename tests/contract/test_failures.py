"""Errors for the documented refusals and faults."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from support.samples import ACCOUNT, CALLS, MAIL, PHRASE, PROFILE, failure

from tilia_async import errors

if TYPE_CHECKING:
    from support.recorder import Recorder

    from tilia_async import TiliaClient

HTML = "<html><body><h1>500 Internal Server Error</h1></body></html>"
READING = ["accounts.get", "accounts.find", "wallets.balances", "payment_methods.list"]
SAME_STATE = ["accounts.block", "accounts.unblock"]
ONCE = ["accounts.register", "registration.start", "registration.complete"]


def idempotency(text: str) -> dict[str, Any]:
    """Write a failure that has a payload and nothing else."""
    return {"payload": {"errors": f"failed to handle request. idempotency key {text}"}}


class Shape(NamedTuple):
    """A documented error body, the class it means and what must be found in it."""

    status: int
    body: dict[str, Any]
    kind: type[errors.ApiError]
    text: str
    codes: tuple[str, ...] = ()
    fields: dict[str, list[str]] | None = None


INPUT = (["input is invalid"], ["INPUT_ERROR"])
FIELDS = {"request_format": ["unexpected end of JSON input"], "username": ["is taken", "is too long"]}
PMID = "resource request invalid: failed to get pmid (55555555-5555-5555-5555-555555555555). the request is invalid"
SUBITEM = "failed to set destination subitem resource. wallet (5555) not found. a resource is missing"
UNEXPECTED = "encountered an unexpected error"
SHAPES = {
    "fields": Shape(
        400, failure({"errors": FIELDS}, *INPUT), errors.BadRequestError, "input is invalid", ("INPUT_ERROR",), FIELDS
    ),
    "error": Shape(400, failure({"error": PMID}), errors.BadRequestError, PMID),
    "null-items": Shape(400, failure({"error": PMID}, [None], [None]), errors.BadRequestError, PMID),
    "nulls": Shape(400, failure("bad account_id", None, None), errors.BadRequestError, "bad account_id"),
    "error-codes": Shape(404, failure({"error": SUBITEM}, *INPUT), errors.NotFoundError, SUBITEM, ("INPUT_ERROR",)),
    "text": Shape(
        404,
        failure("invoice_id not found", [""], ["INVOICE_NOT_FOUND"]),
        errors.NotFoundError,
        "invoice_id not found",
        ("INVOICE_NOT_FOUND",),
    ),
    "key-format": Shape(400, idempotency("is not in a valid format"), errors.BadRequestError, "valid format"),
    "key-in-use": Shape(409, idempotency("is in use. resource already exists"), errors.ConflictError, "is in use"),
    "key-reused": Shape(
        422, idempotency("has different request body. unprocessable"), errors.UnprocessableError, "unprocessable"
    ),
    "refused": Shape(403, failure({"error": "not permitted"}), errors.ForbiddenError, "not permitted"),
    "not-allowed": Shape(405, failure("method not allowed"), errors.ApiError, "method not allowed"),
    "server": Shape(
        500, failure(None, [UNEXPECTED], ["SERVER_ERROR"]), errors.ServerError, UNEXPECTED, ("SERVER_ERROR",)
    ),
    "blocked": Shape(
        403, failure(f"account is blocked ({ACCOUNT})"), errors.AccountBlockedError, f"account is blocked ({ACCOUNT})"
    ),
}


@pytest.mark.asyncio
@pytest.mark.parametrize("name", ["accounts.get", "accounts.block", "auth.create_redirect"])
@pytest.mark.parametrize("shape", [pytest.param(shape, id=key) for key, shape in SHAPES.items()])
async def test_error_body(api: Recorder, tilia: TiliaClient, shape: Shape, name: str) -> None:
    """Each documented error body becomes its class, with all that it says."""
    api.answer(shape.status, shape.body)
    with pytest.raises(errors.ApiError) as caught:
        await CALLS[name](tilia)
    error = caught.value
    assert type(error) is shape.kind
    assert error.status == shape.status
    assert tuple(error.codes) == shape.codes
    assert any(shape.text in message for message in error.messages)
    assert all(isinstance(message, str) for message in error.messages)
    assert error.payload == shape.body["payload"]
    assert {field: list(why) for field, why in (error.field_errors or {}).items()} == (shape.fields or {})
    assert error.operation == name
    assert error.attempts == 1
    assert str(error).startswith(name)
    assert str(shape.status) in str(error)
    if name != "auth.create_redirect":
        assert error.took_effect is (None if shape.status >= 500 and name == "accounts.block" else False)
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert (again.status, again.codes, again.messages, again.payload) == (
        error.status,
        error.codes,
        error.messages,
        error.payload,
    )


@pytest.mark.asyncio
@pytest.mark.parametrize("name", [*READING, *SAME_STATE, *ONCE])
@pytest.mark.parametrize(
    "body", [b"", HTML, failure(None, [UNEXPECTED], ["SERVER_ERROR"])], ids=["empty", "html", "json"]
)
async def test_server_error(api: Recorder, name: str, body: Any) -> None:
    """A 500 may have any body; only what may be repeated is, and only a reading call is known to have had no effect."""
    api.answer(500, body, times=5)
    async with api.client(attempts=3) as tilia:
        with pytest.raises(errors.ServerError) as caught:
            await CALLS[name](tilia)
    sent = 1 if name in ONCE else 3
    assert len(api.calls) == caught.value.attempts == sent
    assert len(api.tokens) == 1
    assert caught.value.status == 500
    assert caught.value.took_effect is (False if name in READING else None)
    assert PHRASE not in f"{caught.value} {caught.value!r} {caught.value.args}"


@pytest.mark.asyncio
@pytest.mark.parametrize("name", [*READING[:1], *SAME_STATE, *ONCE])
async def test_no_answer(api: Recorder, name: str) -> None:
    """Without an answer nobody knows what a write did."""
    api.drop(times=5)
    async with api.client(attempts=3) as tilia:
        with pytest.raises(errors.TransportError) as caught:
            await CALLS[name](tilia)
    assert len(api.calls) == (1 if name in ONCE else 3)
    assert isinstance(caught.value, errors.OutcomeUnknownError) is (name not in READING)
    assert caught.value.took_effect is (False if name in READING else None)


@pytest.mark.asyncio
@pytest.mark.parametrize("name", ["accounts.get", "registration.start"])
@pytest.mark.parametrize(
    "body", [HTML, '{"status":"Success","payl', b"", b"\xff\xfe"], ids=["html", "cut", "empty", "noise"]
)
async def test_unreadable_success(api: Recorder, tilia: TiliaClient, name: str, body: Any) -> None:
    """A success that is not JSON says nothing about a write."""
    api.answer(201 if name in ONCE else 200, body)
    with pytest.raises(errors.ResponseDecodeError) as caught:
        await CALLS[name](tilia)
    assert caught.value.took_effect is (False if name in READING else None)
    assert caught.value.status == (201 if name in ONCE else 200)
    assert len(api.calls) == 1


@pytest.mark.asyncio
@pytest.mark.parametrize("name", ["accounts.get", "accounts.block"])
async def test_second_attempt_succeeds(api: Recorder, name: str) -> None:
    """An operation that may be repeated recovers from a fault."""
    api.answer(500)
    api.succeed({**PROFILE, "is_blocked": True})
    async with api.client(attempts=3) as tilia:
        assert (await CALLS[name](tilia)).is_blocked is True
    assert [sent.path for sent in api.calls] == [api.calls[0].path] * 2


@pytest.mark.asyncio
@pytest.mark.parametrize("status", [400, 403, 404, 405, 409, 422])
@pytest.mark.parametrize("name", ["accounts.get", "accounts.block"])
async def test_refusals_are_final(api: Recorder, name: str, status: int) -> None:
    """A refusal is not asked for again."""
    api.answer(status, failure({"error": "no"}), times=3)
    async with api.client(attempts=3) as tilia:
        with pytest.raises(errors.ApiError) as caught:
            await CALLS[name](tilia)
    assert (len(api.calls), caught.value.status, caught.value.took_effect) == (1, status, False)


@pytest.mark.asyncio
@pytest.mark.parametrize("word", ["Failure", "Failed", "Pending", "success?"])
async def test_failure_under_200(api: Recorder, tilia: TiliaClient, word: str) -> None:
    """Anything but Success is a failure, whatever the status of the answer."""
    api.answer(200, {**failure({"error": PMID}, *INPUT), "status": word})
    with pytest.raises(errors.ApiError) as caught:
        await tilia.accounts.get(ACCOUNT)
    assert (caught.value.status, tuple(caught.value.codes)) == (200, ("INPUT_ERROR",))
    assert any(PMID in message for message in caught.value.messages)
    assert caught.value.took_effect is False


@pytest.mark.asyncio
async def test_account_is_blocked(api: Recorder, tilia: TiliaClient) -> None:
    """A refusal because of a block names the account."""
    api.answer(403, failure("account is blocked (acct_2TiDFXHVFMlAuyy7ovvz3YPKv9b)"))
    with pytest.raises(errors.AccountBlockedError) as caught:
        await tilia.auth.create_redirect(ACCOUNT)
    assert caught.value.account_id == "acct_2TiDFXHVFMlAuyy7ovvz3YPKv9b"
    assert isinstance(caught.value, errors.ForbiddenError)


@pytest.mark.asyncio
async def test_account_exists(api: Recorder, tilia: TiliaClient) -> None:
    """A refused registration carries the account that is already there."""
    api.answer(409, failure({"account_id": ACCOUNT, "username": "taken", "email": {"address": MAIL}}))
    with pytest.raises(errors.AccountExistsError) as caught:
        await tilia.accounts.register("taken", email=MAIL)
    account: Any = caught.value.account
    assert (account.account_id, account.username, account.email.address) == (ACCOUNT, "taken", MAIL)
    assert (caught.value.status, caught.value.took_effect) == (409, False)
    assert isinstance(caught.value, errors.ConflictError)
    assert len(api.calls) == 1


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "body", [idempotency("is in use"), failure(None), failure("exists")], ids=["key", "null", "text"]
)
async def test_conflict_without_account(api: Recorder, tilia: TiliaClient, body: dict[str, Any]) -> None:
    """A conflict that shows no account is a conflict all the same."""
    api.answer(409, body)
    with pytest.raises(errors.ConflictError) as caught:
        await tilia.accounts.register("taken", email=MAIL)
    assert caught.value.took_effect is False
