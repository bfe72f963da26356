"""Bodies that no honest server sends.

Mutations of good ones, random JSON, and bytes that are not JSON at all.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from hypothesis import strategies as st

from tilia_async.json_value import JsonValue

_MARK = "\ue000"

RAW = [
    "1" * 400,
    "-" + "9" * 5_000,
    "1e400",
    "-1e400",
    "1e-400",
    "-0",
    "-0.0",
    "NaN",
    "Infinity",
    "18446744073709551615",
    "18446744073709551616",
    "9007199254740993",
    "0.1",
    "1e2",
    "1.7976931348623157e308",
    '"\\ud800"',
    '"\\udfff\\ud800"',
    '"\\u0000"',
    '"\\u202e\\u001b[2J\\n"',
    '{"a":1,"a":[2],"a":{"a":null}}',
    '{"":{"":[""]}}',
    "[" * 60 + "]" * 60,
    "[" * 600 + "]" * 600,
    '{"a":' * 900 + "1" + "}" * 900,
    "[" * 100_000 + "]" * 100_000,
    '"' + "9" * 5_000 + '"',
    '"' + "x" * 100_000 + '"',
]
"""Texts of odd JSON.

What only a text can say: numbers without bounds, duplicate keys, lone surrogates, depth.
"""

_LEAVES: list[JsonValue] = [
    None, True, False, 0, 1, -1, 2**63, 1.5, "", " ", "0", "-5", "1.5", "true", "Success", "Failure", "USD",
    "0001-01-01T00:00:00Z", "9999-12-31T23:59:59-23:59", "2020-01-01", "\u200b", "é" * 50, "_" * 5_000, [], {},
    [None], [[]], [{}], {"": None}, {"error": "token is expired"}, {"errors": {"f": [1, None]}}, {"errors": [{}]},
    {"error": "account is blocked (acct_1)"},
]  # fmt: skip

_names = st.sampled_from(["status", "payload", "codes", "message", "messages", "error", "errors", "error_description"])
_raw = st.sampled_from(range(len(RAW))).map(lambda number: f"{_MARK}{number}{_MARK}")
_leaves = st.one_of(st.sampled_from(_LEAVES), _raw, st.text(max_size=5), st.integers(), st.floats(allow_nan=False))
_anything = st.recursive(
    _leaves,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4) | _names, inner, max_size=4),
    max_leaves=8,
)


def _places(value: JsonValue, here: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    yield here
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in parts:
        yield from _places(part, (*here, key))


def _part(value: JsonValue, place: tuple[str | int, ...]) -> JsonValue:
    for key in place:
        value = value[key]
    return value


def _put(value: JsonValue, place: tuple[str | int, ...], new: list[JsonValue]) -> JsonValue:
    """Return the value with a part replaced.

    The part at that place; it is left out if nothing is new there.
    """
    if not place:
        return new[0] if new else None
    key, rest = place[0], place[1:]
    if isinstance(value, dict):
        if not rest and not new:
            return {name: part for name, part in value.items() if name != key}
        return {**value, key: _put(value[key], rest, new)}
    if not rest and not new:
        return [*value[:key], *value[key + 1 :]]
    return [*value[:key], _put(value[key], rest, new), *value[key + 1 :]]


def _nulled(value: JsonValue) -> JsonValue:
    if isinstance(value, dict):
        return {key: _nulled(part) for key, part in value.items()}
    return [_nulled(part) for part in value] if isinstance(value, list) else None


def _swapped(value: JsonValue) -> JsonValue:
    """Return the same in another type.

    A map for a list, a text for a number, a list for an object.
    """
    if isinstance(value, dict):
        return list(value.values())
    if isinstance(value, list):
        return {str(number): part for number, part in enumerate(value)}
    return len(value) if isinstance(value, str) else str(value)


@st.composite
def _mutations(draw: st.DrawFn, good: JsonValue) -> JsonValue:
    value = good
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.sampled_from(list(_places(value))))
        part = _part(value, place)
        kind = draw(st.sampled_from(["odd", "odd", "odd", "drop", "null", "swap", "list", "nest", "twice", "copy"]))
        if kind == "odd":
            new = [draw(_leaves)]
        elif kind == "drop":
            new = []
        elif kind == "copy":
            new = [_part(value, draw(st.sampled_from(list(_places(value)))))]
        else:
            made = {
                "null": _nulled(part),
                "swap": _swapped(part),
                "list": [part],
                "nest": {draw(st.text(max_size=3)): part},
                "twice": [part, part],
            }
            new = [made[kind]]
        value = _put(value, place, new)
    return value


def _written(value: JsonValue) -> bytes:
    text = json.dumps(value, ensure_ascii=False)
    for number, raw in enumerate(RAW):
        mark = f"{_MARK}{number}{_MARK}"
        if mark in text:
            text = text.replace(f'"{mark}"', raw).replace(mark, "")
    return text.encode(errors="surrogatepass")


@st.composite
def _broken(draw: st.DrawFn, good: JsonValue) -> bytes:
    body = _written(good)
    cut = draw(st.integers(0, len(body)))
    inserted = draw(
        st.sampled_from([b"", b"\xff", b"\x00", b"\xc0\x80", b",", b"}", b'"', b"\xef\xbb\xbf", b"\n" * 50])
    )
    return body[:cut] + inserted + (body[cut:] if inserted else b"")


_NO_JSON = [
    b"",
    b" ",
    b"\xff\xfe{\x00}\x00",
    b"<html>" + b"x" * 5_000,
    b"null",
    b"\xef\xbb\xbf{}",
    b"\x1f\x8b\x08",
    b"[" * 1024,
]


def bodies(good: JsonValue) -> st.SearchStrategy[bytes]:
    """Bodies in the place of a good one."""
    mutated = _mutations(good).map(_written)
    return st.one_of(
        mutated,
        mutated,
        mutated,
        _anything.map(_written),
        _broken(good),
        st.sampled_from(_NO_JSON) | st.binary(max_size=40),
    )
