"""Types of a request's fields, each with its rule.

A type checker sees the plain type. ``send`` and the sandbox check by the rule, and the OpenAPI document tells it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, Final, TypeAlias

import attrs

from tilia_async import checks
from tilia_async.json_value import JsonValue
from tilia_async.secret import Secret, hide

_NOTHING_MORE: Final[Mapping[str, JsonValue]] = MappingProxyType({})


def _passes(_: object) -> list[str]:
    return []


@attrs.frozen
class Rule:
    """Rule for the values of a field, beside its type.

    Attributes:
        check: returns the reasons why Tilia would refuse a value.
        keywords: the same for machines, in the words of JSON Schema.
        required: the field has to be there, although the model of the part has a default for it.
    """

    check: Callable[[object], list[str]] = _passes
    keywords: Mapping[str, JsonValue] = attrs.field(default=_NOTHING_MORE, hash=False)
    required: bool = False


def _fraction(value: object) -> list[str]:
    fits = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1
    return [] if fits else [f"is a fraction from 0 to 1 (0.05 is 5 %), not {value!r}"]


def _minor_units(value: object, *, least: int) -> list[str]:
    fits = isinstance(value, int) and not isinstance(value, bool) and value >= least
    return [] if fits else [f"is a whole number of the currency's smallest unit, at least {least}, not {value!r}"]


def _not_negative(value: object) -> list[str]:
    fits = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    return [] if fits else [f"is a whole number, at least 0, not {value!r}"]


def _not_empty(value: object) -> list[str]:
    return [] if value else ["is empty"]


def _password(value: object) -> list[str]:
    return checks.password(hide(value), "", "") if isinstance(value, str | Secret) else ["is a string"]


def text_of(shortest: int = 1, longest: int | None = None) -> Rule:
    """Return the rule of a text of so many characters."""
    bounds: dict[str, JsonValue] = {"minLength": shortest} if shortest else {}
    if longest is not None:
        bounds["maxLength"] = longest
    return Rule(functools.partial(checks.text, shortest=shortest, longest=longest), bounds)


def one_of(words: type[StrEnum]) -> Rule:
    """Return the rule of an enumeration's values."""
    known: list[JsonValue] = [word.value for word in words]

    def check(value: object) -> list[str]:
        return [] if value in known else [f"is one of {', '.join(words)}, not {value!r}"]

    return Rule(check, {"enum": known})


WANTED: Final = Rule(required=True)
"""Rule of a field that has to be there."""
AMOUNT: Final = Rule(functools.partial(_minor_units, least=1), {"minimum": 1})
AMOUNT_OR_REST: Final = Rule(functools.partial(_minor_units, least=0), {"minimum": 0})
"""Rule of an amount; 0 means the remainder."""
CURRENCY: Final = Rule(checks.currency, {"minLength": 3, "maxLength": 3, "pattern": "^[A-Za-z0-9]{3}$"})
ID: Final = Rule(checks.identifier, {"minLength": 1, "maxLength": checks.LONGEST_ID, "pattern": r"^[^/\\]*$"})
TEXT: Final = text_of(shortest=0)
COUNTRY: Final = Rule(checks.country, {"pattern": "^[A-Za-z]{2}$"})
FRACTION: Final = Rule(_fraction, {"minimum": 0, "maximum": 1})
AT_LEAST_ONE: Final = Rule(_not_empty, {"minItems": 1})
"""Rule of a list that is not empty."""

Id: TypeAlias = Annotated[str, ID]
"""Id of Tilia's."""
Text: TypeAlias = Annotated[str, TEXT]
"""Text; may be empty."""
Word: TypeAlias = Annotated[str, text_of()]
"""Text that is not empty."""
EmailAddress: TypeAlias = Annotated[str, Rule(checks.email_address, {"format": "email", "maxLength": 254})]
"""E-mail address."""
Password: TypeAlias = Annotated[str, Rule(_password, {"minLength": 6, "maxLength": 16, "format": "password"})]
"""Password of 6 to 16 characters."""
Uuid: TypeAlias = Annotated[str, Rule(checks.any_uuid, {"format": "uuid"})]
"""UUID of any version."""
RandomUuid: TypeAlias = Annotated[
    str,
    Rule(
        checks.uuid4,
        {"format": "uuid", "pattern": "^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$"},
    ),
]
"""UUID of version 4."""
MinorUnits: TypeAlias = Annotated[int, AMOUNT]
"""Amount in the smallest unit of its currency."""
CurrencyCode: TypeAlias = Annotated[str, CURRENCY]
"""Currency code, three characters."""
CountryCode: TypeAlias = Annotated[str, COUNTRY]
"""Country, ISO 3166, two letters."""
Count: TypeAlias = Annotated[int, Rule(checks.count, {"minimum": 1})]
"""Whole number, at least 1."""
Offset: TypeAlias = Annotated[int, Rule(_not_negative, {"minimum": 0})]
"""Number of items that are passed over."""
