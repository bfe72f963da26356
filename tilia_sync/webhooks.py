"""Notifications from Tilia, without an event loop.

Handlers are plain functions, and the way in is WSGI.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import threading
from collections.abc import Callable, Iterable
from http import HTTPStatus
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from tilia_async.errors import ConfigurationError
from tilia_async.secret import HiddenFields, Secret
from tilia_async.webhooks.account_events import AccountBlockChanged
from tilia_async.webhooks.confirm import confirm as confirm_event
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
from tilia_async.webhooks.gate import (
    BasicAuth,
    Gate,
    PathSecrets,
    headers_of,
    hidden_pairs,
    hidden_paths,
    read_length,
)
from tilia_async.webhooks.memory import Turns

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

    from tilia_sync.client import TiliaClient

E = TypeVar("E", bound=Event)

_READ_AT_ONCE: Final = 1_024
"""Bytes.

A server's read waits until it has as many, and until then nobody looks at the clock.
"""


class _Readable(Protocol):
    """A request's body."""

    def read(self, size: int, /) -> bytes:
        """Return up to so many bytes; none at its end."""
        ...


class EventLedger(Protocol):
    """The ledger that keeps the record of blocks."""

    def apply(self, event: AccountBlockChanged, /) -> object:
        """Enter a block or unblock that Tilia reported."""
        ...


