"""The errors of the SDK, as a tree.

::

    TiliaError                      .operation .took_effect .reference .call .explain()
    ├── ConfigurationError          a setting is missing or wrong; nothing was sent
    ├── InvalidRequestError         refused here, because Tilia is known to refuse it    .problems
    ├── ClientClosedError           the client was closed before or during the call
    ├── TransportError              no usable answer                                     .cause
    │   ├── ConnectError            nothing was sent                                     also a ConnectionError
    │   ├── DeadlineExceededError   time ran out before anything could have taken effect also a TimeoutError
    │   ├── OutcomeUnknownError     a write was sent and no answer came
    │   └── ResponseDecodeError     an answer came that cannot be read or believed       .status .payload
    ├── ApiError                    Tilia answered with an error                         .status .codes .messages …
    │   ├── BadRequestError         400
    │   ├── UnauthorizedError       401
    │   │   └── MissingScopeError   refused with a fresh token                           .needed .granted
    │   ├── ForbiddenError          403
    │   │   └── AccountBlockedError the account is blocked                               .account_id
    │   ├── NotFoundError           404
    │   ├── ConflictError           409
    │   │   └── AccountExistsError  the username is taken                                .account
    │   ├── UnprocessableError      422
    │   ├── RateLimitedError        429                                                  .retry_after
    │   └── ServerError             5xx                                                  .retry_after
    ├── TokenError                  the token endpoint refused                           .status .error …
    ├── BulkStoppedError            a bulk job stopped before its end                    .report .cause .job_id
    ├── LedgerError                 the record of blocks cannot be read or written
    └── WebhookError                a notification that cannot be read or trusted

Every error can be pickled, names its operation first, if it has one, and carries no secret. Each class can be built
from its text alone, as task queues do that carry errors as JSON: then it knows its text and no more, and says
``took_effect=False`` only if nothing else is possible for its class, e.g. for a ``ConnectError``.
"""

from __future__ import annotations

import copy
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, ClassVar, TypedDict, TypeVar, Unpack

from tilia_async.call_record import CallRecord
from tilia_async.json_value import JsonValue
from tilia_async.text import readable, status_line

if TYPE_CHECKING:
    from tilia_async.bulk.outcome import BulkReport
    from tilia_async.models.accounts import RegisteredAccount

__all__ = [
    "AccountBlockedError",
    "AccountExistsError",
    "ApiError",
    "BadRequestError",
    "BulkStoppedError",
    "ClientClosedError",
    "ConfigurationError",
    "ConflictError",
    "ConnectError",
    "DeadlineExceededError",
    "ForbiddenError",
    "InvalidRequestError",
    "LedgerError",
    "MissingScopeError",
    "NotFoundError",
    "OutcomeUnknownError",
    "RateLimitedError",
    "ResponseDecodeError",
    "ServerError",
    "TiliaError",
    "TokenError",
    "TransportError",
    "UnauthorizedError",
    "UnprocessableError",
    "WebhookError",
]

E = TypeVar("E", bound="TiliaError")

_LONGEST_DETAIL = 300
# Both packages raise these errors.
_RECONCILE = "`await tilia.reconcile(error)` (in tilia_sync without `await`)"


