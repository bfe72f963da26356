"""Measures what it costs to read a large answer into models."""

from __future__ import annotations

import json
from collections.abc import Callable
from statistics import median

import orjson

from benchmarks.section import Section, Table
from benchmarks.stage import Stage
from benchmarks.timing import repeated
from tilia_async.models.invoices import Invoice
from tilia_async.wire import codec, envelope
from tilia_async.wire.envelope import RawResponse

LINE_ITEMS = 200
SUBITEMS = 2
ROUNDS = 7


def subitem(number: int) -> dict[str, object]:
    return {
        "subitem_id": f"d54d35a7-e4c6-11ea-87d0-{number:012}",
        "subitem_type": "user_recipient_virtual",
        "amount": number,
        "currency": "TST",
        "display_amount": f"TST {number}",
        "reference_type": "",
        "reference_id": "",
        "description": "",
        "metadata": {},
        "source_account_id": "0b1c3f5a-8d3e-4c55-9a51-2f1f7c1d2e3f",
        "source_payment_method_id": "",
        "source_wallet_id": "7293c5de-8d3e-4c55-9a51-2f1f7c1d2e3f",
        "destination_account_id": "5e1c3f5a-8d3e-4c55-9a51-2f1f7c1d2e3f",
        "destination_payment_method_id": "",
        "destination_wallet_id": "9cf1c5de-8d3e-4c55-9a51-2f1f7c1d2e3f",
    }


def line_item(number: int) -> dict[str, object]:
    subitems = [subitem(number * SUBITEMS + each) for each in range(SUBITEMS)]
    return {
        "line_item_id": f"a24d35a7-e4c6-11ea-87d0-{number:012}",
        "product_sku": f"SKU-{number}",
        "amount": number,
        "currency": "TST",
        "display_amount": f"TST {number}",
        "reference_type": "",
        "reference_id": "",
        "transaction_type": "user_to_user_virtual",
        "description": f"Line item {number}",
        "metadata": None,
        "sort_order": number,
        "subitems": {each["subitem_id"]: each for each in subitems},
        "created": "2022-03-01T01:00:49.342779Z",
    }


def large_answer() -> bytes:
    items = [line_item(number) for number in range(LINE_ITEMS)]
    invoice = {
        "invoice_id": "inv_2V2XDLW6zogChdShdFh8WKOhHii",
        "account_id": "0b1c3f5a-8d3e-4c55-9a51-2f1f7c1d2e3f",
        "invoice_type": "user_purchase_virtual",
        "state": "SUCCESS",
        "summary": {"total_amount": 6, "currency": "TST", "display_amount": "TST 6"},
        "created": "2022-04-11T12:10:44Z",
        "updated": "2022-03-01T01:00:49.342779Z",
        "line_items": {item["line_item_id"]: item for item in items},
    }
    return json.dumps({"status": "Success", "message": [], "codes": [], "payload": invoice}).encode()


def read(body: bytes) -> Invoice:
    """Reads it as a call does."""
    opened = envelope.open_envelope(envelope.read_json(RawResponse(200, {}, body)))
    return codec.decode(opened.payload, Invoice)


def ways(body: bytes) -> dict[str, Callable[[], object]]:
    """Ways to read it."""
    if len(read(body).line_items) != LINE_ITEMS:
        raise ValueError("the large invoice was not read as a whole")
    return {"json": lambda: json.loads(body), "orjson": lambda: orjson.loads(body), "models": lambda: read(body)}


def costs_of_reading(repeats: int, rounds: int) -> dict[str, list[float]]:
    programme = ways(large_answer())
    for way in programme.values():
        way()
    costs: dict[str, list[float]] = {name: [] for name in programme}
    for _ in range(rounds):
        for name, way in programme.items():
            costs[name].append(repeated(way, repeats).processor)
    return costs


def measure(stage: Stage) -> Section:
    rounds = min(stage.rounds, ROUNDS)
    costs = stage.run(costs_of_reading, stage.calls(50), rounds)
    size = len(large_answer())
    told = {
        "json": "`json.loads` alone",
        "orjson": "`orjson.loads` alone",
        "models": "this SDK: bounds, envelope, models with dates and enumerations",
    }
    return Section(
        "A large invoice",
        f"An answer of {size / 1000:.0f} kB: {LINE_ITEMS} line items with {SUBITEMS} subitems each, from bytes to "
        f"objects. The median of {rounds} rounds.",
        Table(
            ("what reads it", "ms", "MB/s", "× json.loads"),
            tuple(
                (
                    told[name],
                    f"{median(taken) / 1000:.2f}",
                    f"{size / median(taken):.0f}",
                    f"{median(taken) / median(costs['json']):.2f}",
                )
                for name, taken in costs.items()
            ),
        ),
        {f"invoice: {name}": taken for name, taken in costs.items()},
    )
