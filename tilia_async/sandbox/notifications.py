"""Notifications, posted in the background.

To the registered URLs, and again when they are not taken.

The envelope is that of the fact sheet "compliance-webhooks", A.2: a 2xx means received, and 400 or more that it is
posted again. Inferred are the value of ``bucket_key``, that one URL gets its notifications in order, and the schedule:
at Tilia it is a setting of the destination, here it is over within a second. What becomes of a redirect, and of no
answer at all, is documented nowhere, so each destination says it.
"""

from __future__ import annotations

import asyncio
import base64
import threading
from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import urlsplit

import aiohttp
import attrs
import orjson

from tilia_async import event_names
from tilia_async.errors import ConfigurationError
from tilia_async.json_value import JsonObject
from tilia_async.sandbox.clock import SandboxClock, Timestamps
from tilia_async.secret import Secret
from tilia_async.settings_checks import is_loopback

PAUSES: Final = (0.02, 0.05, 0.1, 0.2, 0.4)
"""Seconds before each repetition.

After the last one the notification is given up.
"""
_TIMEOUT: Final = aiohttp.ClientTimeout(total=10)


@attrs.define
class SentNotification:
    """A notification on its way to one URL, or arrived.

    Attributes:
        body: what is posted, byte for byte the same each time.
        answers: the status of each attempt; None for one without an answer.
    """

    event_name: str
    url: str = attrs.field(repr=False)
    body: bytes = attrs.field(repr=False)
    answers: list[int | None] = attrs.field(factory=list[int | None])

    @property
    def taken(self) -> bool:
        """True if the last attempt was answered with a 2xx."""
        status = self.answers[-1] if self.answers else None
        return status is not None and 200 <= status < 300


@attrs.define(eq=False)
class Destination:
    """A registered URL and its queue.

    Attributes:
        events: None: all.
        repeat_redirected: a 3xx is no end.
        repeat_unanswered: no answer is no end.
    """

    url: Secret
    events: frozenset[str] | None
    basic_auth: tuple[Secret, Secret] | None
    repeat_redirected: bool
    repeat_unanswered: bool
    queue: asyncio.Queue[SentNotification] = attrs.field(factory=asyncio.Queue[SentNotification], repr=False)
    worker: asyncio.Task[None] | None = attrs.field(default=None, repr=False)

    def repeats(self, status: int | None) -> bool:
        """Tell whether it posts again after this answer."""
        if status is None:
            return self.repeat_unanswered
        return status >= 400 or (status >= 300 and self.repeat_redirected)


@attrs.define(eq=False)
class _Run:
    """A run, from a start to its end.

    Attributes:
        handing: how many notifications other threads have handed over that the loop has not yet taken.
        idle: set while there are none of them.
    """

    loop: asyncio.AbstractEventLoop
    handing: int = 0
    idle: asyncio.Event = attrs.field(factory=asyncio.Event)


