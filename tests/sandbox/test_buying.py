"""Token exchanges and invoices of the sandbox, over plain HTTP."""

from collections.abc import Mapping

import aiohttp
import pytest
from support.plain import Http, item

from tilia_async.sandbox import Sandbox

PURCHASE, CONVERT, INVOICE = "invoicing/v2/token/purchase", "invoicing/v2/token/convert", "invoicing/v2/invoice"
ZERO_TIME = "0001-01-01T00:00:00Z"


@pytest.mark.asyncio
async def test_tokens_are_bought_once(http: Http) -> None:
    nyx = await http.register("nyx")
    http.fund(nyx, 1_000)
    wallet = (await http.methods(nyx))["registration"]["id"]
    order = {"payment_method_id": wallet, "amount": 50_000, "currency": "TOK"}
    status, answer = await http.call("POST", PURCHASE, order)
    assert (status, answer.keys()) == (201, {"status", "payload"})
    quote = answer["payload"]
    assert (quote["status"], quote["direction"], quote["user_received_amount"]) == ("OPEN", "token_purchase", 50_000)
    fees = quote["tilia_fee_amount"] + quote["integrator_fee_amount"]
    assert (quote["user_paid_amount"] - fees) * quote["exchange_rate"] == 50_000
    assert quote["summary"]["total_amount"] == quote["user_paid_amount"]
    assert await http.balance(nyx) == 1_000, "a quote costs nothing"
    done = await http.payload("POST", f"{PURCHASE}/{quote['token_exchange_id']}")
    assert done["status"] == "SUCCESS"
    assert await http.balance(nyx) == 1_000 - quote["user_paid_amount"]
    assert [await http.balance(nyx, kind) for kind in ("standard", "convertible")] == [50_000, 0]
    assert (await http.call("POST", f"{PURCHASE}/{quote['token_exchange_id']}"))[0] == 400
    assert await http.balance(nyx, "standard") == 50_000
    told = await http.payload("GET", f"invoicing/v2/token/{quote['token_exchange_id']}")
    assert (told["status"], [tag["tag"] for tag in told["tags"]]) == ("SUCCESS", ["unrefundable"])
    (notice,) = http.notices("token-exchange-completed")
    assert (notice["virtual_amount"], notice["amount_usd"]) == (50_000, 500)
    invoices = await http.payload("GET", f"{INVOICE}/account/{nyx}?invoice_types=token_purchase")
    assert [each["invoice_id"] for each in invoices["invoices"]] == [quote["invoice_id"]]
    assert (await http.call("POST", "invoicing/v2/refund", {"invoice_id": quote["invoice_id"]}))[0] == 403


@pytest.mark.asyncio
async def test_tokens_may_be_a_gift_and_paid_by_card(http: Http) -> None:
    nyx, rook = await http.register("nyx"), await http.register("rook")
    card = http.sandbox.add_payment_method(nyx, "card")
    order = {"payment_method_id": card, "amount": 300, "currency": "TOK", "destination_account_id": rook}
    quote = await http.payload("POST", PURCHASE, order, 201)
    await http.payload("POST", f"{PURCHASE}/{quote['token_exchange_id']}")
    assert [await http.balance(each, "standard") for each in (nyx, rook)] == [0, 300]


@pytest.mark.asyncio
async def test_purchases_that_are_none(http: Http) -> None:
    nyx = await http.register("nyx")
    methods = await http.methods(nyx)
    order = {"payment_method_id": methods["registration"]["id"], "amount": 300, "currency": "TOK"}
    asleep = http.sandbox.add_payment_method(nyx, "card", state="UNVERIFIED")
    for wrong in (
        {"payment_method_id": "nothing"},
        {"payment_method_id": asleep},
        {"payment_method_id": methods["standard"]["id"]},
        {"currency": "USD"},
        {"amount": 0},
        {"amount": 1.5},
        {"destination_account_id": "nobody"},
    ):
        assert (await http.call("POST", PURCHASE, {**order, **wrong}))[0] == 400, wrong
    quote = await http.payload("POST", PURCHASE, order, 201)
    path = f"{PURCHASE}/{quote['token_exchange_id']}"
    assert (await http.call("POST", path))[0] == 403, "there is no money"
    assert (await http.call("POST", f"{CONVERT}/{quote['token_exchange_id']}"))[0] == 400, "it is no conversion"
    assert (await http.call("POST", f"{PURCHASE}/nothing"))[0] == 400
    assert (await http.call("GET", "invoicing/v2/token/nothing"))[0] == 400
    await http.payload("POST", f"accounts/v1/{nyx}/user-info/block")
    assert (await http.call("POST", path))[1]["payload"] == f"account is blocked ({nyx})"
    assert (await http.call("POST", PURCHASE, order))[0] == 403


