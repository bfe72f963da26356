"""Arguments that the newer methods refuse before anything is sent, and their names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from support.money_calls import ITEM, MOVE, SECOND, SOURCE, drain
from support.money_samples import ESCROW, INVOICE, LINE_ITEM, METHOD, PAYOUT, SELLER
from support.samples import ACCOUNT, WALLET

from tilia_async import Money, RequestOptions, errors
from tilia_async.models.line_items import LineItem, Location, PaymentSource, Recipient
from tilia_async.models.transfers import TransferItem

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from support.recorder import Recorder

    from tilia_async import TiliaClient

    Call = Callable[..., Awaitable[Any]]

ODD_IDS = ("", "a/b", "/", "../x", ".", "..", "a" * 37)
REFERENCES = ("", "a/b", ".", "..")


async def refused(api: Recorder, call: Callable[[], Awaitable[Any]]) -> set[str]:
    """Expect a call to be refused with nothing sent at all, and name the fields."""
    with pytest.raises(errors.InvalidRequestError) as caught:
        await call()
    assert api.requests == []
    assert isinstance(caught.value, ValueError)
    assert caught.value.took_effect is False
    assert all(why for why in caught.value.problems.values())
    return set(caught.value.problems)


def item(**change: Any) -> LineItem:
    """Make a line item to the publisher with something changed."""
    return LineItem(**{"amount": 50, "currency": "USD", "transaction_type": "user_to_integrator", **change})


def share(**change: Any) -> LineItem:
    """Make a line item with a recipient, and change the recipient."""
    one = Recipient(**{"amount": 500, "currency": "USD", "destination_account_id": SELLER, **change})
    return LineItem(amount=550, currency="USD", transaction_type="user_to_user", recipients=[one])


def move(**change: Any) -> TransferItem:
    """Make a transfer item with something changed."""
    start: dict[str, Any] = {"source_wallet_id": WALLET, "destination_wallet_id": SECOND, "amount": 1}
    return TransferItem(**{**start, "currency": "USD", **change})


BY_ID: dict[str, tuple[str, Call]] = {
    "start_purchase": ("payment_method_id", lambda t, key: t.token_exchanges.start_purchase(key, 1, "VCD")),
    "start_purchase-to": (
        "destination_account_id",
        lambda t, key: t.token_exchanges.start_purchase(METHOD, 1, "VCD", destination_account_id=key),
    ),
    "buy": ("payment_method_id", lambda t, key: t.token_exchanges.buy(key, 1, "VCD")),
    "execute_purchase": ("token_exchange_id", lambda t, key: t.token_exchanges.execute_purchase(key)),
    "start_conversion": ("account_id", lambda t, key: t.token_exchanges.start_conversion(key, 1, "VCD")),
    "execute_conversion": ("token_exchange_id", lambda t, key: t.token_exchanges.execute_conversion(key)),
    "exchange": ("token_exchange_id", lambda t, key: t.token_exchanges.get(key)),
    "invoice": ("account_id", lambda t, key: t.invoices.create(key, [ITEM], [SOURCE])),
    "invoice-source": (
        "payment_methods[0].payment_method_id",
        lambda t, key: t.invoices.create(ACCOUNT, [ITEM], [PaymentSource(key)]),
    ),
    "invoice-recipient": (
        "line_items[0].recipients[0].destination_wallet_id",
        lambda t, key: t.invoices.create(ACCOUNT, [share(destination_wallet_id=key)], [SOURCE]),
    ),
    "pay": ("invoice_id", lambda t, key: t.invoices.pay(key)),
    "get": ("invoice_id", lambda t, key: t.invoices.get(key)),
    "invoices": ("account_id", lambda t, key: drain(t.invoices.list(key))),
    "authorize": ("account_id", lambda t, key: t.invoices.authorize(key, [ITEM], "api")),
    "authorized": ("authorized_invoice_id", lambda t, key: t.invoices.get_authorized(key)),
    "escrow": ("account_id", lambda t, key: t.escrow.create(key, [ITEM], [SOURCE])),
    "escrow-pay": ("escrow_id", lambda t, key: t.escrow.pay(key)),
    "escrow-commit": ("escrow_id", lambda t, key: t.escrow.commit(key)),
    "escrow-cancel": ("escrow_id", lambda t, key: t.escrow.cancel(key)),
    "escrow-get": ("escrow_id", lambda t, key: t.escrow.get(key)),
    "escrow-by-invoice": ("invoice_id", lambda t, key: t.escrow.find_by_invoice(key)),
    "refund": ("invoice_id", lambda t, key: t.refunds.refund_invoice(key)),
    "refund-item": ("line_item_id", lambda t, key: t.refunds.refund_line_item(key, 1, [METHOD], "other")),
    "refunds": ("invoice_id", lambda t, key: t.refunds.list(key)),
    "payout": ("account_id", lambda t, key: t.payouts.request(key, METHOD, "pm_2", 1, "USD")),
    "payout-from": ("source_payment_method_id", lambda t, key: t.payouts.request(ACCOUNT, key, "pm_2", 1, "USD")),
    "payout-to": ("destination_payment_method_id", lambda t, key: t.payouts.request(ACCOUNT, METHOD, key, 1, "USD")),
    "payouts": ("account_id", lambda t, key: t.payouts.list(key)),
    "payout-get": ("payout_status_id", lambda t, key: t.payouts.get(ACCOUNT, key)),
    "payout-get-account": ("account_id", lambda t, key: t.payouts.get(key, PAYOUT)),
    "payout-cancel": ("payout_status_id", lambda t, key: t.payouts.cancel(ACCOUNT, key)),
    "transfer": ("account_id", lambda t, key: t.transfers.create(key, "fund_user", [MOVE])),
    "transfer-source": (
        "transfer_items[0].source_wallet_id",
        lambda t, key: t.transfers.create(ACCOUNT, "fund_user", [move(source_wallet_id=key)]),
    ),
    "transfer-destination": (
        "transfer_items[1].destination_wallet_id",
        lambda t, key: t.transfers.create(ACCOUNT, "fund_user", [MOVE, move(destination_wallet_id=key)]),
    ),
    "tos": ("account_id", lambda t, key: t.compliance.tos_status(key)),
    "kyc": ("account_id", lambda t, key: t.compliance.kyc_status(key)),
    "onboard": ("account_id", lambda t, key: t.compliance.onboard_entity(key, "Tilia Entity")),
    "update": ("account_id", lambda t, key: t.accounts.update(key, full_name="David")),
    "block_capability": ("account_id", lambda t, key: t.accounts.block_capability(key)),
    "get_blocks": ("account_id", lambda t, key: t.accounts.get_blocks(key)),
    "merge-from": ("source_account_id", lambda t, key: t.accounts.merge(key, ACCOUNT)),
    "merge-to": ("destination_account_id", lambda t, key: t.accounts.merge(ACCOUNT, key)),
    "custom-wallet": ("account_id", lambda t, key: t.wallets.create_custom(key, "publisher_hosted")),
    "wait": ("account_id", lambda t, key: t.wallets.wait_until_ready(key, timeout=1)),
    "method": ("payment_method_id", lambda t, key: t.payment_methods.get(key)),
    "method-update": ("payment_method_id", lambda t, key: t.payment_methods.update(key, display_string="Mine")),
    "methods": ("account_id", lambda t, key: t.payment_methods.transaction_methods(key)),
    "custom-method": ("account_id", lambda t, key: t.payment_methods.create_custom_wallet(key, "publisher_hosted")),
}


@pytest.mark.asyncio
@pytest.mark.parametrize("key", ODD_IDS)
@pytest.mark.parametrize("name", BY_ID)
async def test_id(api: Recorder, tilia: TiliaClient, name: str, key: str) -> None:
    """An id that could not be one is refused by name."""
    field, call = BY_ID[name]
    assert await refused(api, lambda: call(tilia, key)) == {field}


@pytest.mark.asyncio
@pytest.mark.parametrize("key", REFERENCES)
async def test_reference(api: Recorder, tilia: TiliaClient, key: str) -> None:
    """A reference is no id of Tilia's, but has to fit into a path."""
    assert await refused(api, lambda: drain(tilia.escrow.list_by_reference(key))) == {"reference_id"}


