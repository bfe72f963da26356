"""Calls to observers, none of which can fail a call."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Final, ParamSpec, TypeAlias, TypeVar

from tilia_async.config import headers_problem
from tilia_async.errors import ConfigurationError
from tilia_async.observe.observer import Observer
from tilia_async.secret import HiddenFields

P = ParamSpec("P")
T = TypeVar("T")

Observers: TypeAlias = tuple[Observer, ...]

EVERYWHERE: Final[list[Observer]] = []
"""Observers of all clients of the process, older ones too."""

HOOKS: Final = tuple(name for name, each in vars(Observer).items() if inspect.isfunction(each))

_log = logging.getLogger("tilia_async")
_failed: Final[set[str]] = set()


def checked_observers(observers: Iterable[Observer]) -> Observers:
    """Return the observers that a client was given.

    Raises:
        ConfigurationError: one is no ``Observer``, or has a coroutine function for a hook.
    """
    if not isinstance(observers, Iterable):  # pyright: ignore[reportUnnecessaryIsInstance] - callers may have no checker
        raise ConfigurationError(f"observers: a list of Observer objects is wanted, not {type(observers).__name__}")
    given = tuple(observers)
    for each in given:
        kind = type(each).__name__
        if not isinstance(each, Observer):  # pyright: ignore[reportUnnecessaryIsInstance] - as above
            raise ConfigurationError(f"observers: an object of a subclass of Observer is wanted, not {kind}")
        for name in HOOKS:
            if inspect.iscoroutinefunction(getattr(each, name)):
                raise ConfigurationError(
                    f"observers: {kind}.{name} is a coroutine function; a hook is a plain function that starts a task "
                    "for what takes time"
                )
    return given


def tell(hook: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | None:
    """Call a hook, and log what it raises.

    The first time for people; a hook that always fails does not fill the log.
    """
    try:
        return hook(*args, **kwargs)
    # A function that awaits nothing is not cancelled: such an error is the hook's own, and would pass for the call's.
    except (Exception, asyncio.CancelledError):  # noqa: BLE001 - it is the user's function, and the call goes on
        _complain(hook, "failed", with_traceback=True)
        return None


def _complain(hook: object, what: str, *, with_traceback: bool = False) -> None:
    name = str(getattr(hook, "__qualname__", type(hook).__name__))
    if name in _failed:
        _log.debug("%s %s again", name, what)
    else:
        _failed.add(name)
        words = "%s %s; calls go on without it, and its next failures are logged at DEBUG"
        _log.warning(words, name, what, exc_info=with_traceback)


def headers_to_add(hook: Callable[P, Mapping[str, str] | None], *args: P.args, **kwargs: P.kwargs) -> Mapping[str, str]:
    """Return the headers that a hook adds.

    None of them if one cannot be sent or is the SDK's own.
    """
    given = tell(hook, *args, **kwargs)
    # Copied where a mapping of the user's own may fail.
    fields = None if given is None else tell(HiddenFields[str], given)
    if fields is None:
        return {}
    problem = headers_problem(fields)
    if problem is None:
        return fields.reveal()
    _complain(hook, f"returns headers that are not sent: {problem}")
    return {}
