"""Payouts and balance transfers of the sandbox, over plain HTTP."""

import asyncio
import re
import uuid

import aiohttp
import attrs
import pytest
import pytest_asyncio
from support.plain import Http

from tilia_async.sandbox import Fault

TRANSFER = "balances/v1/transfer"
IN_USE = "idempotency key is in use. resource already exists"
OTHER_BODY = "idempotency key has different request body. unprocessable"
NO_KEY = "idempotency key is not in a valid format. the request is invalid"


def only(payload: object) -> dict[str, object]:
    """The one payout of an answer, which is a list of one or the payout itself."""
    return payload[0] if isinstance(payload, list) else payload


@attrs.frozen
class Earner:
    """Somebody with 1,000 cents, a PayPal account and a passed KYC."""

    http: Http
    account_id: str
    wallet: str
    paypal: str

    def body(self, **change: object) -> dict[str, object]:
        ids = {"source_payment_method_id": self.wallet, "destination_payment_method_id": self.paypal}
        return {**ids, "amount": 400, "currency": "USD", **change}

    async def ask(self, method: str, path: str = "s", body: object = None) -> tuple[int, dict[str, object]]:
        return await self.http.call(method, f"invoicing/v2/{self.account_id}/payout{path}", body)

    async def request(self) -> dict[str, object]:
        status, answer = await self.ask("POST", "", self.body())
        assert status == 201, answer
        return answer["payload"]

    async def status(self, payout: dict[str, object]) -> tuple[str, str]:
        told = (await self.ask("GET", f"/{payout['payout_status_id']}"))[1]["payload"]
        return told["status"], told["credit"]["status"]

    async def balance(self) -> int:
        return await self.http.balance(self.account_id)


@pytest_asyncio.fixture
async def earner(http: Http) -> Earner:
    account_id = await http.register("rook")
    http.fund(account_id, 1_000)
    http.sandbox.set_kyc(account_id)
    wallet = (await http.methods(account_id))["registration"]["id"]
    return Earner(http, account_id, wallet, http.sandbox.add_payment_method(account_id, "paypal"))


@pytest.mark.asyncio
async def test_a_payout_walks_with_the_clock(earner: Earner) -> None:
    status, answer = await earner.ask("POST", "", earner.body())
    assert (status, answer.keys()) == (201, {"status", "messages", "codes", "payload"})
    payout, clock = answer["payload"], earner.http.sandbox.clock
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}", payout["created"])
    assert (await earner.balance(), await earner.status(payout)) == (600, ("FUNDS-IN-ESCROW", "CREATED"))
    assert (await earner.ask("GET"))[1]["payload"] == [payout]
    clock.advance(3_600)
    assert await earner.status(payout) == ("CREDIT-TRANSFER-INITIATED", "CREATED")
    assert (await earner.ask("DELETE", f"/{payout['payout_status_id']}"))[0] == 400
    assert earner.http.notices("payout-complete") == []
    clock.advance(600)
    assert await earner.status(payout) == ("SUCCESS", "EXECUTED")
    (notice,) = earner.http.notices("payout-complete")
    assert (notice["payout_status_id"], notice["payout_status"]) == (payout["payout_status_id"], "SUCCESS")
    assert (await earner.ask("DELETE", f"/{payout['payout_status_id']}"))[0] == 400
    assert await earner.balance() == 600
    path = f"invoicing/v2/invoice/account/{earner.account_id}?invoice_types=payout_escrow,payout_execute"
    assert (await earner.http.payload("GET", path))["total"] == 2


