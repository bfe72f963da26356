"""Takes requests, commits the faults that wait for them, and answers."""

from __future__ import annotations

import asyncio
import contextlib

import attrs
from aiohttp import web

from tilia_async.sandbox import payouts
from tilia_async.sandbox.answers import Answer
from tilia_async.sandbox.calls import Call, Refused
from tilia_async.sandbox.faults import AFTER_COMMIT, Fault, FaultScript, ScheduledFault
from tilia_async.sandbox.idempotency import KeyBook
from tilia_async.sandbox.recorded import RecordedRequest
from tilia_async.sandbox.routing import Match, Router
from tilia_async.sandbox.tokens import TokenOffice
from tilia_async.sandbox.world import World
from tilia_async.tokens.fetch import TOKEN
from tilia_async.wire.operation import Repeat

_HTML = b"<html><head><title>502 Bad Gateway</title></head><body><h1>Bad Gateway</h1></body></html>"
_LARGEST_BODY = 1_048_576
_LOOK_SECONDS = 0.02


@attrs.define(eq=False)
class Desk:
    """Where requests arrive.

    Attributes:
        requests: what arrived, in order.
        record: how many of them are remembered at least.
    """

    world: World
    tokens: TokenOffice
    faults: FaultScript
    record: int
    requests: list[RecordedRequest] = attrs.field(factory=list[RecordedRequest])
    _router: Router = attrs.field(factory=Router)
    _keys: KeyBook = attrs.field(factory=KeyBook)

    async def serve(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer a request."""
        body = await _read(request)
        if body is None:
            return self._response(Answer(400, b""))
        _, service, rest = [*request.rel_url.raw_path.split("/", 2), "", ""][:3]
        path = f"/{rest}"
        target = self._target(request.method, service, path)
        name = TOKEN.name if target is None else target.route.operation.name if isinstance(target, Match) else None
        self._remember(
            RecordedRequest(name, request.method, service, path, request.query_string, request.headers, body)
        )
        if isinstance(target, Match):
            refusal = self._refusal(request, target)
            if refusal is not None:
                return self._response(refusal)
        # Taken before any wait, so that a second request with the key finds it in use.
        key = _idempotency_key(request, target)
        replay = None if key is None else self._keys.enter(*key, body)
        answered = None
        try:
            fault = None if name is None else self.faults.next(name)
            early = await self._before(request, fault)
            if early is not None:
                return self._response(early)
            answer = answered = replay or self._answer(request, target, body)
        finally:
            if key is not None and replay is None:
                self._keys.leave(*key, answered)
        if fault is None or fault.fault not in AFTER_COMMIT or replay is not None or answer.status >= 400:
            return self._response(answer)
        self.faults.meet(fault)
        if fault.fault is Fault.SLOW_BODY:
            return await self._dribble(request, answer, fault.seconds)
        return self._response(await _spoiled(request, fault, answer))

    def _refusal(self, request: web.BaseRequest, match: Match) -> Answer | None:
        """The 401 that a request gets for its token. It meets no other fault then: nothing was looked at."""
        authorization = request.headers.get("Authorization", "")
        operation = match.route.operation
        revocation = self.faults.next(operation.name, revoking=True)
        if revocation is not None:
            self.faults.meet(revocation)
            self.tokens.revoke(authorization)
        return self.tokens.refusal(authorization, operation.scopes)

    def _answer(self, request: web.BaseRequest, target: Match | int | None, body: bytes) -> Answer:
        if target is None:
            return self.tokens.issue(request.query, body)
        if isinstance(target, int):
            return Answer(target, b"404 page not found\n" if target == 404 else b"", "text/plain")
        payouts.settle(self.world)
        try:
            return target.route.handler(Call(self.world, target.path, request.query, body))
        except Refused as refused:
            return refused.answer

    async def _before(self, request: web.BaseRequest, fault: ScheduledFault | None) -> Answer | None:
        """The part of a fault that comes before the request has an effect; an answer ends the request."""
        if fault is None or fault.fault in AFTER_COMMIT:
            return None
        self.faults.meet(fault)
        match fault.fault:
            case Fault.LATENCY:
                await asyncio.sleep(fault.seconds)
            case Fault.DROP_BEFORE_COMMIT:
                _drop(request)
                return Answer(500, b"")
            case Fault.HANG_BEFORE_COMMIT:
                await _hang(request)
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

    async def _dribble(self, request: web.BaseRequest, answer: Answer, seconds: float) -> web.StreamResponse:
        """Send the body byte by byte, or in as many parts as the time has hundredths of a second."""
        whole = self._response(answer)
        slow = web.StreamResponse(status=whole.status, headers=whole.headers)
        slow.content_length = len(answer.body)
        parts = max(1, min(len(answer.body), round(seconds * 100)))
        size = -(-len(answer.body) // parts)
        # Whoever does not wait for the rest closes the connection.
        with contextlib.suppress(ConnectionError):
            await slow.prepare(request)
            for start in range(0, len(answer.body), size):
                await slow.write(answer.body[start : start + size])
                await asyncio.sleep(seconds / parts)
        return slow

    def _response(self, answer: Answer) -> web.Response:
        """With the time of the sandbox's own clock, as that of Tilia's would be."""
        return web.Response(
            status=answer.status,
            body=answer.body,
            content_type=answer.content_type,
            headers={"Date": self.world.clock.http_date(), **answer.headers},
        )

    def _target(self, method: str, service: str, path: str) -> Match | int | None:
        """The route of a request, the status that refuses it, or None for the token endpoint, which has no route."""
        if (method, service, path) == (TOKEN.method, TOKEN.service, TOKEN.path):
            return None
        return self._router.find(method, service, path)

    def _remember(self, request: RecordedRequest) -> None:
        self.requests.append(request)
        if len(self.requests) >= 2 * self.record:
            del self.requests[: -self.record]


def _idempotency_key(request: web.BaseRequest, target: Match | int | None) -> tuple[str, str] | None:
    """The operation and its key, if it takes one and got one."""
    key = request.headers.get("Idempotency-Key")
    if not isinstance(target, Match) or key is None or target.route.operation.repeat is not Repeat.KEYED:
        return None
    return target.route.operation.name, key


async def _read(request: web.BaseRequest) -> bytes | None:
    """The body; None if it cannot be read, e.g. because it is not packed as it says."""
    body = bytearray()
    try:
        async for chunk in request.content.iter_any():
            body += chunk
            if len(body) > _LARGEST_BODY:
                raise web.HTTPRequestEntityTooLarge(_LARGEST_BODY, len(body))
    except web.RequestPayloadError:
        return None
    return bytes(body)


def _drop(request: web.BaseRequest) -> None:
    if request.transport is not None:
        request.transport.abort()


async def _hang(request: web.BaseRequest) -> None:
    """Until the client has gone; at the end of the sandbox it is cancelled."""
    while request.transport is not None:  # noqa: ASYNC110 - aiohttp has no event for a client that has gone
        await asyncio.sleep(_LOOK_SECONDS)


async def _spoiled(request: web.BaseRequest, fault: ScheduledFault, answer: Answer) -> Answer:
    """What becomes of an answer by a fault that comes after the request had its effect."""
    match fault.fault:
        case Fault.DROP_AFTER_COMMIT:
            _drop(request)
        case Fault.HANG_AFTER_COMMIT:
            await _hang(request)
        case Fault.BAD_GATEWAY:
            return Answer(502, _HTML, "text/html")
        case Fault.TRUNCATED_JSON:
            return Answer(answer.status, answer.body[: len(answer.body) // 2])
        case Fault.WRONG_CONTENT_TYPE:
            return Answer(answer.status, _HTML, "text/html")
        case _:
            pass
    return answer