AMOUNTS: dict[str, tuple[str, Call]] = {
    "start_purchase": ("", lambda t, *amount: t.token_exchanges.start_purchase(METHOD, *amount)),
    "buy": ("", lambda t, *amount: t.token_exchanges.buy(METHOD, *amount)),
    "payout": ("", lambda t, *amount: t.payouts.request(ACCOUNT, METHOD, "pm_2", *amount)),
    "line-item": (
        "line_items[1].",
        lambda t, amount, currency=None: t.invoices.create(
            ACCOUNT, [ITEM, item(amount=amount, currency=currency)], [SOURCE]
        ),
    ),
    "authorize": (
        "line_items[0].",
        lambda t, amount, currency=None: t.invoices.authorize(ACCOUNT, [item(amount=amount, currency=currency)], "api"),
    ),
    "recipient": (
        "line_items[0].recipients[0].",
        lambda t, amount, currency=None: t.escrow.create(ACCOUNT, [share(amount=amount, currency=currency)], [SOURCE]),
    ),
    "transfer": (
        "transfer_items[0].",
        lambda t, amount, currency=None: t.transfers.create(
            ACCOUNT, "fund_user", [move(amount=amount, currency=currency)]
        ),
    ),
}
WRONG: dict[str, tuple[tuple[Any, ...], set[str]]] = {
    "bool": ((True, "USD"), {"amount"}),
    "float": ((1.5, "USD"), {"amount"}),
    "whole-float": ((2.0, "USD"), {"amount"}),
    "text": (("5", "USD"), {"amount"}),
    "zero": ((0, "USD"), {"amount"}),
    "negative": ((-1, "USD"), {"amount"}),
    "zero-money": ((Money(0, "USD"),), {"amount"}),
    "negative-money": ((Money(-1, "USD"),), {"amount"}),
    "money-and-currency": ((Money(5, "USD"), "USD"), {"amount", "currency"}),
    "no-currency": ((5,), {"currency"}),
    "short-currency": ((5, "US"), {"currency"}),
    "long-currency": ((5, "USDX"), {"currency"}),
    "empty-currency": ((5, ""), {"currency"}),
}