class TiliaError(Exception):
    """The root of all errors of this package.

    ``str(error)`` is its text, and so is ``args[0]``. There is an ``args[1]`` only if a class that mostly says
    ``took_effect=False`` does not, so that whoever builds it again from ``args`` learns of the doubt.

    Attributes:
        operation: the operation's name, e.g. ``accounts.block``; None when no operation was involved.
        took_effect: True: the write is done. False: it is not. None: nobody can know from this answer.
        reference: the fields that identify what the call would have changed, e.g. ``{"username": "nyx"}``.
        call: what was sent, tried and decided; None if there was no call.
        remedy: what to do about errors of this class.
    """

    remedy: ClassVar[str] = "Read the message; it names the operation and what was wrong."

    _in_doubt_from_text: ClassVar[bool] = False
    """True for an error built from its text alone.

    Such an error does not say ``took_effect=False``.
    """

    args: tuple[object, ...]
    operation: str | None
    took_effect: bool | None
    reference: Mapping[str, str]
    call: CallRecord | None = None

    def __init__(
        self,
        message: str,
        rebuilt_effect: bool | None = False,
        /,
        *,
        operation: str | None = None,
        took_effect: bool | None = False,
        reference: Mapping[str, str] | None = None,
    ) -> None:
        text = readable(message if operation is None else f"{operation}: {message}")
        super().__init__(text)
        self.operation = operation
        self.took_effect = rebuilt_effect if took_effect is False else took_effect
        self.reference = dict(reference or {})
        is_default = self._in_doubt_from_text or self.took_effect is False
        self.args = (text,) if is_default else (text, self.took_effect)

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""

    def to_dict(self) -> dict[str, JsonValue]:
        """Return what an answer or a log may tell.

        As JSON: ``type``, ``message``, ``operation``, ``took_effect`` and ``reference``.
        """
        return {
            "type": type(self).__name__,
            "message": str(self),
            "operation": self.operation,
            "took_effect": self.took_effect,
            "reference": dict(self.reference),
        }

    def explain(self) -> str:
        """Explain the failure to people, without secrets.

        What was sent, what was tried and decided and why, and what to do.
        """
        lines = [f"{type(self).__name__}: {self.args[0] if self.args else ''}"]
        lines += () if self.call is None else self.call.lines()
        lines.append(f"took effect: {_EFFECTS[self.took_effect]}")
        if self.reference:
            lines.append("identified by: " + ", ".join(f"{name}={value}" for name, value in self.reference.items()))
        in_doubt = self.took_effect is None and self.remedy != _IN_DOUBT
        lines.append(f"what to do: {f'{_IN_DOUBT} ' if in_doubt else ''}{self.remedy}")
        return "\n".join(map(readable, lines))

    def __reduce__(self) -> tuple[object, ...]:
        # Rebuilt without __init__: constructors take keywords, and the default would call them with positions.
        return _restore, (type(self), self.args, self.__dict__)


_IN_DOUBT = f"It may be done already, so do not simply call again: {_RECONCILE} asks Tilia, and says what to do."
_EFFECTS = {True: "yes", False: "no", None: "nobody can know from this answer"}


def _restore(error_type: type[E], args: tuple[object, ...], state: dict[str, object]) -> E:
    error = error_type.__new__(error_type, *args)
    error.args = args
    error.__dict__.update(state)
    return error


def add_inferred(error: TiliaError, inferred: Iterable[str], why: str) -> None:
    """Note in an error which of the facts are inferred.

    One of these facts may be what is wrong.
    """
    facts = " and ".join(sorted(inferred))
    error.args = (
        f"{error.args[0]} (not documented but inferred: {facts}; {why}. Is it wrong? See operations= of the client)",
        *error.args[1:],
    )


def attributed_to(error: E, operation: str, reference: Mapping[str, str]) -> E:
    """Return a copy of an error, attributed to an operation.

    A failed token request fails every call that waits for it. An error that names an operation keeps it.
    """
    copied = copy.copy(error)
    if error.operation is None:
        copied.args = (f"{operation}: {error.args[0]}", *error.args[1:])
        copied.operation = operation
        copied.reference = dict(reference)
    return copied


@contextmanager
def attributed(operation: str) -> Generator[None, None, None]:
    """Attribute errors that name no operation to one."""
    try:
        yield
    except TiliaError as error:
        if error.operation is not None:
            raise
        # A copy, because several callers may have been raised the same; which hangs on none of them with its frames.
        named = attributed_to(error, operation, error.reference)
        try:
            raise named from None
        finally:
            named.__context__ = None
            del named


class ConfigurationError(TiliaError):
    """A setting is missing or wrong.

    The message names the setting or the environment variable.
    """

    remedy = "Correct the setting that the message names. Nothing was sent."


class InvalidRequestError(TiliaError, ValueError):
    """A request that was refused before anything was sent.

    Tilia is known to refuse it.

    Attributes:
        problems: for each field, the reasons; empty if a task queue built it from its text.
    """

    remedy = "Correct the fields in `problems`. Nothing was sent."

    problems: dict[str, list[str]]

    def __init__(self, problems: Mapping[str, Sequence[str]] | str, *, operation: str | None = None) -> None:
        if isinstance(problems, str):
            self.problems = {}
            super().__init__(problems, operation=operation)
            return
        self.problems = {field: list(reasons) for field, reasons in problems.items()}
        listed = "; ".join(f"{field}: {', '.join(reasons)}" for field, reasons in self.problems.items())
        super().__init__(f"not sent, {listed}", operation=operation)


