"""The handler of requests.

Takes requests, commits the faults that wait for them, and answers.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final, TypeAlias

import attrs
import orjson
from aiohttp import web

from tilia_async.json_value import JsonValue
from tilia_async.sandbox import payouts
from tilia_async.sandbox.contradictions import contradicting, lying, turned_around
from tilia_async.sandbox.door import Door
from tilia_async.sandbox.fault_answers import drop, hang, instead_of_answer, spoiled
from tilia_async.sandbox.faults import AFTER_COMMIT, LIES, Fault
from tilia_async.sandbox.idempotency import IdempotencyStore
from tilia_async.sandbox.past import Past, copy_of
from tilia_async.sandbox.recorded import RecordedRequest
from tilia_async.sandbox.request_body import read_body
from tilia_async.sandbox.request_log import RequestLog
from tilia_async.sandbox.requests import ErrorResponse, SandboxRequest
from tilia_async.sandbox.responses import SandboxResponse
from tilia_async.sandbox.routing import Match, Router
from tilia_async.sandbox.token_issuer import TokenIssuer
from tilia_async.sandbox.waiting_faults import ScheduledFault, WaitingFaults
from tilia_async.sandbox.world import World
from tilia_async.tokens.fetch import TOKEN
from tilia_async.wire.operation import Repeat

_MET_BEFORE = frozenset({Fault.STALE_READ, Fault.WRONG_DATE, Fault.CLOSED_WHEN_IDLE})
"""Lies that a request meets before its answer.

Before there is an answer.
"""
_WAITING = frozenset({Fault.LATENCY, Fault.HANG_BEFORE_COMMIT, Fault.HANG_AFTER_COMMIT, Fault.SLOW_BODY})
CONTROL: Final = "_sandbox"
"""First segment of the paths that are no service's."""

NO_LIES: Mapping[Fault, ScheduledFault] = MappingProxyType({})
Serve: TypeAlias = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


@attrs.define(eq=False)
class _Arrival:
    """A request that has arrived whole.

    Attributes:
        target: its route, the status that refuses it, or None for the token endpoint, which has no route.
        lies: those that wait for it.
    """

    request: web.BaseRequest
    record: RecordedRequest
    target: Match | int | None
    lies: Mapping[Fault, ScheduledFault]

    @property
    def body(self) -> bytes:
        return self.record.body

    @property
    def is_gone(self) -> bool:
        """True if the connection is cut."""
        return self.request.transport is None or self.request.transport.is_closing()


async def no_control(_request: web.BaseRequest) -> web.StreamResponse:
    """Answer as to any path that there is not."""
    return web.Response(status=404)


