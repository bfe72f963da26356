"""One call from start to end, under one deadline."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Mapping
from time import monotonic
from typing import Any, Generic, TypeVar

import attrs

from tilia_async import errors
from tilia_async.config import Environment, RequestOptions, RetryPolicy, expect
from tilia_async.json_value import JsonInput
from tilia_async.secret import hide_body
from tilia_async.tokens.source import TokenSource
from tilia_async.tokens.token import AccessToken
from tilia_async.transport.exchange import exchange
from tilia_async.transport.sessions import Passage, SessionPool
from tilia_async.wire import envelope
from tilia_async.wire.envelope import NoAnswer
from tilia_async.wire.operation import Operation
from tilia_async.wire.outcome import Response, admit_inference, judge, no_answer, out_of_time
from tilia_async.wire.request import WireRequest, build
from tilia_async.wire.retry import decide

T = TypeVar("T")

_log = logging.getLogger("tilia_async")
_NO_OPTIONS = RequestOptions()


@attrs.define(eq=False)
class _Call(Generic[T]):
    """How far one call has come.

    Attributes:
        ends_at: the deadline, on the monotonic clock.
        attempts: how many times the request was given to the network.
        doubtful: an attempt that is over may have taken effect.
        passed: the attempt under way.
        attempted_at: when that began, on the monotonic clock.
        waits_for: what the call is waiting for, in words.
    """

    operation: Operation[T]
    request: WireRequest
    started: float
    timeout: float
    attempts: int = 0
    doubtful: bool = False
    replaced_tokens: int = 0
    passed: Passage | None = None
    attempted_at: float = 0.0
    waits_for: str = "a token"

    @property
    def ends_at(self) -> float:
        return self.started + self.timeout


@attrs.frozen(eq=False)
class Caller:
    """Calls operations for one client.

    Attributes:
        corrected: declarations that replace those of the same name.
    """

    environment: Environment
    pool: SessionPool
    tokens: TokenSource
    timeout: float
    retry: RetryPolicy
    corrected: Mapping[str, Operation[Any]] = attrs.field(factory=dict[str, Operation[Any]])

    async def value(
        self,
        operation: Operation[T],
        *,
        path: Mapping[str, str] | None = None,
        query: Mapping[str, str | int] | None = None,
        body: Mapping[str, JsonInput] | None = None,
        options: RequestOptions | None = None,
    ) -> T:
        """The value of an operation's answer; a corrected declaration of it is used instead.

        Raises:
            TiliaError: as :meth:`send` does.
        """
        declared: Operation[T] = self.corrected.get(operation.name, operation)
        return (await self.send(declared, path=path, query=query, body=body, options=options)).value

    async def send(
        self,
        operation: Operation[T],
        *,
        path: Mapping[str, str] | None = None,
        query: Mapping[str, str | int] | None = None,
        body: Mapping[str, JsonInput] | None = None,
        options: RequestOptions | None = None,
    ) -> Response[T]:
        """Call an operation and wait for its answer, at most as long as the call may last.

        Raises:
            InvalidRequestError: the request was refused here.
            ClientClosedError: the client is closed.
            TokenError: the token endpoint refused.
            ApiError: Tilia answered with an error.
            TransportError: there was no usable answer; its subclasses say what is known.
        """
        if self.pool.closed:
            raise errors.ClientClosedError("the client is closed", operation=operation.name)
        if options is not None:
            expect("options", options, RequestOptions)
        body = None if body is None else hide_body(body)
        request = build(operation, self.environment, path=path, query=query, body=body, options=options)
        chosen = options or _NO_OPTIONS
        call = _Call(operation, request, monotonic(), chosen.timeout or self.timeout)
        try:
            async with self.pool.deadline(call.timeout):
                return await self._attempts(call, chosen.retry or self.retry)
        except TimeoutError as error:
            # One of ours comes from a token's exchange; the other one is the deadline.
            if isinstance(error, errors.TiliaError):
                raise
        # Raised out here, so that the exceptions of the libraries, whose frames hold the token, are not its context.
        raise self._late(call)

    async def _attempts(self, call: _Call[T], policy: RetryPolicy) -> Response[T]:
        while True:
            token = self.tokens.find(call.operation.scopes) or await self._token(call)
            judged = await self._attempt(call, token)
            if isinstance(judged, Response):
                return judged
            failure = judged
            if self._reauthorize(call, token, failure):
                continue
            failure = _explained(call, token, failure)
            decision = decide(
                call.operation,
                policy,
                failure,
                # The try with a new token is on top of the policy's attempts: the first was refused, it did not fail.
                attempt=call.attempts - call.replaced_tokens,
                remaining=call.ends_at - monotonic(),
                draw=random.random(),  # noqa: S311 - spreads load
            )
            _log.debug("%s; %s", failure, decision.why)
            if decision.wait is None:
                try:
                    raise failure
                finally:
                    # A frame that holds the exception that holds the frame is a circle, one for each failing call.
                    del failure, judged
            call.doubtful = call.doubtful or failure.took_effect is None
            call.waits_for = "the next attempt"
            await asyncio.sleep(decision.wait)

    async def _token(self, call: _Call[T]) -> AccessToken:
        call.waits_for = "a token"
        try:
            return await self.tokens.acquire(call.operation.scopes)
        except errors.TiliaError as error:
            failure = error.during(call.operation.name, call.request.reference)
        raise _in_doubt(call, failure)

    async def _attempt(self, call: _Call[T], token: AccessToken) -> Response[T] | errors.TiliaError:
        try:
            session = await self.pool.session()
        except errors.TiliaError as error:
            failure = error.during(call.operation.name, call.request.reference)
            return _in_doubt(call, failure)
        call.attempts += 1
        call.waits_for = "an answer"
        call.passed = Passage(self.pool)
        call.attempted_at = monotonic()
        answer = await exchange(session, call.request, token, call.passed, self.pool.limits.response_bytes)
        judged = judge(call.operation, call.request, answer, attempts=call.attempts, doubtful=call.doubtful)
        if isinstance(judged, errors.TiliaError):
            return judged
        self.tokens.accept(call.operation.scopes)
        elapsed = monotonic() - call.started
        return Response(judged.value, judged.payload, judged.status, judged.headers, call.attempts, elapsed)

    def _reauthorize(self, call: _Call[T], token: AccessToken, failure: errors.TiliaError) -> bool:
        """After the first refusal of the token, whether a new one is worth a try."""
        if call.replaced_tokens or not isinstance(failure, errors.ApiError):
            return False
        expired = envelope.token_expired(failure.payload)
        if failure.status != 401 and not expired:
            return False
        if not self.tokens.refuse(token, call.operation.scopes, expired=expired):
            return False
        call.replaced_tokens += 1
        return True

    def _late(self, call: _Call[T]) -> errors.TiliaError:
        """The error for a call whose time is up, or whose client was closed."""
        sent = call.passed is not None and call.passed.sent and call.waits_for == "an answer"
        waiting = f"while waiting for {call.waits_for}"
        if call.waits_for == "an answer" and not sent:
            limits = self.pool.limits
            waiting = (
                f"after {monotonic() - call.attempted_at:.2f} s of waiting for a connection, "
                f"with {self.pool.waiting} more waiting and {self.pool.busy} in use "
                f"(Limits: {limits.connections} in all, {limits.per_host} per host)"
            )
        reason = f"{'the client was closed' if self.pool.closed else f'{call.timeout:g} s are over'} {waiting}"
        late = out_of_time(call.operation, call.request, NoAnswer(sent, reason), doubtful=call.doubtful)
        if self.pool.closed and late.took_effect is False:
            return errors.ClientClosedError(reason).during(call.operation.name, call.request.reference)
        return late


def _in_doubt(call: _Call[T], failure: errors.TiliaError) -> errors.TiliaError:
    """What stopped a call before its next attempt does not undo what an earlier one may have done."""
    if not call.doubtful or call.operation.reads:
        return failure
    return no_answer(call.operation, call.request, NoAnswer(False, str(failure)), doubtful=True)


def _explained(call: _Call[T], token: AccessToken, failure: errors.TiliaError) -> errors.TiliaError:
    """A fresh token that is refused lacks a scope: Tilia says 401 to that, too (fact sheet "accounts", D3)."""
    if isinstance(failure, errors.UnauthorizedError) and not envelope.token_expired(failure.payload):
        missing = envelope.missing_scope(failure, needed=call.operation.scopes, granted=token.scopes)
        admit_inference(call.operation, missing)
        return missing
    return failure