@pytest.mark.asyncio
@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("name", AMOUNTS)
async def test_amount(api: Recorder, tilia: TiliaClient, name: str, wrong: str) -> None:
    """An amount is a whole number of at least 1 with a currency of three characters, and nothing else."""
    prefix, call = AMOUNTS[name]
    amount, fields = WRONG[wrong]
    found = await refused(api, lambda: call(tilia, *amount))
    assert found
    assert found <= {f"{prefix}{field}" for field in fields}


@pytest.mark.asyncio
@pytest.mark.parametrize("amount", [True, 1.5, 0, -1, Money(0, "USD")], ids=repr)
async def test_amount_without_currency(api: Recorder, tilia: TiliaClient, amount: Any) -> None:
    """The amount has its rules also where Tilia wants no currency."""
    assert await refused(api, lambda: tilia.token_exchanges.start_conversion(ACCOUNT, amount)) == {"amount"}
    refund = tilia.refunds.refund_line_item
    assert await refused(api, lambda: refund(LINE_ITEM, amount, [METHOD], "other")) == {"amount"}


OF_A_BODY: dict[str, tuple[set[str], dict[str, Any]]] = {
    "no-items": ({"line_items"}, {"line_items": []}),
    "recipients-of-the-publisher": (
        {"line_items[0].recipients"},
        {"line_items": [item(recipients=[Recipient(amount=50, currency="USD", destination_account_id=SELLER)])]},
    ),
    "no-remainder": ({"payment_methods"}, {"payment_methods": [PaymentSource(METHOD, 1), PaymentSource("pm_2", 2)]}),
    "two-remainders": ({"payment_methods"}, {"payment_methods": [PaymentSource(METHOD, 0), PaymentSource("pm_2", 0)]}),
    "no-amounts": ({"payment_methods"}, {"payment_methods": [PaymentSource(METHOD), PaymentSource("pm_2")]}),
    "negative-source": (
        {"payment_methods[1].amount"},
        {"payment_methods": [PaymentSource(METHOD, 0), PaymentSource("pm_2", -1)]},
    ),
    "float-source": (
        {"payment_methods[1].amount"},
        {"payment_methods": [PaymentSource(METHOD, 0), PaymentSource("pm_2", 1.5)]},  # type: ignore[arg-type] - on purpose
    ),
    "bool-source": (
        {"payment_methods[1].amount"},
        {"payment_methods": [PaymentSource(METHOD, 0), PaymentSource("pm_2", True)]},
    ),
    "state-alone": ({"location.state", "location.country"}, {"location": Location(state="OH")}),
}