@pytest.mark.asyncio
@pytest.mark.parametrize("on_hold", [False, True])
async def test_a_payout_in_escrow_can_be_cancelled(earner: Earner, *, on_hold: bool) -> None:
    payout, sandbox = await earner.request(), earner.http.sandbox
    if on_hold:
        sandbox.hold_payout(payout["payout_status_id"])
        sandbox.clock.advance(7_200)
        assert await earner.status(payout) == ("FUNDS-IN-ESCROW-ON-HOLD", "CREATED")
    status, answer = await earner.ask("DELETE", f"/{payout['payout_status_id']}")
    told = only(answer["payload"])
    assert (status, told["status"], told["credit"]["status"]) == (200, "SUPPORT-REJECT-TRANSFER-INITIATED", "CANCELED")
    assert await earner.balance() == 1_000
    assert (await earner.ask("DELETE", f"/{payout['payout_status_id']}"))[0] == 400
    sandbox.clock.advance(600)
    assert await earner.status(payout) == ("SUPPORT-REJECTED", "CANCELED")
    with pytest.raises(ValueError, match="SUPPORT-REJECTED"):
        sandbox.hold_payout(payout["payout_status_id"])


@pytest.mark.asyncio
async def test_payouts_want_the_whole_kyc(earner: Earner) -> None:
    for state, level in (("NODATA", None), ("ACCEPT", "BASIC"), ("DENY", "FULL")):
        earner.http.sandbox.set_kyc(earner.account_id, state, level)
        assert (await earner.ask("POST", "", earner.body()))[0] == 403
    earner.http.sandbox.set_kyc(earner.account_id)
    await earner.request()
    earner.http.sandbox.block_as_tilia(earner.account_id)
    assert (await earner.ask("POST", "", earner.body()))[1]["payload"] == f"account is blocked ({earner.account_id})"


@pytest.mark.asyncio
async def test_payouts_that_are_none(earner: Earner) -> None:
    card = earner.http.sandbox.add_payment_method(earner.account_id)
    tokens = (await earner.http.methods(earner.account_id))["convertible"]["id"]
    for wrong in (
        {"destination_payment_method_id": card},
        {"destination_payment_method_id": earner.wallet},
        {"source_payment_method_id": earner.paypal},
        {"source_payment_method_id": tokens},
        {"source_payment_method_id": tokens, "currency": "TOK"},
        {"source_payment_method_id": "nothing"},
        {"amount": 0},
        {"currency": "TOK"},
    ):
        assert (await earner.ask("POST", "", earner.body(**wrong)))[0] == 400, wrong
    assert (await earner.ask("POST", "", earner.body(amount=1_001)))[0] == 403
    assert await earner.balance() == 1_000
    assert (await earner.ask("GET", "/nothing"))[0] == 404
    payout, other = await earner.request(), await earner.http.register("other")
    path = f"invoicing/v2/{other}/payout/{payout['payout_status_id']}"
    assert [(await earner.http.call(method, path))[0] for method in ("GET", "DELETE")] == [404, 404]


@pytest.mark.asyncio
async def test_a_cancelled_payout_comes_as_a_list_or_by_itself(earner: Earner) -> None:
    forms: set[type] = set()
    for _ in range(20):
        payout = await earner.request()
        payload = (await earner.ask("DELETE", f"/{payout['payout_status_id']}"))[1]["payload"]
        assert only(payload)["payout_status_id"] == payout["payout_status_id"]
        forms.add(type(payload))
    assert forms == {list, dict}


@attrs.frozen
class Mover:
    """The publisher, and a user."""

    http: Http
    user: str
    wallet: str

    def body(self, amount: int = 100, **change: object) -> dict[str, object]:
        source = self.http.sandbox.publisher_wallets["USD"].wallet_id
        move = {"source_wallet_id": source, "destination_wallet_id": self.wallet, "amount": amount, "currency": "USD"}
        return {"account_id": self.user, "balance_transfer_type": "fund_user", "transfer_items": [{**move, **change}]}

    async def send(self, body: object, key: str | None = None) -> tuple[int, dict[str, object]]:
        headers = None if key is None else {"Idempotency-Key": key}
        return await self.http.call("POST", TRANSFER, body, headers=headers)


@pytest_asyncio.fixture
async def mover(http: Http) -> Mover:
    user = await http.register("nyx")
    return Mover(http, user, (await http.methods(user))["registration"]["psp_reference"])


