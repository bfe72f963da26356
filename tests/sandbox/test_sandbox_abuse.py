"""Requests that nobody should make, and what the sandbox says then, over plain HTTP."""

import uuid

import aiohttp
import pytest
from support.plain import Http, item

from tilia_async.json_value import JsonObject
from tilia_async.sandbox import Sandbox
from tilia_async.sandbox.fields import MOST
from tilia_async.sandbox.invoice_requests import over_card_limit
from tilia_async.sandbox.state.methods import CARD, SandboxPaymentMethod
from tilia_async.sandbox.state.wallets import Movement, SandboxWallet

TRANSFER, INVOICE, ESCROW = "balances/v1/transfer", "invoicing/v2/invoice", "invoicing/v2/escrow"
AUTHORIZE, PURCHASE = "invoicing/v2/authorize/invoice", "invoicing/v2/token/purchase"


def nested(depth: int) -> object:
    value: object = 1
    for _ in range(depth):
        value = [value]
    return value


def transfer(account_id: str, source: object, destination: object, **more: object) -> dict[str, object]:
    move = {"source_wallet_id": source, "destination_wallet_id": destination, "amount": 100, "currency": "USD"}
    return {"account_id": account_id, "balance_transfer_type": "fund_user", "transfer_items": [move], **more}


async def wallet_of(http: Http, account_id: str) -> object:
    return (await http.methods(account_id))["registration"]["psp_reference"]


def publisher_wallet(http: Http) -> str:
    return http.sandbox.publisher_wallets["USD"].wallet_id


@pytest.mark.asyncio
@pytest.mark.parametrize("depth", [100, 300])
async def test_a_body_too_deep_to_be_repeated_changes_nothing(http: Http, depth: int) -> None:
    nyx = await http.register("nyx")
    body = transfer(nyx, publisher_wallet(http), await wallet_of(http, nyx), metadata=nested(depth))
    headers = {"Idempotency-Key": str(uuid.uuid4())}
    for _ in range(2):
        status, answer = await http.call("POST", TRANSFER, body, headers=headers)
        assert (status, answer["codes"]) == (400, ["INPUT_ERROR"])
    assert await http.balance(nyx) == 0


@pytest.mark.asyncio
async def test_a_deep_body_is_fine_up_to_the_limit(http: Http) -> None:
    nyx = await http.register("nyx")
    body = transfer(nyx, publisher_wallet(http), await wallet_of(http, nyx), metadata=nested(99))
    assert (await http.call("POST", TRANSFER, body))[0] == 200


@pytest.mark.asyncio
async def test_a_handler_that_fails_after_the_commit_does_not_run_again(http: Http) -> None:
    nyx = await http.register("nyx")
    body = transfer(nyx, publisher_wallet(http), await wallet_of(http, nyx))
    headers = {"Idempotency-Key": str(uuid.uuid4())}

    def fail(event_name: str, message: JsonObject) -> None:
        raise RuntimeError(event_name, message)

    working, http.sandbox._world.notify = http.sandbox._world.notify, fail
    with pytest.raises(aiohttp.ContentTypeError):
        await http.call("POST", TRANSFER, body, headers=headers)
    http.sandbox._world.notify = working
    assert (await http.call("POST", TRANSFER, body, headers=headers))[0] == 500
    assert await http.balance(nyx) == 100


async def held(http: Http, buyer: str) -> tuple[SandboxWallet, str]:
    """Tilia's wallet with an escrow of 300 cents, and the id of that."""
    http.fund(buyer, 1_000)
    method = (await http.methods(buyer))["registration"]["id"]
    body = {"account_id": buyer, "payment_methods": [{"payment_method_id": method}], "line_items": [item(300)]}
    made = await http.payload("POST", ESCROW, body, 201)
    assert (await http.call("POST", f"{ESCROW}/{made['id']}/pay"))[0] == 200
    return http.sandbox._world.tilia_wallet("escrow", "USD"), made["id"]


