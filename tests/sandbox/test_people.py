"""Accounts, blocks, payment methods and compliance of the sandbox, over plain HTTP."""

import aiohttp
import pytest
from support.plain import Http

from tilia_async.sandbox import Sandbox


@pytest.mark.asyncio
async def test_an_update_changes_what_it_names(http: Http) -> None:
    account_id = await http.register("nyx")
    body = {"email": {"address": "new@mail.example"}, "city": "Wien", "external_platforms": {"steam": {"user_id": "7"}}}
    for _ in "ab":
        told = await http.payload("PUT", f"accounts/user-info/{account_id}", body)
    assert (told["email"]["address"], told["city"]) == ("new@mail.example", "Wien")
    assert (await http.payload("GET", f"accounts/v1/{account_id}/user-info"))["email"] == "new@mail.example"
    methods = await http.payload("GET", f"payments/v1/{account_id}/payment_methods")
    (pobo,) = [method for method in methods if method["provider"] == "pobo"]
    assert pobo["method_class"] == "steam"
    assert [notice["payment_method_id"] for notice in http.notices("payment-method-updated")] == [pobo["id"]]
    assert (await http.call("PUT", "accounts/user-info/nobody", {"city": "Wien"}))[0] == 404
    assert (await http.call("PUT", f"accounts/user-info/{account_id}", {"state_province": "WA"}))[0] == 400


@pytest.mark.asyncio
async def test_both_ways_to_block_keep_the_same_blocks(http: Http) -> None:
    account_id = await http.register("nyx")
    body = {"account_id": account_id, "block_capability": "login", "block_reason": "account_close", "note": "n"}
    status, bare = await http.call("POST", "accounts/v2/block", body)
    assert (status, bare.keys()) == (200, {"account_id", "blocks"})
    assert bare["blocks"].keys() == {"account_id", "block_id", "capability", "issuer", "reason"}
    assert (await http.call("GET", f"accounts/v2/block/{account_id}"))[1] == bare
    user_info = f"accounts/v1/{account_id}/user-info"
    told = await http.payload("GET", user_info)
    assert (told["is_blocked"], told["blocked_capabilities"]) == (True, {"login": True})
    await http.payload("POST", f"{user_info}/block")
    await http.payload("POST", f"{user_info}/unblock")
    assert (await http.call("GET", f"accounts/v2/block/{account_id}"))[1]["blocks"] == {}
    http.sandbox.block_as_tilia(account_id)
    assert (await http.call("GET", f"accounts/v2/block/{account_id}"))[1]["blocks"]["issuer"] == "tilia"
    told = [(each["is_blocked"], each["blocks"]["issuer"]) for each in http.notices("account-block-unblock-webhook")]
    assert told == [(True, "publisher"), (False, "publisher"), (True, "tilia")]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "change", [{"account_id": "nobody"}, {"block_capability": "spend"}, {"block_reason": "fraud"}, {"account_id": ""}]
)
async def test_a_block_that_is_none(http: Http, change: dict[str, str]) -> None:
    body = {"account_id": await http.register("nyx"), "block_capability": "login", "block_reason": "account_close"}
    assert (await http.call("POST", "accounts/v2/block", {**body, **change}))[0] == 400
    assert (await http.call("GET", "accounts/v2/block/nobody"))[0] == 400


