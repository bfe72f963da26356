"""Faults that the sandbox commits on demand."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from enum import Enum
from typing import Final


class Fault(Enum):
    """A kind of failure of a request.

    The server errors, the rate limit and those "before commit" leave the state as it was. Those that come after the
    commit wait for a request that has one: a refused request does not meet them. A request meets one of these at most.

    The lies are what Tilia's documentation leaves open. They spoil an answer that is a success, in addition to one of
    the others and to each other; a refused request does not meet them. So a write can be dropped after its commit, and
    the look-up that follows can lie.
    """

    LATENCY = "latency"
    """The request is worked on after a wait of ``seconds``."""
    DROP_BEFORE_COMMIT = "drop before commit"
    """The connection is dropped and nothing was done."""
    DROP_AFTER_COMMIT = "drop after commit"
    """Done, but the connection is dropped before the answer."""
    HANG_BEFORE_COMMIT = "hang before commit"
    """Nothing was done, and no answer comes.

    For as long as the client waits.
    """
    HANG_AFTER_COMMIT = "hang after commit"
    """Done, but no answer comes.

    For as long as the client waits.
    """
    SLOW_BODY = "slow body"
    """Done, but the answer's body takes ``seconds``.

    The body dribbles in.
    """
    RATE_LIMITED = "rate limited"
    """429 with ``Retry-After``."""
    SERVER_ERROR_EMPTY = "server error, empty"
    """500 with an empty body."""
    SERVER_ERROR_HTML = "server error, html"
    """500 with a proxy's HTML page."""
    BAD_GATEWAY = "bad gateway"
    """Done, but a proxy says 502.

    With an HTML page; it did not wait for the answer.
    """
    GATEWAY_BEFORE_COMMIT = "gateway before commit"
    """Nothing was done, and a gateway says ``status``.

    It has an HTML page: 408, 499, 504, a redirection…
    """
    GATEWAY_AFTER_COMMIT = "gateway after commit"
    """Done, but a gateway says ``status``.

    With an HTML page; it gave up waiting.
    """
    PROXY_NOT_FOUND = "proxy's not found"
    """404 of a proxy that knows no such route.

    With an HTML page; nothing was looked at.
    """
    TRUNCATED_JSON = "truncated json"
    """Done, but the JSON ends in the middle."""
    WRONG_CONTENT_TYPE = "wrong content type"
    """Done, but the answer is a successful HTML page.

    Its status is that of success.
    """
    OTHER_BODY_BEFORE_COMMIT = "other body before commit"
    """Nothing was done, and the answer is 200 with ``body``.

    One that says no, or nothing.
    """
    OTHER_BODY_AFTER_COMMIT = "other body after commit"
    """Done, but the answer is 200 with ``body``.

    One that says no, or nothing.
    """
    CONTRADICTION_BEFORE_COMMIT = "contradiction before commit"
    """Nothing was done, and the answer contradicts itself.

    It says Success and the opposite in one, as ``is_blocked: false`` to a block, or a paid invoice that is open.
    """
    CONTRADICTION_AFTER_COMMIT = "contradiction after commit"
    """Done, but the answer contradicts itself.

    It says Success and the opposite in one, as ``is_blocked: false`` to a block, or a paid invoice that is open.
    """
    TOKEN_OUTAGE = "token outage"  # noqa: S105 - no password
    """The token endpoint answers 503; for the operation ``auth.token``."""
    TOKEN_REVOKED = "token revoked"  # noqa: S105 - no password
    """The request's token is revoked before it is looked at."""

    STALE_READ = "stale read"
    """A lie: a look-up sees an older state.

    As it was ``seconds`` ago, as a replica that lags behind would.

    Nothing from before the fault was added is hidden. The seconds run on the sandbox's clock, and are right to a
    hundredth of them. While the fault waits, a hundred copies of the whole state are kept at most.
    """
    WRONG_DATE = "wrong date"
    """A lie: the header ``Date`` is ``seconds`` ahead.

    In any answer, of the clock that stamps ``created``; behind it if they are negative.
    """
    TIMES_WITHOUT_ZONE = "times without zone"
    """A lie: no time has a zone.

    As with some of Tilia's (money, 0.8), and all are ``seconds`` ahead of UTC.
    """
    OTHER_ID = "other id"
    """A lie: the answer is about another resource.

    It is about another id or username than the one that was asked for.
    """
    OTHER_ENVELOPE = "other envelope"
    """A lie: an envelope is missing or added.

    An answer comes bare that has an envelope, or the other way around. Tilia does both (money, 0.3).
    """
    WRONG_ORDER = "wrong order"
    """A lie: a list comes in the opposite order.

    Ascending although descending was asked for.
    """
    OTHER_CURRENCY = "other currency"
    """A lie: refunds and payouts are in EUR.

    They are told as 95 for 100, as in the sample of a refund (money, D8).
    """
    LESS_FEE = "less a fee"
    """A lie: refunds and payouts are net of 5 %.

    They are told net of that fee. Payouts have a field for it, refunds have not.
    """
    SPLIT = "split"
    """A lie: each refund is told as two.

    Each of the two has half the amount.
    """
    PENDING = "pending"
    """A lie: what was done is still under way.

    It is told as such. The word for such a refund is inferred.
    """
    LISTED_ELSEWHERE = "listed elsewhere"
    """A lie: refunds stand by their id alone.

    In the maps, and not under the payments.
    """
    CLOSED_WHEN_IDLE = "closed when idle"
    """A lie: an idle connection is closed early.

    ``seconds`` after the answer, which promised to keep it.
    """


