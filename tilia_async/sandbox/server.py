"""The HTTP server of the sandbox."""

from __future__ import annotations

import asyncio
import random
import uuid
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Self

from aiohttp import web

from tilia_async.config import Environment
from tilia_async.money import Money
from tilia_async.sandbox.answers import Answer
from tilia_async.sandbox.calls import Call, Refused
from tilia_async.sandbox.clock import SandboxClock
from tilia_async.sandbox.faults import Fault, FaultScript, ScheduledFault
from tilia_async.sandbox.notifications import Notifier, SentNotification
from tilia_async.sandbox.recorded import RecordedRequest
from tilia_async.sandbox.routing import Match, Router, names_of_route
from tilia_async.sandbox.tokens import TokenOffice
from tilia_async.sandbox.world import TILIA, SandboxAccount, World
from tilia_async.scopes import Scope
from tilia_async.tokens.fetch import TOKEN

_HTML = b"<html><head><title>502 Bad Gateway</title></head><body><h1>Bad Gateway</h1></body></html>"
_LARGEST_BODY = 1_048_576


class Sandbox:
    """An embedded Tilia on 127.0.0.1.

    ::

        async with Sandbox() as sandbox:
            tilia = TiliaClient(sandbox.client_id, sandbox.client_secret, sandbox.environment)

    Args:
        port: 0: a free one is picked.
        seed: makes ids, and the choices where Tilia answers now so, now so, the same in every run.
        scopes: what the credentials may ask for; all that are documented by default.
        wallet_delay: seconds until a new account's wallets appear. At Tilia it takes some seconds.
        token_lifetime: in seconds.
        token_currency: the code of the publisher's own token.
        record: how many requests, and how many notifications, are remembered at least.

    Attributes:
        client_id, client_secret: the credentials it accepts.
        clock: its time, which can be put forward.
        faults: what goes wrong next.
        requests: what arrived, in order.
    """

    def __init__(
        self,
        port: int = 0,
        *,
        seed: int = 7,
        scopes: Iterable[str] = tuple(Scope),
        wallet_delay: float = 0.5,
        token_lifetime: float = 3600.0,
        token_currency: str = "TOK",  # noqa: S107 - no password
        record: int = 100_000,
    ) -> None:
        chance = random.Random(seed)  # noqa: S311 - repeatable on purpose
        self.client_id = str(uuid.UUID(int=chance.getrandbits(128), version=4))
        # Not drawn from the seed: two sandboxes never share a secret, so they never share tokens either.
        self.client_secret = str(uuid.uuid4())
        self.clock = SandboxClock()
        self.faults = FaultScript(names_of_route)
        self.requests: list[RecordedRequest] = []
        self._notifier = Notifier(self.clock, record)
        self._world = World(self.clock, chance, wallet_delay, token_currency, notify=self._notifier.notify)
        self._tokens = TokenOffice(
            self.clock, self.client_id, self.client_secret, frozenset(map(str, scopes)), token_lifetime
        )
        self._router = Router()
        self._record = record
        self._wanted_port = port
        self._runner: web.ServerRunner | None = None

    @property
    def port(self) -> int:
        """Where it listens.

        Raises:
            RuntimeError: it does not run.
        """
        if self._runner is None or not self._runner.addresses:
            raise RuntimeError("the sandbox does not run; use 'async with Sandbox() as sandbox'")
        port: int = self._runner.addresses[0][1]
        return port

    @property
    def environment(self) -> Environment:
        """For a client: the services are told apart by the first segment of the path."""
        return Environment.at(f"http://127.0.0.1:{self.port}/{{service}}")

    @property
    def accounts(self) -> Mapping[str, SandboxAccount]:
        """The accounts that there are, by id."""
        return self._world.accounts

    @property
    def notifications(self) -> list[SentNotification]:
        """What was posted to registered URLs, in order, with the answers."""
        return self._notifier.sent

    def register_webhook(
        self, url: str, *, events: Iterable[str] | None = None, basic_auth: tuple[str, str] | None = None
    ) -> None:
        """Post notifications to a URL, and again a few times within a second when the answer is 400 or more.

        Args:
            url: on loopback.
            events: their ``event_name``; None: all. A URL may be registered several times.
            basic_auth: user and password that each request carries.

        Raises:
            ConfigurationError: the URL is not on loopback, or an event has another name.
        """
        self._notifier.register(url, events, basic_auth)

    async def notified(self) -> None:
        """Wait until each notification so far was taken by its URL, or given up."""
        await self._notifier.settled()

    def block_as_tilia(self, account_id: str) -> None:
        """Block an account as Tilia itself does; a publisher cannot lift that.

        Raises:
            KeyError: there is no such account.
        """
        self._world.block(self._world.accounts[account_id], TILIA)

    def fund(self, account_id: str, amount: Money, wallet: str | None = None) -> None:
        """Put money or tokens into an account's wallet.

        Args:
            wallet: ``registration`` (money), ``standard`` or ``convertible`` (tokens); None: the first that fits.

        Raises:
            LookupError: there is no such account or wallet.
        """
        kind = wallet or ("standard" if amount.currency == self._world.token_currency else "registration")
        self._world.fund(account_id, amount, kind)

    def revoke_tokens(self) -> None:
        """Make all tokens that were issued worthless."""
        self._tokens.revoke_all()

    async def start(self) -> None:
        """Listen. ``async with`` does it, too.

        Raises:
            OSError: the port is taken.
            RuntimeError: it runs already.
        """
        if self._runner is not None:
            raise RuntimeError("the sandbox runs already")
        server = web.Server(self._serve, access_log=None)
        runner = web.ServerRunner(server, shutdown_timeout=0.05)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", self._wanted_port, backlog=1024).start()
        except BaseException:
            await runner.cleanup()
            raise
        self._runner = runner
        self._notifier.start()

    async def aclose(self) -> None:
        """Stop listening, and drop the connections there are. A second close does nothing."""
        await self._notifier.aclose()
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        where = f"at port {self.port}" if self._runner is not None else "not running"
        return f"<Sandbox {where}, {len(self.accounts)} accounts>"

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await _read(request)
        _, service, rest = (*request.rel_url.raw_path.split("/", 2), "")[:3]
        path = f"/{rest}"
        target = self._target(request.method, service, path)
        name = TOKEN.name if target is None else target.route.operation.name if isinstance(target, Match) else None
        self._remember(
            RecordedRequest(name, request.method, service, path, request.query_string, request.headers, body)
        )
        if isinstance(target, Match):
            refusal = self._refusal(request, target)
            if refusal is not None:
                return _response(refusal)
        fault = None if name is None else self.faults.take(name, but=Fault.TOKEN_REVOKED)
        early = await self._before(request, fault)
        if early is not None:
            return _response(early)
        if target is None:
            answer = self._tokens.issue(request.query, body)
        elif isinstance(target, Match):
            answer = self._answer(request, target, body)
        else:
            answer = Answer(target, b"404 page not found\n" if target == 404 else b"", "text/plain")
        return _response(self._after(request, fault, answer))

    def _refusal(self, request: web.BaseRequest, match: Match) -> Answer | None:
        """The 401 that a request gets for its token. It meets no other fault then: nothing was looked at."""
        authorization = request.headers.get("Authorization", "")
        operation = match.route.operation
        if self.faults.take(operation.name, only=Fault.TOKEN_REVOKED) is not None:
            self._tokens.revoke(authorization)
        return self._tokens.refusal(authorization, operation.scopes)

    def _answer(self, request: web.BaseRequest, match: Match, body: bytes) -> Answer:
        try:
            return match.route.handler(Call(self._world, match.path, request.query, body))
        except Refused as refused:
            return refused.answer

    async def _before(self, request: web.BaseRequest, fault: ScheduledFault | None) -> Answer | None:
        """The part of a fault that comes before the request has an effect; an answer ends the request."""
        if fault is None:
            return None
        match fault.fault:
            case Fault.LATENCY:
                await asyncio.sleep(fault.seconds)
            case Fault.DROP_BEFORE_COMMIT:
                _drop(request)
                return Answer(500, b"")
            case Fault.RATE_LIMITED:
                return Answer(429, b"", headers={"Retry-After": fault.retry_after})
            case Fault.SERVER_ERROR_EMPTY:
                return Answer(500, b"")
            case Fault.SERVER_ERROR_HTML:
                return Answer(500, _HTML, "text/html")
            case Fault.TOKEN_OUTAGE:
                return Answer(503, b"")
            case _:
                pass
        return None

    def _after(self, request: web.BaseRequest, fault: ScheduledFault | None, answer: Answer) -> Answer:
        """The part of a fault that comes after the request had its effect."""
        if fault is None:
            return answer
        match fault.fault:
            case Fault.DROP_AFTER_COMMIT:
                _drop(request)
            case Fault.TRUNCATED_JSON:
                return Answer(answer.status, answer.body[: len(answer.body) // 2])
            case Fault.WRONG_CONTENT_TYPE:
                return Answer(200, _HTML, "text/html")
            case _:
                pass
        return answer

    def _target(self, method: str, service: str, path: str) -> Match | int | None:
        """The route of a request, the status that refuses it, or None for the token endpoint, which has no route."""
        if (method, service, path) == (TOKEN.method, TOKEN.service, TOKEN.path):
            return None
        return self._router.find(method, service, path)

    def _remember(self, request: RecordedRequest) -> None:
        self.requests.append(request)
        if len(self.requests) >= 2 * self._record:
            del self.requests[: -self._record]


async def _read(request: web.BaseRequest) -> bytes:
    body = bytearray()
    async for chunk in request.content.iter_any():
        body += chunk
        if len(body) > _LARGEST_BODY:
            raise web.HTTPRequestEntityTooLarge(_LARGEST_BODY, len(body))
    return bytes(body)


def _drop(request: web.BaseRequest) -> None:
    if request.transport is not None:
        request.transport.abort()


def _response(answer: Answer) -> web.Response:
    return web.Response(
        status=answer.status, body=answer.body, content_type=answer.content_type, headers=answer.headers
    )