@pytest.mark.asyncio
@pytest.mark.parametrize("name", OF_A_BODY)
async def test_body(api: Recorder, tilia: TiliaClient, name: str) -> None:
    """The rules that hold between the parts of an invoice or escrow."""
    fields, change = OF_A_BODY[name]
    body: dict[str, Any] = {"line_items": [ITEM], "payment_methods": [SOURCE], **change}
    for create in (tilia.invoices.create, tilia.escrow.create):
        found = await refused(api, lambda create=create: create(ACCOUNT, **body))
        assert found
        assert found <= fields


@pytest.mark.asyncio
async def test_all_problems_are_named(api: Recorder, tilia: TiliaClient) -> None:
    """All problems of all parts are told at once, each with its place."""
    wrong = [ITEM, item(amount=0), share(amount=1.5)]
    found = await refused(api, lambda: tilia.invoices.create("", wrong, [PaymentSource("")]))
    assert found == {
        "account_id",
        "line_items[1].amount",
        "line_items[2].recipients[0].amount",
        "payment_methods[0].payment_method_id",
    }


OTHERS: dict[str, tuple[set[str], Call]] = {
    "purchase-place": (
        {"location.state", "location.country"},
        lambda t: t.token_exchanges.start_purchase(METHOD, 1, "VCD", location=Location(state="OH")),
    ),
    "no-refund-methods": ({"payment_methods"}, lambda t: t.refunds.refund_line_item(LINE_ITEM, 1, [], "other")),
    "no-transfer-items": ({"transfer_items"}, lambda t: t.transfers.create(ACCOUNT, "fund_user", [])),
    "no-transfer-type": ({"balance_transfer_type"}, lambda t: t.transfers.create(ACCOUNT, "", [MOVE])),
    "no-entity-name": ({"entity_name"}, lambda t: t.compliance.onboard_entity(ACCOUNT, "")),
    "no-wallet-type": ({"wallet_type"}, lambda t: t.wallets.create_custom(ACCOUNT, "")),
    "no-method-type": ({"wallet_type"}, lambda t: t.payment_methods.create_custom_wallet(ACCOUNT, "")),
    "update-state-alone": (
        {"state_province", "country_iso"},
        lambda t: t.accounts.update(ACCOUNT, state_province="CA"),
    ),
    "update-country-alone": ({"state_province", "country_iso"}, lambda t: t.accounts.update(ACCOUNT, country_iso="US")),
    "update-email": ({"email"}, lambda t: t.accounts.update(ACCOUNT, email="nowhere")),
    "get-or-register-both": (
        {"email", "external_platforms"},
        lambda t: t.accounts.get_or_register("david", email="a@b.co", external_platforms={"steam": "1"}),
    ),
    "transfer-key": (
        {"idempotency_key"},
        lambda t: t.transfers.create(ACCOUNT, "fund_user", [MOVE], options=RequestOptions(idempotency_key="mine")),
    ),
}


@pytest.mark.asyncio
@pytest.mark.parametrize("name", OTHERS)
async def test_rule(api: Recorder, tilia: TiliaClient, name: str) -> None:
    """A value that Tilia is known to refuse is not sent."""
    fields, call = OTHERS[name]
    found = await refused(api, lambda: call(tilia))
    assert found
    assert found <= fields


@pytest.mark.asyncio
@pytest.mark.parametrize("key", [INVOICE, ESCROW, "a" * 36, "09c9e3ee-8af5-4206-aaa4-1a913ea855d2"])
async def test_ids_are_not_judged(api: Recorder, tilia: TiliaClient, key: str) -> None:
    """Old and new ids are in use side by side, so no form is asked for."""
    api.succeed({"invoice_id": key})
    assert (await tilia.invoices.get(key)).invoice_id == key