@pytest.mark.asyncio
async def test_earned_tokens_become_money_after_kyc(http: Http) -> None:
    nyx = await http.register("nyx")
    http.fund(nyx, 5_000, "TOK", "convertible")
    http.fund(nyx, 5_000, "TOK", "standard")
    assert (await http.call("POST", CONVERT, {"account_id": nyx}))[0] == 403
    http.sandbox.set_kyc(nyx)
    quote = await http.payload("POST", CONVERT, {"account_id": nyx}, 201)
    assert (quote["user_paid_amount"], quote["user_received_amount"], quote["exchange_rate"]) == (5_000, 50, 0.01)
    part = await http.payload("POST", CONVERT, {"account_id": nyx, "amount": 1_000, "currency": "TOK"}, 201)
    await http.payload("POST", f"{CONVERT}/{part['token_exchange_id']}")
    assert [await http.balance(nyx, kind) for kind in ("convertible", "standard", "registration")] == [4_000, 5_000, 10]
    assert (await http.call("POST", f"{CONVERT}/{quote['token_exchange_id']}"))[0] == 403, "they are not there any more"
    assert (await http.call("POST", f"{CONVERT}/{part['token_exchange_id']}"))[0] == 400
    for wrong in ({"amount": 99}, {"currency": "XYZ"}, {"account_id": "nobody"}):
        assert (await http.call("POST", CONVERT, {"account_id": nyx, **wrong}))[0] == 400


@pytest.mark.asyncio
async def test_an_invoice_is_paid_once(http: Http) -> None:
    nyx, rook = await http.register("nyx"), await http.register("rook")
    http.fund(nyx, 1_000)
    seller = (await http.methods(rook))["registration"]["psp_reference"]
    publisher = http.sandbox.publisher_wallets["USD"]
    before = publisher.balance
    recipient = {
        "amount": 500,
        "currency": "USD",
        "source_wallet_id": publisher.wallet_id,
        "destination_wallet_id": seller,
    }
    body = {
        "account_id": nyx,
        "reference_type": "order",
        "reference_id": "8987749",
        "metadata": {"k": {"l": 3}},
        "payment_methods": [{"payment_method_id": (await http.methods(nyx))["registration"]["id"]}],
        "line_items": [item(550, "USD", recipient, product_sku="sku"), item(50)],
    }
    invoice = await http.payload("POST", INVOICE, body, 201)
    assert (invoice["state"], invoice["invoice_type"], invoice["created"]) == ("OPEN", "user_purchase", ZERO_TIME)
    assert (invoice["summary"]["total_amount"], invoice["summary"]["display_amount"]) == (600, "USD 6.00")
    assert invoice["metadata"] == {"k": {"l": 3}}
    by_order = sorted(invoice["line_items"].values(), key=lambda each: each["sort_order"])
    assert [(each["amount"], each["transaction_type"]) for each in by_order] == [
        (550, "user_to_user"),
        (50, "user_to_integrator"),
    ]
    (moved,) = by_order[0]["subitems"].values()
    assert (moved["amount"], moved["destination_wallet_id"], moved["destination_account_id"]) == (500, seller, rook)
    assert (moved["source_wallet_id"], moved["subitem_type"]) == (publisher.wallet_id, "user_recipient")
    (payment,) = invoice["payment_methods"].values()
    assert (payment["authorized_amount"], [each["amount"] for each in payment["subitems"].values()]) == (600, [0])
    path = f"{INVOICE}/{invoice['invoice_id']}"
    assert await http.balance(nyx) == 1_000
    paid = await http.payload("POST", f"{path}/pay")
    assert (paid["state"], paid["failure_reason"]) == ("SUCCESS", "")
    assert [await http.balance(each) for each in (nyx, rook)] == [400, 500]
    assert publisher.balance == before + 100
    assert (await http.call("POST", f"{path}/pay"))[0] == 400
    assert await http.payload("GET", path) == paid
    (notice,) = http.notices("invoice-completed")
    assert (notice["invoice_id"], notice["state"], len(notice["line_items"])) == (paid["invoice_id"], "SUCCESS", 2)
    told = await http.payload("GET", f"wallets/v2/wallet/{publisher.wallet_id}")
    assert told["tags"] == ["hos"]


