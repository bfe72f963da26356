"""Lists that leave out, contradict themselves or are about somebody else prove nothing."""

from __future__ import annotations

import pytest
from support.lost_writes import (
    CANNOT,
    DAY,
    MOVE,
    NOT_SEEN,
    SWORD,
    TOOK_EFFECT,
    WRITES,
    invoice,
    item,
    listed,
    server,
    told,
)
from support.lying import Liar, Lie, lost, unzoned, when, zoned

from tilia_async import LineItem, Money

__all__ = ["server"]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("fields", "may_be"),
    [
        ({"reference_type": ""}, True),
        ({"reference_type": None, "reference_id": None}, True),
        ({"reference_id": ""}, True),
        ({"reference_id": "order-8"}, False),
        ({"reference_type": "cart"}, False),
        ({"account_id": None, "invoice_type": "anything"}, True),
    ],
)
async def test_an_invoice_that_leaves_out_its_reference_may_be_it(
    server: Liar, fields: dict[str, object], may_be: bool
) -> None:
    server.say(listed(invoice(1, **fields)))
    assert (await told(server, "invoices.create")).verdict is (CANNOT if may_be else NOT_SEEN)


@pytest.mark.asyncio
@pytest.mark.parametrize("name", ["invoices.create", "transfers.create"])
@pytest.mark.parametrize("reference_type", ["order", None])
async def test_what_leaves_out_its_reference_id_is_never_taken_for_this_write(
    server: Liar, name: str, reference_type: str | None
) -> None:
    """Another worker's write to the account, which gave none, looks the same."""
    server.say(listed(invoice(1, state="SUCCESS", reference_type=reference_type, reference_id=None)))
    found = await told(server, name, since=when(-3600))
    assert (found.verdict, len(found.candidates)) == (CANNOT, 1)


@pytest.mark.asyncio
@pytest.mark.parametrize("name", ["invoices.create", "escrow.create", "transfers.create"])
async def test_where_a_reference_id_would_have_made_it_knowable_the_reason_says_so(server: Liar, name: str) -> None:
    server.say(listed(invoice(1, reference_id="", reference_type="")))
    tilia = server.tilia
    call = {
        "invoices.create": lambda: tilia.invoices.create("acct_1", [SWORD]),
        "escrow.create": lambda: tilia.escrow.create("acct_1", [SWORD]),
        "transfers.create": lambda: tilia.transfers.create("acct_1", "fund_user", [MOVE]),
    }[name]
    found = await tilia.reconcile(await lost(call()))
    assert found.verdict is CANNOT
    assert "a reference_id that no other write has would have made it knowable" in found.reason


@pytest.mark.asyncio
async def test_an_escrow_of_another_account_with_the_reference_id_is_not_taken_for_it(server: Liar) -> None:
    escrows = [{"id": "esc_1", "account_id": "acct_9", "status": "OPEN", "created": zoned(1)}]
    server.say({"total": 1, "escrow_transactions": escrows})
    found = await told(server, "escrow.create", since=when(-3600))
    assert (found.verdict, len(found.candidates)) == (CANNOT, 1)


def summary(total: int | None, currency: str = "TOK", **parts: int) -> dict[str, object]:
    told = {} if total is None else {"total_amount": total, "currency": currency}
    return {"summary": {**told, **{name: {"total_amount": amount} for name, amount in parts.items()}}}


AMOUNTS: list[tuple[dict[str, object], bool]] = [
    # what an invoice tells, and whether it can be one for 200 TOK
    ({}, True),
    (summary(200), True),
    (summary(200, "tok"), False),
    (summary(200, ""), True),
    (summary(7777, "EUR"), False),
    (summary(200, "EUR"), False),
    (summary(5), False),
    (summary(195), False),
    (summary(214, subtotal=200, tax=14), True),
    (summary(214, subtotal=200), False),
    (summary(230, subtotal=200, tax=14), False),
    (summary(None, subtotal=200), True),
    (summary(None, subtotal=5), False),
    ({"line_items": {"a": item(200)}}, True),
    ({"line_items": {"a": item(150), "b": item(50)}}, True),
    ({"line_items": {"a": item(5)}}, False),
    ({"line_items": {"a": item(200, "EUR")}}, False),
    ({**summary(200), "line_items": {"a": item(5)}}, False),
    ({"amount": 5}, False),
    ({"currency": "EUR"}, False),
]