@pytest.mark.asyncio
async def test_a_transfer(mover: Mover) -> None:
    status, answer = await mover.send(
        {**mover.body(), "reference_type": "t", "reference_id": "7", "metadata": {"k": 1}}
    )
    told = answer["payload"]
    assert (status, told["status"], told["failure_reason"], told["reference_id"]) == (200, "EXECUTED", "", "7")
    assert await mover.http.balance(mover.user) == 100
    assert mover.http.notices("balance-transfer-completed-publisher") == [told]
    invoice = await mover.http.payload("GET", f"invoicing/v2/invoice/{told['invoice_id']}")
    (line,) = invoice["line_items"].values()
    (moved,) = line["subitems"].values()
    assert (invoice["invoice_type"], moved["amount"], moved["destination_wallet_id"]) == (
        "balance_transfer",
        100,
        mover.wallet,
    )


@pytest.mark.asyncio
async def test_a_transfer_is_made_whole_or_not_at_all(mover: Mover) -> None:
    there, back = mover.body(100), mover.body(101)["transfer_items"][0]
    source = back["source_wallet_id"]
    back = {**back, "source_wallet_id": mover.wallet, "destination_wallet_id": source}
    _, answer = await mover.send({**there, "transfer_items": [*there["transfer_items"], back]})
    assert answer["payload"]["status"] == "FAILED"
    assert mover.wallet in answer["payload"]["failure_reason"]
    assert await mover.http.balance(mover.user) == 0
    assert mover.http.notices("invoice-completed")[-1]["state"] == "FAILED"


@pytest.mark.asyncio
async def test_transfers_that_are_none(mover: Mover) -> None:
    tokens = mover.http.sandbox.publisher_wallets["TOK"].wallet_id
    stranger = await mover.http.register("rook")
    for wrong in (
        {**mover.body(), "transfer_items": []},
        {**mover.body(), "account_id": "nobody"},
        {**mover.body(), "account_id": stranger},
        {**mover.body(), "balance_transfer_type": ""},
        mover.body(0),
        mover.body(source_wallet_id="nothing"),
        mover.body(source_wallet_id=tokens),
        mover.body(source_wallet_id=mover.wallet),
        mover.body(currency="TOK"),
    ):
        assert (await mover.send(wrong))[0] == 400, wrong
    mover.http.sandbox.block_as_tilia(mover.user)
    assert (await mover.send(mover.body()))[0] == 403


@pytest.mark.asyncio
async def test_a_key_stands_for_one_transfer(mover: Mover) -> None:
    key = str(uuid.uuid4())
    first = await mover.send(mover.body(), key)
    assert await mover.send(mover.body(), key) == first
    assert await mover.http.balance(mover.user) == 100
    assert await mover.send(mover.body(200), key) == (422, _refusal(OTHER_BODY))
    for odd in ("7", str(uuid.uuid1()), ""):
        assert await mover.send(mover.body(), odd) == (400, _refusal(NO_KEY))
    assert (await mover.send(mover.body(), str(uuid.uuid4())))[0] == 200
    assert await mover.http.balance(mover.user) == 200


@pytest.mark.asyncio
async def test_a_key_is_in_use_while_its_request_is_under_way(mover: Mover) -> None:
    key = str(uuid.uuid4())
    mover.http.sandbox.faults.add("transfers.create", Fault.LATENCY, seconds=1)
    first, second = await asyncio.gather(*(mover.send(mover.body(), key) for _ in "ab"))
    done, refused = sorted((first, second), key=lambda answer: answer[0])
    assert (done[0], refused) == (200, (409, _refusal(IN_USE)))
    assert await mover.send(mover.body(), key) == done
    assert await mover.http.balance(mover.user) == 100


@pytest.mark.asyncio
async def test_a_key_of_a_request_that_did_nothing_is_free(mover: Mover) -> None:
    key = str(uuid.uuid4())
    mover.http.sandbox.faults.add("transfers.create", Fault.DROP_BEFORE_COMMIT)
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await mover.send(mover.body(), key)
    assert (await mover.send(mover.body(200), key))[0] == 200
    assert await mover.http.balance(mover.user) == 200


def _refusal(why: str) -> dict[str, object]:
    return {"payload": {"errors": f"failed to handle request. {why}"}}