@pytest.mark.asyncio
async def test_tokens_are_spent_from_the_convertible_wallet_first_and_received_there(http: Http) -> None:
    nyx, rook = await http.register("nyx"), await http.register("rook")
    http.fund(nyx, 100, "TOK", "standard")
    http.fund(nyx, 30, "TOK", "convertible")
    standard = (await http.methods(rook))["standard"]["psp_reference"]
    for to in ({"destination_account_id": rook}, {"destination_wallet_id": standard}):
        body = {"account_id": nyx, "line_items": [item(40, "TOK", {"amount": 40, **to})]}
        invoice = await http.payload("POST", INVOICE, body, 201)
        assert invoice["invoice_type"] == "user_purchase_virtual"
        assert [each["transaction_type"] for each in invoice["line_items"].values()] == ["user_to_user_virtual"]
        assert invoice["summary"]["display_amount"] == "TOK 40"
        await http.payload("POST", f"{INVOICE}/{invoice['invoice_id']}/pay")
    kinds = ("convertible", "standard")
    assert [await http.balance(nyx, kind) for kind in kinds] == [0, 50]
    assert [await http.balance(rook, kind) for kind in kinds] == [80, 0]


@pytest.mark.asyncio
async def test_royalties_and_fees(http: Http) -> None:
    nyx, rook, vex = [await http.register(name) for name in ("nyx", "rook", "vex")]
    card = http.sandbox.add_payment_method(nyx, "card")
    before = http.sandbox.publisher_wallets["USD"].balance
    shares = (
        {"amount": 899, "destination_account_id": rook, "fee_percentage": 0.05},
        {"amount": 101, "destination_account_id": vex},
    )
    body = {
        "account_id": nyx,
        "payment_methods": [{"payment_method_id": card}],
        "line_items": [item(1_000, "USD", *shares)],
    }
    invoice = await http.payload("POST", INVOICE, body, 201)
    await http.payload("POST", f"{INVOICE}/{invoice['invoice_id']}/pay")
    assert [await http.balance(each) for each in (rook, vex)] == [855, 101]
    assert http.sandbox.publisher_wallets["USD"].balance == before + 44


@pytest.mark.asyncio
async def test_several_payment_methods_with_one_remainder(http: Http) -> None:
    nyx = await http.register("nyx")
    http.fund(nyx, 2_000)
    card, wallet = http.sandbox.add_payment_method(nyx, "card"), (await http.methods(nyx))["registration"]["id"]

    async def create(*amounts: int | None) -> int:
        methods = [
            {"payment_method_id": method, **({} if amount is None else {"amount": amount})}
            for method, amount in zip((wallet, card, wallet), amounts, strict=False)
        ]
        body = {"account_id": nyx, "payment_methods": methods, "line_items": [item(300)]}
        status, answer = await http.call("POST", INVOICE, body)
        if status == 201:
            await http.payload("POST", f"{INVOICE}/{answer['payload']['invoice_id']}/pay")
        return status

    assert await create(0, 100) == 201
    assert await http.balance(nyx) == 1_800
    assert await create(100, 0) == 201
    assert await http.balance(nyx) == 1_700
    assert [await create(None), await create(0), await create(300)] == [201, 201, 201]
    refused = [(), (0, 0), (100, 100), (100, 200), (0, 300), (0, 301), (200,), (0, 100, 50)]
    assert {await create(*amounts) for amounts in refused} == {400}


@pytest.mark.asyncio
async def test_not_enough_money_is_rejected_and_nothing_moves(http: Http) -> None:
    nyx, rook = await http.register("nyx"), await http.register("rook")
    http.fund(nyx, 100)
    http.fund(nyx, 5, "TOK")
    wallet = (await http.methods(nyx))["registration"]["id"]
    to = {"amount": 101, "destination_account_id": rook}
    paid = {"payment_methods": [{"payment_method_id": wallet}], "line_items": [item(101, "USD", to)]}
    for body in (paid, {"line_items": [item(101, "TOK", to)]}):
        invoice = await http.payload("POST", INVOICE, {"account_id": nyx, **body}, 201)
        status, answer = await http.call("POST", f"{INVOICE}/{invoice['invoice_id']}/pay")
        assert (status, answer["payload"]) == (403, {"error": "The transaction was rejected"})
        told = await http.payload("GET", f"{INVOICE}/{invoice['invoice_id']}")
        assert (told["state"], told["failure_code"], told["failure_reason"]) == (
            "FAILED",
            "generic_error",
            "an error occurred",
        )
    assert [await http.balance(nyx), await http.balance(nyx, "standard"), await http.balance(rook)] == [100, 5, 0]
    assert [notice["state"] for notice in http.notices("invoice-completed")] == ["FAILED", "FAILED"]


