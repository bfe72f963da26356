"""The exchange with the token endpoint (fact sheet "accounts", A1)."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import urlencode

import attrs

from tilia_async import errors
from tilia_async.config import Credentials, Environment, RetryPolicy, Service
from tilia_async.json_value import JsonValue
from tilia_async.observe.hooks import Observers
from tilia_async.observe.watched_call import WatchedCall
from tilia_async.secret import HiddenBytes, HiddenFields, Secret
from tilia_async.text import status_line
from tilia_async.tokens.token import AccessToken, is_sendable
from tilia_async.wire import envelope
from tilia_async.wire.envelope import NoResponse, RawResponse
from tilia_async.wire.operation import Operation, Repeat
from tilia_async.wire.redactor import Redactor
from tilia_async.wire.request import FORM, WireRequest
from tilia_async.wire.retry import Decision, backoff

DEFAULT_LIFETIME: Final = 3600.0
"""Lifetime of a token by default, in seconds.

Documented for every token, so taken when the answer does not say.
"""

TOKEN: Final = Operation("auth.token", "POST", Service.AUTH, "/token", AccessToken, scopes=(), repeat=Repeat.SAFE)
"""Declaration of the token request.

Not one of the client's operations: its answer has no envelope and its body is a form.
"""

_HEADERS: Final = HiddenFields({"Content-Type": FORM})
_LONGEST_TEXT: Final = 300
_LONGEST_LIFETIME: Final = timedelta(days=3650).total_seconds()
"""Longest believable lifetime, in seconds.

What is said beyond is not a date that a calendar can hold.
"""

Exchange = Callable[[WireRequest], Awaitable[RawResponse | NoResponse]]


@attrs.frozen
class TokenFetcher:
    """Fetches tokens for one client."""

    environment: Environment
    credentials: Credentials
    exchange: Exchange = attrs.field(repr=False)
    clock: Callable[[], float] = attrs.field(repr=False)
    retry: RetryPolicy
    timeout: float
    observers: Observers = attrs.field(default=(), repr=False)

    async def __call__(self, scopes: frozenset[str], generation: int) -> AccessToken:
        """Fetch a new token.

        Raises:
            TokenError: the endpoint refused, or its answer cannot be used.
            ConnectError: it could not be reached.
            TransportError: it gave no answer.
            DeadlineExceededError: it took longer than the client's timeout.
        """
        request = self._request(scopes)
        watched = WatchedCall(self.observers, TOKEN, request)
        return await watched.until_end(self._within(watched, request, scopes, generation))

    async def _within(
        self, watched: WatchedCall, request: WireRequest, scopes: frozenset[str], generation: int
    ) -> AccessToken:
        """Fetch a new token within the client's timeout."""
        try:
            async with asyncio.timeout(self.timeout):
                ends_at = asyncio.get_running_loop().time() + self.timeout
                return await self._attempts(watched, request, scopes, generation, ends_at)
        except TimeoutError as error:
            if isinstance(error, errors.TiliaError):
                raise
        raise errors.DeadlineExceededError(f"{TOKEN.name} took longer than {self.timeout:g} s")

    async def _attempts(
        self, watched: WatchedCall, request: WireRequest, scopes: frozenset[str], generation: int, ends_at: float
    ) -> AccessToken:
        attempt = 0
        while True:
            attempt += 1
            asked_at = self.clock()
            answer = await watched.attempt(request, self.exchange, token_generation=generation)
            judged = _judge(answer, scopes, asked_at, generation, self.credentials.client_secret)
            if isinstance(judged, AccessToken):
                return judged
            decision = self._decided(judged, attempt, ends_at - asyncio.get_running_loop().time())
            watched.failed(judged, decision.why, decision.wait)
            if decision.wait is None:
                raise judged
            await asyncio.sleep(decision.wait)

    def _decided(self, failure: errors.TiliaError, attempt: int, remaining: float) -> Decision:
        asked = (failure.retry_after if isinstance(failure, errors.TokenError) else None) or 0.0
        pause = max(asked, backoff(self.retry, attempt, random.random()))  # noqa: S311 - spreads load
        if not _passes(failure):
            return Decision(None, "it would come again")
        if attempt >= self.retry.attempts:
            return Decision(None, f"all {self.retry.attempts} attempts are used up")
        if asked > self.retry.retry_after_limit:
            return Decision(None, f"Retry-After asks for {asked:g} s; {self.retry.retry_after_limit:g} s are the most")
        # A wait that cannot end in time would only hide what the endpoint said.
        if pause >= remaining:
            return Decision(None, f"{pause:.2f} s of waiting do not fit into the {remaining:.2f} s that are left")
        return Decision(pause, f"attempt {attempt + 1} of {self.retry.attempts} follows in {pause:.2f} s")

    def _request(self, scopes: frozenset[str]) -> WireRequest:
        url = self.environment.url(TOKEN.service) + TOKEN.path
        return WireRequest(TOKEN.name, TOKEN.method, url, _HEADERS, self._form(scopes))

    def _form(self, scopes: frozenset[str]) -> HiddenBytes:
        return HiddenBytes(
            urlencode(
                {
                    "client_id": self.credentials.client_id,
                    "client_secret": self.credentials.client_secret.reveal(),
                    "grant_type": "client_credentials",
                    "scope": ",".join(sorted(scopes)),
                }
            ).encode()
        )


