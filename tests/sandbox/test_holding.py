"""Escrows and refunds of the sandbox, over plain HTTP."""

import aiohttp
import attrs
import pytest
import pytest_asyncio
from support.plain import Http, item

from tilia_async.sandbox import Sandbox

ESCROW, INVOICE, REFUND = "invoicing/v2/escrow", "invoicing/v2/invoice", "invoicing/v2/refund"
LINE_ITEM_REFUND = "invoicing/v2/line-item/refund"


@attrs.frozen
class Trade:
    """A buyer with 1,000 cents and a card, and a seller."""

    http: Http
    buyer: str
    seller: str
    wallet: str
    card: str

    def body(self, amount: int = 300, reference_id: str = "deal-1", **more: object) -> dict[str, object]:
        to = {"amount": amount - 20, "destination_account_id": self.seller}
        return {
            "account_id": self.buyer,
            "reference_id": reference_id,
            "payment_methods": [{"payment_method_id": self.wallet}],
            "line_items": [item(amount, "USD", to)],
            **more,
        }

    async def escrow(self, *steps: str, **more: object) -> dict[str, object]:
        made = await self.http.payload("POST", ESCROW, self.body(**more), 201)
        for step in steps:
            await self.step(made["id"], step)
        return made

    async def step(self, escrow_id: str, step: str, status: int = 200) -> dict[str, object]:
        found, answer = await self.http.call("POST", f"{ESCROW}/{escrow_id}/{step}")
        assert found == status, answer
        return answer

    async def invoice(self, **more: object) -> dict[str, object]:
        made = await self.http.payload("POST", INVOICE, self.body(**more), 201)
        return await self.http.payload("POST", f"{INVOICE}/{made['invoice_id']}/pay")

    async def balances(self) -> list[int]:
        return [await self.http.balance(each) for each in (self.buyer, self.seller)]


@pytest_asyncio.fixture
async def trade(http: Http) -> Trade:
    buyer, seller = await http.register("buyer"), await http.register("seller")
    http.fund(buyer, 1_000)
    wallet = (await http.methods(buyer))["registration"]["id"]
    return Trade(http, buyer, seller, wallet, http.sandbox.add_payment_method(buyer))


@pytest.mark.asyncio
async def test_an_escrow_is_held_and_committed(trade: Trade) -> None:
    publisher = trade.http.sandbox.publisher_wallets["USD"]
    before = publisher.balance
    made = await trade.escrow()
    assert (made["status"], made["commit_invoice_id"], made["cancel_invoice_id"]) == ("OPEN", "", "")
    assert made["escrow_invoice"]["invoice_id"] == made["escrow_invoice_id"]
    assert made["escrow_invoice"]["invoice_type"] == "user_purchase_escrow"
    (line,) = made["escrow_invoice"]["line_items"].values()
    assert line["transaction_type"] == "user_to_user_escrow"
    paid = await trade.step(made["id"], "pay")
    assert "payload" not in paid, "the reference shows the bare object"
    assert (paid["status"], await trade.balances()) == ("ESCROWED", [700, 0])
    assert publisher.balance == before, "Tilia holds it"
    done = await trade.step(made["id"], "commit")
    assert (done["status"], await trade.balances(), publisher.balance) == ("COMMITTED", [700, 280], before + 20)
    assert (await trade.http.call("GET", f"{ESCROW}/{made['id']}"))[1] == done
    for invoice_id in (done["escrow_invoice_id"], done["commit_invoice_id"]):
        assert (await trade.http.call("GET", f"{ESCROW}/by_invoice/{invoice_id}"))[1] == done
    told = [each["status"] for each in trade.http.notices("escrow-transaction-update")]
    assert told == ["ESCROWED", "COMMITTED"]
    told = [(each["invoice_type"], each["state"]) for each in trade.http.notices("invoice-completed")]
    assert told == [("user_purchase_escrow", "SUCCESS"), ("user_purchase_commit_escrow", "SUCCESS")]
    path = f"{INVOICE}/account/{trade.seller}?include_recipient_transactions=true&invoice_types="
    types = "user_purchase_escrow,user_purchase_commit_escrow"
    assert (await trade.http.payload("GET", path + types))["total"] == 1


@pytest.mark.asyncio
async def test_a_cancelled_escrow_gives_everything_back(trade: Trade) -> None:
    halves = [{"payment_method_id": trade.wallet, "amount": 100}, {"payment_method_id": trade.card, "amount": 0}]
    made = await trade.escrow("pay", payment_methods=halves)
    assert await trade.balances() == [900, 0]
    await trade.http.payload("POST", f"accounts/v1/{trade.buyer}/user-info/block")
    done = await trade.step(made["id"], "cancel")
    assert (done["status"], await trade.balances()) == ("CANCELLED", [1_000, 0])
    assert (await trade.http.call("GET", f"{ESCROW}/by_invoice/{done['cancel_invoice_id']}"))[1] == done


