"""The history of a failed call, kept by its error."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import attrs


@attrs.frozen
class AttemptRecord:
    """An attempt of a call.

    Attributes:
        at: when it began, in seconds after the call's start.
        elapsed: how long it took, in seconds.
        sent: the request, or a part of it, may have reached Tilia.
        token_generation: which token of the cache it carried; the number rises with every exchange.
        outcome: what came of it, in words.
        cause: the exception of a library behind it, as text: its type, message and place; None if there was none.
        decision: what was decided then, and why.
    """

    at: float
    elapsed: float
    sent: bool
    token_generation: int
    outcome: str
    cause: str | None
    decision: str


@attrs.frozen
class CallRecord:
    """A failed call, without secrets.

    No value of its body is kept.

    Attributes:
        operation: its name.
        request: what was to be sent, in words: method, path template, names of fields and headers.
        started_at: when it began, by this machine's clock, in UTC.
        elapsed: how long it took, in seconds, tokens and waits included.
        timeout: how long it might have taken, in seconds.
        attempts: what was tried, in order; none if there was no token.
    """

    operation: str
    request: str
    started_at: datetime
    elapsed: float
    timeout: float
    attempts: tuple[AttemptRecord, ...] = ()

    @property
    def sent_at(self) -> datetime | None:
        """Start of the first attempt that may have reached Tilia.

        None if there was none.
        """
        at = next((attempt.at for attempt in self.attempts if attempt.sent), None)
        return None if at is None else self.started_at + timedelta(seconds=at)

    @property
    def ended_at(self) -> datetime:
        """End of the call, by this machine's clock, in UTC."""
        return self.started_at + timedelta(seconds=self.elapsed)

    def lines(self) -> Iterator[str]:
        """Return the record for people to read."""
        yield f"request: {self.request}"
        yield f"started {self.started_at:%Y-%m-%d %H:%M:%S} UTC, ended after {self.elapsed:.3f} of {self.timeout:g} s"
        if not self.attempts:
            yield "it came to no attempt"
        for number, attempt in enumerate(self.attempts, start=1):
            sent = "sent" if attempt.sent else "not sent"
            token = f", with token {attempt.token_generation}" if attempt.token_generation else ""
            when = f"at {attempt.at:.3f} s for {attempt.elapsed:.3f} s"
            yield f"attempt {number} {when}, {sent}{token}: {attempt.outcome}"
            if attempt.cause is not None:
                yield f"  because of {attempt.cause}"
            yield f"  decided: {attempt.decision}"
