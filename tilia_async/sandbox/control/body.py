"""Reading of a control request's body."""

from __future__ import annotations

import math

from tilia_async.errors import InvalidRequestError
from tilia_async.json_value import JsonObject, JsonValue
from tilia_async.secret import Secret


class Body:
    """The fields of a body; what is wrong is collected."""

    def __init__(self, values: JsonObject) -> None:
        self._values = values
        self._problems: dict[str, list[str]] = {}
        self._read: set[str] = set()

    def is_null(self, name: str) -> bool:
        """Return True for a field that is there, and null."""
        self._read.add(name)
        return name in self._values and self._values[name] is None

    def text(self, name: str, default: str | None = None) -> str:
        """Return a text.

        Without a default it has to be there.
        """
        value = self._value(name)
        if value is None and default is not None:
            return str(default)
        if not isinstance(value, str):
            self._refuse(name, "is a string" if value is not None else "is required: a string")
            return ""
        return value

    def optional_text(self, name: str) -> str | None:
        return None if self._value(name) is None else self.text(name)

    def secret(self, name: str) -> Secret:
        return Secret(self.text(name))

    def whole(self, name: str, default: int | None = None) -> int:
        """Return a whole number.

        Without a default it has to be there.
        """
        value = self._value(name)
        if value is None and default is not None:
            return default
        if isinstance(value, bool) or not isinstance(value, int):
            self._refuse(name, "is a whole number")
            return 0
        return value

    def flag(self, name: str, default: bool) -> bool:
        value = self._value(name)
        if value is None or isinstance(value, bool):
            return default if value is None else value
        self._refuse(name, "is true or false")
        return default

    def number(self, name: str) -> float:
        value = self._value(name)
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            self._refuse(name, "is a number")
            return 0.0
        return value

    def optional_number(self, name: str) -> float | None:
        return None if self._value(name) is None else self.number(name)

    def optional_texts(self, name: str) -> list[str] | None:
        value = self._value(name)
        if value is None:
            return None
        if not isinstance(value, list):
            self._refuse(name, "is a list of strings")
            return []
        texts = [each for each in value if isinstance(each, str)]
        if len(texts) < len(value):
            self._refuse(name, "is a list of strings")
        return texts

    def optional_object(self, name: str) -> JsonObject | None:
        value = self._value(name)
        if value is not None and not isinstance(value, dict):
            self._refuse(name, "is an object")
        return value if isinstance(value, dict) else None

    def pair(self, name: str) -> tuple[Secret, Secret] | None:
        """Return a user and a password, or None."""
        match self._value(name):
            case None:
                return None
            case [str() as user, str() as password]:
                return Secret(user), Secret(password)
            case _:
                self._refuse(name, "is a list of a user and a password")
                return None

    def check(self) -> None:
        """Refuse what was wrong, and fields that nobody read.

        Raises:
            InvalidRequestError: with all of it.
        """
        for name in sorted(self._values.keys() - self._read):
            self._refuse(name, f"is not known here; there are {', '.join(sorted(self._read))}")
        if self._problems:
            raise InvalidRequestError(self._problems)

    def _value(self, name: str) -> JsonValue:
        self._read.add(name)
        return self._values.get(name)

    def _refuse(self, name: str, why: str) -> None:
        self._problems.setdefault(name, []).append(why)