@pytest.mark.asyncio
async def test_an_escrow_in_tokens_goes_back_to_the_wallets_it_came_from(trade: Trade) -> None:
    trade.http.fund(trade.buyer, 100, "TOK", "standard")
    trade.http.fund(trade.buyer, 30, "TOK", "convertible")
    to = {"amount": 50, "destination_account_id": trade.seller}
    for end, kept in (("cancel", [30, 100]), ("commit", [0, 80])):
        made = await trade.escrow("pay", end, payment_methods=None, line_items=[item(50, "TOK", to)])
        assert made["escrow_invoice"]["invoice_type"] == "user_purchase_escrow_virtual"
        assert [await trade.http.balance(trade.buyer, kind) for kind in ("convertible", "standard")] == kept
    assert await trade.http.balance(trade.seller, "convertible") == 50


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("before", "wrong"),
    [
        ((), ("commit", "cancel")),
        (("pay",), ("pay",)),
        (("pay", "commit"), ("pay", "commit", "cancel")),
        (("pay", "cancel"), ("pay", "commit", "cancel")),
    ],
)
async def test_steps_in_a_wrong_order(trade: Trade, before: tuple[str, ...], wrong: tuple[str, ...]) -> None:
    made = await trade.escrow(*before)
    balances = await trade.balances()
    for step in wrong:
        await trade.step(made["id"], step, 400)
        await trade.step("nothing", step, 404)
    assert await trade.balances() == balances
    assert (await trade.http.call("GET", f"{ESCROW}/nothing"))[0] == 404
    assert (await trade.http.call("GET", f"{ESCROW}/by_invoice/nothing"))[0] == 404


@pytest.mark.asyncio
async def test_an_escrow_that_cannot_be_paid_has_failed(trade: Trade) -> None:
    made = await trade.escrow(amount=1_001)
    await trade.step(made["id"], "pay", 403)
    assert (await trade.http.call("GET", f"{ESCROW}/{made['id']}"))[1]["status"] == "ESCROW-FAILED"
    assert (await trade.http.payload("GET", f"{INVOICE}/{made['escrow_invoice_id']}"))["state"] == "FAILED"
    assert (await trade.http.call("POST", f"{INVOICE}/{made['escrow_invoice_id']}/pay"))[0] == 400


@pytest.mark.asyncio
async def test_blocked_accounts_have_no_part_in_an_escrow(trade: Trade) -> None:
    made = await trade.escrow("pay")
    trade.http.sandbox.block_as_tilia(trade.seller)
    assert (await trade.step(made["id"], "commit", 403))["payload"] == f"account is blocked ({trade.seller})"
    assert (await trade.http.call("POST", ESCROW, trade.body()))[0] == 403


@pytest.mark.asyncio
async def test_escrows_by_reference(trade: Trade) -> None:
    made = [(await trade.escrow())["id"] for _ in range(3)]
    await trade.escrow(reference_id="other")
    await trade.step(made[0], "pay")

    async def listed(query: str = "", reference_id: str = "deal-1") -> tuple[object, list[int]]:
        _, page = await trade.http.call("GET", f"{ESCROW}/reference/{reference_id}?{query}")
        return page["total"], [made.index(each["id"]) for each in page["escrow_transactions"]]

    assert await listed() == ("3", [0, 2, 1]), "the total is a string"
    assert await listed("sortField=created&sort=asc&limit=2") == ("3", [0, 1])
    assert await listed("status=OPEN,COMMITTED") == ("2", [2, 1])
    assert await listed(reference_id="nothing") == ("0", [])


@pytest.mark.asyncio
async def test_a_full_refund_is_the_publishers(trade: Trade) -> None:
    invoice = await trade.invoice()
    publisher = trade.http.sandbox.publisher_wallets["USD"]
    before = publisher.balance
    body = {"invoice_id": invoice["invoice_id"], "reason": "billing", "note": "n"}
    assert await trade.http.call("POST", REFUND, body) == (200, {"status": "Success", "message": None, "codes": None})
    assert (await trade.balances(), publisher.balance) == ([1_000, 280], before - 300)
    assert (await trade.http.call("POST", REFUND, body))[0] == 403
    status, told = await trade.http.call("GET", f"{INVOICE}/{invoice['invoice_id']}/refunds")
    assert (status, told["is_fully_refunded"], len(told["refunds"]), told["line_item_refunds"]) == (200, True, 1, {})
    ((refund,),) = [payment["refunds"] for payment in told["payments"].values()]
    assert (refund["amount"], refund["status"], refund["reason"]) == (300, "REFUND-SUCCESS", "billing")
    (notice,) = trade.http.notices("refund-completed")
    assert notice["payment_invoice_id"] == invoice["invoice_id"]
    assert [(each["amount"], each["currency"]) for each in notice["successful_refunds"]] == [("300", "USD")]
    assert (await trade.http.call("POST", REFUND, {"invoice_id": "nothing"}))[0] == 404
    assert (await trade.http.call("POST", REFUND, {**body, "reason": "mood"}))[0] == 400


