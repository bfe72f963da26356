"""Clients and their like, one for a process."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Final, Generic, Protocol, TypeVar

T = TypeVar("T")

_ONE: Final = "one"


class _Closable(Protocol):
    def close(self) -> None: ...


class PerProcess(Generic[T]):
    """Holder of one object for the process.

    It is made with the first use. It works in parent and child after a fork, as clients and ledgers do.

    Args:
        make: makes it; it opens nothing before it is used.
        close: closes it.
    """

    def __init__(self, make: Callable[[], T], close: Callable[[T], object]) -> None:
        self._make = make
        self._close = close
        # A dictionary, because that is changed in one step. An object that comes second has opened nothing.
        self._made: dict[str, T] = {}
        _holders.add(self)

    def get(self) -> T:
        """Return the object."""
        made = self._made.get(_ONE)
        return self._made.setdefault(_ONE, self._make()) if made is None else made

    def close(self) -> None:
        """Close the object, if there is one.

        The next use makes another.
        """
        made = self._made.pop(_ONE, None)
        if made is not None:
            self._close(made)


_holders: Final[weakref.WeakSet[_Closable]] = weakref.WeakSet()


def close_all() -> None:
    """Close all that was made.

    The pytest plugin does so around each test with a sandbox, of which the next one has another address.
    """
    for holder in list(_holders):
        holder.close()
