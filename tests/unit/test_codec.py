"""From JSON to models: tolerant exactly where the facts say."""

from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tilia_async.json_value import JsonValue
from tilia_async.wire.codec import PayloadError, decode, read_time
from tilia_async.wire.json_reader import loads


class Colour(StrEnum):
    RED = "red"


@attrs.frozen
class Item:
    item_id: str
    amount: int | None = None


@attrs.frozen
class Thing:
    thing_id: str
    amount: int
    rate: float | None = None
    active: bool | None = None
    colour: Colour | str | None = None
    created: datetime | None = None
    items: tuple[Item, ...] = ()
    by_name: Mapping[str, Item] | None = None
    metadata: JsonValue = None


LEAST: dict[str, object] = {"thing_id": "t", "amount": 1}

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize(("written", "read"), [(5, 5), ("50000", 50000), ("-3", -3), (0, 0)])
def test_amounts_come_as_integers_or_as_digits(written: object, read: int) -> None:
    assert decode({**LEAST, "amount": written}, Thing).amount == read


@pytest.mark.parametrize("written", [1.0, "1.5", "", "1e3", True, None, [], "٣"])
def test_an_amount_that_is_no_whole_number_makes_the_answer_undecodable(written: object) -> None:
    with pytest.raises(PayloadError, match="amount"):
        decode({**LEAST, "amount": written}, Thing)


@pytest.mark.parametrize(
    ("written", "read"), [(1, True), (0, False), (True, True), ("true", True), (2, None), ({}, None)]
)
def test_flags_come_as_numbers_too(written: object, read: bool | None) -> None:
    assert decode({**LEAST, "active": written}, Thing).active is read


def test_an_unknown_value_of_an_enumeration_stays_a_string() -> None:
    assert decode({**LEAST, "colour": "red"}, Thing).colour is Colour.RED
    assert decode({**LEAST, "colour": "mauve"}, Thing).colour == "mauve"


@pytest.mark.parametrize(
    "items", [[{"item_id": "a"}, {"item_id": "b"}], {"x": {"item_id": "a"}, "y": {"item_id": "b"}}]
)
def test_a_list_may_come_as_a_map(items: object) -> None:
    assert decode({**LEAST, "items": items}, Thing).items == (Item("a"), Item("b"))


def test_one_object_may_come_as_a_list_of_one() -> None:
    assert decode([LEAST], Thing) == Thing("t", 1)
    with pytest.raises(PayloadError):
        decode([LEAST, LEAST], Thing)


def test_unknown_fields_are_left_out_and_free_ones_kept() -> None:
    assert decode({**LEAST, "new": 1, "metadata": {"a": [1, {}]}}, Thing).metadata == {"a": [1, {}]}


@pytest.mark.parametrize("field", ["rate", "active", "colour", "created", "by_name"])
@given(odd=json_values)
def test_an_odd_optional_field_never_makes_the_answer_undecodable(field: str, odd: object) -> None:
    assert decode({**LEAST, field: odd}, Thing).thing_id == "t"


@given(payload=json_values)
def test_any_json_is_read_or_refused_with_one_kind_of_error(payload: object) -> None:
    try:
        decode(payload, Thing)
    except PayloadError as error:
        assert str(error)


def test_a_missing_required_field_is_named_by_its_place() -> None:
    with pytest.raises(PayloadError, match="thing_id"):
        decode({"amount": 1}, Thing)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("2022-04-11T12:10:44Z", datetime(2022, 4, 11, 12, 10, 44, tzinfo=UTC)),
        ("2022-03-01T01:00:49.342779Z", datetime(2022, 3, 1, 1, 0, 49, 342779, tzinfo=UTC)),
        ("2020-07-03T01:05:59.49468Z", datetime(2020, 7, 3, 1, 5, 59, 494680, tzinfo=UTC)),
        ("2022-04-11T14:10:44+02:00", datetime(2022, 4, 11, 12, 10, 44, tzinfo=UTC)),
        ("2020-08-21 09:03:39", datetime(2020, 8, 21, 9, 3, 39, tzinfo=UTC)),
        ("2020-09-10 16:15:42.343045", datetime(2020, 9, 10, 16, 15, 42, 343045, tzinfo=UTC)),
        ("2022-10-07 16:39:19.108578 +0000 UTC", datetime(2022, 10, 7, 16, 39, 19, 108578, tzinfo=UTC)),
        ("2022-04-11t12:10:44z", datetime(2022, 4, 11, 12, 10, 44, tzinfo=UTC)),
        ("2022-04-11 12:10:44z", datetime(2022, 4, 11, 12, 10, 44, tzinfo=UTC)),
        ("2022-04-11T12:10:44.5z", datetime(2022, 4, 11, 12, 10, 44, 500000, tzinfo=UTC)),
        ("2022-04-11T12:10:44,5Z", datetime(2022, 4, 11, 12, 10, 44, 500000, tzinfo=UTC)),
        ("2022-04-11T12:10:44.123456789Z", datetime(2022, 4, 11, 12, 10, 44, 123456, tzinfo=UTC)),
        ("2022-04-11T12:10:44.123456789z", datetime(2022, 4, 11, 12, 10, 44, 123456, tzinfo=UTC)),
        ("2022-04-11T14:10:44+0200", datetime(2022, 4, 11, 12, 10, 44, tzinfo=UTC)),
        ("2022-04-11T12:10:44+0000", datetime(2022, 4, 11, 12, 10, 44, tzinfo=UTC)),
        ("2022-04-11 05:10:44 -0700 PDT", datetime(2022, 4, 11, 12, 10, 44, tzinfo=UTC)),
        ("2022-04-11 12:10:44.5 +0000 UTC m=+0.012", datetime(2022, 4, 11, 12, 10, 44, 500000, tzinfo=UTC)),
        ("2022-04-11 12:10:44 UTC", datetime(2022, 4, 11, 12, 10, 44, tzinfo=UTC)),
        (" 2022-04-11T12:10:44Z\n", datetime(2022, 4, 11, 12, 10, 44, tzinfo=UTC)),
        ("2022-04-11T12:10:44 PDT", None),
        ("0001-01-01T00:00:00z", None),
        ("0001-01-01 00:00:00 +0000 UTC", None),
        ("0001-01-01T00:00:00Z", None),
        ("2006-01-02T15:04:05Z07:00", None),
        ("9999-12-31T23:59:59-14:00", None),
        ("", None),
        (None, None),
        (1650000000, None),
    ],
)
def test_times_come_in_four_forms_or_not_at_all(written: JsonValue, read: datetime | None) -> None:
    assert read_time(written) == read


