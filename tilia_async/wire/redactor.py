"""Masking of secrets in answers.

In answers that repeat them, and of what answers themselves hold under the name of a secret.

A proxy's page may show the request that it could not pass on, and Tilia has fields such as ``password`` in its own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Final
from urllib.parse import quote, quote_plus

import attrs

from tilia_async.json_value import JsonValue
from tilia_async.secret import MASK, Secret

_LONGEST_CAUSE: Final = 400
_SHORTEST_KEY: Final = 6
"""Shortest secret that field names are searched for.

A shorter secret could be a part of a field's name by chance; Tilia's passwords have 6 characters at least.
"""


_NAMES: Final = (
    "password", "passwd", "passphrase", "secret", "access_token", "refresh_token", "id_token", "password_token",
    "user_token", "api_key", "private_key",
)  # fmt: skip
_WHOLE_NAMES: Final = frozenset({"token", "nonce", "nonceauthid", "redirect", "authorization", "cookie"})
_ENDS: Final = tuple(name.replace("_", "") for name in _NAMES)
_MOST_FOUND: Final = 100
_BY_FIELD: Final = frozenset({"error", "errors"})
"""Keys that hold problems by field.

Under these a field's name stands before what is wrong with the field.
"""

_NAME: Final = (
    rf"(?:\w*(?:{'|'.join(name.replace('_', '[_-]?') for name in _NAMES)})|nonce_auth_id|nonce|token|redirect)"
)
_WRITTEN: Final = re.compile(
    # As JSON, also in HTML or in another JSON text; as a form. The end may be cut off.
    rf"""((?:\\*["']|&quot;|&\#34;){_NAME}(?:\\*["']|&quot;|&\#34;)\s*:\s*(?:\\*["']|&quot;|&\#34;))(?:(?!\\*["']|&quot;|&\#34;).)*"""
    rf"|(\b{_NAME}=)[^&\s\"'<>]+",
    re.IGNORECASE | re.DOTALL,
)


def is_named_secret(name: str) -> bool:
    """Return True for the name of a secret.

    It may be written in any way.
    """
    plain = name.casefold().replace("_", "").replace("-", "")
    return plain in _WHOLE_NAMES or plain.endswith(_ENDS)


def named_secrets(value: JsonValue) -> Iterator[Secret]:
    """Yield the secrets that an answer holds by name.

    The texts under the names of secrets, at most a hundred.
    """
    left: list[tuple[JsonValue, bool, bool]] = [(value, False, False)]
    found = 0
    while left and found < _MOST_FOUND:
        part, secret, by_field = left.pop()
        if isinstance(part, dict):
            left += [
                (each, secret or (not by_field and is_named_secret(name)), name in _BY_FIELD)
                for name, each in part.items()
            ]
        elif isinstance(part, list):
            left += [(each, secret, False) for each in part]
        elif secret and isinstance(part, str) and len(part) >= _SHORTEST_KEY:
            found += 1
            yield Secret(part)


@attrs.frozen
class Redactor:
    """A redactor that puts ``***`` for some secrets.

    They are found, too, where they stand escaped for JSON, HTML or a URL.
    """

    _forms: tuple[str, ...] = attrs.field(default=(), repr=False)

    @classmethod
    def of(cls, secrets: Iterable[Secret]) -> Redactor:
        forms = {form for secret in secrets for form in _written(secret)}
        # The longest first, so that no part of one is left.
        return cls(tuple(sorted(forms, key=len, reverse=True)))

    def and_of(self, secrets: Iterable[Secret]) -> Redactor:
        """Make one that masks these as well."""
        more = {form for secret in secrets for form in _written(secret)}
        return Redactor(tuple(sorted({*self._forms, *more}, key=len, reverse=True))) if more else self

    def text(self, text: str) -> str:
        """Return the text, masked."""
        for form in self._forms:
            text = text.replace(form, MASK)
        return text

    def cause(self, text: str | None) -> str | None:
        """Return a library's exception as masked, clipped text.

        In this order, since half a secret is not found.
        """
        return None if text is None else self.text(text)[:_LONGEST_CAUSE]

    def beginning(self, body: bytes | None, longest: int) -> str | None:
        """Return the masked beginning of a body.

        The body is not JSON; None if there is none.
        """
        if not body:
            return None
        # A character has four bytes at most, and a secret may lie across the end.
        window = longest + 4 * max(map(len, self._forms), default=0)
        return _without_named(self.text(body[:window].decode(errors="replace")))[:longest]

    def texts(self, texts: Iterable[str]) -> tuple[str, ...]:
        return tuple(_without_named(self.text(text)) for text in texts)

    def json(self, value: JsonValue) -> JsonValue:
        """Return JSON with its secrets masked.

        Its texts are masked, and so is what has the name of a secret.

        Level by level and not by recursion, which would itself end at some depth.
        """
        top: list[JsonValue] = [value]
        level: list[list[JsonValue] | dict[str, JsonValue]] = [top]
        while level:
            deeper: list[list[JsonValue] | dict[str, JsonValue]] = []
            for parent in level:
                for key, part in _entries(parent):
                    masked = self._masked(part, under=key)
                    _put(parent, key, masked)
                    if isinstance(masked, list | dict):
                        deeper.append(masked)
            level = deeper
        return top[0]

    def _masked(self, value: JsonValue, *, under: int | str) -> JsonValue:
        """Return a masked text, or an unfinished copy.

        A list or an object as a copy, its keys masked and its values still to do.
        """
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            return [*value]
        if isinstance(value, dict):
            by_field = under in _BY_FIELD
            return {self._key(key): part if by_field else _shown(key, part) for key, part in value.items()}
        return value

    def _key(self, key: str) -> str:
        for form in self._forms:
            if len(form) >= _SHORTEST_KEY:
                key = key.replace(form, MASK)
        return key


def _shown(name: str, value: JsonValue) -> JsonValue:
    return MASK if is_named_secret(name) and value and value is not True else value


def _without_named(text: str) -> str:
    return _WRITTEN.sub(lambda found: f"{found[1] or found[2]}{MASK}", text)


NO_REDACTION: Final = Redactor()


def _entries(parent: list[JsonValue] | dict[str, JsonValue]) -> list[tuple[int | str, JsonValue]]:
    return list(parent.items()) if isinstance(parent, dict) else list(enumerate(parent))


def _put(parent: list[JsonValue] | dict[str, JsonValue], key: int | str, value: JsonValue) -> None:
    if isinstance(parent, dict):
        parent[str(key)] = value
    else:
        parent[int(key)] = value


def _written(secret: Secret) -> Iterator[str]:
    """Return the ways in which a secret may be written."""
    import html  # noqa: PLC0415 - brings a table of all entities, and nothing is redacted in most processes

    text = secret.reveal()
    if not text:
        return
    in_json = (json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1])
    yield from (text, quote(text), quote(text, safe=""), quote_plus(text), html.escape(text), *in_json)
    yield from (form.replace("/", "\\/") for form in in_json)