@pytest.mark.asyncio
async def test_a_merge_moves_the_tokens_and_closes_the_source(http: Http) -> None:
    old, new = await http.register("old"), await http.register("new")
    http.fund(old, 500, "TOK")
    http.fund(old, 70, "TOK", "convertible")
    http.fund(old, 9)
    body = {"source_account_id": old, "destination_account_id": new}
    assert await http.call("POST", "accounts/v2/merge-accounts", body) == (
        200,
        {"status": "Success", "message": None, "codes": None},
    )
    kinds = ("standard", "convertible", "registration")
    assert [await http.balance(new, kind) for kind in kinds] == [500, 70, 0]
    assert [await http.balance(old, kind) for kind in kinds] == [0, 0, 9]
    for account_id, other, name, blocked in ((old, new, "merged_to", True), (new, old, "merged_from", False)):
        told = await http.payload("GET", f"accounts/v1/{account_id}/user-info")
        assert [(tag["namespace"], tag["tag"], tag["resource_id"]) for tag in told["tags"]] == [
            ("account_merge", name, other)
        ]
        assert told["is_blocked"] is blocked
    assert (await http.call("POST", f"accounts/v1/{old}/user-info/unblock"))[0] == 403
    assert (await http.call("POST", "accounts/v2/merge-accounts", body))[0] == 403
    for wrong in ({**body, "source_account_id": new}, {**body, "source_account_id": "nobody"}, {}):
        assert (await http.call("POST", "accounts/v2/merge-accounts", wrong))[0] == 400


@pytest.mark.asyncio
async def test_cards_and_paypal_are_added_by_the_sandbox(http: Http) -> None:
    account_id = await http.register("nyx")
    card, paypal = (http.sandbox.add_payment_method(account_id, kind) for kind in ("card", "paypal"))
    methods = await http.methods(account_id)
    assert (methods["visa"]["id"], methods["visa"]["provider"], methods["visa"]["payment_method_id"]) == (
        card,
        "rebilly",
        card,
    )
    assert methods["visa"]["state"] == "CA", "the state of an address"
    assert (methods["paypal"]["id"], methods["paypal"]["pm_state"]) == (paypal, "ACTIVE")
    assert await http.payload("GET", f"payments/v2/payment-method/{card}") == methods["visa"]
    assert (await http.call("GET", "payments/v2/payment-method/nothing"))[0] == 400
    assert [notice["payment_method_id"] for notice in http.notices("payment-method-updated")] == [card, paypal]
    with pytest.raises(ValueError, match="cheque"):
        http.sandbox.add_payment_method(account_id, "cheque")


@pytest.mark.asyncio
async def test_an_account_has_one_default(http: Http) -> None:
    account_id = await http.register("nyx")
    card, paypal = (http.sandbox.add_payment_method(account_id, kind) for kind in ("card", "paypal"))

    async def defaults() -> dict[str, list[str]]:
        methods = (await http.methods(account_id)).values()
        return {method["id"]: [tag["tag"] for tag in method["tags"]] for method in methods if method["tags"]}

    await http.payload(
        "PATCH", f"payments/v2/payment_method/{card}", {"default_payment": "true", "display_string": "x"}
    )
    assert await defaults() == {card: ["default_payment"]}
    assert (await http.methods(account_id))["visa"]["display_string"] == "x"
    await http.payload("PATCH", f"payments/v2/payment_method/{paypal}", {"default_payment": True})
    await http.payload("PATCH", f"payments/v2/payment_method/{card}", {"default_payout": True})
    assert await defaults() == {card: ["default_payout"], paypal: ["default_payment"]}
    await http.payload("PATCH", f"payments/v1/payment_method/{card}", {"default_payout": False})
    assert await defaults() == {paypal: ["default_payment"]}
    assert (await http.call("PATCH", "payments/v2/payment_method/nothing", {}))[0] == 404
    assert (await http.call("PATCH", f"payments/v2/payment_method/{card}", {"default_payout": 7}))[0] == 400


@pytest.mark.asyncio
async def test_transaction_methods(http: Http) -> None:
    account_id = await http.register("nyx")
    paypal = http.sandbox.add_payment_method(account_id, "paypal")
    asleep = http.sandbox.add_payment_method(account_id, "card", state="INACTIVE")
    http.fund(account_id, 99_898)
    path = f"payments/transaction-methods/{account_id}"
    forms = set()
    for _ in range(20):
        told = await http.payload("GET", path)
        forms.add("balances" in told["balances"])
        balances = told["balances"].get("balances", told["balances"])
        assert balances["USD"]["spendable"] == {"balance": 99_898, "display": "$998.98"}
    assert forms == {True, False}, "nested once, and twice"
    wallet = (await http.methods(account_id))["registration"]["id"]
    assert told["capabilities"] == {"purchase": [wallet, paypal], "payout": [paypal], "deposit": []}
    assert asleep not in told["payment_methods"]
    assert asleep in (await http.payload("GET", f"{path}?state=all"))["payment_methods"]
    assert list((await http.payload("GET", f"{path}?capability=payout"))["payment_methods"]) == [paypal]
    assert (await http.call("GET", f"{path}?capability=fly"))[0] == 400
    assert (await http.call("GET", "payments/transaction-methods/nobody"))[0] == 404


