"""Models as JSON: for task queues, pydantic and FastAPI."""

import importlib
import json
import pkgutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Annotated, get_type_hints

import attrs
import httpx
import pydantic
import pytest
from fastapi import Body, FastAPI
from hypothesis import given
from hypothesis import strategies as st
from kombu import serialization

import tilia_async.models
import tilia_sync.models
from tilia_async import Money, models
from tilia_async.json_model import JsonModel
from tilia_async.models import (
    Account,
    Invoice,
    InvoiceLineItem,
    InvoiceState,
    PaymentMethod,
    PayoutCredit,
    RefundedPayment,
    Summary,
    TokenExchange,
    UserToken,
    Wallet,
)
from tilia_async.wire.codec import decode
from tilia_async.wire.operation import Operation

AT = datetime(2026, 11, 29, 1, 4, 5, 600, tzinfo=UTC)
INVOICE = Invoice(
    "inv_1",
    state=InvoiceState.OPEN,
    metadata={"order": [1, None, {"a": True}]},
    line_items=(InvoiceLineItem("li_1", amount=700, currency="USD"),),
    created=AT,
)


def model_types() -> Iterator[type[JsonModel]]:
    """Yield all models of the package."""
    for module in pkgutil.iter_modules(models.__path__):
        for value in vars(importlib.import_module(f"tilia_async.models.{module.name}")).values():
            if isinstance(value, type) and issubclass(value, JsonModel) and value is not JsonModel:
                yield value


MODELS = sorted(set(model_types()), key=lambda each: each.__name__)


def test_a_model_is_a_dictionary_of_what_json_has() -> None:
    told = INVOICE.to_dict()
    assert told["state"] == "OPEN"
    assert type(told["state"]) is str
    assert told["created"] == "2026-11-29T01:04:05.000600Z"
    assert told["metadata"] == {"order": [1, None, {"a": True}]}
    assert told["line_items"][0]["amount"] == 700  # type: ignore[index,call-overload]  # a list of dictionaries
    assert json.loads(INVOICE.to_json()) == told


def test_fields_that_repr_hides_are_in_it() -> None:
    token = UserToken("abc")
    assert "abc" not in repr(token)
    assert token.to_dict()["access_token"] == "abc"


@pytest.mark.parametrize("model", MODELS, ids=lambda each: each.__name__)
def test_each_model_has_all_its_fields_in_json_and_in_pydantics_schema(model: type[JsonModel]) -> None:
    fields = {field.name: field for field in attrs.fields(model)}  # type: ignore[arg-type]  # each is an attrs class
    schema = pydantic.TypeAdapter(model).json_schema()
    properties = schema.get("properties") or schema["$defs"][model.__name__]["properties"]
    assert set(properties) == set(fields)
    required = {name for name, field in fields.items() if field.default is attrs.NOTHING}
    assert set((schema if "properties" in schema else schema["$defs"][model.__name__]).get("required", [])) == required


@pytest.mark.parametrize("model", MODELS, ids=lambda each: each.__name__)
def test_each_field_of_each_model_is_explained(model: type[JsonModel]) -> None:
    import ast
    import inspect

    (tree,) = ast.parse(inspect.getsource(model)).body
    assert isinstance(tree, ast.ClassDef)
    bare = [
        field.target.id
        for field, after in zip(tree.body, [*tree.body[1:], None], strict=True)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and not (isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant))
    ]
    assert not bare


class Order(pydantic.BaseModel):
    account: Account
    invoice: Invoice | None = None
    exchange: TokenExchange | None = None
    wallets: list[Wallet] = []


def test_a_pydantic_field_goes_to_json_and_back() -> None:
    exchange = TokenExchange("vtok_1", status="A-NEW-WORD", exchange_rate=0.01)
    order = Order(account=Account("acct_1"), invoice=INVOICE, exchange=exchange, wallets=[Wallet("wal_1")])
    again = Order.model_validate_json(order.model_dump_json())
    assert again == order
    assert again.invoice is not None
    assert type(again.invoice.state) is InvoiceState
    assert again.exchange is not None
    assert again.exchange.status == "A-NEW-WORD"
    assert hash(again.invoice) == hash(INVOICE)


