"""Settings for vcrpy: cassettes of calls without anything private.

Whatever is private is replaced before vcrpy writes it down. Ids, usernames and e-mail addresses are replaced by texts
that are drawn with a key that nobody keeps: the same for the same as long as the settings live, so that a recording
still fits together, and nothing can be computed back. What was replaced stays as it is, so a replay finds its answers.
"""

from __future__ import annotations

import copy
import hashlib
import re
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, Protocol, TypedDict, TypeVar
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit, urlunsplit

import orjson

from tilia_async.api import OPERATIONS
from tilia_async.json_value import JsonValue
from tilia_async.wire.redactor import is_named_secret

_SCRUBBED: Final = "scrubbed"
_REPLACED_ID: Final = "00000000-0000-4000-8000-"
_REPLACED: Final = re.compile(rf"{_REPLACED_ID}[0-9a-f]{{12}}|user-[0-9a-f]{{12}}|{_SCRUBBED}|\*+")
_REPLACED_DOMAIN: Final = "scrubbed.example"
_SHORTEST_SECRET: Final = 6
"""Shortest text that is looked for in other texts.

A shorter one could be part of a word.
"""

_RESERVED: Final = re.compile(r"(?:^|\.)(?:example(?:\.(?:com|net|org))?|test|invalid|localhost)$", re.IGNORECASE)
"""Domains that belong to nobody (RFC 2606)."""

_PRIVATE: Final = re.compile(
    r"(?P<email>[\w.!#$%&'*+/=?^`{|}~-]+@[\w-]+(?:\.[\w-]+)+)"
    r"|(?P<id>\b[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b"
    r"|\b[a-z]{2,8}_(?=[0-9A-Za-z]*[0-9])(?=[0-9A-Za-z]*[A-Z])[0-9A-Za-z]{12,}\b)"
    r"|(?P<ip>\b(?:\d{1,3}\.){3}\d{1,3}\b|\b(?:[0-9a-fA-F]{1,4}:){4,7}[0-9a-fA-F]{0,4}\b)"
)
_PERSONAL: Final = re.compile(
    r"(?:\w+_)?name|(?:street_)?address(?:_\d)?|birth_?date|date_of_birth|city|state_province|zip(?:_postal)?(?:_code)?|postal_code"
    r"|country_iso|ip_address|geoip_\w+|user_agent|location|phone\w*|last_four|bin|expiry|avs|psp_hash_code|display_string"
    r"|external_platforms|metadata|note|reason|\w*description|vendor_response|provider_data|tracking_id|session_id"
)
"""Fields about a person, a card or a place.

And those in which anything may stand.
"""

_HARMLESS: Final = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d)?|Bearer")
_CODE: Final = re.compile(r"[a-z]+(?:_[a-z]+)*")
"""Tilia's own reasons; people write more than a word."""

_REQUEST_HEADERS: Final = frozenset({"accept", "content-type"})
_RESPONSE_HEADERS: Final = frozenset({"content-type", "date", "retry-after"})
_MATCH_ON: Final = ("method", "host", "path", "query")

T = TypeVar("T", str, list[str])


class CassetteRequest(Protocol):
    """A request as vcrpy has it."""

    uri: str
    headers: Mapping[str, str]

    @property
    def body(self) -> object:
        """The body: bytes or None for requests of this SDK."""
        ...

    @body.setter
    def body(self, value: bytes | None) -> None: ...


class CassetteBody(TypedDict, total=False):
    """The body of an answer as vcrpy has it."""

    string: bytes


class CassetteResponse(TypedDict):
    """An answer as vcrpy has it."""

    status: Mapping[str, object]
    headers: Mapping[str, list[str]]
    body: CassetteBody


class VcrConfig(TypedDict):
    """Settings for ``vcr.VCR``, and for the fixture ``vcr_config`` of pytest-recording."""

    before_record_request: Callable[[CassetteRequest], CassetteRequest]
    before_record_response: Callable[[CassetteResponse], CassetteResponse]
    match_on: Sequence[str]
    decode_compressed_response: bool


def vcr_config(*, keep: Iterable[str] = ()) -> VcrConfig:
    """Return settings for vcrpy that scrub what is private.

    ::

        @pytest.fixture(scope="module")
        def vcr_config():
            return tilia_async.testing.vcr_config(keep={"nyx"})

    Replaced are tokens, passwords and secrets, ids, usernames, e-mail and IP addresses, names and postal addresses,
    details of cards, free texts and metadata, wherever they stand; of the headers few are kept, and a body that is
    neither JSON nor a form is not kept at all. E-mail addresses at domains that belong to nobody, such as
    ``example.com``, stay as they are. Requests are matched by method, host, path and query, without the port.

    Args:
        keep: texts that your tests choose themselves and that are no secrets: usernames, references. In a replay
            the answers have them as your tests do, which the SDK compares.
    """
    scrubber = Scrubber(frozenset(keep))
    return {
        "before_record_request": scrubber.request,
        "before_record_response": scrubber.response,
        "match_on": _MATCH_ON,
        "decode_compressed_response": True,
    }