class ClientClosedError(TiliaError):
    """The client is closed.

    A call that was waiting for a token or a connection ends with this error too.
    """

    remedy = (
        "Use the client inside its `async with` (in tilia_sync `with`), or make a new one; `took_effect` tells what is "
        "known of the call."
    )


class TransportError(TiliaError):
    """Failure to get a usable answer.

    As this class itself: a reading call got none, or a list changed while it was read.

    Attributes:
        cause: the exception of a library behind it, as text: its type, message and place; None if there was none.
    """

    remedy = "Call again: a reading call changes nothing."

    cause: str | None = None


class ConnectError(TransportError, ConnectionError):
    """Failure to connect; nothing was sent.

    The name did not resolve, the connection or a proxy refused, or TLS failed.

    Attributes:
        lasting: the same would happen again until somebody changes something: a certificate that is not trusted, one
            that is missing, a login that the proxy wants. It is not tried again.
    """

    remedy = "Call again; if it lasts, `tilia doctor` says what is wrong between here and Tilia."

    lasting: bool = False


class DeadlineExceededError(TransportError, TimeoutError):
    """Deadline passed before anything could have taken effect.

    The call's time ran out.
    """

    remedy = "Call again, or with a larger `timeout`; for a full pool raise `Limits` or call less at once."


class OutcomeUnknownError(TransportError):
    """A write without an answer: it may have taken effect.

    It was sent and no answer came. ``took_effect`` is None.
    """

    remedy = _IN_DOUBT
    _in_doubt_from_text = True

    def __init__(
        self,
        message: str,
        *,
        operation: str | None = None,
        took_effect: bool | None = None,
        reference: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message, operation=operation, took_effect=took_effect, reference=reference)


class ResponseDecodeError(TransportError):
    """An answer came that cannot be read, or not believed.

    It is cut off or has another shape; or it says nothing of what was asked for, is about another id, or says yes and
    the opposite in one.

    Attributes:
        status: the HTTP status of the answer; 0 if a task queue built it from its text.
        payload: what could be read of it: JSON, text of at most 2,000 characters, or None. Of more than 256 KiB only
            the beginning is kept. What has the name of a secret is masked.
    """

    remedy: ClassVar[str] = f"Look at `took_effect`: True, it is done; None, {_RECONCILE}. Report the payload."
    _in_doubt_from_text = True

    status: int
    payload: JsonValue

    def __init__(
        self,
        message: str,
        *,
        status: int = 0,
        payload: JsonValue = None,
        operation: str | None = None,
        took_effect: bool | None = False,
        reference: Mapping[str, str] | None = None,
    ) -> None:
        text = f"{status_line(status)}: {message}" if status else message
        # No status: a task queue has built it from its text.
        effect = took_effect if status else took_effect or None
        super().__init__(text, operation=operation, took_effect=effect, reference=reference)
        self.status = status
        self.payload = payload


class ApiError(TiliaError):
    """An error that Tilia answered.

    A gateway may have done so in its name.

    As this class itself: a status that has no class of its own, or a 200 that says no. Of a write, 408 and 499, with
    which a gateway gives up waiting, and a 200 that says no leave open whether it is done: ``took_effect`` is None.

    Attributes:
        status: the HTTP status; of one that a task queue built from its text, that of its class, or 0.
        codes: Tilia's own codes, e.g. ``("INPUT_ERROR",)``; mostly empty.
        messages: the texts of the answer, whichever of its seven shapes it had.
        payload: the answer's payload, or the whole body if it has no envelope; what it repeats of a token or password
            is masked, and so is what it holds under such a name. Of more than 256 KiB only the beginning is kept, as
            text of at most 2,000 characters. Of an operation whose answer lets its bearer in, only that of a refusal
            in JSON is kept; so it is with ``messages`` and ``field_errors``.
        field_errors: for each field that Tilia complained about, its texts.
        attempts: how many times the request was sent.
        retryable: sending the same call again later may succeed and cannot have a second effect.
        structured: the body was JSON, as Tilia's answers are; False: a proxy's page, or nothing.
    """

    remedy = (
        "Read `messages` and `codes`. `took_effect` False: correct what they name, then call again; None: "
        f"{_RECONCILE} first."
    )

    _in_doubt_from_text = True
    _class_status: ClassVar[int] = 0

    status: int
    codes: tuple[str, ...]
    messages: tuple[str, ...]
    payload: JsonValue
    field_errors: dict[str, tuple[str, ...]]
    attempts: int
    retryable: bool
    structured: bool = True

    def __init__(
        self,
        message: str | None = None,
        *,
        status: int = 0,
        operation: str | None = None,
        codes: Sequence[str] = (),
        messages: Sequence[str] = (),
        payload: JsonValue = None,
        field_errors: Mapping[str, Sequence[str]] | None = None,
        attempts: int = 1,
        retryable: bool = False,
        took_effect: bool | None = False,
        reference: Mapping[str, str] | None = None,
    ) -> None:
        self.status = status or self._class_status
        self.codes = tuple(codes)
        self.messages = tuple(messages)
        self.payload = payload
        self.field_errors = {field: tuple(texts) for field, texts in (field_errors or {}).items()}
        self.attempts = attempts
        self.retryable = retryable
        text = self._describe() if message is None else message
        # A text and no status: a task queue has built it.
        effect = took_effect if status or message is None else took_effect or None
        super().__init__(text, operation=operation, took_effect=effect, reference=reference)

    def _describe(self) -> str:
        details = [*self.codes, *(message for message in self.messages if message)]
        details += [f"{field}: {', '.join(texts)}" for field, texts in self.field_errors.items()]
        detail = "; ".join(details)
        if len(detail) > _LONGEST_DETAIL:
            detail = detail[: _LONGEST_DETAIL - 1] + "…"
        line = status_line(self.status)
        return f"{line}: {detail}" if detail else line


