"""The short ways of a good answer give what the long ways give, or leave it to them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

import attrs
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.good_answers import GOOD
from support.odd_json import bodies
from test_hostile_answers import THERE, asked

from tilia_async import Operation
from tilia_async.api import OPERATIONS
from tilia_async.json_value import JsonValue
from tilia_async.transport.requestor import new_key
from tilia_async.wire import codec
from tilia_async.wire.codec import PayloadError, decode
from tilia_async.wire.envelope import RawResponse, open_envelope, payload_of
from tilia_async.wire.json_reader import DEEPEST, loads
from tilia_async.wire.request import build
from tilia_async.wire.response import Success, interpret, well

EXAMPLES = [40, pytest.param(1_000, marks=[pytest.mark.nightly, pytest.mark.timeout(1_200)])]
HEALTH = [HealthCheck.too_slow, HealthCheck.data_too_large]
WITHOUT_REQUIRED_FIELDS: Final = {
    "accounts.block_capability",
    "accounts.get_blocks",
    "wallets.balances",
    "payment_methods.transaction_methods",
    "invoices.authorize",
    "invoices.get_authorized",
    "refunds.list",
    "transfers.create",
}
"""Operations of which the short way cannot tell whether an answer carries the result."""
MODELS: Final = [name for name, operation in OPERATIONS.items() if attrs.has(operation.returns)]


def both(operation: Operation[Any], body: bytes, status: int = 200) -> tuple[Success[Any] | None, object]:
    request, answer = (
        build(operation, THERE, path=asked(operation), new_key=new_key(operation)),
        RawResponse(status, {}, body),
    )
    return well(operation, request, answer), interpret(
        operation, request, answer, attempts=1, doubtful=False, now=datetime.now(UTC)
    )


@pytest.mark.parametrize("examples", EXAMPLES)
@pytest.mark.parametrize("name", OPERATIONS)
def test_what_is_well_is_judged_alike(name: str, examples: int) -> None:
    operation = OPERATIONS[name]

    @settings(max_examples=examples, deadline=None, suppress_health_check=HEALTH)
    @given(status=st.sampled_from([200, 200, 200, 201, 204, 404]), body=bodies(GOOD[name]))
    def tried(status: int, body: bytes) -> None:
        good, judged = both(operation, body, status)
        assert good is None or good == judged

    tried()


@pytest.mark.parametrize("name", MODELS)
def test_a_good_answer_is_well(name: str) -> None:
    operation = OPERATIONS[name]
    opened = open_envelope(GOOD[name])
    good, judged = both(
        operation, orjson.dumps({"status": "Success", "message": [], "codes": [], "payload": opened.payload})
    )
    assert isinstance(judged, Success)
    if name in WITHOUT_REQUIRED_FIELDS or isinstance(opened.payload, list):
        assert good is None
    else:
        assert good == judged


@pytest.mark.parametrize("examples", EXAMPLES)
@pytest.mark.parametrize("name", OPERATIONS)
def test_models_are_read_as_cattrs_reads_them(name: str, examples: int) -> None:
    target = OPERATIONS[name].returns

    @settings(max_examples=examples, deadline=None, suppress_health_check=HEALTH)
    @given(body=bodies(GOOD[name]))
    def tried(body: bytes) -> None:
        try:
            opened = open_envelope(loads(body))
        except ValueError:
            return
        assert payload_of(opened.body) in (None, opened.payload)
        try:
            explaining: object = codec._converter(detailed=True).structure(opened.payload, target)
        except Exception:  # noqa: BLE001 - as decode() does
            explaining = PayloadError
        try:
            read: object = decode(opened.payload, target)
        except PayloadError:
            read = PayloadError
        if not (isinstance(opened.payload, dict) and codec._is_sequence(target)):
            assert read == explaining

    tried()


def nested(levels: int, kind: str) -> str:
    opening, closing = {"lists": ("[", "]"), "objects": ('{"a":', "}"), "both": ('[{"a":', "}]")}[kind]
    return opening * levels + "1" + closing * levels


@pytest.mark.parametrize("kind", ["lists", "objects", "both"])
@pytest.mark.parametrize("around", ["@", '["]","]]]}}}","[",@]', '{"[]":"{{","b":@}'])
def test_no_text_hides_how_deep_json_is(kind: str, around: str) -> None:
    pairs = 2 if kind == "both" else 1
    most = (DEEPEST - (around != "@")) // pairs
    value: JsonValue = loads(around.replace("@", nested(most, kind)))
    assert value == orjson.loads(around.replace("@", nested(most, kind)))
    with pytest.raises(ValueError, match="too deeply"):
        loads(around.replace("@", nested(most + 1, kind)).encode())