AFTER_COMMIT: Final = frozenset(
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
LIES: Final = frozenset(
    {
        Fault.STALE_READ,
        Fault.WRONG_DATE,
        Fault.TIMES_WITHOUT_ZONE,
        Fault.OTHER_ID,
        Fault.OTHER_ENVELOPE,
        Fault.WRONG_ORDER,
        Fault.OTHER_CURRENCY,
        Fault.LESS_FEE,
        Fault.SPLIT,
        Fault.PENDING,
        Fault.LISTED_ELSEWHERE,
        Fault.CLOSED_WHEN_IDLE,
    }
)
"""Faults that a request can meet besides others."""

OTHER_BODY: Final = '{"error": "upstream timed out"}'
"""Body of the faults with another one, by default."""


_ESCROWS: Final = frozenset(
    {"escrow.create", "escrow.pay", "escrow.commit", "escrow.cancel", "escrow.get", "escrow.find_by_invoice"}
)
_PAYOUTS: Final = frozenset({"payouts.request", "payouts.list", "payouts.get", "payouts.cancel"})
_REFUNDS: Final = frozenset({"refunds.list"})
_CONTRADICTING: Final = frozenset(
    {
        *("accounts.block", "accounts.unblock", "accounts.block_capability", "invoices.pay", "escrow.pay"),
        *("escrow.commit", "escrow.cancel", "payouts.cancel"),
        *("token_exchanges.execute_purchase", "token_exchanges.execute_conversion"),
    }
)
MADE_FOR: Final[Mapping[Fault, Collection[str]]] = {
    Fault.CONTRADICTION_BEFORE_COMMIT: _CONTRADICTING,
    Fault.CONTRADICTION_AFTER_COMMIT: _CONTRADICTING,
    Fault.WRONG_ORDER: frozenset({"invoices.list", "escrow.list_by_reference", "payouts.list", "payment_methods.list"}),
    Fault.OTHER_CURRENCY: _REFUNDS | _PAYOUTS,
    Fault.LESS_FEE: _REFUNDS | _PAYOUTS,
    Fault.SPLIT: _REFUNDS,
    Fault.LISTED_ELSEWHERE: _REFUNDS,
    Fault.PENDING: _REFUNDS | _PAYOUTS | _ESCROWS | {"invoices.pay", "invoices.get", "invoices.list"},
}
"""Operations by the fault that is made for them.

Faults that are not in it are made for all operations.
"""
