"""Decisions of a receiver that wait for nothing.

The same for the asynchronous and the synchronous one.
"""

from __future__ import annotations

import functools
import inspect
import logging
from collections.abc import Callable, Hashable
from http import HTTPStatus
from typing import Final, Generic, Protocol, TypeVar

import attrs

from tilia_async.errors import ConfigurationError, WebhookError
from tilia_async.settings_checks import checked_count
from tilia_async.webhooks.account_events import AccountBlockChanged
from tilia_async.webhooks.confirm import ContradictedError, subject
from tilia_async.webhooks.event import Event
from tilia_async.webhooks.gate import Gate
from tilia_async.webhooks.memory import Memory
from tilia_async.webhooks.parse import RawBody, bytes_of, parse_event

E = TypeVar("E", bound=Event)
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)

DEFAULT_MAX_BODY: Final = 1_048_576
DEFAULT_BODY_TIMEOUT: Final = 30.0
DEFAULT_REMEMBERED: Final = 10_000
TURN_TIMEOUT: Final = 30.0
"""Seconds that a delivery waits for an earlier one.

It holds for an earlier one of the same entity, where no other limit is set.
"""

_log = logging.getLogger("tilia_async.webhooks")

_OPEN_TO_ALL: Final = (
    "this WebhookReceiver asks for no secret: anybody who finds its URL can %s. "
    "Pass basic_auth=(user, password), and enter the same for the destination in Tilia Tools"
)
_MAY_POST: Final = "post events that are not true, and your handlers will believe them"
_MAY_REPEAT: Final = (
    "have true events handled again, and have it ask Tilia's API as often as they like; "
    "confirm=True proves that something is so, not that Tilia has sent word of it"
)


class _Subscription(Protocol[R_co]):
    """A handler, and the events that it wants."""

    def step(self, event: Event, /) -> Callable[[], R_co] | None: ...


@attrs.frozen
class _Handler(Generic[E, R]):
    kind: type[E]
    handle: Callable[[E], R]

    def step(self, event: Event, /) -> Callable[[], R] | None:
        """Return the step that handles the event.

        None if it is of another class.
        """
        return functools.partial(self.handle, event) if isinstance(event, self.kind) else None


class Core(Generic[R]):
    """Gate, handlers and memory of a receiver.

    A step is what has to be done for an event: to enter it in the ledger, to handle it. ``R`` is what calling one
    returns: something to await, or nothing of interest.

    A receiver that asks for no secret warns of it in the log, which Python shows also where no log was set up. It is
    not an exception, and no warning of Python's own, which a test run turns into one: behind a proxy that asks for
    credentials such a receiver is right.

    Args:
        gate: who may deliver.
        apply: enters a block in the ledger, or None.
        remembered: of how many entities the last state is kept.
        confirms: each event is confirmed before it is handled.

    Raises:
        ConfigurationError: ``remembered`` is not a whole number ≥ 1.
    """

    def __init__(
        self,
        gate: Gate,
        apply: Callable[[AccountBlockChanged], R] | None,
        remembered: int,
        *,
        confirms: bool,
    ) -> None:
        self.gate = gate
        self.memory: Memory = Memory(checked_count("remembered", remembered))
        self._confirms = confirms
        self._subscriptions: list[_Subscription[R]] = []
        if not gate.asks:
            _log.warning(_OPEN_TO_ALL, _MAY_REPEAT if confirms else _MAY_POST)
        if apply is not None:
            self.subscribe(AccountBlockChanged, apply)

    def subscribe(self, kind: type[E], handle: Callable[[E], R]) -> None:
        """Call a handler for the events of a class.

        It is called for subclasses, too.
        """
        self._subscriptions.append(_Handler(kind, handle))

    def read(self, raw_body: RawBody) -> Event | HTTPStatus:
        """Return the event of a delivery, or the refusing status."""
        try:
            body = bytes_of(raw_body)
            if len(body) > self.gate.max_body:
                return HTTPStatus.REQUEST_ENTITY_TOO_LARGE
            return parse_event(body)
        except WebhookError as error:
            _log.warning("a notification was refused: %s", error)
            return HTTPStatus.BAD_REQUEST

    def turn(self, event: Event) -> Hashable:
        """Return the key of the events handled in turn.

        Events of one key are handled one after the other: one key for each thing that they are about.

        Of an event that has yet to be confirmed it is the look-up, since nobody knows what else is true of it.
        """
        return (subject(event) if self._confirms else event.entity) or object()

    def steps(self, event: Event) -> list[Callable[[], R]]:
        """Return the steps for an event, in order.

        Nothing for one that nobody wants.
        """
        return [step for each in self._subscriptions if (step := each.step(event)) is not None]

    def is_repetition(self, event: Event) -> bool:
        """Return True if the event repeats its entity's last.

        It says what was handled last of its entity.
        """
        known = self.memory.knows(event)
        if known:
            _log.debug("%s: the same was handled before", type(event).__name__)
        return known

    def begins(self, event: Event) -> None:
        """Note that the steps are about to be done."""
        self.memory.forget(event)

    def succeeded(self, event: Event) -> HTTPStatus:
        """Note that all steps were done."""
        self.memory.remember(event)
        _log.info("%s: handled", type(event).__name__, extra={"tilia": {"event": type(event).__name__}})
        return HTTPStatus.NO_CONTENT

    def failed(self, event: Event, error: BaseException) -> HTTPStatus:
        """Return the status for a step that failed.

        From 400 on, so that Tilia repeats the notification.

        409 for one that Tilia's API contradicts: read a moment later, it may agree. 500 for all else.
        """
        if isinstance(error, ContradictedError):
            _log.warning("a notification was refused: %s", error)
            return HTTPStatus.CONFLICT
        _log.error("%s was not handled; Tilia will repeat it", type(event).__name__, exc_info=error)
        return HTTPStatus.INTERNAL_SERVER_ERROR


def busy(event: Event) -> HTTPStatus:
    """Return the status for an entity that is busy.

    Another event of the same entity takes too long; with this status Tilia repeats this one.
    """
    _log.warning("%s was not handled: an earlier one of the same entity still is", type(event).__name__)
    return HTTPStatus.SERVICE_UNAVAILABLE


def is_coroutine_function(handler: object) -> bool:
    """Return True if calling it makes a coroutine.

    A function, a method, a partial of one, or an object whose ``__call__`` is one.
    """
    while isinstance(handler, functools.partial):
        handler = handler.func
    call: object = type(handler).__call__ if callable(handler) else None
    return inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(call)


def check_kind(kind: object) -> None:
    """Refuse what no handler can be registered for.

    Raises:
        ConfigurationError: it is not a class of events.
    """
    if not isinstance(kind, type) or not issubclass(kind, Event):
        raise ConfigurationError(f"receiver.on() takes a class of events such as AccountBlockChanged, not {kind!r}")