@pytest.mark.asyncio
async def test_line_items_are_refunded_bit_by_bit_and_not_beyond(trade: Trade) -> None:
    sources = [{"payment_method_id": trade.wallet, "amount": 100}, {"payment_method_id": trade.card, "amount": 0}]
    invoice = await trade.invoice(line_items=[item(200), item(100)], payment_methods=sources)
    first, second = sorted(invoice["line_items"].values(), key=lambda each: each["sort_order"])

    async def refund(amount: int, methods: list[str], line: str = first["line_item_id"], reason: str = "other") -> int:
        body = {"line_item_id": line, "amount": amount, "payment_methods": methods, "reason": reason}
        return (await trade.http.call("POST", LINE_ITEM_REFUND, body))[0]

    assert await refund(150, [trade.wallet, trade.card]) == 200
    assert (await trade.balances())[0] == 1_000, "the wallet has its 100 back, and the card 50"
    assert await refund(51, [trade.card]) == 400
    assert await refund(50, [trade.wallet]) == 400, "it gave no more"
    assert await refund(50, ["nothing"]) == 400
    assert await refund(0, [trade.card]) == 400
    assert await refund(50, []) == 400
    assert await refund(50, [trade.card], reason="") == 400
    assert await refund(50, [trade.card], "nothing") == 400
    assert await refund(50, [trade.card]) == 200
    told = (await trade.http.call("GET", f"{INVOICE}/{invoice['invoice_id']}/refunds"))[1]
    assert (told["is_fully_refunded"], told["refunds"], len(told["line_item_refunds"])) == (False, {}, 3)
    assert len(told["refund_invoice_ids"]) == 2
    assert (await trade.http.call("POST", REFUND, {"invoice_id": invoice["invoice_id"]}))[0] == 200, "the rest"
    assert await refund(1, [trade.card], second["line_item_id"]) == 400
    told = await trade.http.payload("GET", f"{INVOICE}/{invoice['invoice_id']}")
    assert [each["amount_refunded"] for each in told["line_items"].values()] == [200, 100]


@pytest.mark.asyncio
async def test_what_cannot_be_refunded(trade: Trade) -> None:
    unpaid = await trade.http.payload("POST", INVOICE, trade.body(), 201)
    held = await trade.escrow("pay")
    for invoice_id in (unpaid["invoice_id"], held["escrow_invoice_id"]):
        assert (await trade.http.call("POST", REFUND, {"invoice_id": invoice_id}))[0] == 403
    await trade.step(held["id"], "commit")
    assert (await trade.http.call("POST", REFUND, {"invoice_id": held["escrow_invoice_id"]}))[0] == 200
    assert await trade.balances() == [1_000, 280]
    assert (await trade.http.call("GET", f"{INVOICE}/nothing/refunds"))[0] == 400
    assert (await trade.http.call("GET", f"{INVOICE}/{unpaid['invoice_id']}/refunds?status=odd"))[0] == 400


@pytest.mark.asyncio
async def test_a_publisher_without_money_cannot_refund() -> None:
    async with Sandbox(wallet_delay=0, publisher_funds=0) as sandbox, aiohttp.ClientSession() as session:
        http = Http(sandbox, session)
        buyer, seller = await http.register("buyer"), await http.register("seller")
        http.fund(buyer, 1_000)
        trade = Trade(http, buyer, seller, (await http.methods(buyer))["registration"]["id"], "")
        invoice = await trade.invoice()
        body = {"invoice_id": invoice["invoice_id"]}
        assert (await http.call("POST", REFUND, body))[0] == 403
        path = f"{INVOICE}/{invoice['invoice_id']}/refunds"
        assert (await http.call("GET", path))[1]["refunds"] == {}
        failed = (await http.call("GET", f"{path}?status=REFUND-FAILED"))[1]["refunds"]
        assert [each["amount"] for each in failed.values()] == [300]
        assert [len(each["failed_refunds"]) for each in http.notices("refund-completed")] == [1]
        http.fund(sandbox.publisher_account_id, 280)
        assert (await http.call("POST", REFUND, body))[0] == 200
        assert sandbox.publisher_wallets["USD"].balance == 0