@attrs.define(eq=False)
class RequestHandler:
    """A handler at which requests arrive.

    Attributes:
        door: who may come in. Of others nothing is read and nothing remembered.
        log: what arrived, in order.
        control: takes the requests about the sandbox itself, which are not remembered and meet no fault.
    """

    world: World
    tokens: TokenIssuer
    faults: WaitingFaults
    log: RequestLog
    door: Door = attrs.field(factory=Door)
    control: Serve = attrs.field(default=no_control, repr=False)
    _router: Router = attrs.field(factory=Router)
    _keys: IdempotencyStore = attrs.field(factory=IdempotencyStore)
    _past: Past = attrs.field(factory=Past)

    def begin_anew(self, world: World) -> None:
        """Go on with another state."""
        self.world, self._keys, self._past = world, IdempotencyStore(), Past()

    async def serve(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer a request."""
        began = time.perf_counter()
        refused = self.door.refusal(request.headers, _port_of(request))
        if refused is not None:
            return self._refused(SandboxResponse(403, f"{refused}\n".encode(), "text/plain"))
        _, service, rest = [*request.rel_url.raw_path.split("/", 2), "", ""][:3]
        if service == CONTROL:
            return await self.control(request)
        body = await read_body(request)
        if isinstance(body, int):
            return self._refused(SandboxResponse(body, b""))
        arrival = self._arrive(request, service, f"/{rest}", body)
        record = arrival.record
        try:
            return await self._sent(arrival, await self._answered(arrival))
        except Exception:  # a bug of the sandbox, which aiohttp answers so
            record.status, record.answer = 500, b""
            raise
        finally:
            # Cancelled at the end of the sandbox, it has no status either.
            record.dropped = record.status is None
            self.log.end(record, time.perf_counter() - began)

    def _arrive(self, request: web.BaseRequest, service: str, path: str, body: bytes) -> _Arrival:
        target = self._target(request.method, service, path)
        operation = TOKEN if target is None else target.route.operation if isinstance(target, Match) else None
        name = None if operation is None else operation.name
        record = RecordedRequest(
            name,
            request.method,
            service,
            path,
            request.query_string,
            request.headers,
            body,
            template=None if operation is None else f"/{operation.service}{operation.path}",
            time=datetime.fromtimestamp(self.world.clock.now(), UTC),
        )
        self.log.arrive(record)
        return _Arrival(request, record, target, {} if name is None else self.faults.lies(name))

    async def _sent(self, arrival: _Arrival, response: web.StreamResponse) -> web.StreamResponse:
        """Send a response, and note whether it is out.

        It is noted before, too, since who gets it may look at once.
        """
        record = arrival.record
        if arrival.is_gone:
            record.answer = None
        else:
            record.status = response.status
            if isinstance(response, web.Response) and isinstance(response.body, bytes):
                record.answer = response.body
        try:
            await response.prepare(arrival.request)
            await response.write_eof()
        except ConnectionError:
            record.status = record.answer = None
        return response

    async def _answered(self, arrival: _Arrival) -> web.StreamResponse:
        request, target, name = arrival.request, arrival.target, arrival.record.operation
        ahead = self._around(arrival)
        if isinstance(target, Match):
            refusal = self._refusal(arrival, target)
            if refusal is not None:
                return self._response(refusal, ahead)
        # Taken before any wait, so that a second request with the key finds it in use.
        key = _idempotency_key(request, target)
        keys = self._keys
        replay = None if key is None else keys.enter(*key, arrival.body)
        answered = None
        try:
            fault = None if name is None else self.faults.next(name)
            early = await self._before(arrival, fault)
            if early is not None:
                return self._response(early, ahead)
            answer = answered = replay or self._answer(arrival)
        finally:
            if key is not None and replay is None:
                keys.leave(*key, answered)
        if answer.status < 400:
            answer = self._lying(arrival, answer)
        if fault is None or fault.fault not in AFTER_COMMIT or replay is not None or answer.status >= 400:
            return self._response(answer, ahead)
        self._meet(arrival, fault)
        if fault.fault is Fault.SLOW_BODY:
            return await self._dribble(arrival, answer, fault.seconds, ahead)
        return self._response(await spoiled(request, fault, answer), ahead)

    def _meet(self, arrival: _Arrival, scheduled: ScheduledFault) -> None:
        """Commit a fault, and note it."""
        self.faults.meet(scheduled)
        if scheduled.fault in LIES:
            arrival.record.lies += (scheduled.fault,)
        else:
            arrival.record.fault = scheduled.fault
        if scheduled.fault in _WAITING:
            self.log.wait(arrival.record)

    def _around(self, arrival: _Arrival) -> float:
        """Add the lies that any answer meets.

        Returns how far ahead its date is, in seconds.
        """
        idle, date = arrival.lies.get(Fault.CLOSED_WHEN_IDLE), arrival.lies.get(Fault.WRONG_DATE)
        transport = arrival.request.transport
        if idle is not None and transport is not None:
            self._meet(arrival, idle)
            asyncio.get_running_loop().call_later(idle.seconds, transport.close)
        if date is None:
            return 0.0
        self._meet(arrival, date)
        return date.seconds

    def _lying(self, arrival: _Arrival, answer: SandboxResponse) -> SandboxResponse:
        """Return the lies that a success meets."""
        lies = {fault: lie for fault, lie in arrival.lies.items() if fault not in _MET_BEFORE}
        if not lies:
            return answer
        for lie in lies.values():
            self._meet(arrival, lie)
        if Fault.WRONG_ORDER in lies:
            answer = turned_around(answer)
        seconds = {fault: lie.seconds for fault, lie in lies.items()}
        return lying(answer, seconds, _asked(arrival))

    def _refusal(self, arrival: _Arrival, match: Match) -> SandboxResponse | None:
        """Return the 401 for a rejected token, if any.

        The request meets no other fault then: nothing was looked at.
        """
        authorization = arrival.request.headers.get("Authorization", "")
        operation = match.route.operation
        revocation = self.faults.next(operation.name, revoking=True)
        if revocation is not None:
            self._meet(arrival, revocation)
            self.tokens.revoke(authorization)
        return self.tokens.refusal(authorization, operation.scopes)

    def _answer(self, arrival: _Arrival, *, pretend: bool = False) -> SandboxResponse:
        """Return the answer to a request.

        Args:
            pretend: do it in a copy of the state, and notify nobody.
        """
        request, target = arrival.request, arrival.target
        if target is None:
            return self.tokens.issue(request.query, arrival.body)
        if isinstance(target, int):
            return SandboxResponse(target, b"404 page not found\n" if target == 404 else b"", "text/plain")
        payouts.settle(self.world)
        query = _turned_around(request.query) if Fault.WRONG_ORDER in arrival.lies else request.query
        world = copy_of(self.world) if pretend else self._world_of(arrival, target)
        try:
            asked = SandboxRequest(world, target.path, query, arrival.body)
            asked.check(target.route)
            return target.route.handler(asked)
        except ErrorResponse as refused:
            return refused.answer

    def _world_of(self, arrival: _Arrival, target: Match) -> World:
        """Return the state that a request works on.

        It is an earlier one for a look-up that lags behind.
        """
        stale = arrival.lies.get(Fault.STALE_READ)
        seconds = self.faults.most_seconds(Fault.STALE_READ)
        if seconds is None:
            self._past.forget()
        elif not target.route.operation.reads:
            self._past.keep(self.world, seconds)
        if stale is None:
            return self.world
        self._meet(arrival, stale)
        return self._past.at(self.world.clock.now() - stale.seconds, self.world)

    async def _before(self, arrival: _Arrival, fault: ScheduledFault | None) -> SandboxResponse | None:
        """Do the part of a fault before the effect.

        Before the request has an effect; an answer ends the request.
        """
        if fault is None or fault.fault in AFTER_COMMIT:
            return None
        if fault.fault is Fault.CONTRADICTION_BEFORE_COMMIT:
            # Lies are met by the answer that is given, and not by one that is thought of.
            answer = self._answer(attrs.evolve(arrival, lies=NO_LIES), pretend=True)
            if answer.status >= 400:
                return answer
            self._meet(arrival, fault)
            return contradicting(answer)
        self._meet(arrival, fault)
        match fault.fault:
            case Fault.LATENCY:
                await asyncio.sleep(fault.seconds)
            case Fault.DROP_BEFORE_COMMIT:
                drop(arrival.request)
                return SandboxResponse(500, b"")
            case Fault.HANG_BEFORE_COMMIT:
                await hang(arrival.request)
                return SandboxResponse(500, b"")
            case _:
                return instead_of_answer(fault)
        return None

    async def _dribble(
        self, arrival: _Arrival, answer: SandboxResponse, seconds: float, ahead: float
    ) -> web.StreamResponse:
        """Send the body in many small parts.

        They are single bytes, or as many parts as the time has hundredths of a second.
        """
        whole = self._response(answer, ahead)
        slow = web.StreamResponse(status=whole.status, headers=whole.headers)
        slow.content_length = len(answer.body)
        parts = max(1, min(len(answer.body), round(seconds * 100)))
        size = -(-len(answer.body) // parts)
        arrival.record.answer = answer.body
        # Whoever does not wait for the rest closes the connection.
        with contextlib.suppress(ConnectionError):
            await slow.prepare(arrival.request)
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
            headers={"Date": self.world.times.http_date(ahead), **answer.headers},
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


def _asked(arrival: _Arrival) -> set[str]:
    """Return the ids and usernames of a request.

    The request is about them.
    """
    asked = {arrival.request.query.get("username", "")}
    if isinstance(arrival.target, Match):
        asked |= {*arrival.target.path.values()}
    with contextlib.suppress(ValueError):
        sent: JsonValue = orjson.loads(arrival.body)
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
