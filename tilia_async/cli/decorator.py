"""Decorators that give commands options and arguments."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

import click

C = TypeVar("C", bound=Callable[..., Any] | click.Command)


class Decorator(Protocol):
    """A decorator of commands, of any type."""

    def __call__(self, command: C, /) -> C:
        """Give the command its option or argument."""
        ...
