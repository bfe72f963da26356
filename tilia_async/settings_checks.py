"""Checks of settings, which raise a ``ConfigurationError``.

The rules are those of ``checks``; the error names the setting.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import Any, Final, cast

import attrs

from tilia_async import checks
from tilia_async.errors import ConfigurationError

_LONGEST: Final = 1e15
"""Bound of every time, in seconds.

The largest integers have no place in a float.
"""


def shown(value: object) -> str:
    """Return a setting as a message may quote it.

    A value that is not a plain word or URL may be a secret in the wrong place.
    """
    if not isinstance(value, str):
        return f"{type(value).__name__}"
    if "@" in value:
        return "(a text with credentials in it)"
    is_word = len(value) <= 12 and value.isalpha()
    return repr(value) if is_word or "://" in value or not value else "(a text that is not shown, it may be a secret)"


def is_loopback(host: str) -> bool:
    """Return True for this machine's host names and addresses."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def expect(setting: str, value: object, *kinds: type, operation: str | None = None) -> None:
    """Refuse a setting of the wrong type.

    Now, and not in the middle of a call.

    Args:
        operation: to be named by the error.

    Raises:
        ConfigurationError: with the names of setting and type.
    """
    if not isinstance(value, kinds):
        wanted = " or ".join("None" if kind is type(None) else kind.__name__ for kind in kinds)
        raise ConfigurationError(f"{setting} is {wanted}, not {type(value).__name__}", operation=operation)


def checked_count(name: str, value: object) -> int:
    """Return a setting that counts something.

    Raises:
        ConfigurationError: it is not a whole number, at least 1.
    """
    _refuse(name, checks.count(value))
    return cast("int", value)


def checked_seconds(name: str, value: object) -> float:
    """Return a setting that limits a time, in seconds.

    Raises:
        ConfigurationError: it is not a positive number.
    """
    _refuse(name, checks.seconds(value, longest=_LONGEST))
    return float(cast("float", value))


def checked_lease(lease: object, longest: float) -> float:
    """Return a lease, in seconds.

    Raises:
        ConfigurationError: it is not a positive number, or more than the longest.
    """
    if checks.seconds(lease) or cast("float", lease) > longest:
        raise ConfigurationError(f"lease is a number of seconds, at most {longest:g}, not {lease!r}")
    return float(cast("float", lease))


def checked_grace(grace: object) -> float:
    """Return the seconds that calls have to end.

    Raises:
        ConfigurationError: it is not a number, or a negative one.
    """
    _refuse("grace", checks.pause(grace, longest=_LONGEST))
    return float(cast("float", grace))


def is_count(instance: object, attribute: attrs.Attribute[int], value: object) -> None:
    """Check a field that counts something, for attrs."""
    _refuse(_name_of(instance, attribute), checks.count(value))


def is_time_limit(instance: object, attribute: attrs.Attribute[float], value: object) -> None:
    """Check a field that limits a time, for attrs."""
    _refuse(_name_of(instance, attribute), checks.seconds(value, longest=_LONGEST))


def is_pause(instance: object, attribute: attrs.Attribute[float], value: object) -> None:
    """Check a field that is a wait, for attrs."""
    _refuse(_name_of(instance, attribute), checks.pause(value, longest=_LONGEST))


def _name_of(instance: object, attribute: attrs.Attribute[Any]) -> str:
    return f"{type(instance).__name__}.{attribute.name}"


def _refuse(name: str, reasons: Sequence[str]) -> None:
    if reasons:
        raise ConfigurationError(f"{name} {reasons[0]}")