@pytest.mark.asyncio
async def test_a_card_pays_ten_thousand_dollars_at_most(http: Http) -> None:
    nyx = await http.register("nyx")
    methods = [{"payment_method_id": http.sandbox.add_payment_method(nyx, "card")}]
    statuses = []
    for amount in (1_000_000, 1_000_001):
        body = {"account_id": nyx, "payment_methods": methods, "line_items": [item(amount)]}
        invoice = await http.payload("POST", INVOICE, body, 201)
        statuses.append((await http.call("POST", f"{INVOICE}/{invoice['invoice_id']}/pay"))[0])
    assert statuses == [200, 403]


@pytest.mark.asyncio
async def test_captured_refusals(http: Http) -> None:
    nyx = await http.register("nyx")
    bad = "55555555-5555-5555-5555-555555555555"
    body = {"account_id": nyx, "payment_methods": [{"payment_method_id": bad}], "line_items": [item(1)]}
    status, answer = await http.call("POST", INVOICE, body)
    text = f"resource request invalid: failed to get pmid ({bad}). the request is invalid"
    assert (status, answer) == (400, {"status": "Failure", "message": [], "codes": [], "payload": {"error": text}})
    assert await http.call("GET", f"{INVOICE}/{bad}") == (
        404,
        {"status": "Failure", "message": [""], "codes": ["INVOICE_NOT_FOUND"], "payload": "invoice_id not found"},
    )
    assert await http.call("POST", f"{INVOICE}/{bad}/pay") == (
        500,
        {
            "status": "Failure",
            "message": ["encountered an unexpected error"],
            "codes": ["SERVER_ERROR"],
            "payload": None,
        },
    )
    body = {
        "account_id": nyx,
        "invoice_mechanism": "widget",
        "line_items": [item(1, "USD", {"amount": 1, "destination_wallet_id": bad})],
    }
    text = f"failed to set destination subitem resource. wallet ({bad}) not found. a resource is missing"
    assert await http.call("POST", "invoicing/v2/authorize/invoice", body) == (
        404,
        {"status": "Failure", "message": ["input is invalid"], "codes": ["INPUT_ERROR"], "payload": {"error": text}},
    )


@pytest.mark.asyncio
async def test_invoices_that_are_none(http: Http) -> None:
    nyx, rook = await http.register("nyx"), await http.register("rook")
    wallet = (await http.methods(nyx))["registration"]
    foreign = (await http.methods(rook))["registration"]
    body = {"account_id": nyx, "payment_methods": [{"payment_method_id": wallet["id"]}], "line_items": [item(10)]}
    to = {"amount": 5, "destination_account_id": rook}
    wrong: tuple[Mapping[str, object], ...] = (
        {"account_id": "nobody"},
        {"line_items": []},
        {"line_items": "x"},
        {"line_items": [7]},
        {"line_items": [item(0)]},
        {"line_items": [item(1), item(1, "TOK")]},
        {"line_items": [{**item(1), "transaction_type": "gift"}]},
        {"line_items": [{**item(10, "USD", to), "transaction_type": "user_to_integrator"}]},
        {"line_items": [item(9, "USD", to, to)]},
        {"line_items": [item(9, "USD", {**to, "destination_account_id": "nobody"})]},
        {"line_items": [item(9, "USD", {**to, "destination_account_id": nyx, "destination_wallet_id": foreign["psp_reference"]})]},
        {"line_items": [item(9, "USD", {**to, "source_wallet_id": foreign["psp_reference"]})]},
        {"line_items": [item(9, "USD", {**to, "currency": "TOK"})]},
        {"line_items": [item(9, "USD", {**to, "fee_percentage": 1.5})]},
        {"line_items": [item(9, "TOK")]},
        {"payment_methods": [{"payment_method_id": foreign["id"]}]},
        {"payment_methods": [{"payment_method_id": wallet["id"], "amount": True}]},
        {"authorized_invoice_id": "nothing"},
    )  # fmt: skip
    for change in wrong:
        assert (await http.call("POST", INVOICE, {**body, **change}))[0] == 400, change


