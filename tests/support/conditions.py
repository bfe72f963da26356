"""Conditions of a call, with what must come of it.

Written from the promises, not from the code.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import aiohttp
import attrs

from support.breakers import NoNames, closed_port, tls_reset
from tilia_async import Environment, Operation, Service, errors
from tilia_async.sandbox import Fault, Sandbox

PATIENT, HASTY = 5.0, 0.3
"""Timeouts in seconds.

For calls that end by themselves and for those that would not.
"""

EFFECT, NO_EFFECT = frozenset({1}), frozenset({0})


@attrs.frozen
class Expected:
    """The result that a call must have.

    Attributes:
        errors: one of these classes, exactly.
        may_succeed: it may as well succeed; without errors it has to.
        effects: how often it may have taken effect.
    """

    errors: frozenset[type[errors.TiliaError]]
    took_effect: bool | None
    effects: frozenset[int]
    may_succeed: bool = False


def succeeds() -> Expected:
    return Expected(frozenset(), None, EFFECT, may_succeed=True)


def fails(*kinds: type[errors.TiliaError], effects: frozenset[int], took_effect: bool | None) -> Expected:
    return Expected(frozenset(kinds), took_effect, effects)


@attrs.frozen(eq=False)
class Lookup:
    """A lie of look-ups after a lost answer.

    The write was sent, and its answer was lost.

    Attributes:
        fault: of every look-up that it is made for.
        of: the writes whose look-up it changes; empty: all.
        twin: the same was done once before the write.
        hides: what was done may not be seen yet, so it may be told as not seen, but not finally.
    """

    fault: Fault | None = None
    more: Mapping[str, object] = attrs.field(factory=dict[str, object])
    of: frozenset[str] = frozenset()
    twin: bool = False
    hides: bool = False

    @property
    def shows(self) -> bool:
        """True if what was done is in the answers.

        In whatever form.
        """
        return self.fault not in {
            Fault.STALE_READ,
            Fault.OTHER_ID,
            Fault.PROXY_NOT_FOUND,
            Fault.OTHER_BODY_BEFORE_COMMIT,
        }

    def arrange(self, sandbox: Sandbox) -> None:
        """Let all look-ups lie from now on."""
        if self.fault is not None:
            sandbox.faults.add("*", self.fault, None, **self.more)


def kind(operation: Operation[object]) -> str:
    return "reads" if operation.reads else operation.repeat.value


@attrs.frozen
class Condition:
    """A way to go wrong.

    Attributes:
        fault: of the sandbox, for requests of the operation; or of the token endpoint.
        always: every request meets it; else the first one only.
        network: what stands in the sandbox's place.
        timeout: of the call, in seconds.
        lookup: how the reconciliation is lied to afterwards; the call has one attempt then.
    """

    name: str
    fault: Fault | None = None
    always: bool = False
    on_token: bool = False
    network: str = ""
    timeout: float = PATIENT
    seconds: float = 0.02
    retry_after: str = "0"
    status: int = 408
    body: str = ""
    lookup: Lookup | None = None

    def fits(self, operation: Operation[object]) -> bool:
        """Return True if the operation can meet it."""
        if self.lookup is not None:
            return not operation.reads and (not self.lookup.of or operation.name in self.lookup.of)
        return self.fault not in CONTRADICTED or operation.name in CONTRADICTABLE

    def expected(self, operation: Operation[object]) -> Expected:
        """Return the result that the call must have.

        A call of this operation.
        """
        if self.network:
            return fails(errors.ConnectError, effects=NO_EFFECT, took_effect=False)
        if self.on_token:
            return self._without_token()
        unknown = None if not operation.reads else False
        if self.lookup is not None:
            effects = EFFECT if self.fault in AFTER else NO_EFFECT
            return fails(errors.OutcomeUnknownError, effects=effects, took_effect=None)
        if self.fault in SPOILED:
            return self._spoiled(operation, unknown)
        return self._passing(operation) or self._unanswered(operation, unknown)

    def _passing(self, operation: Operation[object]) -> Expected | None:
        """Return the result of a wait.

        Or of a refusal that says when to come again.
        """
        if self.fault is Fault.LATENCY:
            return succeeds()
        if self.fault is Fault.TOKEN_REVOKED:
            refused = fails(errors.MissingScopeError, effects=NO_EFFECT, took_effect=False)
            return refused if self.always else succeeds()
        if self.fault is Fault.RATE_LIMITED:
            limited = fails(errors.RateLimitedError, effects=NO_EFFECT, took_effect=False)
            ends = self.always or kind(operation) == "never" or self.retry_after == "1000000000"
            return limited if ends else succeeds()
        return None

    def _unanswered(self, operation: Operation[object], unknown: bool | None) -> Expected:
        """Return the result of an unanswered request.

        Its answer is lost, late or spoiled.
        """
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

    def _spoiled(self, operation: Operation[object], unknown: bool | None) -> Expected:
        """Return the result of a spoiled answer.

        It was not lost, but is none, or another's.
        """
        effects = EFFECT if self.fault in AFTER or self.fault in {Fault.OTHER_ID, Fault.OTHER_ENVELOPE} else NO_EFFECT
        # Bare, the answers that no page shows carry nothing by which they could be told from any other object.
        readable = self.fault is Fault.OTHER_ENVELOPE and operation.name not in HIDDEN
        if readable or (self.fault is Fault.OTHER_ID and operation.name in TELL_NO_ID):
            return succeeds()
        if self.fault is Fault.PROXY_NOT_FOUND:
            return fails(errors.NotFoundError, effects=effects, took_effect=False)
        if self.fault in {Fault.GATEWAY_BEFORE_COMMIT, Fault.GATEWAY_AFTER_COMMIT}:
            error = errors.ServerError if self.status >= 500 else errors.ApiError
            expected = fails(error, effects=effects, took_effect=unknown)
        else:
            # Whether it counts for an answer that says no or for one that cannot be read, it is not a yes.
            expected = fails(errors.ResponseDecodeError, errors.ApiError, effects=effects, took_effect=unknown)
        if self.fault is Fault.OTHER_ENVELOPE:
            return expected
        # A body of which every field may be missing can be what a look-up returns; whoever sent the key of a transfer
        # a second time gets the first answer.
        nothing = self.fault is not Fault.OTHER_ID and operation.reads and self.fault not in GATEWAY
        nothing = nothing or (self.fault is Fault.OTHER_ID and operation.name in LIST)
        again = kind(operation) == "keyed" and self.fault in AFTER
        return attrs.evolve(expected, may_succeed=nothing or again)

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
        if self.lookup is not None and self.lookup.hides:
            self.lookup.arrange(sandbox)
        if self.fault is not None:
            sandbox.faults.add(
                "auth.token" if self.on_token else operation.name,
                self.fault,
                None if self.always else 1,
                seconds=self.seconds,
                retry_after=self.retry_after,
                status=self.status,
                body=self.body,
            )

    def surroundings(
        self, sandbox: Sandbox, operation: Operation[object]
    ) -> AbstractAsyncContextManager[tuple[Environment, aiohttp.ClientSession | None]]:
        """Enter the environment of the call.

        And a session of its own if that is what fails.
        """
        if self.network:
            return _elsewhere(sandbox, operation.service, self.network)
        return nullcontext((sandbox.environment, None))


AFTER = frozenset(
    {
        Fault.DROP_AFTER_COMMIT,
        Fault.HANG_AFTER_COMMIT,
        Fault.SLOW_BODY,
        Fault.BAD_GATEWAY,
        Fault.GATEWAY_AFTER_COMMIT,
        Fault.TRUNCATED_JSON,
        Fault.WRONG_CONTENT_TYPE,
        Fault.OTHER_BODY_AFTER_COMMIT,
        Fault.CONTRADICTION_AFTER_COMMIT,
    }
)
GATEWAY = frozenset({Fault.GATEWAY_BEFORE_COMMIT, Fault.GATEWAY_AFTER_COMMIT})
CONTRADICTED = frozenset({Fault.CONTRADICTION_BEFORE_COMMIT, Fault.CONTRADICTION_AFTER_COMMIT})
SPOILED = frozenset(
    {
        *GATEWAY,
        *CONTRADICTED,
        Fault.PROXY_NOT_FOUND,
        Fault.OTHER_BODY_BEFORE_COMMIT,
        Fault.OTHER_BODY_AFTER_COMMIT,
        Fault.OTHER_ID,
        Fault.OTHER_ENVELOPE,
    }
)
CONTRADICTABLE = frozenset(
    {
        # What they come to is a state or a flag, and the answer tells it.
        "accounts.block", "accounts.unblock", "accounts.block_capability", "invoices.pay", "escrow.pay",
        "escrow.commit", "escrow.cancel", "payouts.cancel", "token_exchanges.execute_purchase",
        "token_exchanges.execute_conversion",
    }
)  # fmt: skip
TELL_NO_ID = frozenset(
    {
        # Their answers do not tell what was asked for, so they cannot tell another's.
        "auth.create_redirect", "auth.create_user_token", "registration.start", "registration.complete",
        "accounts.block", "accounts.unblock", "accounts.merge", "token_exchanges.start_purchase", "invoices.authorize",
        "invoices.get_authorized", "escrow.list_by_reference", "refunds.refund_invoice", "refunds.refund_line_item",
        "compliance.tos_status", "compliance.onboard_entity",
    }
)  # fmt: skip
HIDDEN = frozenset({"payment_methods.update", "refunds.refund_line_item"})
LIST = frozenset({"wallets.list", "payment_methods.list", "invoices.list", "payouts.list"})
"""Operations that list items.

