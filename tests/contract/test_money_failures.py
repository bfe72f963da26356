"""Errors for the documented refusals of the newer methods, and how often each request is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from support.money_calls import CALLS, ONCE, READING
from support.samples import ACCOUNT, failure

from tilia_async import errors

if TYPE_CHECKING:
    from support.recorder import Recorder

    from tilia_async import TiliaClient


class Shape(NamedTuple):
    """A documented refusal of an operation: its status and body, and what is raised."""

    call: str
    status: int
    body: dict[str, Any]
    kind: type[errors.ApiError]
    text: str
    codes: tuple[str, ...] = ()


PMID = "resource request invalid: failed to get pmid (55555555-5555-5555-5555-555555555555). the request is invalid"
SUBITEM = (
    "failed to set destination subitem resource. wallet (55555555-5555-5555-5555-555555555555) not found. "
    "a resource is missing"
)
UNEXPECTED = "encountered an unexpected error"
KEY = "failed to handle request. idempotency key "
FORMAT = f"{KEY}is not in a valid format. the request is invalid"
IN_USE = f"{KEY}is in use. resource already exists"
REUSED = f"{KEY}has different request body. unprocessable"
SHAPES = {
    "method": Shape("invoices.create", 400, failure({"error": PMID}), errors.BadRequestError, PMID),
    "unknown-invoice-paid": Shape(
        "invoices.pay",
        500,
        failure(None, [UNEXPECTED], ["SERVER_ERROR"]),
        errors.ServerError,
        UNEXPECTED,
        ("SERVER_ERROR",),
    ),
    "unknown-invoice": Shape(
        "invoices.get",
        404,
        failure("invoice_id not found", [""], ["INVOICE_NOT_FOUND"]),
        errors.NotFoundError,
        "invoice_id not found",
        ("INVOICE_NOT_FOUND",),
    ),
    "unknown-wallet": Shape(
        "invoices.authorize",
        404,
        failure({"error": SUBITEM}, ["input is invalid"], ["INPUT_ERROR"]),
        errors.NotFoundError,
        SUBITEM,
        ("INPUT_ERROR",),
    ),
    "key-format": Shape("transfers.create", 400, {"payload": {"errors": FORMAT}}, errors.BadRequestError, FORMAT),
    "key-in-use": Shape("transfers.create", 409, {"payload": {"errors": IN_USE}}, errors.ConflictError, IN_USE),
    "key-reused": Shape("transfers.create", 422, {"payload": {"errors": REUSED}}, errors.UnprocessableError, REUSED),
    "blocked": Shape(
        "token_exchanges.start_purchase",
        403,
        failure(f"account is blocked ({ACCOUNT})"),
        errors.AccountBlockedError,
        "account is blocked",
    ),
    "rejected": Shape(
        "escrow.pay", 403, failure({"error": "rejected"}), errors.ForbiddenError, "rejected"
    ),
}  # fmt: skip


@pytest.mark.asyncio
@pytest.mark.parametrize("shape", [pytest.param(shape, id=name) for name, shape in SHAPES.items()])
async def test_error_body(api: Recorder, tilia: TiliaClient, shape: Shape) -> None:
    """Each documented error body becomes its class, with all that it says."""
    api.answer(shape.status, shape.body)
    with pytest.raises(errors.ApiError) as caught:
        await CALLS[shape.call].call(tilia)
    error = caught.value
    assert type(error) is shape.kind
    assert (error.status, tuple(error.codes), error.operation) == (shape.status, shape.codes, shape.call)
    assert any(shape.text in message for message in error.messages)
    assert error.payload == shape.body["payload"]
    assert error.took_effect is (None if shape.status >= 500 else False)
    assert len(api.calls) == 1


@pytest.mark.asyncio
@pytest.mark.parametrize("body", [b"", failure(None, [UNEXPECTED], ["SERVER_ERROR"])], ids=["empty", "json"])
@pytest.mark.parametrize("name", [*ONCE, *READING])
async def test_server_error(api: Recorder, name: str, body: Any) -> None:
    """Money is asked for once, whatever the server says; only looking may be repeated."""
    api.answer(500, body, times=5)
    async with api.client(attempts=3) as tilia:
        with pytest.raises(errors.ServerError) as caught:
            await CALLS[name].call(tilia)
    assert len(api.calls) == caught.value.attempts == (1 if name in ONCE else 3)
    assert caught.value.took_effect is (None if name in ONCE else False)


@pytest.mark.asyncio
@pytest.mark.parametrize("name", [*ONCE, *READING])
async def test_no_answer(api: Recorder, name: str) -> None:
    """Without an answer nobody knows what a write did, and it is not sent again."""
    api.drop(times=5)
    async with api.client(attempts=3) as tilia:
        with pytest.raises(errors.TransportError) as caught:
            await CALLS[name].call(tilia)
    assert len(api.calls) == (1 if name in ONCE else 3)
    assert isinstance(caught.value, errors.OutcomeUnknownError) is (name in ONCE)
    assert caught.value.took_effect is (None if name in ONCE else False)


@pytest.mark.asyncio
@pytest.mark.parametrize("name", ONCE)
async def test_expired_token(api: Recorder, name: str) -> None:
    """An expired token was refused before anything ran: even money is asked for again with a new one."""
    api.answer(401, failure({"error": "token is expired"}))
    api.answer(CALLS[name].status, CALLS[name].answer)
    async with api.client(attempts=3) as tilia:
        await CALLS[name].call(tilia)
    assert [sent.headers["Authorization"] for sent in api.calls] == ["Bearer token-1", "Bearer token-2"]
    assert api.calls[0].body == api.calls[1].body


@pytest.mark.asyncio
@pytest.mark.parametrize("name", CALLS)
async def test_failure_under_200(api: Recorder, tilia: TiliaClient, name: str) -> None:
    """An envelope that says Failure is one, under a good status too."""
    api.answer(200, failure({"error": PMID}, ["input is invalid"], ["INPUT_ERROR"]))
    with pytest.raises(errors.ApiError) as caught:
        await CALLS[name].call(tilia)
    assert (caught.value.status, tuple(caught.value.codes)) == (200, ("INPUT_ERROR",))
    assert any(PMID in message for message in caught.value.messages)


REQUIRED = [
    ("token_exchanges.execute_purchase", "token_exchange_id", True),
    ("token_exchanges.get", "token_exchange_id", False),
    ("invoices.pay", "invoice_id", True),
    ("invoices.get", "invoice_id", False),
    ("payouts.request", "payout_status_id", True),
    ("compliance.kyc_status", "state", False),
    ("wallets.create_custom", "wallet_id", True),
]


@pytest.mark.asyncio
@pytest.mark.parametrize(("name", "field", "took_effect"), REQUIRED)
async def test_required_field(api: Recorder, tilia: TiliaClient, name: str, field: str, took_effect: object) -> None:
    """A success that does not say of what cannot be read, and the error tells whether it took effect."""
    known = CALLS[name]
    payload = {key: value for key, value in known.payload.items() if key != field}
    api.succeed(payload, status=known.status)
    with pytest.raises(errors.ResponseDecodeError) as caught:
        await known.call(tilia)
    assert caught.value.took_effect is took_effect
    assert caught.value.payload == payload


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "doubt", [{"error": "upstream timed out"}, failure(None), {"status": "Failure"}, b"", b"<html>"]
)
async def test_a_200_that_leaves_a_transfer_in_doubt_is_cleared_up_with_the_same_key(api: Recorder, doubt: Any) -> None:
    """There is one transfer, whether the first one was carried out or not."""
    api.answer(200, doubt)
    api.succeed(CALLS["transfers.create"].payload)
    async with api.client(attempts=3) as tilia:
        assert await CALLS["transfers.create"].call(tilia)
    first, second = api.calls
    assert first.headers["Idempotency-Key"] == second.headers["Idempotency-Key"]
    assert first.body == second.body