@pytest.mark.parametrize("whole", [b'\xef\xbb\xbf{"a":1}', '\ufeff{"a":1}'])
def test_a_byte_order_mark_is_no_part_of_the_json(whole: bytes | str) -> None:
    assert loads(whole) == {"a": 1}


@pytest.mark.parametrize("no_json", [b"\xef\xbb\xbf", "\ufeff", b"\xef\xbb\xbf\xef\xbb\xbf{}", b"{}\xef\xbb\xbf"])
def test_a_byte_order_mark_is_no_json_by_itself(no_json: bytes | str) -> None:
    with pytest.raises(ValueError, match="line 1"):
        loads(no_json)


@given(st.text())
def test_no_text_breaks_the_reading_of_times(text: str) -> None:
    time = read_time(text)
    assert time is None or time.tzinfo is UTC


@attrs.frozen
class IdentityTokens:
    things: tuple[Thing, ...] = ()
    by_name: Mapping[str, Item] = attrs.field(factory=dict)


def test_an_odd_item_takes_no_other_with_it() -> None:
    read = decode({"things": [LEAST, {"thing_id": "u"}], "by_name": {"a": {"item_id": "a"}, "b": None}}, IdentityTokens)
    assert read == IdentityTokens((Thing("t", 1),), {"a": Item("a")})


def test_the_key_of_a_map_is_the_id_of_an_item_that_does_not_say_its_own() -> None:
    read = decode({"things": {"x": {"amount": 1}, "y": {"thing_id": "z", "amount": 2}}}, IdentityTokens)
    assert [thing.thing_id for thing in read.things] == ["x", "z"]


@pytest.mark.parametrize("odd", [{}, {"faultstring": "gateway timeout", "code": 504}, "x", [], None])
def test_a_key_alone_makes_no_item(odd: object) -> None:
    """Any object has keys: that of a gateway's fault, too."""
    assert decode({"things": {"x": {"amount": 1}}, "by_name": {}}, IdentityTokens).things == (Thing("x", 1),)
    assert decode({"things": {"fault": odd}}, IdentityTokens).things == ()
    assert decode({**LEAST, "items": {"fault": odd, "x": {"item_id": "a"}}}, Thing).items == (Item("a"),)


@pytest.mark.parametrize("payload", [{"fault": {"item_id": "a"}}, {"a": {}}, {"error_info": {"x": 1}}])
def test_a_whole_list_does_not_come_as_a_map(payload: object) -> None:
    with pytest.raises(PayloadError, match="expected a list, got a map"):
        decode(payload, list[Item])
    assert decode({}, list[Item]) == []


@pytest.mark.parametrize(("odd", "left"), [(1_000, 1), (1_001, 0)])
def test_a_list_of_nothing_but_odd_items_is_given_up(odd: int, left: int) -> None:
    thing = decode({**LEAST, "items": [0] * odd + [{"item_id": "i"}]}, Thing)
    assert len(thing.items) == left


@attrs.frozen
class Painted:
    colour: Colour | str


def test_an_enumeration_that_is_required_is_not_null() -> None:
    assert decode({"colour": "red"}, Painted).colour is Colour.RED
    assert decode({"colour": "blue"}, Painted).colour == "blue"
    with pytest.raises(PayloadError, match="colour"):
        decode({"colour": None}, Painted)