Whose items they list is not said of the whole, and an account's list may have invoices of others.
"""
TWICE = frozenset(
    {
        # They can be done twice in a row, each time with an effect that shows.
        "invoices.create", "escrow.create", "payouts.request", "transfers.create", "refunds.refund_line_item",
        "payment_methods.create_custom_wallet", "wallets.create_custom",
    }
)  # fmt: skip


@asynccontextmanager
async def _elsewhere(
    sandbox: Sandbox, service: Service, network: str
) -> AsyncIterator[tuple[Environment, aiohttp.ClientSession | None]]:
    """Enter the sandbox with one service elsewhere.

    The service lies where nothing gets through.
    """
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


_REFUNDS = frozenset({"refunds.refund_invoice", "refunds.refund_line_item"})
_PAYOUTS = frozenset({"payouts.request", "payouts.cancel"})
_LISTED = frozenset({"invoices.create", "escrow.create", "transfers.create", "payouts.request"})
_STATES = frozenset({"invoices.pay", "escrow.commit", "escrow.cancel"})
LOOKUPS: Mapping[str, Lookup] = {
    "lags behind": Lookup(Fault.STALE_READ, {"seconds": 3600}, hides=True),
    "date 1 s ahead": Lookup(Fault.WRONG_DATE, {"seconds": 1}),
    "date 50 s ahead": Lookup(Fault.WRONG_DATE, {"seconds": 50}),
    "date 3 s behind": Lookup(Fault.WRONG_DATE, {"seconds": -3}),
    "date 3 s behind, a twin": Lookup(Fault.WRONG_DATE, {"seconds": -3}, TWICE, twin=True),
    "a twin": Lookup(of=TWICE, twin=True),
    "times without zone": Lookup(Fault.TIMES_WITHOUT_ZONE, {"seconds": -7 * 3600}),
    "times without zone, a twin": Lookup(Fault.TIMES_WITHOUT_ZONE, {"seconds": 7 * 3600}, TWICE, twin=True),
    "other id": Lookup(Fault.OTHER_ID),
    "other envelope": Lookup(Fault.OTHER_ENVELOPE),
    "a proxy's 404": Lookup(Fault.PROXY_NOT_FOUND),
    "{}": Lookup(Fault.OTHER_BODY_BEFORE_COMMIT, {"body": "{}"}),
    "upstream timed out": Lookup(Fault.OTHER_BODY_BEFORE_COMMIT),
    "ascending": Lookup(Fault.WRONG_ORDER, of=_LISTED),
    "ascending, a twin": Lookup(Fault.WRONG_ORDER, of=_LISTED, twin=True),
    "other currency": Lookup(Fault.OTHER_CURRENCY, of=_REFUNDS | _PAYOUTS),
    "less a fee": Lookup(Fault.LESS_FEE, of=_REFUNDS | _PAYOUTS),
    "split": Lookup(Fault.SPLIT, of=_REFUNDS),
    "listed elsewhere": Lookup(Fault.LISTED_ELSEWHERE, of=_REFUNDS),
    "still pending": Lookup(Fault.PENDING, of=_REFUNDS | _PAYOUTS | _STATES),
}


def _looked_up() -> list[Condition]:
    """Return the conditions of lying look-ups.

    A write whose answer is lost, before or after it was done, and a look-up that lies.
    """
    return [
        Condition(f"drop {when} commit, look-up: {name}", fault, lookup=lookup)
        for name, lookup in LOOKUPS.items()
        for when, fault in (("before", Fault.DROP_BEFORE_COMMIT), ("after", Fault.DROP_AFTER_COMMIT))
    ]


def _either(name: str, fault: str, **more: object) -> list[Condition]:
    """Always, before the commit and after it."""
    return [
        Condition(f"{name}, {when} commit", Fault[f"{fault}_{when.upper()}_COMMIT"], always=True, **more)
        for when in ("before", "after")
    ]


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
    *_either("408 of a gateway", "GATEWAY", status=408),
    *_either("499 of a gateway", "GATEWAY", status=499),
    *_either("444 of a gateway", "GATEWAY", status=444),
    *_either("460 of a gateway", "GATEWAY", status=460),
    *_either("302 of a gateway", "GATEWAY", status=302),
    *_either("504 of a gateway", "GATEWAY", status=504),
    *_either("200 and nothing", "OTHER_BODY"),
    *_either("200 and {}", "OTHER_BODY", body="{}"),
    *_either("200 and upstream timed out", "OTHER_BODY", body='{"error": "upstream timed out"}'),
    *_either("200 and Failure", "OTHER_BODY", body='{"status": "Failure"}'),
    *_either("a contradiction", "CONTRADICTION"),
    Condition("404 of a proxy", Fault.PROXY_NOT_FOUND, always=True),
    Condition("other id", Fault.OTHER_ID, always=True),
    Condition("other envelope", Fault.OTHER_ENVELOPE, always=True),
    *_looked_up(),
)