class Scrubber:
    """Replaces what is private in requests and answers.

    Args:
        keep: texts that stay as they are.
    """

    def __init__(self, keep: frozenset[str]) -> None:
        self._keep = keep
        self._key = secrets.token_bytes(32)
        self._found: dict[str, str] = {}

    def request(self, request: CassetteRequest) -> CassetteRequest:
        """Return a copy of a request without anything private."""
        scrubbed = copy.copy(request)
        body = request.body
        scrubbed.headers = _kept(request.headers, _REQUEST_HEADERS)
        scrubbed.body = self._form_or_json(body) if isinstance(body, bytes) else None
        scrubbed.uri = self._uri(request.uri)
        return scrubbed

    def response(self, response: CassetteResponse) -> CassetteResponse:
        """Return a copy of an answer without anything private."""
        body = response["body"].get("string")
        return {
            "status": response["status"],
            "headers": _kept(response["headers"], _RESPONSE_HEADERS),
            "body": {"string": self._body(body)} if body else response["body"],
        }

    def _uri(self, uri: str) -> str:
        parts = urlsplit(uri)
        host = parts.netloc.rpartition("@")[2]
        query = urlencode([(name, self._value(name, value)) for name, value in parse_qsl(parts.query, True)])
        return urlunsplit((parts.scheme, host, self._path(parts.path), query, ""))

    def _path(self, path: str) -> str:
        segments = path.split("/")
        parameters = _parameters(segments)
        return "/".join(
            quote(self._value("id" if number in parameters else "", unquote(segment)), safe="")
            for number, segment in enumerate(segments)
        )

    def _form_or_json(self, body: bytes) -> bytes:
        if not body or body.lstrip()[:1] in (b"{", b"["):
            return self._body(body) if body else body
        form = parse_qsl(body.decode(errors="replace"), keep_blank_values=True)
        return urlencode([(name, self._value(name, value)) for name, value in form]).encode()

    def _body(self, body: bytes) -> bytes:
        try:
            value: JsonValue = orjson.loads(body)
        except ValueError:
            # What a proxy says may hold anything.
            return _SCRUBBED.encode()
        return orjson.dumps(self._json("", value, private=False))

    def _json(self, name: str, value: JsonValue, *, private: bool) -> JsonValue:
        if isinstance(value, dict):
            return {
                self._value("", key): self._json(
                    key, each, private=private or is_named_secret(key) or _is_personal(key, each)
                )
                for key, each in value.items()
            }
        if isinstance(value, list):
            return [self._json(name, each, private=private) for each in value]
        if isinstance(value, str):
            return self._value(name, value, private=private)
        return _SCRUBBED if private and isinstance(value, int | float) and not isinstance(value, bool) else value

    def _value(self, name: str, text: str, *, private: bool = False) -> str:
        """Return a text without anything private.

        Args:
            name: of the field; empty: there is none.
            private: all of it is.
        """
        if not text or text in self._keep or _REPLACED.fullmatch(text) or _HARMLESS.fullmatch(text):
            return text
        if is_named_secret(name):
            return self._replaced(text, _SCRUBBED)
        if _PRIVATE.fullmatch(text) is None:
            if name == "username":
                return self._replaced(text, f"user-{self._drawn(text)}")
            if name == "id" or name.endswith(("_id", "_ids", "_reference")):
                return self._replaced(text, self._id(text))
            if private or _is_personal(name, text):
                return self._replaced(text, _SCRUBBED)
        return self._text(text)

    def _text(self, text: str) -> str:
        """Return a text without what looks private, or was seen."""
        text = _PRIVATE.sub(self._pattern, text)
        for found in sorted(self._found, key=len, reverse=True):
            text = text.replace(found, self._found[found])
        return text

    def _pattern(self, match: re.Match[str]) -> str:
        text = match[0]
        if text in self._keep or _REPLACED.fullmatch(text):
            return text
        if match["id"]:
            return self._replaced(text, self._id(text))
        if match["ip"]:
            return "192.0.2.1"
        domain = text.rpartition("@")[2]
        return text if _RESERVED.search(domain) else self._replaced(text, f"{self._drawn(text)}@{_REPLACED_DOMAIN}")

    def _replaced(self, text: str, by: str) -> str:
        if text in self._keep or _REPLACED.fullmatch(text):
            return text
        if len(text) >= _SHORTEST_SECRET and not _CODE.fullmatch(text):
            self._found[text] = by
        return by

    def _id(self, text: str) -> str:
        return _REPLACED_ID + self._drawn(text)

    def _drawn(self, text: str) -> str:
        return hashlib.blake2b(text.encode(errors="replace"), key=self._key, digest_size=6).hexdigest()


def _is_personal(name: str, value: JsonValue) -> bool:
    if name == "reason" and isinstance(value, str) and _CODE.fullmatch(value):
        return False
    return _PERSONAL.fullmatch(name) is not None


def _parameters(segments: Sequence[str]) -> frozenset[int]:
    """Return which segments of a path are parameters.

    Known by the operation's template; a sandbox has the service before it.
    """
    for operation in OPERATIONS.values():
        template = operation.path.split("/")[1:]
        first = len(segments) - len(template)
        places = [number for number, each in enumerate(template) if each.startswith("{")]
        if first >= 1 and all(
            each == segments[first + number] or number in places for number, each in enumerate(template)
        ):
            return frozenset(first + number for number in places)
    return frozenset()


def _kept(headers: Mapping[str, T], names: frozenset[str]) -> dict[str, T]:
    return {name: value for name, value in headers.items() if name.lower() in names}