@pytest.mark.asyncio
async def test_what_lies_with_tilia_cannot_be_moved(http: Http) -> None:
    nyx = await http.register("nyx")
    own = await wallet_of(http, nyx)
    escrow, _ = await held(http, nyx)
    tilia = escrow.account_id
    for body in (
        transfer(nyx, escrow.wallet_id, own),
        transfer(nyx, own, escrow.wallet_id),
        transfer(tilia, escrow.wallet_id, own),
        transfer(tilia, own, escrow.wallet_id),
        transfer(tilia, publisher_wallet(http), own),
    ):
        status, answer = await http.call("POST", TRANSFER, body)
        assert (status, answer["codes"]) == (400, ["INPUT_ERROR"])
    method = (await http.methods(nyx))["registration"]["id"]
    for wrong in (
        {"destination_wallet_id": escrow.wallet_id},
        {"destination_account_id": tilia},
        {"destination_wallet_id": escrow.wallet_id, "destination_account_id": tilia},
        {"destination_account_id": nyx, "source_wallet_id": escrow.wallet_id},
    ):
        body = {"account_id": nyx, "payment_methods": [{"payment_method_id": method}]}
        lines = [item(10, "USD", {"amount": 5, **wrong})]
        assert (await http.call("POST", INVOICE, {**body, "line_items": lines}))[0] == 400, wrong
    assert (escrow.balance, await http.balance(nyx)) == (300, 700)


@pytest.mark.asyncio
@pytest.mark.parametrize(("step", "end"), [("commit", "COMMIT-FAILED"), ("cancel", "CANCEL-FAILED")])
async def test_an_escrow_whose_money_is_gone_fails(http: Http, step: str, end: str) -> None:
    escrow, escrow_id = await held(http, await http.register("nyx"))
    http.sandbox._world.wallets.move([Movement(escrow, None, 1)])
    assert (await http.call("POST", f"{ESCROW}/{escrow_id}/{step}"))[0] == 403
    _, told = await http.call("GET", f"{ESCROW}/{escrow_id}")
    assert (told["status"], told[f"{step}_invoice_id"], escrow.balance) == (end, "", 299)
    assert http.notices("escrow-transaction-update")[-1]["status"] == end


@pytest.mark.asyncio
@pytest.mark.parametrize("is_escrow", [False, True])
async def test_an_authorized_invoice_is_used_once_and_for_what_it_is(http: Http, is_escrow: bool) -> None:
    nyx = await http.register("nyx")
    asked = {"account_id": nyx, "invoice_mechanism": "widget", "line_items": [item(7)], "is_escrow": is_escrow}
    authorized_id = (await http.payload("POST", AUTHORIZE, asked))["authorized_invoice_id"]
    method = (await http.methods(nyx))["registration"]["id"]
    body = {"authorized_invoice_id": authorized_id, "payment_methods": [{"payment_method_id": method}]}
    right, wrong = (ESCROW, INVOICE) if is_escrow else (INVOICE, ESCROW)
    assert (await http.call("POST", wrong, body))[0] == 400
    assert (await http.call("POST", right, {**body, "payment_methods": []}))[0] == 400, "this does not use it up"
    assert (await http.call("POST", right, body))[0] == 201
    status, answer = await http.call("POST", right, body)
    assert (status, answer["codes"]) == (400, ["INPUT_ERROR"])
    assert (await http.call("GET", f"{AUTHORIZE}/{authorized_id}"))[0] == 200


@pytest.mark.asyncio
async def test_amounts_beyond_all_measure(http: Http) -> None:
    nyx = await http.register("nyx")
    methods = [{"payment_method_id": http.sandbox.add_payment_method(nyx, "paypal")}]
    body = {"account_id": nyx, "payment_methods": methods}
    for lines in ([item(MOST + 1)], [item(10**30)], [item(MOST), item(1)]):
        assert (await http.call("POST", INVOICE, {**body, "line_items": lines}))[0] == 400
    await http.payload("POST", INVOICE, {**body, "line_items": [item(MOST - 1), item(1)]}, 201)
    move = transfer(nyx, publisher_wallet(http), await wallet_of(http, nyx))
    (part,) = move["transfer_items"]
    for amounts in ([MOST + 1], [MOST, 1]):
        parts = [{**part, "amount": amount} for amount in amounts]
        assert (await http.call("POST", TRANSFER, {**move, "transfer_items": parts}))[0] == 400
    assert (await http.call("POST", PURCHASE, {**methods[0], "amount": MOST + 1, "currency": "TOK"}))[0] == 400


@pytest.mark.asyncio
async def test_a_card_pays_for_tokens_within_its_limit(http: Http) -> None:
    nyx = await http.register("nyx")
    for kind, expected in (("card", 403), ("paypal", 200)):
        method = http.sandbox.add_payment_method(nyx, kind)
        order = {"payment_method_id": method, "amount": 100_000_000, "currency": "TOK"}
        quote = await http.payload("POST", PURCHASE, order, 201)
        assert quote["user_paid_amount"] == 1_100_000
        assert (await http.call("POST", f"{PURCHASE}/{quote['token_exchange_id']}"))[0] == expected
    assert await http.balance(nyx, "standard") == 100_000_000


