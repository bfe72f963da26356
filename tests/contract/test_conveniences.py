"""Calls of several steps: keys of transfers, buying, registering, waiting, and corrected declarations."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import attrs
import pytest
from support.money_calls import CALLS, MOVE
from support.money_samples import EXCHANGE, METHOD, PAID_OUT, PAYOUT, PURCHASE, TRANSFERRED
from support.samples import ACCOUNT, CARD, MAIL, REGISTERED, TOKEN_WALLET, USD_WALLET, failure

from tilia_async import Environment, Money, RequestOptions, Scope, errors
from tilia_async.api import OPERATIONS
from tilia_async.config import Service

if TYPE_CHECKING:
    from support.recorder import Recorder

    from tilia_async import TiliaClient

BUY = "/invoicing/v2/token/purchase"
OPEN = {**PURCHASE, "status": "OPEN"}


@pytest.mark.asyncio
@pytest.mark.parametrize("fault", ["status", "drop"])
async def test_one_key_for_all_attempts(api: Recorder, fault: str) -> None:
    """A transfer may be sent again, because all its attempts carry one UUID4; another call has another."""
    async with api.client(attempts=3) as tilia:
        for _ in range(2):
            if fault == "status":
                api.answer(500, times=2)
            else:
                api.drop(times=2)
            api.succeed(TRANSFERRED)
            assert (await tilia.transfers.create(ACCOUNT, "fund_user", [MOVE])).status == "EXECUTED"
    keys = [sent.headers["Idempotency-Key"] for sent in api.calls]
    assert len(keys) == 6
    assert len(set(keys[:3])) == len(set(keys[3:])) == 1
    assert keys[0] != keys[3]
    assert {UUID(key).version for key in keys} == {4}
    assert len({sent.body for sent in api.calls}) == 1


@pytest.mark.asyncio
async def test_given_key(api: Recorder) -> None:
    """A key of one's own is sent as it is, with every attempt."""
    key = str(uuid4())
    api.answer(500)
    api.succeed(TRANSFERRED)
    async with api.client(attempts=3) as tilia:
        await tilia.transfers.create(ACCOUNT, "fund_user", [MOVE], options=RequestOptions(idempotency_key=key))
    assert [sent.headers["Idempotency-Key"] for sent in api.calls] == [key, key]


@pytest.mark.asyncio
@pytest.mark.parametrize("amount", [(250, "VCD"), (Money(250, "VCD"),)], ids=["int", "Money"])
async def test_buy(api: Recorder, tilia: TiliaClient, amount: tuple[Any, ...]) -> None:
    """Buying is two requests, and what it gives back is the executed exchange."""
    api.succeed(OPEN, status=201)
    api.succeed(PURCHASE)
    found = await tilia.token_exchanges.buy(METHOD, *amount)
    start, execute = api.calls
    assert [(sent.method, sent.path) for sent in api.calls] == [("POST", BUY), ("POST", f"{BUY}/{EXCHANGE}")]
    assert start.json == {"payment_method_id": METHOD, "amount": 250, "currency": "VCD"}
    assert execute.body in {b"", b"{}"}
    assert (found.token_exchange_id, found.status) == (EXCHANGE, "SUCCESS")


@pytest.mark.asyncio
async def test_buy_for_somebody_else(api: Recorder, tilia: TiliaClient) -> None:
    """Buying takes all that starting takes."""
    api.succeed(OPEN, status=201)
    api.succeed(PURCHASE)
    await tilia.token_exchanges.buy(METHOD, 250, "VCD", destination_account_id=ACCOUNT, tax_inclusive=False)
    body = api.calls[0].json
    assert body["destination_account_id"] == ACCOUNT
    assert body.get("tax_inclusive", False) is False


@pytest.mark.asyncio
@pytest.mark.parametrize(("status", "took_effect"), [(403, False), (500, None), (0, None)])
async def test_buy_fails_at_its_second_step(api: Recorder, status: int, took_effect: object) -> None:
    """The exchange is started then, so the error says which one it is; the second step is not sent again."""
    api.succeed(OPEN, status=201)
    api.answer(status, failure({"error": "Disallowed from transacting"}), times=3)
    async with api.client(attempts=3) as tilia:
        with pytest.raises(errors.TiliaError) as caught:
            await tilia.token_exchanges.buy(METHOD, 250, "VCD")
    assert len(api.calls) == 2
    assert caught.value.operation == "token_exchanges.execute_purchase"
    assert caught.value.reference["token_exchange_id"] == EXCHANGE  # type: ignore[attr-defined] - on purpose
    assert caught.value.took_effect is took_effect


@pytest.mark.asyncio
@pytest.mark.parametrize("status", [403, 500, 0])
async def test_buy_fails_at_its_first_step(api: Recorder, status: int) -> None:
    """Without an exchange nothing is executed, and nothing is started twice."""
    api.answer(status, failure({"error": "Disallowed from transacting"}), times=3)
    async with api.client(attempts=3) as tilia:
        with pytest.raises(errors.TiliaError) as caught:
            await tilia.token_exchanges.buy(METHOD, 250, "VCD")
    assert api.call.path == BUY
    assert caught.value.operation == "token_exchanges.start_purchase"