def listing(name: str, **told: object) -> dict[str, object]:
    """A list of the one invoice or escrow that may be an order of 200 TOK."""
    if name == "escrow.create":
        held = {"invoice_id": "inv_1", **told}
        escrows = [{"id": "esc_1", "account_id": "acct_1", "created": zoned(1), "escrow_invoice": held}]
        return {"total": 1, "escrow_transactions": escrows}
    kind = "balance_transfer" if name == "transfers.create" else "user_purchase_virtual"
    return listed(invoice(1, **{"state": "SUCCESS", "reference_type": "", "invoice_type": kind, **told}))


@pytest.mark.asyncio
@pytest.mark.parametrize("name", ["invoices.create", "escrow.create", "transfers.create"])
@pytest.mark.parametrize(("told_of", "agrees"), AMOUNTS)
async def test_another_amount_than_the_call_s_is_never_taken_for_this_write(
    server: Liar, name: str, told_of: dict[str, object], agrees: bool
) -> None:
    """The reference_id decides nothing: a write may be net of a fee, split, or another deed."""
    server.say(listing(name, **told_of))
    reference = {"amount": "200", "currency": "TOK"}
    found = await told(server, name, since=when(-3600), reference=reference)
    assert (found.verdict, found.done) == ((TOOK_EFFECT, True) if agrees else (CANNOT, False)), found.reason
    assert len(found.candidates) == (not agrees)
    assert agrees or "another amount" in found.reason or "another currency" in found.reason


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("name", "told_of"),
    [
        ("invoices.create", {"invoice_type": "balance_transfer"}),
        ("invoices.create", {"invoice_type": "refund_invoice"}),
        ("transfers.create", {"invoice_type": "user_purchase"}),
        ("escrow.create", {"reference_id": "order-8"}),
        ("escrow.create", {"account_id": "acct_9"}),
    ],
)
async def test_another_deed_than_the_call_s_is_never_taken_for_this_write(
    server: Liar, name: str, told_of: dict[str, object]
) -> None:
    server.say(listing(name, **told_of))
    found = await told(server, name, since=when(-3600))
    assert (found.verdict, len(found.candidates), found.done) == (CANNOT, 1, False), found.reason


@pytest.mark.asyncio
@pytest.mark.parametrize("fields", [{"reference_id": "order-8"}, {"reference_type": "cart"}, {"account_id": "acct_9"}])
async def test_an_escrow_of_another_order_is_never_taken_for_this_write(
    server: Liar, fields: dict[str, object]
) -> None:
    escrow = {"id": "esc_1", "account_id": "acct_1", "created": zoned(1), **fields}
    server.say({"total": 1, "escrow_transactions": {"esc_1": escrow}})
    reference = {"reference_type": "order"}
    found = await told(server, "escrow.create", since=when(-3600), reference=reference)
    assert (found.verdict, len(found.candidates), found.done) == (CANNOT, 1, False), found.reason


@pytest.mark.asyncio
async def test_the_reference_of_an_order_tells_what_it_comes_to(server: Liar) -> None:
    for name, amount, currency in (
        ("invoices.create", "200", "TOK"),
        ("escrow.create", "200", "TOK"),
        ("transfers.create", "1", "USD"),
    ):
        reference = (await lost(WRITES[name](server.tilia))).reference
        assert (reference["amount"], reference["currency"]) == (amount, currency)
    other = LineItem(amount=Money(5, "USD"), transaction_type="user_to_integrator")
    error = await lost(server.tilia.invoices.create("acct_1", [SWORD, SWORD]))
    assert (error.reference["amount"], error.reference["currency"]) == ("400", "TOK")
    error = await lost(server.tilia.invoices.create("acct_1", [SWORD, other]))
    assert not {"amount", "currency"} & error.reference.keys()


