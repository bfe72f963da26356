"""The handler of requests.

Takes requests, commits the faults that wait for them, and answers.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from types import MappingProxyType

import attrs
import orjson
from aiohttp import web

from tilia_async.json_value import JsonValue
from tilia_async.sandbox import payouts
from tilia_async.sandbox.contradictions import contradicting, lying, turned_around
from tilia_async.sandbox.door import Door
from tilia_async.sandbox.faults import AFTER_COMMIT, Fault, FaultScript, ScheduledFault
from tilia_async.sandbox.idempotency import IdempotencyStore
from tilia_async.sandbox.past import Past, copy_of
from tilia_async.sandbox.recorded import RecordedRequest
from tilia_async.sandbox.requests import ErrorResponse, SandboxRequest
from tilia_async.sandbox.responses import SandboxResponse
from tilia_async.sandbox.routing import Match, Router
from tilia_async.sandbox.token_issuer import TokenIssuer
from tilia_async.sandbox.world import World
from tilia_async.tokens.fetch import TOKEN
from tilia_async.wire.operation import Repeat

_HTML = b"<html><head><title>502 Bad Gateway</title></head><body><h1>Bad Gateway</h1></body></html>"
_NO_ROUTE = b"<html><head><title>404 Not Found</title></head><body><center>nginx: no such route</center></body></html>"
_LARGEST_BODY = 1_048_576
_MOST_RECORDED_BYTES = 67_108_864
_BODY_SECONDS = 30.0
_REQUEST_BYTES = 1_024
"""Size of a request beside its body, about."""
_LOOK_SECONDS = 0.02
_MET_BEFORE = frozenset({Fault.STALE_READ, Fault.WRONG_DATE, Fault.CLOSED_WHEN_IDLE})
"""Lies that a request meets before its answer.