@pytest.mark.asyncio
async def test_wallets_of_types_of_ones_own() -> None:
    async with Sandbox(wallet_delay=0, custom_wallets={"prizes": "TOK"}) as sandbox, aiohttp.ClientSession() as session:
        http = Http(sandbox, session)
        account_id = await http.register("nyx")
        body = {"account_id": account_id, "wallet_type": "prizes", "tags": ["coin:TOK"]}
        wallet = await http.payload("POST", "wallets/v2/wallet/custom", body)
        assert (wallet["currency"], wallet["active"], wallet["tags"]) == ("TOK", 1, ["coin:TOK"])
        assert "wallet" not in await http.methods(account_id), "this one has no payment method"
        both = await http.payload("POST", "payments/v2/payment-method/custom", body)
        assert both["payment_method"]["psp_reference"] == both["wallet"]["wallet_id"]
        assert (await http.methods(account_id))["wallet"] == both["payment_method"]
        for path in ("wallets/v2/wallet/custom", "payments/v2/payment-method/custom"):
            for wrong in ({"wallet_type": "publisher_hosted"}, {"account_id": "nobody"}, {"tags": "x"}):
                assert (await http.call("POST", path, {**body, **wrong}))[0] == 400


@pytest.mark.asyncio
async def test_compliance(http: Http) -> None:
    account_id = await http.register("nyx")
    tos = f"accounts/user-info/{account_id}/tos/tilia"
    assert await http.call("GET", tos) == (200, {"signed_tos": False})
    http.sandbox.sign_tos(account_id)
    assert await http.call("GET", tos) == (200, {"signed_tos": True})
    kyc = await http.payload("GET", f"pii/v1/kyc/{account_id}")
    assert (kyc["state"], kyc["pii_level"], kyc["kyc_requirements"]) == ("NODATA", "NONE", "FULL_KYC")
    http.sandbox.set_kyc(account_id, "MANUAL_REVIEW")
    http.sandbox.set_kyc(account_id)
    kyc = await http.payload("GET", f"pii/v1/kyc/{account_id}")
    assert (kyc["state"], kyc["pii_level"], kyc["kyc_requirements"]) == ("ACCEPT", "FULL", "NONE")
    assert [notice["state"] for notice in http.notices("kyc-webhook")] == ["MANUAL_REVIEW", "ACCEPT"]
    assert (await http.call("GET", "pii/v1/kyc/nobody"))[0] == 400
    onboard = f"pii/v1/entity/{account_id}/onboard"
    first = await http.payload("POST", onboard, {"entity_name": "Acme"})
    assert await http.payload("POST", onboard, {"entity_name": "Other"}) == first
    assert (await http.call("POST", onboard, {}))[0] == 400
    (notice,) = http.notices("kyb-status-change")
    assert (notice["entity_id"], notice["entity_status"]) == (first["entity_id"], "PROCESSING")


@pytest.mark.asyncio
async def test_a_registration_is_notified_in_both_ways(http: Http) -> None:
    first = await http.register("nyx")
    name = "rook@mail.example"
    started = await http.payload(
        "POST", "registration/v2/register", {"username": name, "password": "abcde1", "email": name}, 201
    )
    second = await http.payload("PUT", f"registration/v2/register/{started['registration_id']}", {})
    told = http.notices("register-account-completed")
    assert [each["account_id"] for each in told] == [first, second["account_id"]]
    assert told[1]["email"]["address"] == name
