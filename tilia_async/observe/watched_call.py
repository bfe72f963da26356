"""A call that somebody observes.

Calls that nobody observes know nothing of this module.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextvars import Context, ContextVar, Token
from time import monotonic
from typing import Final, Protocol, Self, TypeVar
from urllib.parse import urlsplit

import attrs

from tilia_async import errors
from tilia_async.observe import log_lines
from tilia_async.observe.hooks import EVERYWHERE, Observers, headers_to_add, tell
from tilia_async.observe.observer import ObservedAttempt, ObservedCall
from tilia_async.secret import HiddenFields
from tilia_async.text import status_line
from tilia_async.wire.envelope import NoResponse, RawResponse
from tilia_async.wire.operation import Operation
from tilia_async.wire.request import WireRequest

_DEFAULT_PORTS: Final = {"https": 443, "http": 80}

T = TypeVar("T")

_current: Final[ContextVar[ObservedCall | None]] = ContextVar("tilia_observed_call", default=None)


class Sending(Protocol):
    """The way of one request to the wire.

    Attributes:
        sent: the request may be on the wire.
        waited: seconds that it waited for a connection to be allowed.
    """

    sent: bool
    waited: float


class WatchedCall:
    """A call whose observers are told of it.

    Args:
        observers: those of the client; those of the whole process are told, too.
    """

    def __init__(self, observers: Observers, operation: Operation[object], request: WireRequest) -> None:
        url = urlsplit(request.url)
        # Ends are told in the opposite order, so that each leaves what it has entered, and lines are written within.
        self._observers = (*EVERYWHERE, *observers, *log_lines.LINES)
        self._reads = operation.reads
        self._call = ObservedCall(
            operation.name,
            operation.method,
            operation.path,
            url.hostname or "",
            url.port or _DEFAULT_PORTS.get(url.scheme, 0),
            asked_by=_current.get(),
        )
        self._attempt: ObservedAttempt | None = None
        self._sending: Sending | None = None
        self._doubtful = False
        self._last_decision = ""
        self._started = self._attempted = monotonic()
        self._outer: Token[ObservedCall | None] | None = None

    def start(self) -> Self:
        """Tell the observers that it starts."""
        self._outer = _current.set(self._call)
        for each in self._observers:
            tell(each.call_started, self._call)
        return self

    def end(self, exc: BaseException | None = None) -> None:
        """Tell the observers that it has ended.

        Args:
            exc: it ended with this; None: well.
        """
        call, attempt = self._call, self._attempt
        failure = None if exc is None else without_words(call.operation, exc)
        if attempt is not None:
            self._end_attempt(attempt, "success" if exc is None else type(exc).__name__, self._last_decision, None)
        call.elapsed = monotonic() - self._started
        call.error = failure
        call.took_effect = self._effect(exc, attempt)
        for each in reversed(self._observers):
            tell(each.call_ended, call)
        if self._outer is not None and not isinstance(exc, GeneratorExit):
            # A coroutine that is thrown away is closed in whatever context there is.
            _current.reset(self._outer)

    def _effect(self, exc: BaseException | None, cut_off: ObservedAttempt | None) -> bool | None:
        if isinstance(exc, errors.TiliaError):
            return exc.took_effect
        if self._reads:
            return False
        if exc is None:
            return True
        return None if self._doubtful or (cut_off is not None and cut_off.sent) else False

    async def until_end(self, finishing: Awaitable[T]) -> T:
        """Return what the call comes to, observed to its end."""
        self.start()
        try:
            value = await finishing
        except BaseException as error:  # whatever ends it; it is raised again
            self.end(error)
            raise
        self.end()
        return value

    async def attempt(
        self,
        request: WireRequest,
        send: Callable[[WireRequest], Awaitable[RawResponse | NoResponse]],
        *,
        token_generation: int = 0,
        sending: Sending | None = None,
    ) -> RawResponse | NoResponse:
        """Send the request once.

        Args:
            sending: tells whether it was sent should it be cut off.
        """
        call = self._call
        call.attempts += 1
        self._attempt = attempt = ObservedAttempt(call.attempts, token_generation)
        self._sending = sending
        added: dict[str, str] = {}
        for each in self._observers:
            added |= headers_to_add(each.attempt_started, call, attempt)
        self._attempted = monotonic()
        answer = await send(_with_headers(request, added) if added else request)
        attempt.elapsed = monotonic() - self._attempted
        attempt.status = answer.status if isinstance(answer, RawResponse) else None
        attempt.sent = answer.sent if isinstance(answer, NoResponse) else True
        return answer

    def failed(self, failure: errors.TiliaError | None, decision: str, wait: float | None) -> None:
        """Note what became of the attempt, and what follows.

        Args:
            failure: None: it was cut off, and the call ends with an error that is still to be made.
            wait: seconds until the next attempt; None: none follows.
        """
        if failure is None:
            self._last_decision = decision
            return
        self._doubtful = self._doubtful or failure.took_effect is None
        attempt, self._attempt = self._attempt, None
        if attempt is not None:
            self._end_attempt(attempt, type(failure).__name__, decision, wait)

    def waited_for_token(self, since: float) -> None:
        """Note the end of a wait for a token.

        Args:
            since: when the wait began, on the monotonic clock.
        """
        seconds = monotonic() - since
        self._call.waited_for_token += seconds
        log_lines.waited(self._call, "a token", seconds)

    def _end_attempt(self, attempt: ObservedAttempt, outcome: str, decision: str, wait: float | None) -> None:
        attempt.elapsed = attempt.elapsed or monotonic() - self._attempted
        if self._sending is not None:
            attempt.sent = attempt.sent or self._sending.sent
            attempt.waited = self._sending.waited
            log_lines.waited(self._call, "a connection", attempt.waited)
        attempt.outcome, attempt.decision, attempt.wait = outcome, decision, wait
        for each in reversed(self._observers):
            tell(each.attempt_ended, self._call, attempt)


def context_of_flight() -> Context:
    """Return a context for what belongs to no caller.

    It knows nothing of the caller's but which call asked for it, if that is observed.
    """
    context = Context()
    asking = _current.get()
    if asking is not None:
        context.run(_current.set, asking)
    return context


def _with_headers(request: WireRequest, added: dict[str, str]) -> WireRequest:
    """Return the request with more headers beside its own."""
    own = {name.lower() for name in request.headers.reveal()}
    more = {name: value for name, value in added.items() if name.lower() not in own}
    return attrs.evolve(request, headers=HiddenFields({**more, **request.headers.reveal()}))


def without_words(operation: str, exc: BaseException) -> BaseException:
    """Return an error of the same class without its details."""
    if not isinstance(exc, errors.TiliaError):
        # An ordinary exception is a defect, and its words are unknown.
        return RuntimeError(type(exc).__name__) if isinstance(exc, Exception) else _interrupt(type(exc))
    status = getattr(exc, "status", None)
    words = "no answer" if status is None else status_line(status)
    bare = type(exc)(f"{operation}: {words}")
    bare.operation, bare.took_effect = operation, exc.took_effect
    if status is not None:
        bare.status = status  # type: ignore[attr-defined]  # each class of an answer has one
    return bare


def _interrupt(kind: type[BaseException]) -> BaseException:
    try:
        return kind()
    except Exception:  # noqa: BLE001 - one of the user's may want arguments, and must end the call all the same
        return BaseException(kind.__name__)