@pytest.mark.asyncio
async def test_register_who_is_new(api: Recorder, tilia: TiliaClient) -> None:
    """A user who is not there is registered."""
    api.succeed(REGISTERED)
    found = await tilia.accounts.get_or_register("SOME_USERNAME", email=MAIL)
    assert (api.call.method, api.call.path) == ("POST", "/accounts/register")
    assert found.account_id == "ACCOUNT_ID_STRING"


@pytest.mark.asyncio
async def test_get_who_is_there(api: Recorder, tilia: TiliaClient) -> None:
    """The refusal carries the account that is there, so one request is enough."""
    api.answer(409, failure({"account_id": ACCOUNT, "username": "taken", "email": {"address": MAIL}}))
    found = await tilia.accounts.get_or_register("taken", email=MAIL)
    assert (api.call.method, api.call.path) == ("POST", "/accounts/register")
    assert (found.account_id, found.username) == (ACCOUNT, "taken")
    assert found.email is not None
    assert found.email.address == MAIL


@pytest.mark.asyncio
@pytest.mark.parametrize("payload", [None, "resource already exists", {"error": "exists"}], ids=repr)
async def test_conflict_without_account(api: Recorder, tilia: TiliaClient, payload: Any) -> None:
    """A conflict that shows no account is told."""
    api.answer(409, failure(payload))
    with pytest.raises(errors.ConflictError):
        await tilia.accounts.get_or_register("taken", email=MAIL)


@pytest.mark.asyncio
async def test_wait_for_wallets(api: Recorder, tilia: TiliaClient) -> None:
    """Wallets come a moment after the registration; a card is none."""
    api.succeed([])
    api.succeed([CARD])
    api.succeed([CARD, USD_WALLET, TOKEN_WALLET], times=3)
    found = await tilia.wallets.wait_until_ready(ACCOUNT, timeout=20)
    assert {item.psp_reference for item in found} == {USD_WALLET["psp_reference"], TOKEN_WALLET["psp_reference"]}
    assert {(sent.method, sent.path) for sent in api.calls} == {("GET", f"/payments/v1/{ACCOUNT}/payment_methods")}
    assert len(api.calls) >= 3


@pytest.mark.asyncio
async def test_wait_in_vain(api: Recorder, tilia: TiliaClient) -> None:
    """The wait has an end."""
    api.succeed([], times=1000)
    begun = time.monotonic()
    with pytest.raises(errors.DeadlineExceededError) as caught:
        await tilia.wallets.wait_until_ready(ACCOUNT, timeout=1.5)
    assert 1.4 < time.monotonic() - begun < 10
    assert isinstance(caught.value, TimeoutError)
    assert api.calls


@pytest.mark.asyncio
async def test_corrected_declaration(api: Recorder) -> None:
    """A wrong guess is put right in one line, and the typed method goes the right way."""
    right = attrs.evolve(
        OPERATIONS["payouts.get"], path="/v3/{account_id}/payouts/{payout_status_id}", scopes={Scope.USER_INFO}
    )
    api.succeed(PAID_OUT)
    async with api.client(operations={"payouts.get": right}) as tilia:
        found = await tilia.payouts.get(ACCOUNT, PAYOUT)
    assert api.call.path == f"/invoicing/v3/{ACCOUNT}/payouts/{PAYOUT}"
    assert api.tokens[0].form["scope"] == ["user_info"]
    assert found.payout_status_id == PAYOUT


@pytest.mark.asyncio
async def test_corrected_host(api: Recorder) -> None:
    """A host that was guessed wrong is put right in one line, too."""
    root = f"http://127.0.0.1:{api.port}"
    right = Environment.at(f"{root}/{{service}}", services={Service.BALANCES: f"{root}/elsewhere"})
    api.succeed(TRANSFERRED)
    client = api.client()
    async with type(client)("id", "secret", right) as tilia:
        await tilia.transfers.create(ACCOUNT, "fund_user", [MOVE])
    assert api.call.path == "/elsewhere/v1/transfer"


GUESSED = [
    ("transfers.create", 404),
    ("transfers.create", 401),
    ("refunds.refund_invoice", 401),
    ("escrow.get", 401),
    ("payouts.get", 401),
    ("accounts.merge", 401),
    ("compliance.onboard_entity", 401),
]
KNOWN = [(name, status) for name in ("invoices.pay", "escrow.pay", "payouts.list") for status in (401, 404)]


@pytest.mark.asyncio
@pytest.mark.parametrize(("name", "status"), [*GUESSED, *KNOWN])
async def test_error_says_what_was_guessed(api: Recorder, tilia: TiliaClient, name: str, status: int) -> None:
    """A refusal that a wrong host or scope would get says that it is a guess."""
    api.answer(status, failure("no"), times=2)
    with pytest.raises(errors.ApiError) as caught:
        await CALLS[name].call(tilia)
    assert caught.value.status == status
    assert ("inferred" in str(caught.value)) is ((name, status) in GUESSED)
