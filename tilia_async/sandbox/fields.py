"""Reading of a body's fields.

Collects what is wrong with them.
"""

from __future__ import annotations

from fractions import Fraction

from tilia_async.checks import LONGEST_ID
from tilia_async.json_value import JsonObject, JsonValue
from tilia_async.sandbox.requests import ErrorResponse
from tilia_async.sandbox.responses import invalid

MOST = 10**15
"""The largest amount, of a whole invoice as well.

Inferred that there is one: far above anything that is paid.
"""
_FLAGS: dict[bool | str, bool] = {True: True, False: False, "true": True, "false": False}


class Fields:
    """An object of a body.

    Its parts report their problems to it, each with its place.
    """

    def __init__(self, values: JsonObject, place: str = "", problems: dict[str, list[str]] | None = None) -> None:
        self._values = values
        self._place = place
        self._problems: dict[str, list[str]] = {} if problems is None else problems

    def __contains__(self, name: str) -> bool:
        return self._values.get(name) is not None

    def value(self, name: str) -> JsonValue:
        return self._values.get(name)

    def text(self, name: str) -> str:
        """Return a text, empty if it is missing."""
        value = self._values.get(name)
        if value is not None and not isinstance(value, str):
            self.refuse(name, "must be a string")
        return value if isinstance(value, str) else ""

    def required(self, name: str, *, longest: int = LONGEST_ID) -> str:
        """Return a text that has to be there.

        It is an id by default.
        """
        value = self.text(name)
        if not 0 < len(value) <= longest:
            self.refuse(name, f"is required, with at most {longest} characters")
        return value

    def amount(self, name: str = "amount", *, least: int = 1) -> int:
        """Return a whole number of a currency's smallest unit."""
        value = self._values.get(name)
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            self.refuse(name, f"must be an integer of at least {least}")
            return least
        if value > MOST:
            self.refuse(name, f"must be at most {MOST}")
            return MOST
        return value

    def currency(self) -> str:
        value = self.text("currency")
        if len(value) != 3:
            self.refuse("currency", "must have 3 characters")
        return value

    def flag(self, name: str) -> bool | None:
        """Return a flag.

        A sample of Tilia's has it as a string. None if it is missing.
        """
        value = self._values.get(name)
        if value is None:
            return None
        if not isinstance(value, bool | str) or value not in _FLAGS:
            self.refuse(name, "must be a boolean")
            return None
        return _FLAGS[value]

    def fraction(self, name: str) -> Fraction:
        """Return a number from 0 to 1.

        It is exact, as it is written.
        """
        value = self._values.get(name)
        if value is None:
            return Fraction(0)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
            self.refuse(name, "must be a fraction from 0 to 1")
            return Fraction(0)
        return Fraction(str(value))

    def parts(self, name: str) -> list[Fields]:
        """Return the objects of a list."""
        value = self._values.get(name)
        if value is None:
            return []
        if not isinstance(value, list):
            self.refuse(name, "must be an array")
            return []
        objects = [each for each in value if isinstance(each, dict)]
        if len(objects) < len(value):
            self.refuse(name, "must be an array of objects")
        return [Fields(each, f"{self._place}{name}[{index}].", self._problems) for index, each in enumerate(objects)]

    def texts(self, name: str) -> tuple[str, ...]:
        """Return a list of texts."""
        value = self._values.get(name)
        found = [each for each in value if isinstance(each, str)] if isinstance(value, list) else []
        if value is not None and (not isinstance(value, list) or len(found) < len(value)):
            self.refuse(name, "must be an array of strings")
        return tuple(found)

    def refuse(self, name: str, why: str) -> None:
        self._problems.setdefault(f"{self._place}{name}", []).append(why)

    def check(self) -> None:
        """End the request if there are problems.

        Raises:
            ErrorResponse: with all of them.
        """
        if self._problems:
            raise ErrorResponse(invalid(self._problems))
