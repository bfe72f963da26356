"""Answers that prove nothing, and errors that say themselves what became of a write."""

from __future__ import annotations

import pytest
from support.lost_writes import (
    CANNOT,
    DAY,
    NOT_SEEN,
    TOOK_EFFECT,
    WRITES,
    invoice,
    listed,
    payout,
    refund,
    refunds,
    server,
    told,
)
from support.lying import Liar, lost, when

from tilia_async import Verdict, errors
from tilia_async.api import OPERATIONS

__all__ = ["server"]


@pytest.mark.asyncio
@pytest.mark.parametrize("name", WRITES)
@pytest.mark.parametrize(
    "page",
    [
        b"<html>nginx: no such route</html>",
        b"",
        b'{"status":"Failure","message":[""],"codes":["INVOICE_NOT_FOUND"],"payload":"not found"}',
        b'{"message":"no Route matched with those values"}',
        b'{"status":"Failure","message":["no Route matched"],"codes":[],"payload":null}',
        b'{"codes":["NO_ROUTE"],"message":"no Route matched"}',
    ],
)
async def test_a_404_is_never_final(server: Liar, name: str, page: bytes) -> None:
    server.say(page, 404)
    found = await told(server, name)
    if name == "accounts.register" and b"NOT_FOUND" in page:
        # A username is for Tilia to look up, and a second registration is refused.
        assert found.verdict is NOT_SEEN
        assert "look-ups may lag behind" in found.reason
        return
    assert (found.verdict, found.candidates, found.decide_from) == (CANNOT, (), None)
    assert "proves nothing" in found.reason


@pytest.mark.asyncio
@pytest.mark.parametrize("status", [400, 403, 405, 410, 422])
async def test_a_look_up_that_is_refused_proves_nothing(server: Liar, status: int) -> None:
    server.say(None, status)
    for name in WRITES:
        assert (await told(server, name)).verdict is CANNOT


@pytest.mark.asyncio
@pytest.mark.parametrize("name", WRITES)
async def test_what_tilia_confirmed_is_done_whatever_the_look_up_comes_to(server: Liar, name: str) -> None:
    reference = dict((await lost(WRITES[name](server.tilia))).reference)
    error = errors.ResponseDecodeError("odd", status=200, operation=name, took_effect=True, reference=reference)
    for status, body in ((404, b"<html>"), (500, b""), (200, b"<html>"), (200, [])):
        server.say(body, status)
        found = await server.tilia.reconcile(error)
        assert (found.verdict, found.done) == (TOOK_EFFECT, True)
        assert "Tilia confirmed it" in found.reason
    error = errors.ResponseDecodeError("x", status=200, operation=name, took_effect=True)
    found = await server.tilia.reconcile(error)
    assert found.verdict is TOOK_EFFECT


@pytest.mark.asyncio
async def test_the_resource_of_what_tilia_confirmed_is_never_another_s(server: Liar) -> None:
    reference = dict((await lost(WRITES["payouts.request"](server.tilia))).reference)
    error = errors.ResponseDecodeError(
        "odd", status=200, operation="payouts.request", took_effect=True, reference=reference
    )
    server.say([payout()])
    found = await server.tilia.reconcile(error)
    assert (found.verdict, found.resource, len(found.candidates)) == (TOOK_EFFECT, None, 1)
    error = errors.ResponseDecodeError(
        "odd", status=200, operation="invoices.pay", took_effect=True, reference={"invoice_id": "inv_1"}
    )
    server.say({"invoice_id": "inv_1", "state": "SUCCESS"})
    found = await server.tilia.reconcile(error)
    assert (found.verdict, found.resource.invoice_id, found.candidates) == (TOOK_EFFECT, "inv_1", ())
    error = errors.ResponseDecodeError(
        "odd",
        status=200,
        operation="refunds.refund_line_item",
        took_effect=True,
        reference={"invoice_id": "inv_1", "line_item_id": "li_1"},
    )
    server.say(refunds(refund(), refund(refund_id="2"), is_fully_refunded=True))
    found = await server.tilia.reconcile(error)
    assert (found.verdict, found.resource, len(found.candidates)) == (TOOK_EFFECT, None, 2)


CERTAIN: list[errors.TiliaError] = [
    errors.ConfigurationError("client_id: is empty"),
    errors.InvalidRequestError({"invoice_id": ["is empty"]}, operation="invoices.pay"),
    errors.ClientClosedError("the client is closed"),
    errors.ConnectError("refused", operation="invoices.pay"),
    errors.ConnectError("refused"),
    errors.DeadlineExceededError("1 s are over", operation="invoices.pay"),
    errors.TokenError("refused", status=400, scopes=[], operation="invoices.pay"),
    errors.BadRequestError(status=400, operation="invoices.pay"),
    errors.BadRequestError(status=400),
    errors.ApiError(status=405),
    errors.ForbiddenError(status=403, operation="payouts.request"),
    errors.NotFoundError(status=404, operation="accounts.block"),
    errors.AccountExistsError(status=409, operation="accounts.register"),
    errors.UnprocessableError(status=422, operation="transfers.create"),
    errors.RateLimitedError(status=429, operation="invoices.pay"),
    errors.ServerError(status=500, operation="invoices.get"),
    errors.TransportError("no answer", operation="invoices.get"),
    errors.ResponseDecodeError("odd", status=200, operation="invoices.get"),
    errors.LedgerError("the disk is full"),
    errors.WebhookError("no JSON"),
]


