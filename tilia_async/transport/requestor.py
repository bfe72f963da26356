"""A call from start to end, under one deadline."""

from __future__ import annotations

import asyncio
import logging
import random
import sys
import uuid
from collections.abc import Awaitable, Generator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from enum import Enum
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any, Generic, Protocol, Self, TypeVar

import attrs

from tilia_async import errors
from tilia_async.call_record import AttemptRecord, CallRecord
from tilia_async.config import Environment, RequestOptions, RetryPolicy
from tilia_async.json_value import Body
from tilia_async.observe.hooks import EVERYWHERE, Observers
from tilia_async.observe.watched_call import WatchedCall
from tilia_async.secret import Secret, hide_body
from tilia_async.settings_checks import expect
from tilia_async.tokens.provider import TokenProvider
from tilia_async.tokens.token import AccessToken
from tilia_async.tracebacks import cut
from tilia_async.transport.deadlines import Deadline
from tilia_async.wire import envelope
from tilia_async.wire.envelope import NoResponse, RawResponse
from tilia_async.wire.operation import Operation, Repeat
from tilia_async.wire.redactor import NO_REDACTION, Redactor
from tilia_async.wire.request import WireRequest, build, described
from tilia_async.wire.response import Response, Success, admit_inference, interpret, no_answer, out_of_time, well
from tilia_async.wire.retry import Decision, decide

if TYPE_CHECKING:
    from tilia_async.transport.send_state import SendState
    from tilia_async.transport.sessions import LoopState, SessionPool

T = TypeVar("T")

_calls = logging.getLogger("tilia_async.calls")
_NEVER = Repeat.NEVER


class Waiting(Enum):
    """State of a waiting call.

    The value says in words what the call is waiting for.
    """

    TOKEN = "a token"  # noqa: S105 - no password
    ANSWER = "an answer"
    NEXT_ATTEMPT = "the next attempt"


_ANSWER = Waiting.ANSWER


class TokenWatch(Protocol):
    """Watcher of many calls.

    Whoever makes them sees more than one of them does.

    Attributes:
        generation: of the token that the call carried last.
    """

    generation: int

    def may_renew(self) -> bool:
        """Return True to try once more with another token.

        The token was refused, and has not expired.
        """
        ...


@attrs.define(eq=False)
class _Call(Generic[T]):
    """Progress of one call.

    Attributes:
        watch: is told of its token, and asked whether a refused one is to be replaced.
        attempts: how many times the request was given to the network.
        doubtful: an attempt that is over may have taken effect.
        passed: the attempt under way.
        attempted: when that began, on the monotonic clock.
        generation: of the token that it carries.
        waits_for: what the call is waiting for.
        records: of the attempts that failed.
        watched: tells its observers; None: there are none.
    """

    operation: Operation[T]
    request: WireRequest
    started: float
    timeout: float
    watch: TokenWatch | None = None
    attempts: int = 0
    doubtful: bool = False
    replaced_tokens: int = 0
    send_state: SendState | None = None
    attempted: float = 0.0
    generation: int = 0
    waits_for: Waiting = Waiting.TOKEN
    records: tuple[AttemptRecord, ...] = ()
    watched: WatchedCall | None = None

    @property
    def ends_at(self) -> float:
        """The deadline, on the monotonic clock."""
        return self.started + self.timeout

    def note(self, failure: errors.TiliaError | str, decision: Decision) -> None:
        """Keep what became of the attempt under way."""
        if self.watched is not None:
            self.watched.failed(None if isinstance(failure, str) else failure, decision.why, decision.wait)
        self.records += (
            AttemptRecord(
                at=self.attempted - self.started,
                elapsed=monotonic() - self.attempted,
                sent=self.send_state is not None and self.send_state.sent,
                token_generation=self.generation,
                outcome=str(failure).removeprefix(f"{self.operation.name}: "),
                cause=failure.cause if isinstance(failure, errors.TransportError) else None,
                decision=decision.why,
            ),
        )

    def end(self, error: BaseException) -> None:
        """Tell the observers how it failed, if there are any."""
        if self.watched is not None:
            self.watched.end(error)

    def response(self, came: Success[T]) -> Response[T]:
        """Return the answer with its details."""
        elapsed = monotonic() - self.started
        return Response(came.value, came.payload, came.status, came.headers, self.attempts, elapsed)

    def record(self) -> CallRecord:
        """Return the record of the call so far."""
        elapsed = monotonic() - self.started
        return CallRecord(
            self.operation.name,
            described(self.operation, self.request),
            datetime.now(UTC) - timedelta(seconds=elapsed),
            elapsed,
            self.timeout,
            self.records,
        )