def _passes(failure: errors.TiliaError) -> bool:
    if isinstance(failure, errors.TokenError):
        return failure.status is not None and envelope.may_succeed_later(failure.status)
    return not (isinstance(failure, errors.ConnectError) and failure.lasting)


def _judge(
    answer: RawResponse | NoResponse, scopes: frozenset[str], asked_at: float, generation: int, secret: Secret
) -> AccessToken | errors.TiliaError:
    if isinstance(answer, NoResponse):
        kind = errors.TransportError if answer.sent else errors.ConnectError
        mask = Redactor.of([secret])
        failure = kind(f"no token: {mask.text(answer.reason)}")
        failure.cause = mask.cause(answer.cause)
        if isinstance(failure, errors.ConnectError):
            failure.lasting = answer.lasting
        return failure
    try:
        body = envelope.read_json(answer)
    except ValueError:
        body = None
    if not 200 <= answer.status < 300:
        return _refusal(answer, body, scopes, secret)
    token = _read(body, scopes, asked_at, generation)
    if isinstance(token, AccessToken):
        return token
    return errors.TokenError(
        f"no token: {TOKEN.name} answered {status_line(answer.status)}, but {token}",
        status=answer.status,
        scopes=scopes,
    )


def _refusal(answer: RawResponse, body: JsonValue, scopes: frozenset[str], secret: Secret) -> errors.TokenError:
    said: Mapping[str, JsonValue] = body if isinstance(body, dict) else {}
    error, description = _quoted(said.get("error"), secret), _quoted(said.get("error_description"), secret)
    words = ": ".join(part for part in (error, description) if part)
    status = answer.status
    hint = " (Tilia says so to a wrong client id or secret, too)" if error == "server_error" and status == 400 else ""
    return errors.TokenError(
        f"no token for {', '.join(sorted(scopes)) or 'no scope'}: "
        f"{status_line(status)}{': ' if words else ''}{words}{hint}",
        status=status,
        scopes=scopes,
        error=error,
        error_description=description,
        retry_after=envelope.retry_after(answer.headers, datetime.now(UTC)) if status in {429, 503} else None,
    )


def _quoted(text: JsonValue, secret: Secret) -> str | None:
    """Return a text of the endpoint, safely quoted.

    It might echo the form that it got.
    """
    if not isinstance(text, str):
        return None
    text = Redactor.of([secret]).text(text)
    return text if len(text) <= _LONGEST_TEXT else text[: _LONGEST_TEXT - 1] + "…"


def _read(body: JsonValue, scopes: frozenset[str], asked_at: float, generation: int) -> AccessToken | str:
    """Return the token of an answer, or its problem.

    A token in a message would be a leak, so none is quoted.
    """
    if not isinstance(body, dict):
        return "its body is no JSON object"
    kind, granted, lifetime = body.get("token_type"), body.get("scope"), _seconds(body.get("expires_in"))
    if isinstance(kind, str) and kind.lower() != "bearer":
        return "its token_type is not Bearer"
    if lifetime is None:
        return "its expires_in is no number of seconds"
    value = body.get("access_token")
    if not isinstance(value, str) or not value:
        return "it has no access_token"
    if not is_sendable(value):
        return "its access_token cannot be sent as a header"
    return AccessToken(
        value,
        _granted(granted, scopes),
        lifetime,
        asked_at,
        datetime.now(UTC) + timedelta(seconds=lifetime),
        generation,
    )


def _seconds(value: JsonValue) -> float | None:
    if value is None:
        return DEFAULT_LIFETIME
    if isinstance(value, str) and value.isdecimal() and value.isascii() and len(value) < 20:
        return min(float(value), _LONGEST_LIFETIME)
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < float("inf"):
        return min(float(value), _LONGEST_LIFETIME)
    return None


def _granted(value: JsonValue, asked: frozenset[str]) -> frozenset[str]:
    """Return the scopes that were granted.

    Comma-separated as Tilia answers, or separated by blanks as OAuth 2 has it.
    """
    if not isinstance(value, str) or not value.strip():
        return asked
    return frozenset(value.replace(",", " ").split())