@pytest.mark.asyncio
@pytest.mark.parametrize("name", ["invoices.create", "escrow.create", "transfers.create"])
@pytest.mark.parametrize("items", [[], [{}]])
async def test_a_list_about_another_account_proves_nothing(server: Liar, name: str, items: list[object]) -> None:
    key = "escrow_transactions" if name == "escrow.create" else "invoices"
    own = {"id": "esc_1", **invoice(1, account_id=None, reference_type="")}
    for account_id in ("acct_9", 9):
        server.say({"total": len(items), "account_id": account_id, key: [own] * len(items)})
        found = await told(server, name, since=when(-3600))
        assert (found.verdict, found.candidates, found.done) == (CANNOT, (), False), found.reason
        assert "proves nothing" in found.reason
    for account_id in ("acct_1", "", None):
        server.say({"total": 0, "account_id": account_id, key: []})
        assert (await told(server, name)).verdict is NOT_SEEN


@pytest.mark.asyncio
@pytest.mark.parametrize("name", ["invoices.create", "escrow.create", "transfers.create"])
@pytest.mark.parametrize("total", [0, "0", -1, 99, 100, "page", 150])
@pytest.mark.parametrize("mine", [True, False])
async def test_a_total_that_its_list_contradicts_ends_no_look_up(
    server: Liar, name: str, total: object, mine: bool
) -> None:
    """The newest comes last, on the second page."""
    made = [*(-9000.0 + number for number in range(150)), *([1.0] if mine else [-8000.0])]
    items = [{"id": f"esc{n}", **invoice(at, reference_type="")} for n, at in enumerate(made)]

    def page(line: str) -> Lie:
        offset = int(line.partition("offset=")[2].partition("&")[0].split()[0])
        shown = items[offset : offset + 100]
        said = len(shown) if total == "page" else total
        return Lie({"total": said, "account_id": "acct_1", "invoices": shown, "escrow_transactions": shown})

    server.answer = page
    found = await told(server, name, since=when(-3600))
    assert (found.verdict, len(found.candidates), found.done) == (CANNOT, int(mine), False), found.reason
    assert "not whole" in found.reason
    assert len(server.asked) == 3


@pytest.mark.asyncio
@pytest.mark.parametrize("state", ["FAILED", "OPEN", "PROCESSING", "CANCELED", "LIMBO"])
async def test_a_transfer_whose_invoice_is_not_paid_has_not_taken_effect_for_certain(server: Liar, state: str) -> None:
    server.say(listed(invoice(1, reference_type="", invoice_type="balance_transfer", state=state)))
    found = await told(server, "transfers.create", since=when(-3600))
    # Its invoice is its own doing, so one that is open is a transfer under way, and a second one would be paid as well.
    assert found.verdict is (NOT_SEEN if state == "FAILED" else CANNOT)
    assert "sent again soon with the same body and its idempotency key" in found.reason


@pytest.mark.asyncio
@pytest.mark.parametrize("name", ["invoices.create", "escrow.create", "transfers.create"])
@pytest.mark.parametrize("order", ["ascending", "by something else", "of one moment", "of which one is not told"])
async def test_a_list_in_another_order_than_asked_for_is_read_to_its_end(server: Liar, name: str, order: str) -> None:
    """The one that was made comes last, on the third page."""
    made = [-3600.0 - number for number in range(249)]
    if order == "ascending":
        made.reverse()
    elif order == "by something else":
        made[::2] = sorted(made[::2])
    items: list[dict[str, object]] = [
        {"id": f"esc{number}", "account_id": "acct_1", "status": "OPEN", **invoice(seconds), "reference_type": ""}
        for number, seconds in enumerate([*made, 0.0])
    ]
    if order == "of one moment":
        items = [{**item, "created": items[0]["created"]} for item in items[:-1]] + items[-1:]
    if order == "of which one is not told":
        items[7]["created"] = None

    def page(line: str) -> Lie:
        offset = int(line.partition("offset=")[2].partition("&")[0].split()[0]) if "offset=" in line else 0
        return Lie(
            {
                "total": 250,
                "invoices": items[offset : offset + 100],
                "escrow_transactions": items[offset : offset + 100],
            }
        )

    server.answer = page
    found = await told(server, name)
    assert found.verdict is CANNOT, found.reason
    assert len(found.candidates) == (2 if order == "of which one is not told" else 1)
    assert len(server.asked) == 3


