"""The limits on deliveries: senders and sizes.

Decided before a body is read.

Tilia documents no signature (fact sheet "compliance-webhooks", A.2). What a publisher can rely on is what it enters in
Tilia Tools: the credentials of HTTP's basic authentication, or a URL that nobody else knows. The credentials are the
better of the two: a URL stands in the access log of each server and proxy that the request passes.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import sys
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Final, TypeAlias, TypeGuard

from tilia_async.errors import ConfigurationError
from tilia_async.secret import BasicPair, Secret, hide, hide_pair
from tilia_async.settings_checks import checked_count, checked_seconds

PathSecrets: TypeAlias = str | Secret | Sequence[str | Secret] | None
BasicAuth: TypeAlias = BasicPair | Sequence[BasicPair] | None

_METHOD: Final = "POST"
_EXTRA_HEADERS: Final[Mapping[int, Mapping[str, str]]] = {
    401: {"WWW-Authenticate": 'Basic realm="tilia", charset="UTF-8"'},
    405: {"Allow": _METHOD},
}


class Gate:
    """The gate for requests.

    Compares what a request brings with what is expected, in constant time.

    It keeps digests, so that no ``repr``, pickle or crash report can show a secret.

    Raises:
        ConfigurationError: a secret is empty, or cannot be sent; the message does not show it.
    """

    def __init__(
        self,
        paths: tuple[Secret, ...] | None,
        pairs: tuple[tuple[Secret, Secret], ...] | None,
        max_body: int,
        body_timeout: float,
    ) -> None:
        self.max_body: int = checked_count("max_body", max_body)
        self.body_timeout: float = checked_seconds("body_timeout", body_timeout)
        self._paths = _path_digests(paths)
        self._basics = _basic_digests(pairs)

    @property
    def asks(self) -> bool:
        """A request needs a secret to pass."""
        return self._paths is not None or self._basics is not None

    def refusal(
        self, method: str, path: str | None, authorization: str | None, content_length: int | None
    ) -> HTTPStatus | None:
        """Return the status that refuses a request.

        None if its body may be read.

        A wrong path is told nothing else, not even that another method would do.
        """
        if self._paths is not None and not _matches(_last_segment(_text(path)), self._paths):
            return HTTPStatus.NOT_FOUND
        if method != _METHOD:
            return HTTPStatus.METHOD_NOT_ALLOWED
        if self._basics is not None and not _matches(_credentials(_text(authorization)), self._basics):
            return HTTPStatus.UNAUTHORIZED
        if content_length is not None and content_length > self.max_body:
            return HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        return None


def read_length(header: str) -> int | None:
    """Return the number of a ``Content-Length``.

    None if it is not a number. One of many digits is larger than any limit.
    """
    if not (header.isascii() and header.isdecimal()):
        return None
    return int(header) if len(header) <= 18 else sys.maxsize


def headers_of(status: int) -> dict[str, str]:
    """Return the headers for an answer of this status.

    Those of its body come beside them.
    """
    return dict(_EXTRA_HEADERS.get(status, {}))


def _matches(given: bytes | None, expected: Iterable[bytes]) -> bool:
    digest = hashlib.sha256(given or b"").digest()
    # All are compared, so that the time does not show which one it was.
    matches = [hmac.compare_digest(digest, each) for each in expected]
    return given is not None and any(matches)


def _text(given: str | None) -> str:
    """Return the text that a request brings.

    What is not text, whatever the annotation says, is nothing: an error would hold it.
    """
    return given if isinstance(given, str) else ""


def _last_segment(path: str) -> bytes:
    return _bytes(path.rstrip("/").rpartition("/")[2])


def _credentials(authorization: str) -> bytes | None:
    """Return ``user:password`` of a basic ``Authorization`` header.

    None if it is not one.
    """
    scheme, _, encoded = authorization.strip().partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        return base64.b64decode(_bytes(encoded.strip()), validate=True)
    except ValueError:
        return None


def _bytes(text: str) -> bytes:
    # Servers hand over bytes that are not UTF-8 as lone surrogates.
    return text.encode("utf-8", "surrogatepass")


def hidden_paths(secrets: PathSecrets) -> tuple[Secret, ...] | None:
    """Path secrets as what no frame shows.

    What is none is empty, which ``Gate`` refuses.
    """
    if secrets is None:
        return None
    if isinstance(secrets, str | Secret):
        return (hide(secrets),)
    return tuple(map(hide, secrets)) if _is_iterable(secrets) else (Secret(""),)


def hidden_pairs(pairs: BasicAuth) -> tuple[tuple[Secret, Secret], ...] | None:
    """Users and passwords as what no frame shows.

    What is none is empty, which ``Gate`` refuses.
    """
    if pairs is None:
        return None
    if _is_pair(pairs):
        return (hide_pair(pairs),)
    listed: Iterable[object] = pairs if _is_iterable(pairs) else (pairs,)
    return tuple(map(hide_pair, listed))


def _is_iterable(value: object) -> bool:
    # Callers may have no checker for types.
    return isinstance(value, Iterable)


def _is_pair(value: Sequence[object]) -> TypeGuard[BasicPair]:
    return isinstance(value, tuple) and len(value) == 2 and all(isinstance(item, str | Secret) for item in value)


def _is_segment(text: str) -> bool:
    return bool(text) and "/" not in text and text not in {".", ".."} and text.isprintable()


def _path_digests(secrets: tuple[Secret, ...] | None) -> tuple[bytes, ...] | None:
    if secrets is None:
        return None
    if not secrets:
        raise ConfigurationError("path_secret is an empty list; None is for no secret")
    if not all(_is_segment(secret.reveal()) for secret in secrets):
        raise ConfigurationError("path_secret is one segment of a path: a text, not empty, without a slash")
    return tuple(hashlib.sha256(_bytes(secret.reveal())).digest() for secret in secrets)


def _basic_digests(pairs: tuple[tuple[Secret, Secret], ...] | None) -> tuple[bytes, ...] | None:
    if pairs is None:
        return None
    if not pairs:
        raise ConfigurationError("basic_auth is an empty list; None is for no credentials")
    if not all(user and ":" not in user.reveal() and password for user, password in pairs):
        raise ConfigurationError("basic_auth is a user without a colon and a password, or a list of such pairs")
    return tuple(hashlib.sha256(_bytes(f"{user.reveal()}:{password.reveal()}")).digest() for user, password in pairs)