def test_pydantic_tells_what_is_wrong_with_a_field() -> None:
    with pytest.raises(pydantic.ValidationError, match=r"account_id"):
        Order.model_validate({"account": {"username": "nyx"}})


def test_an_instance_stays_itself_in_pydantic() -> None:
    assert Order(account=Account("acct_1"), invoice=INVOICE).invoice is INVOICE


@pytest.mark.asyncio
async def test_fastapi_takes_and_returns_models() -> None:
    app = FastAPI()

    @app.get("/invoice")
    async def invoice() -> Invoice:
        return INVOICE

    @app.post("/exchange")
    async def exchange(body: Annotated[TokenExchange, Body()]) -> list[TokenExchange]:
        return [body]

    given_one = TokenExchange("vtok_1", user_paid_amount=7, user_paid_currency="USD")
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://app") as client:
        assert (await client.get("/invoice")).json() == INVOICE.to_dict()
        assert (await client.post("/exchange", json=given_one.to_dict())).json() == [given_one.to_dict()]
        assert (await client.post("/exchange", json={})).status_code == 422
        schemas = (await client.get("/openapi.json")).json()["components"]["schemas"]
    assert {"Invoice", "InvoiceLineItem", "TokenExchange"} <= set(schemas)


def test_a_celery_task_may_return_models() -> None:
    result = {"invoices": [INVOICE], "first": (INVOICE,)}
    assert json.loads(serialization.dumps(result, "json")[2]) == {
        "invoices": [INVOICE.to_dict()],
        "first": [INVOICE.to_dict()],
    }


@given(st.builds(Account, account_id=st.text(min_size=1), username=st.none() | st.text(), is_blocked=st.booleans()))
def test_what_a_model_tells_is_read_as_the_same_model(account: Account) -> None:
    assert decode(account.to_dict(), Account) == account


def test_pydantic_is_not_imported_by_the_package() -> None:
    code = "import sys, tilia_async.models, tilia_sync; sys.exit('pydantic' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_amounts_come_with_their_currency() -> None:
    exchange = TokenExchange("vtok_1", user_paid_amount=7, user_paid_currency="USD", user_received_amount=7)
    assert str(exchange.user_paid) == "USD 0.07"
    assert exchange.user_received is None
    assert Summary(total_amount=5, currency="").total is None
    assert Summary(total_amount=5, currency="TOO LONG").total is None
    assert InvoiceLineItem("li", amount=5, currency="TST", amount_refunded=2).refunded == Money(2, "TST")
    assert Wallet("wal", currency="USD", current_balance=0).balance == Money(0, "USD")
    assert PaymentMethod("pm", processing_currency="USD", wallet_balance=5).balance == Money(5, "USD")
    assert PayoutCredit(amount=1, fee_amount=2, currency="USD").fee == Money(2, "USD")
    assert RefundedPayment(processing_amount=95, processing_currency="EUR").processed == Money(95, "EUR")


def test_each_result_of_an_operation_is_exported_by_both_packages() -> None:
    from tilia_async.api import OPERATIONS

    def named(operation: Operation[object]) -> Iterator[type]:
        for each in (operation.returns, *getattr(operation.returns, "__args__", ())):
            if isinstance(each, type) and attrs.has(each):
                yield each

    for operation in OPERATIONS.values():
        for each in named(operation):
            assert getattr(models, each.__name__) is each
            assert getattr(tilia_sync.models, each.__name__) is each
    assert tilia_sync.models.__all__ == tilia_async.models.__all__


def test_each_model_that_a_model_holds_is_exported() -> None:
    for model in set(MODELS) - {Money}:
        assert model.__name__ in models.__all__
        get_type_hints(model)


def test_an_unknown_kind_of_value_is_refused_by_name() -> None:
    with pytest.raises(TypeError, match="object has no form in JSON"):
        Invoice("inv_1", metadata=object()).to_dict()  # type: ignore[arg-type]  # what nobody may pass


def test_times_come_out_in_utc() -> None:
    elsewhere = datetime(2026, 1, 1, 2, tzinfo=timezone(timedelta(hours=2)))
    assert Account("a", created=elsewhere).to_dict()["created"] == "2026-01-01T00:00:00Z"
