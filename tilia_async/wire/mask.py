"""Masks secrets in answers that repeat them: a proxy's page may show the request that it could not pass on."""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Iterator
from typing import Final
from urllib.parse import quote, quote_plus

import attrs

from tilia_async.json_value import JsonValue
from tilia_async.secret import MASK, Secret

_LONGEST_CAUSE: Final = 400
_SHORTEST_KEY: Final = 6
"""A shorter secret could be a part of a field's name by chance; Tilia's passwords have 6 characters at least."""


@attrs.frozen
class Mask:
    """Puts ``***`` for some secrets, also where they stand escaped for JSON, HTML or a URL."""

    _forms: tuple[str, ...] = attrs.field(default=(), repr=False)

    @classmethod
    def of(cls, secrets: Iterable[Secret]) -> Mask:
        forms = {form for secret in secrets for form in _written(secret)}
        # The longest first, so that no part of one is left.
        return cls(tuple(sorted(forms, key=len, reverse=True)))

    def text(self, text: str) -> str:
        """The text, masked."""
        for form in self._forms:
            text = text.replace(form, MASK)
        return text

    def cause(self, text: str | None) -> str | None:
        """What a library's exception says, masked and clipped; in this order, since half a secret is not found."""
        return None if text is None else self.text(text)[:_LONGEST_CAUSE]

    def beginning(self, body: bytes | None, longest: int) -> str | None:
        """The beginning of a body that is no JSON, masked; None if there is none."""
        if not body:
            return None
        # A character has four bytes at most, and a secret may lie across the end.
        window = longest + 4 * max(map(len, self._forms), default=0)
        return self.text(body[:window].decode(errors="replace"))[:longest]

    def texts(self, texts: Iterable[str]) -> tuple[str, ...]:
        return tuple(map(self.text, texts))

    def json(self, value: JsonValue) -> JsonValue:
        """JSON with its texts masked. Level by level and not by recursion, which would itself end at some depth."""
        if not self._forms:
            return value
        top: list[JsonValue] = [value]
        level: list[list[JsonValue] | dict[str, JsonValue]] = [top]
        while level:
            deeper: list[list[JsonValue] | dict[str, JsonValue]] = []
            for parent in level:
                for key, part in _entries(parent):
                    masked = self._masked(part)
                    _put(parent, key, masked)
                    if isinstance(masked, list | dict):
                        deeper.append(masked)
            level = deeper
        return top[0]

    def _masked(self, value: JsonValue) -> JsonValue:
        """A text masked; a list or an object as a copy, its keys masked and its values still to do."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            return [*value]
        if isinstance(value, dict):
            return {self._key(key): part for key, part in value.items()}
        return value

    def _key(self, key: str) -> str:
        for form in self._forms:
            if len(form) >= _SHORTEST_KEY:
                key = key.replace(form, MASK)
        return key


NO_MASK: Final = Mask()


def _entries(parent: list[JsonValue] | dict[str, JsonValue]) -> list[tuple[int | str, JsonValue]]:
    return list(parent.items()) if isinstance(parent, dict) else list(enumerate(parent))


def _put(parent: list[JsonValue] | dict[str, JsonValue], key: int | str, value: JsonValue) -> None:
    if isinstance(parent, dict):
        parent[str(key)] = value
    else:
        parent[int(key)] = value


def _written(secret: Secret) -> Iterator[str]:
    """The ways in which a secret may be written."""
    text = secret.reveal()
    if not text:
        return
    in_json = (json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1])
    yield from (text, quote(text), quote(text, safe=""), quote_plus(text), html.escape(text), *in_json)
    yield from (form.replace("/", "\\/") for form in in_json)