@attrs.frozen(eq=False)
class Requestor:
    """Calls operations for one client.

    Attributes:
        corrected: declarations that replace those of the same name.
        begun: its requests belong to a call that is under way, and may begin while the client waits for that to end.
    """

    environment: Environment
    pool: SessionPool
    tokens: TokenProvider
    timeout: float
    retry: RetryPolicy
    corrected: Mapping[str, Operation[Any]] = attrs.field(factory=dict[str, Operation[Any]])
    observers: Observers = attrs.field(default=(), repr=False)
    begun: bool = False

    @contextmanager
    def under_way(self, operation: str) -> Generator[Self, None, None]:
        """Count a call of several steps as under way.

        Yields what sends its requests until the client's grace ends.

        Args:
            operation: its name, for the error.

        Raises:
            ClientClosedError: the client is closed.
        """
        self._check_open(operation)
        deadlines = self.pool.for_running_loop().deadlines
        deadlines.keep()
        try:
            yield attrs.evolve(self, begun=True)
        finally:
            deadlines.release()

    async def value(  # noqa: C901 - see the comment on one coroutine
        self,
        operation: Operation[T],
        *,
        path: Mapping[str, str] | None = None,
        query: Mapping[str, str | int] | None = None,
        body: Body | None = None,
        options: RequestOptions | None = None,
        watch: TokenWatch | None = None,
        details: list[Response[T]] | None = None,
    ) -> T:
        """Return the value of an operation's answer.

        A corrected declaration of the operation is used instead of it.

        Args:
            watch: is told which token is used, and asked whether a refused one is to be replaced; None: it is.
            details: gets the whole response. The declaration is used as it is then.

        Raises:
            TiliaError: as ``send`` does.
        """
        # One coroutine from here to the network's part: each between them costs as much as a look-up of the token.
        before = sys.exception()
        call: _Call[T] | None = None
        outcome: Success[T] | errors.TiliaError | None = None
        try:
            if details is None:
                operation = self.corrected.get(operation.name, operation)
            call = self._begin(operation, path, query, body, options)
            call.watch = watch
            part = self.pool.for_running_loop()
            policy = self.retry if options is None else options.retry or self.retry
            with Deadline(part.deadlines, call.timeout):
                token = self.tokens.find(operation.scopes) or await self._token(call)
                outcome = self._judged(call, token, await self._attempt(call, part, token, policy))
                if not isinstance(outcome, Success):
                    outcome = await self._again(call, part, policy, token, outcome)
        except errors.TiliaError as error:
            # Made to be shown.
            if call is not None:
                error.call = call.record()
                call.end(error)
            # A frame that holds the exception that holds the frame is a circle, one for each failing call.
            outcome = None
            raise
        except TimeoutError:
            # The time is up, or the client was closed.
            if call is None:
                raise
        except BaseException as error:  # whatever ends the call; it is raised again
            if call is not None:
                _warn_of_doubt(call, error)
                call.end(error)
            cut(error, before)
            raise
        else:
            if call.watched is not None:
                call.watched.end()
            if details is not None:
                details.append(call.response(outcome))
            return outcome.value
        # Raised out here, so that the exceptions of the libraries, whose frames hold the token, are not its context.
        raise self._late(call)

    async def send(
        self,
        operation: Operation[T],
        *,
        path: Mapping[str, str] | None = None,
        query: Mapping[str, str | int] | None = None,
        body: Body | None = None,
        options: RequestOptions | None = None,
    ) -> Response[T]:
        """Call an operation and wait for its answer.

        It waits at most as long as the call may last.

        Raises:
            InvalidRequestError: the request was refused here.
            ClientClosedError: the client is closed.
            TokenError: the token endpoint refused.
            ApiError: Tilia answered with an error.
            TransportError: there was no usable answer; its subclasses say what is known.
        """
        details: list[Response[T]] = []
        body = None if body is None else hide_body(body)
        await self.value(operation, path=path, query=query, body=body, options=options, details=details)
        return details[0]

    def _begin(
        self,
        operation: Operation[T],
        path: Mapping[str, str] | None,
        query: Mapping[str, str | int] | None,
        body: Body | None,
        options: RequestOptions | None,
    ) -> _Call[T]:
        if self.pool.closed:
            self._check_open(operation.name)
        timeout = self.timeout
        if options is not None:
            expect("options", options, RequestOptions, operation=operation.name)
            timeout = options.timeout or timeout
        body = None if body is None else hide_body(body)
        request = build(
            operation, self.environment, path=path, query=query, body=body, options=options, new_key=new_key(operation)
        )
        call = _Call(operation, request, monotonic(), timeout)
        if self.observers or EVERYWHERE or _calls.isEnabledFor(logging.INFO):
            call.watched = WatchedCall(self.observers, operation, request).start()
        return call

    def _check_open(self, operation: str) -> None:
        if self.pool.ended if self.begun else self.pool.closed:
            raise errors.ClientClosedError("the client is closed", operation=operation)

    async def _again(
        self, call: _Call[T], part: LoopState, policy: RetryPolicy, token: AccessToken, judged: errors.TiliaError
    ) -> Success[T]:
        """Try again as long as that may help."""
        outcome: Success[T] | errors.TiliaError = judged
        del judged
        while not isinstance(outcome, Success):
            if self._reauthorize(call, token, outcome):
                call.note(outcome, Decision(0.0, "try once more with a new token"))
            else:
                failure = _explained(call, token, outcome)
                wait = self._decided(call, policy, failure)
                if wait is None:
                    try:
                        raise failure
                    finally:
                        # As above.
                        del failure, outcome
                call.doubtful = call.doubtful or failure.took_effect is None
                call.waits_for = Waiting.NEXT_ATTEMPT
                await asyncio.sleep(wait)
            token = self.tokens.find(call.operation.scopes) or await self._token(call)
            outcome = self._judged(call, token, await self._attempt(call, part, token, policy))
        return outcome

    def _decided(self, call: _Call[T], policy: RetryPolicy, failure: errors.TiliaError) -> float | None:
        """Return the seconds until the next attempt; None: none follows."""
        decision = decide(
            call.operation,
            policy,
            failure,
            # The try with a new token is on top of the policy's attempts: the first was refused, it did not fail.
            attempt=call.attempts - call.replaced_tokens,
            remaining=call.ends_at - monotonic(),
            draw=random.random(),  # noqa: S311 - spreads load
        )
        call.note(failure, decision)
        return decision.wait

    async def _token(self, call: _Call[T]) -> AccessToken:
        call.waits_for = Waiting.TOKEN
        since = monotonic()
        try:
            return await self.tokens.acquire(call.operation.scopes)
        except errors.TiliaError as error:
            failure = errors.attributed_to(error, call.operation.name, call.request.reference)
        finally:
            if call.watched is not None:
                call.watched.waited_for_token(since)
        raise _in_doubt(call, failure)

    def _attempt(
        self, call: _Call[T], part: LoopState, token: AccessToken, policy: RetryPolicy
    ) -> Awaitable[RawResponse | NoResponse | errors.TiliaError]:
        """Give the request to the network once.

        An error says why it could not be given.
        """
        session = part.find()
        if session is None:
            return self._first_attempt(call, part, token, policy)
        call.attempts += 1
        call.waits_for = _ANSWER
        # An operation that is never repeated gains nothing from an attempt that ends early.
        seconds = None if call.operation.repeat is _NEVER else policy.attempt_timeout
        call.send_state = send_state = part.current_send(seconds)
        call.attempted = monotonic()
        call.generation = token.generation
        if call.watch is not None:
            call.watch.generation = token.generation
        if call.watched is not None:
            send = partial(self.pool.send_once, part, session, token=token, send_state=send_state)
            return call.watched.attempt(call.request, send, token_generation=token.generation, sending=send_state)
        return self.pool.send_once(part, session, call.request, token, send_state)

    async def _first_attempt(
        self, call: _Call[T], part: LoopState, token: AccessToken, policy: RetryPolicy
    ) -> RawResponse | NoResponse | errors.TiliaError:
        """Open the session first."""
        try:
            await self.pool.session()
        except errors.TiliaError as error:
            failure = errors.attributed_to(error, call.operation.name, call.request.reference)
            return _in_doubt(call, failure)
        return await self._attempt(call, part, token, policy)

    def _judged(
        self, call: _Call[T], token: AccessToken, answer: RawResponse | NoResponse | errors.TiliaError
    ) -> Success[T] | errors.TiliaError:
        """Return what an attempt came to.

        It raises nothing, because its frame holds the answer as it came.
        """
        if isinstance(answer, errors.TiliaError):
            return answer
        operation = call.operation
        good = well(operation, call.request, answer) if isinstance(answer, RawResponse) else None
        judged = good or _judge(call, answer, NO_REDACTION)
        if good is not None or isinstance(judged, Success):
            self.tokens.accept(operation.scopes)
            return judged
        # Once more without the secrets that it may repeat, which costs too much for the answers that are well.
        return _judge(call, answer, Redactor.of((Secret(token.value), *call.request.secrets)))

    def _reauthorize(self, call: _Call[T], token: AccessToken, failure: errors.TiliaError) -> bool:
        """Return True if a new token is worth a try.

        It is asked after the first refusal of the token.
        """
        if call.replaced_tokens or not isinstance(failure, errors.ApiError):
            return False
        expired = envelope.token_expired(failure.payload)
        if not expired and (failure.status != 401 or (call.watch is not None and not call.watch.may_renew())):
            return False
        if not self.tokens.refuse(token, call.operation.scopes, expired=expired):
            return False
        call.replaced_tokens += 1
        return True

    def _late(self, call: _Call[T]) -> errors.TiliaError:
        """Return the error for a call out of time.

        Its time is up, or its client was closed.
        """
        trying = call.waits_for is Waiting.ANSWER
        send_state = call.send_state if trying else None
        sent = send_state is not None and send_state.sent
        waiting = f"while waiting for {call.waits_for.value}"
        if send_state is not None and not send_state.sent:
            places = send_state.places
            waiting = (
                f"after {monotonic() - call.attempted:.2f} s of waiting for a connection, "
                f"with {places.waiting} more waiting and {places.in_use} in use (Limits: {places.limits})"
            )
        closed = self.pool.ended
        over = "the client was closed" if closed else f"{call.timeout:g} s are over"
        reason = f"{over} {waiting}"
        if trying:
            call.note(f"no answer: {reason}", Decision(None, "nothing more" if closed else "the call's time is over"))
        late: errors.TiliaError = out_of_time(
            call.operation, call.request, NoResponse(sent, reason), doubtful=call.doubtful
        )
        if closed and late.took_effect is False:
            late = errors.attributed_to(errors.ClientClosedError(reason), call.operation.name, call.request.reference)
        late.call = call.record()
        call.end(late)
        return late


