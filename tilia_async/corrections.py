"""Corrected declarations in TOML files.

``tilia verify`` writes them.

::

    [operations."accounts.get"]
    path = "/v1/user-info/{account_id}"
    scopes = ["read_accounts"]
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from string import Formatter
from typing import Any, Final, TypeVar, cast, overload

import attrs
import orjson

from tilia_async.api import OPERATIONS
from tilia_async.config import Service
from tilia_async.errors import ConfigurationError
from tilia_async.wire.operation import Operation

Corrections = Mapping[str, Mapping[str, object]]
"""Corrected facts by name, of operations by name."""

T = TypeVar("T")

_METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")


def read_corrections(file: str | os.PathLike[str]) -> dict[str, Operation[object]]:
    """Read corrected declarations from a TOML file.

    For ``TiliaClient(operations=…)``.

    Raises:
        ConfigurationError: the file cannot be read, or names an operation or a fact that there is not.
    """
    import tomllib  # noqa: PLC0415 - few have such a file

    try:
        read = tomllib.loads(Path(file).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigurationError(f"operations: {os.fspath(file)} cannot be read: {error}") from None
    found: object = read.pop("operations", {})
    if read or not isinstance(found, dict):
        raise ConfigurationError(f'operations: {os.fspath(file)} has tables named operations."…" and nothing else')
    return {name: _corrected(name, facts) for name, facts in cast("dict[str, object]", found).items()}


class CorrectionsFile(Mapping[str, Operation[object]]):
    """Corrected declarations of a file, read with their first use.

    A file that could not be read is read again with the next use.

    Args:
        file: what ``tilia verify`` wrote.
        check: raises ``ConfigurationError`` for what a client cannot use; returns what it uses.
    """

    def __init__(
        self,
        file: str | os.PathLike[str],
        check: Callable[[Mapping[str, Operation[object]]], Mapping[str, Operation[object]]],
    ) -> None:
        self._file = file
        self._check = check
        self._found: Mapping[str, Operation[object]] | None = None

    def read(self) -> Mapping[str, Operation[object]]:
        """Return the declarations; the first call reads the file.

        Raises:
            ConfigurationError: the file cannot be read, or the client cannot use what is in it.
        """
        if self._found is None:
            self._found = self._check(read_corrections(self._file))
        return self._found

    def __getitem__(self, name: str) -> Operation[object]:
        return self.read()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.read())

    def __len__(self) -> int:
        return len(self.read())

    @overload
    def get(self, key: str, /) -> Operation[object] | None: ...
    @overload
    def get(self, key: str, /, default: Operation[object] | T) -> Operation[object] | T: ...
    def get(self, key: str, /, default: Operation[object] | T | None = None) -> Operation[object] | T | None:
        """Return a declaration, or the default; each call asks."""
        return self.read().get(key, default)


def written_corrections(corrections: Corrections) -> str:
    """Return corrections as the text of a TOML file."""
    parts = ["# Corrected declarations, for TiliaClient(operations=…).\n"]
    for name, facts in corrections.items():
        # Texts, numbers, flags and lists of them are written in TOML as in JSON.
        lines = [f"{fact} = {orjson.dumps(value).decode()}" for fact, value in facts.items()]
        parts.append("\n".join([f'[operations."{name}"]', *lines]) + "\n")
    return "\n".join(parts)


def _corrected(name: str, facts: object) -> Operation[object]:
    declared = OPERATIONS.get(name)
    if declared is None or not isinstance(facts, dict):
        raise ConfigurationError(f"operations: {name!r} is not the name of an operation")
    given = cast("dict[str, object]", facts)
    changes: dict[str, Any] = {fact: _value(name, fact, value) for fact, value in given.items()}
    return attrs.evolve(declared, **changes)


def _value(name: str, fact: str, value: object) -> object:
    """Return a fact's value as declarations have it."""
    fits = {
        "method": lambda: value in _METHODS,
        "service": lambda: value in [service.value for service in Service],
        "path": lambda: isinstance(value, str) and value.startswith("/") and _is_template(value),
        "scopes": lambda: _is_list(value, str) and bool(value),
        "success": lambda: _is_list(value, int) and bool(value),
        "envelope": lambda: isinstance(value, bool),
    }
    if fact not in fits:
        raise ConfigurationError(f"operations: {name} has no {fact!r} to correct; there are {', '.join(fits)}")
    if not fits[fact]():
        raise ConfigurationError(f"operations: {fact} of {name} cannot be {value!r}")
    return Service(str(value)) if fact == "service" else value


def _is_template(path: str) -> bool:
    try:
        return all(not field or field.isidentifier() for _, field, _, _ in Formatter().parse(path))
    except ValueError:
        # A brace too few or too many.
        return False


def _is_list(value: object, kind: type) -> bool:
    return isinstance(value, list) and all(type(item) is kind for item in cast("list[object]", value))