class _Details(TypedDict, total=False):
    status: int
    operation: str | None
    codes: Sequence[str]
    messages: Sequence[str]
    payload: JsonValue
    field_errors: Mapping[str, Sequence[str]] | None
    attempts: int
    retryable: bool
    took_effect: bool | None
    reference: Mapping[str, str] | None


class BadRequestError(ApiError):
    """400: a parameter is missing or wrong.

    See ``messages`` and ``field_errors``.
    """

    remedy = "Correct what `messages` and `field_errors` name."
    _class_status = 400


class UnauthorizedError(ApiError):
    """401: the token was refused.

    A new token that replaced it was refused, too.
    """

    remedy = "Check the credentials; if they are right, they may not reach this resource."
    _class_status = 401


class MissingScopeError(UnauthorizedError):
    """Missing scope of the credentials.

    A fresh token was refused: they lack a scope that the operation needs.

    Attributes:
        needed: the scopes that the operation declares.
        granted: the scopes that the token endpoint says it granted.
    """

    remedy = "Ask Tilia to grant the scopes in `needed`."

    needed: frozenset[str]
    granted: frozenset[str]

    def __init__(
        self,
        message: str | None = None,
        *,
        needed: Iterable[str] = (),
        granted: Iterable[str] = (),
        **details: Unpack[_Details],
    ) -> None:
        self.needed = frozenset(str(scope) for scope in needed)
        self.granted = frozenset(str(scope) for scope in granted)
        super().__init__(message, **details)

    def _describe(self) -> str:
        missing = self.needed - self.granted
        if missing:
            why = f"missing {_listed(missing)}; granted: {_listed(self.granted)}. Ask Tilia to grant it"
        else:
            why = (
                f"it needs {_listed(self.needed)}, and the token endpoint says that this was granted: "
                "it may need another scope, or your credentials may not reach this resource"
            )
        return f"{super()._describe()} ({why})"


class ForbiddenError(ApiError):
    """403: Tilia refuses.

    E.g. to lift a block that it placed itself.
    """

    remedy = "Tilia will not do it for you: ask its support, if you think that it should."
    _class_status = 403


class AccountBlockedError(ForbiddenError):
    """403: the account is blocked.

    It can do nothing until it is unblocked.

    Attributes:
        account_id: the blocked account.
    """

    remedy = "Leave the account alone, or unblock it first, if the block is yours."

    account_id: str = ""


class NotFoundError(ApiError):
    """404: there is no such account, wallet or invoice."""

    remedy = "Check the id, and that it belongs to this environment: staging and production share nothing."
    _class_status = 404


class ConflictError(ApiError):
    """409: the resource exists or the key is used.

    The resource exists already, or the idempotency key is in use.
    """

    remedy = (
        "Look the resource up: it is there already. A key in use: the call that has it is under way, so wait for what "
        "comes of that; another key would make a second effect."
    )
    _class_status = 409


