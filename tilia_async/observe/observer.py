"""The base class of observers, and what they are told.

Nothing here holds an id, an address, a value of a body or a secret: an observer cannot pass on what it never gets.
"""

from __future__ import annotations

from collections.abc import Mapping

import attrs


@attrs.define(eq=False)
class ObservedAttempt:
    """An attempt of a call.

    It is filled in as the attempt goes on; read it, and change nothing.
    """

    number: int
    """Number of the attempt, from 1."""
    token_generation: int = 0
    """Generation of its token.

    Of an exchange: of the token that it is for. It rises with every token of the cache.
    """
    elapsed: float = 0.0
    """Duration in seconds; 0 until the attempt has ended."""
    waited: float = 0.0
    """Seconds that it waited for a connection to be allowed."""
    status: int | None = None
    """HTTP status; None: there was no answer."""
    sent: bool = False
    """True if any of it may have reached Tilia."""
    outcome: str = ""
    """``success``, or the class of what ended it."""
    decision: str = ""
    """Decision after a failure, and why; else empty."""
    wait: float | None = None
    """Seconds until the next attempt; None: none follows."""


@attrs.define(eq=False)
class ObservedCall:
    """A call of an operation, or a token exchange.

    It is filled in as the call goes on; read it, and change nothing. It can be a key of a dictionary.
    """

    operation: str
    """Name such as ``accounts.block``; ``auth.token`` for an exchange."""
    method: str
    """HTTP method."""
    template: str
    """Path template such as ``/v1/{account_id}/user-info/block``."""
    server: str
    """Name of the server."""
    port: int
    """Port of the server."""
    attempts: int = 0
    """Number of attempts so far."""
    elapsed: float = 0.0
    """Duration in seconds, with all waits; 0 until the end."""
    waited_for_token: float = 0.0
    """Seconds that it waited for a token."""
    took_effect: bool | None = False
    """Effect of a write, as ``TiliaError.took_effect`` has it."""
    error: BaseException | None = None
    """Failure of the call without its words.

    An error of the same class that knows its operation, status and effect, and nothing of the account. None: the call
    has succeeded, or has not ended.
    """
    asked_by: ObservedCall | None = attrs.field(default=None, repr=False)
    """Call that started an exchange for a token.

    Others may wait for the same token. None: no call that is observed.
    """


@attrs.define(eq=False)
class ObservedJob:
    """A run of a bulk job in this process.

    It is filled in as the job goes on; read it, and change nothing.
    """

    action: str
    """``block``, ``unblock``, ``undo`` or ``lookup``."""
    counts: dict[str, int] = attrs.field(factory=dict[str, int])
    """Number of accounts by the value of their ``BulkOutcome``."""
    elapsed: float = 0.0
    """Duration in seconds; 0 until the end."""
    stopped_by: str | None = None
    """Class of the exception that ended it early."""


class Observer:
    """Hooks into every call of a client.

    Override what you need; each method does nothing by default. They are plain functions that run in the event loop
    (with ``tilia_sync`` in its thread), and the call waits for them: hand on what takes time. What one raises is logged
    and changes nothing. A call that is refused before anything is sent is not observed.

    ::

        class Failures(Observer):
            def call_ended(self, call: ObservedCall) -> None:
                if call.error is not None:
                    statsd.increment("tilia.failures", tags=[call.operation, type(call.error).__name__])

        TiliaClient(client_id, client_secret, "staging", observers=[Failures()])
    """

    def call_started(self, call: ObservedCall) -> None:
        """Take note of a call that begins."""

    def attempt_started(self, call: ObservedCall, attempt: ObservedAttempt) -> Mapping[str, str] | None:
        """Take note of a request about to be sent.

        Returns headers to send along, such as ``traceparent``. Headers that the request has already stay as they are,
        and those that the SDK sets itself are refused.
        """

    def attempt_ended(self, call: ObservedCall, attempt: ObservedAttempt) -> None:
        """Take note of an attempt that is over.

        After a failure it is decided already what follows.
        """

    def call_ended(self, call: ObservedCall) -> None:
        """Take note of the end of a call.

        It is told of each call that has started, cancelled ones too.
        """

    def job_started(self, job: ObservedJob) -> None:
        """Take note of a bulk job that begins here."""

    def account_settled(self, job: ObservedJob, outcome: str) -> None:
        """Take note of an account that has its outcome.

        Args:
            outcome: the value of a ``BulkOutcome``.
        """

    def job_ended(self, job: ObservedJob) -> None:
        """Take note of a bulk job's end in this process."""