@pytest.mark.asyncio
@pytest.mark.parametrize("error", CERTAIN, ids=lambda error: type(error).__name__)
async def test_an_error_that_says_it_itself_is_believed_without_asking_tilia(
    server: Liar, error: errors.TiliaError
) -> None:
    found = await server.tilia.reconcile(error)
    assert (found.verdict, found.resource, found.candidates, found.done) == (Verdict.NO_EFFECT, None, (), False)
    assert str(error) in found.reason
    assert error.remedy in found.reason
    assert not server.asked


@pytest.mark.asyncio
@pytest.mark.parametrize("made", [None, 1])
async def test_a_key_in_use_is_another_call_s_write(server: Liar, made: float | None) -> None:
    """The request itself had no effect; the write that the key stands for may have it yet."""
    reference = {"account_id": "acct_1", "reference_id": "order-7", "idempotency_key": "k"}
    error = errors.ConflictError(status=409, operation="transfers.create", took_effect=False, reference=reference)
    kind = {"invoice_type": "balance_transfer", "state": "SUCCESS"}
    server.say(listed(*([] if made is None else [invoice(made, **kind)])))
    for since in (None, when(-3600)):
        found = await server.tilia.reconcile(error, since=since)
        assert (found.verdict, len(found.candidates), found.resource) == (CANNOT, int(made is not None), None)
        assert found.done == (made is not None and since is not None)
        assert "wait for what comes of that" in found.reason
    assert server.asked
    assert error.took_effect is False
    bare = errors.ConflictError(status=409, operation="transfers.create", took_effect=False)
    with pytest.raises(errors.InvalidRequestError, match="account_id"):
        await server.tilia.reconcile(bare)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "error",
    [
        errors.OutcomeUnknownError("invoices.pay: no answer"),
        errors.TiliaError("invoices.pay: no answer"),
        errors.NotFoundError("invoices.pay: 404 Not Found"),
        errors.TransportError("invoices.pay: no answer"),
        errors.ServerError(status=500),
        errors.ApiError(status=0),
        errors.ResponseDecodeError("odd", status=200),
        errors.OutcomeUnknownError("no answer", took_effect=None),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_an_error_that_was_rebuilt_from_its_text_says_what_is_missing(
    server: Liar, error: errors.TiliaError
) -> None:
    with pytest.raises(errors.InvalidRequestError, match="task queue.*OPERATIONS") as caught:
        await server.tilia.reconcile(error, reference={"invoice_id": "inv_1"})
    assert "error" in caught.value.problems
    assert not server.asked


@pytest.mark.asyncio
async def test_an_unknown_outcome_stays_unknown_whatever_its_attributes_say(server: Liar) -> None:
    error = errors.OutcomeUnknownError("no answer", operation="invoices.pay", reference={"invoice_id": "inv_1"})
    server.say({"invoice_id": "inv_1", "state": "SUCCESS"})
    found = await server.tilia.reconcile(error)
    assert (found.verdict, found.done) == (CANNOT, True)


@pytest.mark.asyncio
async def test_a_stopped_job_is_many_writes(server: Liar) -> None:
    error = errors.BulkStoppedError.__new__(errors.BulkStoppedError)
    errors.TiliaError.__init__(error, "stopped", operation="bulk.block", took_effect=None)
    found = await server.tilia.reconcile(error)
    assert found.verdict is CANNOT
    assert "report.failures" in found.reason
    assert "job_id" in found.reason
    error.took_effect = False
    assert (await server.tilia.reconcile(error)).verdict is Verdict.NO_EFFECT
    assert not server.asked


def test_every_write_that_is_looked_up_is_tried_here() -> None:
    from tilia_async.reconcile.lookups import LOOKUPS

    looked_up = {name for name, how in LOOKUPS.items() if not isinstance(how, str)}
    assert looked_up == {*WRITES, "registration.complete"}
    assert looked_up <= OPERATIONS.keys()


@pytest.mark.asyncio
async def test_a_list_of_payouts_that_may_be_a_page_proves_nothing(server: Liar) -> None:
    """Nobody says whether there are pages; if the oldest come first, the newest may be on another one."""
    for number in (10, 25, 50):
        server.say([payout((seconds - 60) * DAY) for seconds in range(number)])
        found = await told(server, "payouts.request")
        assert (found.verdict, found.candidates) == (CANNOT, ())
        assert "look through the rest" in found.reason
        server.say([payout((seconds - 60) * DAY) for seconds in reversed(range(number))])
        assert (await told(server, "payouts.request")).verdict is NOT_SEEN
    server.say([payout((seconds - 60) * DAY) for seconds in range(11)])
    assert (await told(server, "payouts.request")).verdict is NOT_SEEN


@pytest.mark.asyncio
@pytest.mark.parametrize("status", [408, 425, 429, 444, 460, 499, 500, 503])
async def test_a_look_up_that_may_succeed_later_gives_no_verdict(server: Liar, status: int) -> None:
    error = await lost(WRITES["invoices.pay"](server.tilia))
    server.say(None, status)
    with pytest.raises(errors.ApiError):
        await server.tilia.reconcile(error)