class Notifier:
    """Knows the registered URLs, and delivers to them.

    Args:
        clock: the time of ``sent_at``.
        record: how many notifications are remembered at least.

    Attributes:
        sent: the notifications, in order.
    """

    def __init__(self, clock: SandboxClock, record: int) -> None:
        self.sent: list[SentNotification] = []
        self._times = Timestamps(clock)
        self._record = record
        self._destinations: list[Destination] = []
        self._run: _Run | None = None
        self._lock = threading.Lock()
        self._session: aiohttp.ClientSession | None = None

    def register(
        self,
        url: Secret,
        events: Iterable[str] | None,
        basic_auth: tuple[Secret, Secret] | None,
        *,
        repeat_redirected: bool,
        repeat_unanswered: bool,
    ) -> None:
        """Deliver to a URL from now on.

        Raises:
            ConfigurationError: it is not an http URL on loopback, or an event has another name;
                ``basic_auth`` is not a pair.
        """
        if problem := _url_problem(url.reveal()):
            raise ConfigurationError(f"url: {problem}")
        names = None if events is None else frozenset([events] if isinstance(events, str) else events)
        unknown = sorted((names or frozenset()) - event_names.ALL)
        if unknown:
            raise ConfigurationError(
                f"events: there is no {', '.join(unknown)}; there are {', '.join(sorted(event_names.ALL))}"
            )
        if basic_auth is not None and not _can_be_sent(*basic_auth):
            raise ConfigurationError("basic_auth is a pair of a user without a colon and a password")
        self._destinations.append(Destination(url, names, basic_auth, repeat_redirected, repeat_unanswered))

    async def unregister(self, url: Secret) -> int:
        """Deliver to a URL no more.

        Returns:
            How often it was registered.
        """
        with self._lock:
            leaving = [each for each in self._destinations if each.url == url]
            self._destinations = [each for each in self._destinations if each.url != url]
        await _give_up(leaving)
        return len(leaving)

    def start(self) -> None:
        """Deliver in the loop that runs."""
        self._run = _Run(asyncio.get_running_loop())
        self._run.idle.set()

    def notify(self, event_name: str, message: JsonObject) -> None:
        """Tell all who want to know it.

        Any thread may call this.
        """
        envelope = {
            "event_name": event_name,
            "bucket_key": "sandbox",
            "sent_at": self._times.rfc3339(),
            "message": message,
        }
        body = orjson.dumps(envelope)
        with self._lock:
            for destination in self._destinations:
                if self._run is not None and (destination.events is None or event_name in destination.events):
                    self._hand_over_locked(
                        self._run, destination, SentNotification(event_name, destination.url.reveal(), body)
                    )

    async def settled(self) -> None:
        """Wait until each notification was taken or given up."""
        if self._run is not None:
            await self._run.idle.wait()
        for destination in self._destinations:
            await destination.queue.join()

    @property
    def destinations(self) -> tuple[Destination, ...]:
        """The registered URLs, for a reset."""
        return tuple(self._destinations)

    def registered(self) -> list[tuple[Secret, frozenset[str] | None]]:
        """Return the registered URLs, each with its events."""
        return [(destination.url, destination.events) for destination in self._destinations]

    def takers(self, event_name: str) -> int:
        """Return how many URLs an event is posted to."""
        return sum(events is None or event_name in events for _, events in self.registered())

    async def reset(self, destinations: Iterable[Destination]) -> None:
        """Forget what was sent, and return to these URLs."""
        with self._lock:
            before, self._destinations = self._destinations, list(destinations)
            self.sent.clear()
        await _give_up(before)

    async def aclose(self) -> None:
        """Give up what is under way."""
        with self._lock:
            self._run = None
        await _give_up(self._destinations)
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def _hand_over_locked(self, run: _Run, destination: Destination, notification: SentNotification) -> None:
        self.sent.append(notification)
        if len(self.sent) >= 2 * self._record:
            del self.sent[: -self._record]
        if _runs_here(run.loop):
            self._enqueue_locked(destination, notification)
        else:
            run.loop.call_soon_threadsafe(self._take_over, run, destination, notification)
            run.handing += 1
            run.idle.clear()

    def _take_over(self, run: _Run, destination: Destination, notification: SentNotification) -> None:
        with self._lock:
            run.handing -= 1
            if not run.handing:
                run.idle.set()
            # What arrives after the end would start a worker that nobody ends.
            if run is self._run:
                self._enqueue_locked(destination, notification)

    def _enqueue_locked(self, destination: Destination, notification: SentNotification) -> None:
        destination.queue.put_nowait(notification)
        if destination.worker is None:
            destination.worker = asyncio.get_running_loop().create_task(self._work(destination))

    async def _work(self, destination: Destination) -> None:
        while True:
            notification = await destination.queue.get()
            try:
                await self._deliver(destination, notification)
            finally:
                destination.queue.task_done()

    async def _deliver(self, destination: Destination, notification: SentNotification) -> None:
        notification.answers.append(await self._post(destination, notification.body))
        for pause in PAUSES:
            if not destination.repeats(notification.answers[-1]):
                return
            await asyncio.sleep(pause)
            notification.answers.append(await self._post(destination, notification.body))

    async def _post(self, destination: Destination, body: bytes) -> int | None:
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=_TIMEOUT, cookie_jar=aiohttp.DummyCookieJar())
        try:
            async with self._session.post(
                destination.url.reveal(), data=body, headers=_headers(destination.basic_auth), allow_redirects=False
            ) as response:
                return response.status
        except (aiohttp.ClientError, TimeoutError):
            return None


async def _give_up(destinations: Iterable[Destination]) -> None:
    """End the deliveries that are under way."""
    for destination in destinations:
        worker, destination.worker = destination.worker, None
        if worker is not None:
            worker.cancel()
            await asyncio.gather(worker, return_exceptions=True)
        while not destination.queue.empty():
            destination.queue.get_nowait()
            destination.queue.task_done()


def _can_be_sent(user: Secret, password: Secret) -> bool:
    try:
        return bool(f"{user.reveal()}:{password.reveal()}".encode()) and bool(user) and ":" not in user.reveal()
    except UnicodeEncodeError:
        return False


def _headers(basic_auth: tuple[Secret, Secret] | None) -> Mapping[str, str]:
    if basic_auth is None:
        return {"Content-Type": "application/json"}
    user, password = basic_auth
    encoded = base64.b64encode(f"{user.reveal()}:{password.reveal()}".encode()).decode()
    return {"Content-Type": "application/json", "Authorization": f"Basic {encoded}"}


def _runs_here(loop: asyncio.AbstractEventLoop) -> bool:
    try:
        return asyncio.get_running_loop() is loop
    except RuntimeError:
        return False


def _url_problem(url: str) -> str | None:
    # The path may be a secret, so no message shows it, and it is raised where no variable holds it.
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "it is not a URL"
    if parts.scheme not in {"http", "https"} or not host:
        return "it is not an http or https URL"
    if not is_loopback(host):
        return f"{host} is not loopback; the sandbox notifies this machine only"
    if parts.username is not None or parts.password is not None:
        return "it carries credentials; they belong in basic_auth"
    return None
