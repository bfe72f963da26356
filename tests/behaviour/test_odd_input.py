"""Input that a type checker would have caught, or not: it is refused, or sent as it was meant."""

import enum
from collections.abc import Callable, Iterator
from types import MappingProxyType

import pytest

from tilia_async import LineItem, Location, Money, PaymentSource, Recipient, TiliaClient, TransferItem, errors
from tilia_async.sandbox import Sandbox

ITEM = LineItem(amount=5, currency="USD", transaction_type="user_to_integrator")
PAIR = Recipient(amount=5, currency="USD", destination_account_id="acct_1")
MOVE = TransferItem(source_wallet_id="wal_1", destination_wallet_id="wal_2", amount=5, currency="USD")


class Word(str, enum.Enum):  # noqa: UP042 - StrEnum would be too easy
    """An enumeration as older code writes it: ``str()`` of a member is ``Word.BILLING``."""

    BILLING = "billing"
    TYPE = "user_to_integrator"
    STATE = "OPEN"


def once(*values: object) -> Iterator[object]:
    yield from values


async def sent(sandbox: Sandbox, call: object) -> dict[str, object]:
    """The body that a call sends; Tilia's answer does not matter."""
    with pytest.raises(errors.ApiError):
        await call
    return dict(sandbox.requests[-1].json)


@pytest.mark.asyncio
async def test_what_can_be_iterated_only_once_is_sent_whole(tilia: TiliaClient, sandbox: Sandbox) -> None:
    tilia_call = tilia.invoices.create("acct_1", once(ITEM, ITEM), once(PaymentSource("pm_1")))
    body = await sent(sandbox, tilia_call)
    assert (len(body["line_items"]), len(body["payment_methods"])) == (2, 1)
    shared = LineItem(amount=5, currency="USD", transaction_type="user_to_user", recipients=once(PAIR, PAIR))
    body = await sent(sandbox, tilia.escrow.create("acct_1", once(shared)))
    assert len(body["line_items"][0]["recipients"]) == 2
    body = await sent(sandbox, tilia.refunds.refund_line_item("li_1", 5, once("pm_1", "pm_2"), "billing"))
    assert body["payment_methods"] == ["pm_1", "pm_2"]
    body = await sent(sandbox, tilia.wallets.create_custom("acct_1", "no_such_type", once("coin:TOK")))
    assert body["tags"] == ["coin:TOK"]


@pytest.mark.asyncio
async def test_a_member_of_any_enumeration_goes_out_by_its_value(tilia: TiliaClient, sandbox: Sandbox) -> None:
    body = await sent(sandbox, tilia.refunds.refund_invoice("inv_1", Word.BILLING, note=Word.STATE))
    assert (body["reason"], body["note"]) == ("billing", "OPEN")
    item = LineItem(amount=5, currency="USD", transaction_type=Word.TYPE)
    body = await sent(sandbox, tilia.invoices.create("acct_1", [item], reference_id=Word.STATE))
    assert (body["line_items"][0]["transaction_type"], body["reference_id"]) == ("user_to_integrator", "OPEN")


@pytest.mark.asyncio
async def test_money_does_for_the_amount_of_a_source(tilia: TiliaClient, sandbox: Sandbox) -> None:
    sources = [PaymentSource("pm_1", Money(5, "USD")), PaymentSource("pm_2", Money(0, "USD"))]
    body = await sent(sandbox, tilia.invoices.create("acct_1", [ITEM], sources))
    assert [source["amount"] for source in body["payment_methods"]] == [5, 0]


@pytest.mark.asyncio
async def test_any_mapping_does_for_metadata(tilia: TiliaClient, sandbox: Sandbox) -> None:
    body = await sent(sandbox, tilia.invoices.create("acct_1", [ITEM], metadata=MappingProxyType({"a": 1})))
    assert body["metadata"] == {"a": 1}


REFUSED: dict[str, Callable[[TiliaClient], object]] = {
    "line_items": lambda tilia: tilia.invoices.create("acct_1", None),
    "line_items ": lambda tilia: tilia.invoices.create("acct_1", ITEM),
    "line_items[0]": lambda tilia: tilia.invoices.create("acct_1", [{"amount": 5}]),
    "line_items[0].description": lambda tilia: tilia.invoices.create(
        "acct_1", [LineItem(amount=5, currency="USD", transaction_type="user_to_integrator", description=5)]
    ),
    "payment_methods": lambda tilia: tilia.invoices.create("acct_1", [ITEM], None),
    "payment_methods ": lambda tilia: tilia.refunds.refund_line_item("li_1", 5, "pm_1", "billing"),
    "location": lambda tilia: tilia.invoices.create("acct_1", [ITEM], location={"country": "US"}),
    "location.state": lambda tilia: tilia.invoices.create("acct_1", [ITEM], location=Location(country="US", state=5)),
    "location.country": lambda tilia: tilia.token_exchanges.start_purchase(
        "pm_1", 5, "TOK", location=Location(state="OH")
    ),
    "transfer_items": lambda tilia: tilia.transfers.create("acct_1", "fund_user", MOVE),
    "note": lambda tilia: tilia.refunds.refund_invoice("inv_1", note=5),
    "status": lambda tilia: tilia.refunds.list("inv_1", True),
    "tags": lambda tilia: tilia.wallets.create_custom("acct_1", "publisher_hosted", "coin:TOK"),
    "external_platforms": lambda tilia: tilia.accounts.update("acct_1", external_platforms="steam"),
    "timeout": lambda tilia: tilia.wallets.wait_until_ready("acct_1", "x"),
}


@pytest.mark.asyncio
@pytest.mark.parametrize("field", REFUSED)
async def test_what_cannot_be_meant_is_refused_with_its_place(tilia: TiliaClient, sandbox: Sandbox, field: str) -> None:
    with pytest.raises(errors.InvalidRequestError) as caught:
        await REFUSED[field](tilia)
    assert field.strip() in caught.value.problems
    assert list(sandbox.requests) == []


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("field", "settings"),
    [
        ("states", {"states": "OPEN"}),
        ("states", {"states": None}),
        ("states[0]", {"states": [None]}),
        ("invoice_types", {"invoice_types": "user_purchase"}),
        ("include_recipient_transactions", {"include_recipient_transactions": "false"}),
        ("page_size", {"page_size": 0}),
        ("sort", {"sort": "down"}),
    ],
)
async def test_a_list_is_checked_before_its_first_page(
    sandbox: Sandbox, field: str, settings: dict[str, object]
) -> None:
    with pytest.raises(errors.InvalidRequestError) as caught:
        TiliaClient("i", "s", sandbox.environment).invoices.list("acct_1", **settings)
    assert field in caught.value.problems
    assert list(sandbox.requests) == []


@pytest.mark.parametrize("currency", ["ÄÖ٣", "us$", "US"])
def test_money_has_a_code_that_tilia_could_take(currency: str) -> None:
    with pytest.raises(ValueError, match="currency"):
        Money(5, currency)


@pytest.mark.parametrize("shares", [[0.5, 0.5], True])
def test_money_is_not_split_by_fractions(shares: object) -> None:
    with pytest.raises(TypeError):
        Money(5, "USD").split(shares)