def test_the_limit_of_cards_is_in_dollars() -> None:
    card = SandboxPaymentMethod("pm_1", "acct_1", "card", CARD, "", "", "EUR", "", "")
    assert not over_card_limit(card, 1_000_001, "EUR")
    assert [over_card_limit(card, amount, "USD") for amount in (1_000_000, 1_000_001)] == [False, True]


@pytest.mark.asyncio
async def test_recipients_are_shown_as_they_were_given(http: Http) -> None:
    nyx, rook = await http.register("nyx"), await http.register("rook")
    source, destination = await wallet_of(http, nyx), await wallet_of(http, rook)
    http.fund(nyx, 10)
    to = {"amount": 8, "destination_account_id": rook, "source_wallet_id": source, "fee_percentage": 0.25}
    asked = {"account_id": nyx, "invoice_mechanism": "api", "line_items": [item(10, "USD", to), item(1)]}
    made = await http.payload("POST", AUTHORIZE, asked)
    told = await http.payload("GET", f"{AUTHORIZE}/{made['authorized_invoice_id']}")
    (recipient,) = told["line_items"][0]["recipients"]
    assert recipient.items() >= {**to, "currency": "USD", "destination_wallet_id": destination}.items()
    assert told["line_items"][1]["recipients"] is None
    method = (await http.methods(nyx))["registration"]["id"]
    body = {"account_id": nyx, "payment_methods": [{"payment_method_id": method}], "line_items": [item(10, "USD", to)]}
    invoice = await http.payload("POST", INVOICE, body, 201)
    paid = await http.payload("POST", f"{INVOICE}/{invoice['invoice_id']}/pay")
    for answer in (invoice, paid):
        (line,) = answer["line_items"].values()
        (moved,) = line["subitems"].values()
        assert (moved["source_wallet_id"], moved["source_account_id"], moved["amount"]) == (source, nyx, 6)
        assert "recipients" not in line


def ids(invoice: object) -> dict[object, tuple[object, list[object]]]:
    return {key: (each["payment_id"], list(each["subitems"])) for key, each in invoice["payment_methods"].items()}


@pytest.mark.asyncio
async def test_payments_in_tokens_keep_their_ids(http: Http) -> None:
    nyx = await http.register("nyx")
    http.fund(nyx, 100, "TOK", "standard")
    http.fund(nyx, 30, "TOK", "convertible")
    invoice = await http.payload("POST", INVOICE, {"account_id": nyx, "line_items": [item(50, "TOK")]}, 201)
    path = f"{INVOICE}/{invoice['invoice_id']}"
    assert ids(await http.payload("GET", path)) == ids(invoice)
    http.fund(nyx, 10, "TOK", "convertible")
    paid = await http.payload("POST", f"{path}/pay")
    assert ids(paid) == ids(invoice) == ids(await http.payload("GET", path))
    assert [each["authorized_amount"] for each in paid["payment_methods"].values()] == [40, 10], "drawn when paid"


@pytest.mark.asyncio
@pytest.mark.parametrize("listed", [False, True])
async def test_all_spendable_tokens_can_be_spent(listed: bool) -> None:
    async with Sandbox(wallet_delay=0, custom_wallets={"prizes": "TOK"}) as sandbox, aiohttp.ClientSession() as session:
        http = Http(sandbox, session)
        nyx = await http.register("nyx")
        path = "payments/v2/payment-method/custom" if listed else "wallets/v2/wallet/custom"
        await http.payload("POST", path, {"account_id": nyx, "wallet_type": "prizes"})
        for kind in ("wallet", "standard", "convertible"):
            http.fund(nyx, 10, "TOK", kind)

        async def spendable() -> int:
            told = await http.payload("GET", f"wallets/balances/{nyx}")
            return int(told["balances"]["TOK"]["spendable"]["balance"])

        async def spend(amount: int) -> tuple[object, int]:
            body = {"account_id": nyx, "line_items": [item(amount, "TOK")]}
            invoice = await http.payload("POST", INVOICE, body, 201)
            status, _ = await http.call("POST", f"{INVOICE}/{invoice['invoice_id']}/pay")
            return invoice["invoice_id"], status

        assert await spendable() == 30
        assert (await spend(31))[1] == 403
        assert (await spend(20))[1] == 200
        assert [await http.balance(nyx, kind) for kind in ("standard", "convertible")] == [0, 0], "its own last"
        invoice_id, status = await spend(10)
        assert (status, await spendable()) == (200, 0)
        assert (await http.call("POST", "invoicing/v2/refund", {"invoice_id": invoice_id}))[0] == 200
        assert await spendable() == 10