@pytest.mark.asyncio
async def test_lists_of_invoices(http: Http) -> None:
    nyx, rook = await http.register("nyx"), await http.register("rook")
    http.fund(nyx, 100, "TOK")
    made = []
    for number in range(3):
        to = {"amount": 1, "destination_account_id": rook}
        body = {"account_id": nyx, "reference_id": str(number), "line_items": [item(1, "TOK", to)]}
        made.append((await http.payload("POST", INVOICE, body, 201))["invoice_id"])
    await http.payload("POST", f"{INVOICE}/{made[0]}/pay")

    async def listed(account_id: str, query: str = "") -> tuple[int, list[int]]:
        page = await http.payload("GET", f"{INVOICE}/account/{account_id}?{query}")
        assert ZERO_TIME not in {each["created"] for each in page["invoices"]}
        return page["total"], [made.index(each["invoice_id"]) for each in page["invoices"]]

    assert await listed(nyx) == (3, [0, 2, 1]), "newest change first"
    assert await listed(nyx, "sort=asc") == (3, [1, 2, 0])
    assert await listed(nyx, "sort_field=created") == (3, [2, 1, 0])
    assert await listed(nyx, "sort_field=created&limit=2&offset=1") == (3, [1, 0])
    assert await listed(nyx, "states=OPEN,FAILED") == (2, [2, 1])
    assert await listed(nyx, "invoice_types=user_purchase") == (0, [])
    assert await listed(rook) == (0, [])
    assert await listed(rook, "include_recipient_transactions=true") == (1, [0])
    assert await listed("nobody") == (0, [])
    for wrong in ("limit=0", "offset=-1", "sort=up", "sort_field=amount", "limit=x"):
        assert (await http.call("GET", f"{INVOICE}/account/{nyx}?{wrong}"))[0] == 400


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("mechanism", "keys"),
    [
        ("api", {"authorized_invoice_id", "password_token"}),
        ("widget", {"authorized_invoice_id", "nonce_auth_id", "redirect"}),
        ("tilia_hosted", {"authorized_invoice_id", "nonce_auth_id", "redirect"}),
    ],
)
async def test_an_invoice_for_tilias_pages(http: Http, mechanism: str, keys: set[str]) -> None:
    nyx = await http.register("nyx")
    http.fund(nyx, 100)
    body = {"account_id": nyx, "invoice_mechanism": mechanism, "line_items": [item(7), item(8)], "reference_id": "r"}
    path = "invoicing/v2/authorize/invoice"
    told = await http.payload("POST", path, body)
    assert told.keys() == keys
    authorized_id = told["authorized_invoice_id"]
    details = await http.payload("GET", f"{path}/{authorized_id}")
    assert [each["amount"] for each in details["line_items"]] == [7, 8]
    assert (details["line_items_total"], details["is_virtual"], details["is_escrow"]) == (15, False, False)
    assert (await http.call("GET", f"{INVOICE}/{authorized_id}"))[0] == 404
    wallet = (await http.methods(nyx))["registration"]["id"]
    paid_with = {"authorized_invoice_id": authorized_id, "payment_methods": [{"payment_method_id": wallet}]}
    invoice = await http.payload("POST", INVOICE, paid_with, 201)
    assert (invoice["reference_id"], invoice["metadata"]) == ("r", {"authorized_invoice_id": authorized_id})
    assert (await http.call("POST", path, {**body, "invoice_mechanism": "post"}))[0] == 400
    assert (await http.call("GET", f"{path}/nothing"))[0] == 404
    await http.payload("POST", f"accounts/v1/{nyx}/user-info/block")
    status, answer = await http.call("POST", path, body)
    assert (status, answer["payload"]) == (403, f"account is blocked ({nyx})")
    assert (await http.call("POST", f"{INVOICE}/{invoice['invoice_id']}/pay"))[0] == 403


@pytest.mark.asyncio
async def test_a_blocked_seller_receives_nothing(http: Http) -> None:
    nyx, rook = await http.register("nyx"), await http.register("rook")
    http.fund(nyx, 100, "TOK")
    body = {"account_id": nyx, "line_items": [item(1, "TOK", {"amount": 1, "destination_account_id": rook})]}
    invoice = await http.payload("POST", INVOICE, body, 201)
    http.sandbox.block_as_tilia(rook)
    status, answer = await http.call("POST", f"{INVOICE}/{invoice['invoice_id']}/pay")
    assert (status, answer["payload"]) == (403, f"account is blocked ({rook})")
    assert (await http.payload("GET", f"{INVOICE}/{invoice['invoice_id']}"))["state"] == "OPEN"


@pytest.mark.asyncio
async def test_the_rate_is_the_sandboxs() -> None:
    async with (
        Sandbox(wallet_delay=0, tokens_per_cent=7, token_currency="GEM") as sandbox,
        aiohttp.ClientSession() as session,
    ):
        http = Http(sandbox, session)
        nyx = await http.register("nyx")
        card = sandbox.add_payment_method(nyx)
        quote = await http.payload("POST", PURCHASE, {"payment_method_id": card, "amount": 8, "currency": "GEM"}, 201)
        assert (quote["exchange_rate"], quote["user_paid_amount"]) == (7, 4), "two cents and two fees, rounded up"