class AccountExistsError(ConflictError):
    """409: the username is taken.

    Attributes:
        account: the account that has it, as Tilia's answer tells; None if it tells nothing.
    """

    remedy = "Use `account`, or `accounts.get_or_register` from the start."

    account: RegisteredAccount | None = None

    def _describe(self) -> str:
        return f"{super()._describe()}: the username is taken"


class UnprocessableError(ApiError):
    """422: the idempotency key was used before with another body."""

    remedy = (
        "Find out what became of the call that had the key first: it may have had its effect. A new key is for a new "
        "effect, and would make a second one."
    )
    _class_status = 422


class RateLimitedError(ApiError):
    """429: too many requests.

    Attributes:
        retry_after: seconds to wait, as the answer says; None if it does not say.
    """

    remedy: ClassVar[str] = (
        "`took_effect` False: wait `retry_after` seconds, then call again, and call less often; None: "
        f"{_RECONCILE}, and call again only if that says so."
    )
    _class_status = 429

    retry_after: float | None = None


class ServerError(ApiError):
    """5xx: a failure on Tilia's side.

    A write may have taken effect all the same.

    Attributes:
        retry_after: seconds to wait, as the answer says; None if it does not say.
    """

    remedy: ClassVar[str] = f"A reading call: call again. A write: {_RECONCILE} first, unless `retryable`."

    retry_after: float | None = None


class TokenError(TiliaError):
    """Failure to get a token from the token endpoint.

    It refused, or its answer could not be used. The operation itself was not sent.

    Attributes:
        status: the HTTP status; None if the answer was not a HTTP answer that could be read.
        error: the OAuth 2 error code, e.g. ``server_error`` (which is what Tilia says to a wrong secret).
        error_description: its text.
        scopes: the scopes that were asked for.
        retry_after: seconds to wait, if the answer says so.
    """

    remedy = "Check client id, secret and the scopes that Tilia granted you; `tilia token --scope NAME` asks for one."

    status: int | None
    error: str | None
    error_description: str | None
    scopes: frozenset[str]
    retry_after: float | None

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        scopes: Iterable[str] = (),
        error: str | None = None,
        error_description: str | None = None,
        retry_after: float | None = None,
        operation: str | None = None,
    ) -> None:
        self.status = status
        self.retry_after = retry_after
        self.error = error
        self.error_description = error_description
        self.scopes = frozenset(str(scope) for scope in scopes)
        super().__init__(message, operation=operation)


class BulkStoppedError(TiliaError):
    """A bulk job that stopped before its end.

    For a reason that is the job's and not one account's.

    What was in flight has settled; nothing new was sent. One that a task queue built from its text has no attributes of
    its own.

    Attributes:
        report: what was done until then.
        cause: why it stopped.
        job_id: the job's name; with a ledger, run it again with this to go on where it stopped.
    """

    remedy = "Mend what `cause` names, and run it again: with a ledger and the same `job_id` it goes on from there."

    _in_doubt_from_text = True

    report: BulkReport
    cause: TiliaError
    job_id: str

    def __init__(
        self,
        message: str,
        *,
        report: BulkReport | None = None,
        cause: TiliaError | None = None,
        job_id: str | None = None,
        operation: str | None = None,
    ) -> None:
        doubtful = report is None or any(
            outcome not in _WITHOUT_EFFECT for outcome, number in report.counts.items() if number
        )
        super().__init__(message, operation=operation, took_effect=None if doubtful else False)
        if report is not None:
            self.report = report
        if cause is not None:
            self.cause = cause
        if job_id is not None:
            self.job_id = job_id

    def explain(self) -> str:
        """Explain the failure, and then its cause."""
        cause: TiliaError | None = getattr(self, "cause", None)
        return super().explain() if cause is None else f"{super().explain()}\nbecause of:\n{cause.explain()}"


_WITHOUT_EFFECT = frozenset({"not_found", "refused", "failed", "kept"})


class LedgerError(TiliaError):
    """Failure to read or write the record of blocks.

    The disk is full, the database is gone, or is a newer one.

    A block that cannot be recorded is not sent.
    """

    remedy = "See to the database or the disk that the message names. A block that was not recorded was not sent."


class WebhookError(TiliaError):
    """A notification that cannot be read or trusted."""

    remedy = "Answer 4xx and look at who sent it; Tilia repeats what was not taken."


def _listed(scopes: Iterable[str]) -> str:
    return ", ".join(sorted(scopes)) or "none"