@pytest.mark.asyncio
async def test_a_list_that_is_too_long_to_be_read_is_reported(server: Liar) -> None:
    def page(line: str) -> Lie:
        number = len(server.asked)
        others = [invoice(-9000, reference_id="x", invoice_id=f"{number}-{each}") for each in range(99)]
        return Lie({"invoices": [invoice(-7200 + number, reference_id="x"), *others]})

    server.answer = page
    found = await told(server, "invoices.create")
    assert found.verdict is CANNOT
    assert "longer list" in found.reason
    assert len(server.asked) == 10

    # What is found in a part of a list may not be the only one.
    def with_mine(line: str) -> Lie:
        others = page(line).body["invoices"][1:]
        return Lie({"invoices": [invoice(0 if len(server.asked) == 1 else -9000 - len(server.asked)), *others]})

    server.asked.clear()
    server.answer = with_mine
    found = await told(server, "invoices.create", since=when(-3600))
    assert (found.verdict, len(found.candidates)) == (CANNOT, 1)
    assert len(server.asked) == 10


@pytest.mark.asyncio
@pytest.mark.parametrize("name", ["invoices.create", "escrow.create", "transfers.create", "payouts.request"])
async def test_only_a_list_can_be_empty(server: Liar, name: str) -> None:
    for body in ({}, None, {"invoices": None}, {"status": "ok"}, b'{"status":"Success","message":[],"codes":[]}'):
        server.say(body)
        found = await told(server, name)
        assert (found.verdict, found.candidates) == (CANNOT, ()), found.reason
    empty: dict[str, list[object]] = {
        "payouts.request": [[]],
        "escrow.create": [{"total": "0", "escrow_transactions": None}, {"escrow_transactions": []}],
    }
    for body in empty.get(name, [{"total": 0, "invoices": None}, {"invoices": []}, {"invoices": {}}, []]):
        server.say(body)
        found = await told(server, name)
        assert found.verdict is NOT_SEEN, (body, found.reason)
        assert ("idempotency key" in found.reason) == (name == "transfers.create")


@pytest.mark.asyncio
async def test_a_custom_wallet_may_be_any_that_is_new(server: Liar) -> None:
    def method(kind: str, seconds: float, **fields: object) -> dict[str, object]:
        return {
            "id": f"{kind}{seconds}",
            "provider": "wallet",
            "method_class": kind,
            "created": unzoned(seconds),
            **fields,
        }

    standard = [method(kind, 0) for kind in ("registration", "standard", "convertible")]
    server.say([*standard, method("visa", 0, provider="rebilly"), method("wallet", -DAY)])
    assert (await told(server, "payment_methods.create_custom_wallet")).verdict is NOT_SEEN
    for kind in ("wallet", "hosted"):
        server.say([*standard, method(kind, 0)])
        found = await told(server, "payment_methods.create_custom_wallet")
        assert (found.verdict, len(found.candidates)) == (CANNOT, 1)
    for provider in (None, "", 7):
        server.say([*standard, method("hosted", 0, provider=provider)])
        found = await told(server, "payment_methods.create_custom_wallet")
        assert (found.verdict, len(found.candidates)) == (CANNOT, 1), "it does not say that it is something else"
    # Tilia lists nothing for an account that does not exist.
    server.say([])
    assert (await told(server, "payment_methods.create_custom_wallet")).verdict is CANNOT
