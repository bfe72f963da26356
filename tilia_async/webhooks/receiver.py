"""Takes notifications in, and hands them to handlers."""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from tilia_async.errors import ConfigurationError
from tilia_async.settings_checks import checked_seconds
from tilia_async.webhooks import adapters
from tilia_async.webhooks.account_events import AccountBlockChanged
from tilia_async.webhooks.confirm import confirm as ask_tilia
from tilia_async.webhooks.core import (
    DEFAULT_BODY_TIMEOUT,
    DEFAULT_MAX_BODY,
    DEFAULT_REMEMBERED,
    TURN_TIMEOUT,
    Core,
    busy,
    check_kind,
    is_coroutine_function,
)
from tilia_async.webhooks.event import Event
from tilia_async.webhooks.gate import BasicAuth, Gate, PathSecrets, hidden_pairs, hidden_paths
from tilia_async.webhooks.memory import Turns
from tilia_async.webhooks.parse import RawBody

if TYPE_CHECKING:
    from aiohttp import web

    from tilia_async.client import TiliaClient

E = TypeVar("E", bound=Event)
T = TypeVar("T")

_READ_AT_ONCE: Final = 65_536
"""Bytes of a body that are read at once.

Read in less time than a thread's switch takes, whatever they are.
"""


class EventLedger(Protocol):
    """The ledger that keeps the record of blocks."""

    def apply(self, event: AccountBlockChanged, /) -> Awaitable[object]:
        """Enter a block or unblock that Tilia reported."""
        ...