def new_key(operation: Operation[object]) -> str | None:
    """Draw a call's idempotency key; None if it takes none."""
    return str(uuid.uuid4()) if operation.repeat is Repeat.KEYED else None


def _judge(call: _Call[T], answer: RawResponse | NoResponse, mask: Redactor) -> Success[T] | errors.TiliaError:
    return interpret(
        call.operation,
        call.request,
        answer,
        attempts=call.attempts,
        doubtful=call.doubtful,
        now=datetime.now(UTC),
        mask=mask,
    )


def _warn_of_doubt(call: _Call[T], error: BaseException) -> None:
    """Warn of a write that was cut off.

    It was cut off after it was sent: no error says so, and nobody may look.
    """
    if call.operation.reads or isinstance(error, Exception):
        return
    if call.watch is not None:
        # A job has many under way, and tells of them itself.
        return
    sent = call.waits_for is Waiting.ANSWER and call.send_state is not None and call.send_state.sent
    if not sent and not call.doubtful:
        return
    operation, names = call.operation, ", ".join(call.request.reference) or "what identifies it"
    # No id is in a log: the time tells one cut-off call from another.
    elapsed = monotonic() - call.started
    _calls.warning(
        "%s: cancelled after it was sent (%s), %.3f s after it began; nobody knows whether it took effect. "
        "tilia.reconcile(OPERATIONS[%r], reference=...) with %s finds out",
        operation.name,
        described(operation, call.request),
        elapsed,
        operation.name,
        names,
        extra={
            "tilia": {
                "operation": operation.name,
                "template": operation.path,
                "attempts": call.attempts,
                "elapsed": elapsed,
                "took_effect": None,
                "identified_by": list(call.request.reference),
            }
        },
    )


def _in_doubt(call: _Call[T], failure: errors.TiliaError) -> errors.TiliaError:
    """Add the doubt that earlier attempts left.

    What stopped a call before its next attempt does not undo what an earlier one may have done.
    """
    if not call.doubtful or call.operation.reads:
        return failure
    return no_answer(call.operation, call.request, NoResponse(False, str(failure)), doubtful=True)


def _explained(call: _Call[T], token: AccessToken, failure: errors.TiliaError) -> errors.TiliaError:
    """Return a fresh token's 401 as a missing scope.

    A fresh token that is refused lacks a scope: Tilia says 401 to that, too (fact sheet "accounts", D3).
    """
    if isinstance(failure, errors.UnauthorizedError) and not envelope.token_expired(failure.payload):
        missing = envelope.missing_scope(failure, needed=call.operation.scopes, granted=token.scopes)
        admit_inference(call.operation, missing)
        return missing
    return failure