Before there is an answer.
"""
NO_LIES: Mapping[Fault, ScheduledFault] = MappingProxyType({})


@attrs.define(eq=False)
class RequestHandler:
    """A handler at which requests arrive.

    Attributes:
        door: who may come in. Of others nothing is read and nothing remembered.
        requests: what arrived, in order.
        record: how many of them are remembered at least.
    """

    world: World
    tokens: TokenIssuer
    faults: FaultScript
    record: int
    door: Door = attrs.field(factory=Door)
    requests: list[RecordedRequest] = attrs.field(factory=list[RecordedRequest])
    _router: Router = attrs.field(factory=Router)
    _keys: IdempotencyStore = attrs.field(factory=IdempotencyStore)
    _past: Past = attrs.field(factory=Past)
    _recorded_bytes: int = 0

    async def serve(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer a request."""
        refused = self.door.refusal(request.headers, _port_of(request))
        if refused is not None:
            return self._refused(SandboxResponse(403, f"{refused}\n".encode(), "text/plain"))
        body = await _read(request)
        if isinstance(body, int):
            return self._refused(SandboxResponse(body, b""))
        _, service, rest = [*request.rel_url.raw_path.split("/", 2), "", ""][:3]
        path = f"/{rest}"
        target = self._target(request.method, service, path)
        name = TOKEN.name if target is None else target.route.operation.name if isinstance(target, Match) else None
        self._remember(
            RecordedRequest(name, request.method, service, path, request.query_string, request.headers, body)
        )
        lies = {} if name is None else self.faults.lies(name)
        ahead = self._around(request, lies)
        if isinstance(target, Match):
            refusal = self._refusal(request, target)
            if refusal is not None:
                return self._response(refusal, ahead)
        # Taken before any wait, so that a second request with the key finds it in use.
        key = _idempotency_key(request, target)
        replay = None if key is None else self._keys.enter(*key, body)
        answered = None
        try:
            fault = None if name is None else self.faults.next(name)
            early = await self._before(request, fault, target, body)
            if early is not None:
                return self._response(early, ahead)
            answer = answered = replay or self._answer(request, target, body, lies)
        finally:
            if key is not None and replay is None:
                self._keys.leave(*key, answered)
        if answer.status < 400:
            answer = self._lying(request, target, body, lies, answer)
        if fault is None or fault.fault not in AFTER_COMMIT or replay is not None or answer.status >= 400:
            return self._response(answer, ahead)
        self.faults.meet(fault)
        if fault.fault is Fault.SLOW_BODY:
            return await self._dribble(request, answer, fault.seconds, ahead)
        return self._response(await _spoiled(request, fault, answer), ahead)

    def _around(self, request: web.BaseRequest, lies: Mapping[Fault, ScheduledFault]) -> float:
        """Add the lies that any answer meets.

        Returns how far ahead its date is, in seconds.
        """
        idle, date = lies.get(Fault.CLOSED_WHEN_IDLE), lies.get(Fault.WRONG_DATE)
        if idle is not None and request.transport is not None:
            self.faults.meet(idle)
            asyncio.get_running_loop().call_later(idle.seconds, request.transport.close)
        if date is None:
            return 0.0
        self.faults.meet(date)
        return date.seconds

    def _lying(
        self,
        request: web.BaseRequest,
        target: Match | int | None,
        body: bytes,
        lies: Mapping[Fault, ScheduledFault],
        answer: SandboxResponse,
    ) -> SandboxResponse:
        """Return the lies that a success meets."""
        to_json = {fault: lie for fault, lie in lies.items() if fault not in _MET_BEFORE}
        if not to_json:
            return answer
        for lie in to_json.values():
            self.faults.meet(lie)
        if Fault.WRONG_ORDER in to_json:
            answer = turned_around(answer)
        seconds = {fault: lie.seconds for fault, lie in to_json.items()}
        return lying(answer, seconds, _asked(request, target, body))

    def _refusal(self, request: web.BaseRequest, match: Match) -> SandboxResponse | None:
        """Return the 401 for a rejected token, if any.

        The request meets no other fault then: nothing was looked at.
        """
        authorization = request.headers.get("Authorization", "")
        operation = match.route.operation
        revocation = self.faults.next(operation.name, revoking=True)
        if revocation is not None:
            self.faults.meet(revocation)
            self.tokens.revoke(authorization)
        return self.tokens.refusal(authorization, operation.scopes)

    def _answer(
        self,
        request: web.BaseRequest,
        target: Match | int | None,
        body: bytes,
        lies: Mapping[Fault, ScheduledFault] = NO_LIES,
        *,
        pretend: bool = False,
    ) -> SandboxResponse:
        """Return the answer to a request.

        Args:
            pretend: do it in a copy of the state, and notify nobody.
        """
        if target is None:
            return self.tokens.issue(request.query, body)
        if isinstance(target, int):
            return SandboxResponse(target, b"404 page not found\n" if target == 404 else b"", "text/plain")
        payouts.settle(self.world)
        query = _turned_around(request.query) if Fault.WRONG_ORDER in lies else request.query
        world = copy_of(self.world) if pretend else self._world_of(target, lies.get(Fault.STALE_READ))
        try:
            return target.route.handler(SandboxRequest(world, target.path, query, body))
        except ErrorResponse as refused:
            return refused.answer

    def _world_of(self, target: Match, stale: ScheduledFault | None) -> World:
        """Return the state that a request works on.

        It is an earlier one for a look-up that lags behind.
        """
        seconds = self.faults.most_seconds(Fault.STALE_READ)
        if seconds is None:
            self._past.forget()
        elif not target.route.operation.reads:
            self._past.keep(self.world, seconds)
        if stale is None:
            return self.world
        self.faults.meet(stale)
        return self._past.at(self.world.clock.now() - stale.seconds, self.world)

    async def _before(
        self, request: web.BaseRequest, fault: ScheduledFault | None, target: Match | int | None, body: bytes
    ) -> SandboxResponse | None:
        """Do the part of a fault before the effect.

        Before the request has an effect; an answer ends the request.
        """
        if fault is None or fault.fault in AFTER_COMMIT:
            return None
        if fault.fault is Fault.CONTRADICTION_BEFORE_COMMIT:
            answer = self._answer(request, target, body, pretend=True)
            if answer.status >= 400:
                return answer
            self.faults.meet(fault)
            return contradicting(answer)
        self.faults.meet(fault)
        match fault.fault:
            case Fault.LATENCY:
                await asyncio.sleep(fault.seconds)
            case Fault.DROP_BEFORE_COMMIT:
                _drop(request)
                return SandboxResponse(500, b"")
            case Fault.HANG_BEFORE_COMMIT:
                await _hang(request)
                return SandboxResponse(500, b"")
            case _:
                return _instead(fault)
        return None

    async def _dribble(
        self, request: web.BaseRequest, answer: SandboxResponse, seconds: float, ahead: float
    ) -> web.StreamResponse:
        """Send the body in many small parts.

        They are single bytes, or as many parts as the time has hundredths of a second.
        """
        whole = self._response(answer, ahead)
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

    def _response(self, answer: SandboxResponse, ahead: float = 0.0) -> web.Response:
        """Return the response with the sandbox's time.

        That of its own clock, as that of Tilia's would be, or some seconds ahead of it.
        """
        return web.Response(
            status=answer.status,
            body=answer.body,
            content_type=answer.content_type,
            headers={"Date": self.world.clock.http_date(ahead), **answer.headers},
        )

    def _target(self, method: str, service: str, path: str) -> Match | int | None:
        """Return the route of a request.

        It may be the status that refuses it, or None for the token endpoint, which has no route.
        """
        if (method, service, path) == (TOKEN.method, TOKEN.service, TOKEN.path):
            return None
        return self._router.find(method, service, path)

    def _refused(self, answer: SandboxResponse) -> web.Response:
        """Return the answer to an unwanted request.

        A request whose body is not wanted, or not any more.
        """
        response = self._response(answer)
        response.force_close()
        return response

    def _remember(self, request: RecordedRequest) -> None:
        # Whoever empties the list begins anew.
        self._recorded_bytes = _size(request) + (self._recorded_bytes if self.requests else 0)
        self.requests.append(request)
        if len(self.requests) >= 2 * self.record:
            del self.requests[: -self.record]
            self._recorded_bytes = sum(map(_size, self.requests))
        elif self._recorded_bytes > _MOST_RECORDED_BYTES:
            self._forget()

    def _forget(self) -> None:
        """Forget the oldest requests.

        Until half of the bytes are left.
        """
        self._recorded_bytes = left = sum(map(_size, self.requests))
        number = 0
        while left > _MOST_RECORDED_BYTES // 2 and number < len(self.requests) - 1:
            left -= _size(self.requests[number])
            number += 1
        del self.requests[:number]
        self._recorded_bytes = left