class WebhookReceiver:
    """Receiver of Tilia's notifications.

    It calls the handlers of their events.

    ::

        receiver = WebhookReceiver(basic_auth=("tilia", os.environ["TILIA_WEBHOOK_PASSWORD"]))

        @receiver.on(AccountBlockChanged)
        async def blocked(event: AccountBlockChanged) -> None: ...

        app.router.add_post("/tilia", receiver.aiohttp_handler)

    Handlers are called at least once for an event, and events come in any order. A delivery is left out as a repetition
    only if it equals the last state that was handled of the same event and entity. It is remembered after all of its
    handlers have succeeded; if one fails, the answer is 500, Tilia repeats the delivery, and all are called again.

    Tilia documents no signature. Without ``basic_auth`` or ``path_secret`` anybody who finds the URL can post events,
    and a warning in the log says so. ``confirm`` is not a substitute: it proves that something is so now, and not that
    Tilia has just sent word of it, so a stranger can have a true event handled again. With both a secret and
    credentials, both are asked for.

    Answers: 204 handled, repeated, or wanted by no handler · 400 no notification · 401 wrong credentials · 404 wrong
    path secret · 405 no POST · 408 the body took too long · 409 Tilia's API contradicts the event · 413 too large ·
    500 a handler, the ledger or a look-up failed · 503 an earlier event of the same entity is still being handled. From
    400 on Tilia repeats. A connection whose body was not read to its end is closed.

    Args:
        tilia: the client that ``confirm`` asks.
        ledger: its ``apply`` is called with each ``AccountBlockChanged``, before the handlers.
        max_body: the largest body that is read, in bytes.
        basic_auth: user and password of HTTP's basic authentication; several pairs while you change them.
        path_secret: what the last segment of the path has to be; several while you change it. It stands in the access
            log of each server and proxy on the way, and in what error trackers keep of a request: where you have the
            choice, take ``basic_auth``.
        confirm: before an event is handled, ask Tilia's API whether it is true, field by field. What the API says
            differently is refused with 409; the handlers and the ledger get what the API says, and nothing else, so
            that it is one event however often and in which parts it is posted. An event for which there is no look-up
            is refused with 500 and never handled. It takes the scopes of the look-ups; for an
            ``AccountBlockChanged`` these are ``search_accounts`` and ``read_accounts``.
        handler_timeout: seconds that each handler may take; None: any number. One that takes longer is cancelled and
            has failed. It is also how long an event waits for an earlier one of its entity.
        body_timeout: seconds that the body of a request may take to arrive, from its first byte to its last.
        remembered: of how many entities the last state is kept, the least recent are forgotten.

    Raises:
        ConfigurationError: a setting is wrong; ``confirm`` without ``tilia``.

    Source: fact sheet "compliance-webhooks", A.2.
    """

    def __init__(
        self,
        tilia: TiliaClient | None = None,
        ledger: EventLedger | None = None,
        max_body: int = DEFAULT_MAX_BODY,
        *,
        path_secret: PathSecrets = None,
        basic_auth: BasicAuth = None,
        confirm: bool = False,
        handler_timeout: float | None = 30.0,
        body_timeout: float = DEFAULT_BODY_TIMEOUT,
        remembered: int = DEFAULT_REMEMBERED,
    ) -> None:
        path_secret, basic_auth = hidden_paths(path_secret), hidden_pairs(basic_auth)
        if confirm and tilia is None:
            raise ConfigurationError("confirm=True needs a client to ask: pass tilia")
        self._handler_timeout = None if handler_timeout is None else checked_seconds("handler_timeout", handler_timeout)
        self._core = Core[Awaitable[object]](
            Gate(path_secret, basic_auth, max_body, body_timeout),
            None if ledger is None else ledger.apply,
            remembered,
            confirms=confirm,
        )
        self._confirm = functools.partial(ask_tilia, tilia) if confirm and tilia is not None else None
        self._turns = Turns(asyncio.Lock)

    @property
    def max_body(self) -> int:
        """The largest body that is read, in bytes."""
        return self._core.gate.max_body

    @property
    def body_timeout(self) -> float:
        """Seconds that a request's body may take to arrive."""
        return self._core.gate.body_timeout

    def on(self, kind: type[E]) -> Callable[[Callable[[E], Awaitable[object]]], Callable[[E], Awaitable[object]]]:
        """Register a handler for the events of a class.

        With ``Event`` it is called for all. Handlers are called in this order.

        Raises:
            ConfigurationError: it is not a class of events, or the handler is not a coroutine function.
        """
        check_kind(kind)

        def register(handler: Callable[[E], Awaitable[object]]) -> Callable[[E], Awaitable[object]]:
            if not is_coroutine_function(handler):
                raise ConfigurationError("a handler here is a coroutine function; tilia_sync takes plain functions")
            self._core.subscribe(kind, handler)
            return handler

        return register

    def refusal(
        self,
        method: str,
        path: str | None = None,
        authorization: str | None = None,
        content_length: int | None = None,
    ) -> HTTPStatus | None:
        """Return the status that refuses a request.

        Before its body is read; None if it may be read.
        """
        return self._core.gate.refusal(method, path, authorization, content_length)

    async def handle(self, raw_body: bytes, *, path: str | None = None, authorization: str | None = None) -> HTTPStatus:
        """Check, read and handle a delivery.

        What all the ways to mount a receiver come down to.

        Args:
            raw_body: the body, byte for byte.
            path: the path of the request, or its last segment, for ``path_secret``.
            authorization: the header of that name, for ``basic_auth``.

        Returns:
            The status to answer with.
        """
        refused = self.refusal("POST", path, authorization)
        # What ends a worker goes through here, too, and frames can be printed with their variables.
        path = authorization = None
        event = refused or await self._read(raw_body)
        if isinstance(event, HTTPStatus):
            return event
        if not self._core.steps(event):
            return HTTPStatus.NO_CONTENT
        # A lock of asyncio belongs to one loop, and a receiver may serve in several.
        with self._turns.lock((asyncio.get_running_loop(), self._core.turn(event))) as turn:
            try:
                async with asyncio.timeout(self._handler_timeout or TURN_TIMEOUT):
                    await turn.acquire()
            except TimeoutError:
                return busy(event)
            try:
                return await self._run(event)
            finally:
                turn.release()

    async def aiohttp_handler(self, request: web.Request) -> web.Response:
        """Handle a route of aiohttp.

        ``app.router.add_post("/tilia", receiver.aiohttp_handler)``.
        """
        served = adapters.serve_aiohttp(self, request)
        # It shows its path, which may be a secret: frames can be printed with their variables.
        del request
        return await served

    @property
    def asgi(self) -> adapters.AsgiApplication:
        """The receiver as an ASGI application.

        For a server as it is (``uvicorn module:receiver.asgi``) or to be mounted.

        ::

            app = Starlette(routes=[Mount("/tilia", receiver.asgi)])

        It runs on asyncio's event loop: hypercorn with ``-k trio`` is refused when it starts.
        """
        return adapters.AsgiApplication(self)

    async def _read(self, raw_body: RawBody) -> Event | HTTPStatus:
        """Return the event of a body, or the refusing status.

        To read a large one takes time, so a thread does it.
        """
        # Callers may have no checker for types, and what is not a body at all is refused when it is read.
        if isinstance(raw_body, bytes) and len(raw_body) > _READ_AT_ONCE:
            return await asyncio.to_thread(self._core.read, raw_body)
        return self._core.read(raw_body)

    async def _run(self, event: Event) -> HTTPStatus:
        if self._confirm is not None:
            try:
                event = await self._in_time(self._confirm(event))
            except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - whatever it is, Tilia has to repeat
                _leave_if_cancelled(error)
                return self._core.failed(event, error)
        if self._core.is_repetition(event):
            return HTTPStatus.NO_CONTENT
        self._core.begins(event)
        for step in self._core.steps(event):
            try:
                await self._in_time(_started(step))
            except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - whatever it is, Tilia has to repeat
                _leave_if_cancelled(error)
                return self._core.failed(event, error)
        return self._core.succeeded(event)

    async def _in_time(self, pending: Awaitable[T]) -> T:
        """Wait as long as a handler may take.

        Raises:
            TimeoutError: it took longer, also if it then ended as if nothing was.
        """
        async with asyncio.timeout(self._handler_timeout) as limit:
            outcome = await pending
        if limit.expired():
            raise TimeoutError
        return outcome


def _leave_if_cancelled(error: BaseException) -> None:
    """Go on with a cancellation of the request.

    A handler may also meet one of something that it waits for: it fails.

    Raises:
        asyncio.CancelledError: the request was cancelled.
    """
    task = asyncio.current_task()
    if isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling():
        raise error


def _started(step: Callable[[], Awaitable[object]]) -> Awaitable[object]:
    pending = step()
    if not inspect.isawaitable(pending):
        raise TypeError("a handler is no coroutine function; plain functions are for tilia_sync.WebhookReceiver")
    return pending