class WebhookReceiver:
    """Receiver of Tilia's notifications.

    It calls the handlers of their events, in the thread of the request.

    ::

        receiver = WebhookReceiver(basic_auth=("tilia", os.environ["TILIA_WEBHOOK_PASSWORD"]))

        @receiver.on(AccountBlockChanged)
        def blocked(event: AccountBlockChanged) -> None: ...

        application = receiver.wsgi

    Handlers are called at least once for an event, and events come in any order. A delivery is left out as a repetition
    only if it equals the last state that was handled of the same event and entity. It is remembered after all of its
    handlers have succeeded; if one fails, the answer is 500, Tilia repeats the delivery, and all are called again.

    Tilia documents no signature. Without ``basic_auth`` or ``path_secret`` anybody who finds the URL can post events,
    and a warning in the log says so. ``confirm`` is not a substitute: it proves that something is so now, and not that
    Tilia has just sent word of it, so a stranger can have a true event handled again. With both a secret and
    credentials, both are asked for.

    Answers: 204 handled, repeated, or wanted by no handler · 400 no notification · 401 wrong credentials · 404 wrong
    path secret · 405 no POST · 408 the body took too long · 409 Tilia's API contradicts the event · 411 a body without
    an end · 413 too large · 500 a handler, the ledger or a look-up failed · 503 an earlier event of the same entity is
    still being handled after 30 seconds. From 400 on Tilia repeats.

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
        body_timeout: seconds that the body of a request may take to arrive. WSGI has no way to end a read, so it is
            looked at between two reads of up to 1,024 bytes. A client that is slower still is its server's: of
            gunicorn's workers ``sync`` ends it after its ``timeout``, ``gthread`` and ``gevent`` want a proxy before
            them that takes bodies in; waitress takes them in by itself, up to its ``max_request_body_size``.
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
        body_timeout: float = DEFAULT_BODY_TIMEOUT,
        remembered: int = DEFAULT_REMEMBERED,
    ) -> None:
        path_secret, basic_auth = hidden_paths(path_secret), hidden_pairs(basic_auth)
        if confirm and tilia is None:
            raise ConfigurationError("confirm=True needs a client to ask: pass tilia")
        self._core = Core[object](
            Gate(path_secret, basic_auth, max_body, body_timeout),
            None if ledger is None else ledger.apply,
            remembered,
            confirms=confirm,
        )
        self._confirm = functools.partial(_ask_tilia, tilia) if confirm and tilia is not None else None
        self._turns = Turns(_new_lock)

    @property
    def max_body(self) -> int:
        """The largest body that is read, in bytes."""
        return self._core.gate.max_body

    @property
    def body_timeout(self) -> float:
        """Seconds that a request's body may take to arrive."""
        return self._core.gate.body_timeout

    def on(self, kind: type[E]) -> Callable[[Callable[[E], object]], Callable[[E], object]]:
        """Register a handler for the events of a class.

        With ``Event`` it is called for all. Handlers are called in this order.

        Raises:
            ConfigurationError: it is not a class of events, or the handler is a coroutine function.
        """
        check_kind(kind)

        def register(handler: Callable[[E], object]) -> Callable[[E], object]:
            if is_coroutine_function(handler):
                raise ConfigurationError("a handler here is a plain function; tilia_async.webhooks takes coroutines")
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

    def handle(self, raw_body: bytes, *, path: str | None = None, authorization: str | None = None) -> HTTPStatus:
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
        event = refused or self._core.read(raw_body)
        if isinstance(event, HTTPStatus):
            return event
        if not self._core.steps(event):
            return HTTPStatus.NO_CONTENT
        with self._turns.lock(self._core.turn(event)) as turn:
            if not turn.acquire(timeout=TURN_TIMEOUT):
                return busy(event)
            try:
                return self._run(event)
            finally:
                turn.release()

    def wsgi(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request of a WSGI server."""
        asked = HiddenFields(environ)
        # Its path and its headers may be secrets: frames can be printed with their variables.
        del environ
        status = self._wsgi_status(asked)
        headers = list(headers_of(status).items())
        if status is not HTTPStatus.NO_CONTENT:
            headers += [("Content-Type", "text/plain"), ("Content-Length", "0")]
        start_response(f"{status.value} {status.phrase}", headers)
        return [b""]

    def _run(self, event: Event) -> HTTPStatus:
        if self._confirm is not None:
            try:
                event = self._confirm(event)
            except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - whatever it is, Tilia has to repeat
                return self._core.failed(event, error)
        if self._core.is_repetition(event):
            return HTTPStatus.NO_CONTENT
        self._core.begins(event)
        for step in self._core.steps(event):
            try:
                _done(step)
            except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - whatever it is, Tilia has to repeat
                return self._core.failed(event, error)
        return self._core.succeeded(event)

    def _wsgi_status(self, asked: HiddenFields[Any]) -> HTTPStatus:
        path = Secret(_path(asked))
        credentials = Secret(asked.reveal()["HTTP_AUTHORIZATION"]) if "HTTP_AUTHORIZATION" in asked.reveal() else None
        length = asked.reveal().get("CONTENT_LENGTH")
        content_length = read_length(length) if length else None
        status = self.refusal(
            str(asked.reveal()["REQUEST_METHOD"]), path.reveal(), _revealed(credentials), content_length
        )
        if status is not None:
            return status
        if length and content_length is None:
            return HTTPStatus.BAD_REQUEST
        if content_length is None and not asked.reveal().get("wsgi.input_terminated"):
            # Without an end such a body would be waited for as long as the connection is open.
            return HTTPStatus.LENGTH_REQUIRED
        wanted = self.max_body + 1 if content_length is None else content_length
        body = read_body(asked.reveal()["wsgi.input"], wanted, monotonic() + self.body_timeout)
        if body is None:
            return HTTPStatus.REQUEST_TIMEOUT
        if content_length is not None and len(body) < content_length:
            return HTTPStatus.BAD_REQUEST
        return self.handle(body, path=path.reveal(), authorization=_revealed(credentials))


def _new_lock() -> threading.Lock:
    # Looked up each time: where greenlets handle requests, it has to be theirs, since one may wait for another.
    return threading.Lock()


def _revealed(secret: Secret | None) -> str | None:
    return None if secret is None else secret.reveal()


def _path(asked: HiddenFields[Any]) -> str:
    # WSGI hands over bytes as if they were Latin-1.
    path = f"{asked.reveal().get('SCRIPT_NAME', '')}{asked.reveal().get('PATH_INFO', '')}"
    return path.encode("latin-1", "replace").decode("utf-8", "surrogateescape")


def read_body(stream: _Readable, wanted: int, until: float) -> bytes | None:
    """Read as many bytes, or as there are.

    None if they take too long. One read may bring fewer.
    """
    body = bytearray()
    while len(body) < wanted:
        chunk = stream.read(min(wanted - len(body), _READ_AT_ONCE))
        if not chunk:
            break
        body += chunk
        if monotonic() > until and len(body) < wanted:
            return None
    return bytes(body)


def _ask_tilia(tilia: TiliaClient, event: Event) -> Event:
    client, lease = tilia._client, tilia._lease  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - our own client
    with lease as run:
        return run(lambda: confirm_event(client, event))


def _done(step: Callable[[], object]) -> None:
    outcome = step()
    if inspect.iscoroutine(outcome):
        outcome.close()
        raise TypeError("a handler is a coroutine function; those are for tilia_async.webhooks.WebhookReceiver")
