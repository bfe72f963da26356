"""What can go wrong with a call, and what must come of it: written from the promises, not from the code."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import aiohttp
import attrs
from breakers import NoNames, closed_port, tls_reset

from tilia_async import Environment, Operation, Service, errors
from tilia_async.sandbox import Fault, Sandbox

PATIENT, HASTY = 5.0, 0.3
"""Timeouts in seconds, for calls that end by themselves and for those that would not."""

OK = None
EFFECT, NO_EFFECT = frozenset({1}), frozenset({0})


@attrs.frozen
class Expected:
    """What must come of a call.

    Attributes:
        error: its class, exactly; None: it succeeds.
        effects: how often it may have taken effect.
    """

    error: type[errors.TiliaError] | None
    took_effect: bool | None
    effects: frozenset[int]


def succeeds() -> Expected:
    return Expected(OK, None, EFFECT)


def fails(error: type[errors.TiliaError], *, effects: frozenset[int], took_effect: bool | None) -> Expected:
    return Expected(error, took_effect, effects)


def kind(operation: Operation[object]) -> str:
    return "reads" if operation.reads else operation.repeat.value


@attrs.frozen
class Condition:
    """One way to go wrong.

    Attributes:
        fault: of the sandbox, for requests of the operation; or of the token endpoint.
        always: every request meets it; else the first one only.
        network: what stands in the sandbox's place.
        timeout: of the call, in seconds.
    """

    name: str
    fault: Fault | None = None
    always: bool = False
    on_token: bool = False
    network: str = ""
    timeout: float = PATIENT
    seconds: float = 0.02
    retry_after: str = "0"

    def expected(self, operation: Operation[object]) -> Expected:
        """What must come of a call of this operation."""
        if self.network:
            return fails(errors.ConnectError, effects=NO_EFFECT, took_effect=False)
        if self.on_token:
            return self._without_token()
        unknown = None if not operation.reads else False
        if self.fault is Fault.LATENCY:
            return succeeds()
        if self.fault is Fault.TOKEN_REVOKED:
            refused = fails(errors.MissingScopeError, effects=NO_EFFECT, took_effect=False)
            return refused if self.always else succeeds()
        if self.fault is Fault.RATE_LIMITED:
            limited = fails(errors.RateLimitedError, effects=NO_EFFECT, took_effect=False)
            ends = self.always or kind(operation) == "never" or self.retry_after == "1000000000"
            return limited if ends else succeeds()
        effects = EFFECT if self.fault in AFTER else NO_EFFECT
        if self.fault in {Fault.HANG_BEFORE_COMMIT, Fault.HANG_AFTER_COMMIT} or self.name == "endless body":
            late = errors.DeadlineExceededError if operation.reads else errors.OutcomeUnknownError
            return fails(late, effects=effects, took_effect=unknown)
        if self.fault is Fault.SLOW_BODY:
            return succeeds()
        if kind(operation) != "never" and not self.always:
            return succeeds()
        if kind(operation) == "keyed" and self.fault in AFTER:
            # The second request is answered with what the first came to.
            return succeeds()
        return fails(self._error(operation), effects=effects, took_effect=unknown)

    def _error(self, operation: Operation[object]) -> type[errors.TiliaError]:
        if self.fault in {Fault.DROP_BEFORE_COMMIT, Fault.DROP_AFTER_COMMIT}:
            return errors.TransportError if operation.reads else errors.OutcomeUnknownError
        unreadable = self.fault in {Fault.TRUNCATED_JSON, Fault.WRONG_CONTENT_TYPE}
        return errors.ResponseDecodeError if unreadable else errors.ServerError

    def _without_token(self) -> Expected:
        if self.fault is Fault.HANG_BEFORE_COMMIT:
            return fails(errors.DeadlineExceededError, effects=NO_EFFECT, took_effect=False)
        if self.fault in {Fault.TRUNCATED_JSON, Fault.WRONG_CONTENT_TYPE}:
            return fails(errors.TokenError, effects=NO_EFFECT, took_effect=False)
        if not self.always:
            return succeeds()
        dropped = self.fault is Fault.DROP_BEFORE_COMMIT
        error = errors.TransportError if dropped else errors.TokenError
        return fails(error, effects=NO_EFFECT, took_effect=False)

    def arrange(self, sandbox: Sandbox, operation: Operation[object]) -> None:
        """Let the next requests go wrong."""
        if self.fault is not None:
            sandbox.faults.add(
                "auth.token" if self.on_token else operation.name,
                self.fault,
                None if self.always else 1,
                seconds=self.seconds,
                retry_after=self.retry_after,
            )

    def surroundings(
        self, sandbox: Sandbox, operation: Operation[object]
    ) -> AbstractAsyncContextManager[tuple[Environment, aiohttp.ClientSession | None]]:
        """The environment of the call, and a session of its own if that is what fails."""
        if self.network:
            return _elsewhere(sandbox, operation.service, self.network)
        return nullcontext((sandbox.environment, None))


AFTER = frozenset(
    {
        Fault.DROP_AFTER_COMMIT,
        Fault.HANG_AFTER_COMMIT,
        Fault.SLOW_BODY,
        Fault.BAD_GATEWAY,
        Fault.TRUNCATED_JSON,
        Fault.WRONG_CONTENT_TYPE,
    }
)


@asynccontextmanager
async def _elsewhere(
    sandbox: Sandbox, service: Service, network: str
) -> AsyncIterator[tuple[Environment, aiohttp.ClientSession | None]]:
    """The sandbox, but for one service, which lies where nothing gets through."""
    template = sandbox.environment.template
    if network == "tls reset":
        async with tls_reset() as port:
            yield Environment.at(template, {service: f"https://127.0.0.1:{port}"}), None
    elif network == "connection refused":
        yield Environment.at(template, {service: f"http://127.0.0.1:{closed_port()}"}), None
    else:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(resolver=NoNames())) as session:
            yield Environment.at(template, {service: "https://accounts.tilia.invalid"}), session


def _both(name: str, fault: Fault, **more: object) -> list[Condition]:
    """Once, and always."""
    return [Condition(f"{name}, {'always' if always else 'once'}", fault, always, **more) for always in (False, True)]


def _date(seconds: float) -> str:
    return format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)


CONDITIONS: tuple[Condition, ...] = (
    *_both("drop before commit", Fault.DROP_BEFORE_COMMIT),
    *_both("drop after commit", Fault.DROP_AFTER_COMMIT),
    Condition("hang before commit", Fault.HANG_BEFORE_COMMIT, timeout=HASTY),
    Condition("hang after commit", Fault.HANG_AFTER_COMMIT, timeout=HASTY),
    Condition("slow body", Fault.SLOW_BODY),
    Condition("endless body", Fault.SLOW_BODY, timeout=HASTY, seconds=60),
    *_both("truncated json", Fault.TRUNCATED_JSON),
    *_both("wrong content type", Fault.WRONG_CONTENT_TYPE),
    *_both("500 empty", Fault.SERVER_ERROR_EMPTY),
    *_both("500 html", Fault.SERVER_ERROR_HTML),
    *_both("502", Fault.BAD_GATEWAY),
    *_both("429 for 0 seconds", Fault.RATE_LIMITED),
    *_both("429 until a date that is over", Fault.RATE_LIMITED, retry_after=_date(-5)),
    *_both("429 with an absurd number", Fault.RATE_LIMITED, retry_after="1000000000"),
    *_both("429 with an absurd word", Fault.RATE_LIMITED, retry_after="soon"),
    *_both("latency", Fault.LATENCY),
    *_both("token revoked", Fault.TOKEN_REVOKED),
    *_both("token outage", Fault.TOKEN_OUTAGE, on_token=True),
    *_both("token dropped", Fault.DROP_BEFORE_COMMIT, on_token=True),
    Condition("token hangs", Fault.HANG_BEFORE_COMMIT, on_token=True, timeout=HASTY),
    Condition("token truncated", Fault.TRUNCATED_JSON, on_token=True),
    Condition("token is html", Fault.WRONG_CONTENT_TYPE, on_token=True),
    Condition("tls reset", network="tls reset"),
    Condition("connection refused", network="connection refused"),
    Condition("no such host", network="no such host"),
)