def _size(request: RecordedRequest) -> int:
    return _REQUEST_BYTES + len(request.body) + len(request.path) + len(request.query)


def _port_of(request: web.BaseRequest) -> int:
    address = None if request.transport is None else request.transport.get_extra_info("sockname")
    return int(address[1]) if address else 0


def _idempotency_key(request: web.BaseRequest, target: Match | int | None) -> tuple[str, str] | None:
    """Return the operation and its key.

    There is one if the operation takes one and got one.
    """
    key = request.headers.get("Idempotency-Key")
    if not isinstance(target, Match) or key is None or target.route.operation.repeat is not Repeat.KEYED:
        return None
    return target.route.operation.name, key


def _asked(request: web.BaseRequest, target: Match | int | None, body: bytes) -> set[str]:
    """Return the ids and usernames of a request.

    The request is about them.
    """
    asked = {request.query.get("username", "")}
    if isinstance(target, Match):
        asked |= {*target.path.values()}
    with contextlib.suppress(ValueError):
        sent: JsonValue = orjson.loads(body)
        asked |= {
            value
            for name, value in (sent.items() if isinstance(sent, dict) else ())
            if isinstance(value, str) and (name == "username" or (name.endswith("_id") and name != "reference_id"))
        }
    return asked - {""}


def _turned_around(query: Mapping[str, str]) -> Mapping[str, str]:
    """Return a query for the opposite order.

    Descending is the default.
    """
    return {**query, "sort": "desc" if query.get("sort") == "asc" else "asc"}


async def _read(request: web.BaseRequest) -> bytes | int:
    """Return the body, or a refusing status.

    A status if it is too large or too slow, or not packed as it says.
    """
    if request.content_length is not None and request.content_length > _LARGEST_BODY:
        return 413
    body = bytearray()
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            async for chunk in request.content.iter_any():
                body += chunk
                if len(body) > _LARGEST_BODY:
                    return 413
    except web.RequestPayloadError:
        return 400
    except TimeoutError:
        return 408
    return bytes(body)


def _drop(request: web.BaseRequest) -> None:
    if request.transport is not None:
        request.transport.abort()


async def _hang(request: web.BaseRequest) -> None:
    """Hang until the client has gone.

    At the end of the sandbox it is cancelled.
    """
    while request.transport is not None:  # noqa: ASYNC110 - aiohttp has no event for a client that has gone
        await asyncio.sleep(_LOOK_SECONDS)


def _instead(fault: ScheduledFault) -> SandboxResponse | None:
    """Return the answer to an ignored request.

    One that is not looked at.
    """
    match fault.fault:
        case Fault.RATE_LIMITED:
            return SandboxResponse(429, b"", headers={"Retry-After": fault.retry_after})
        case Fault.SERVER_ERROR_EMPTY:
            return SandboxResponse(500, b"")
        case Fault.SERVER_ERROR_HTML:
            return SandboxResponse(500, _HTML, "text/html")
        case Fault.TOKEN_OUTAGE:
            return SandboxResponse(503, b"")
        case Fault.GATEWAY_BEFORE_COMMIT:
            return SandboxResponse(fault.status, _HTML, "text/html")
        case Fault.PROXY_NOT_FOUND:
            return SandboxResponse(404, _NO_ROUTE, "text/html")
        case Fault.OTHER_BODY_BEFORE_COMMIT:
            return SandboxResponse(200, fault.body.encode())
        case _:
            return None


async def _spoiled(request: web.BaseRequest, fault: ScheduledFault, answer: SandboxResponse) -> SandboxResponse:
    """Return an answer, spoiled by a fault.

    One that comes after the request had its effect.
    """
    match fault.fault:
        case Fault.DROP_AFTER_COMMIT:
            _drop(request)
        case Fault.HANG_AFTER_COMMIT:
            await _hang(request)
        case Fault.BAD_GATEWAY:
            return SandboxResponse(502, _HTML, "text/html")
        case Fault.GATEWAY_AFTER_COMMIT:
            return SandboxResponse(fault.status, _HTML, "text/html")
        case Fault.OTHER_BODY_AFTER_COMMIT:
            return SandboxResponse(200, fault.body.encode())
        case Fault.CONTRADICTION_AFTER_COMMIT:
            return contradicting(answer)
        case Fault.TRUNCATED_JSON:
            return SandboxResponse(answer.status, answer.body[: len(answer.body) // 2])
        case Fault.WRONG_CONTENT_TYPE:
            return SandboxResponse(answer.status, _HTML, "text/html")
        case _:
            pass
    return answer
