"""Building of requests, once for all attempts.

From a declaration and its parameters.
"""

from __future__ import annotations

import functools
import math
import string
import types
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import quote, urlencode

import attrs
import orjson

from tilia_async import checks
from tilia_async.checks import LONGEST_ID
from tilia_async.config import Environment, RequestOptions
from tilia_async.errors import InvalidRequestError
from tilia_async.json_value import Body, JsonInput, JsonValue
from tilia_async.secret import HiddenBytes, HiddenFields, Secret, hide_body
from tilia_async.wire.operation import Operation, Repeat
from tilia_async.wire.refusal import refuse

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"


_SHORTEST_SECRET: Final = 8
_PLAIN: Final = frozenset({str, int, float, bool, type(None)})


NO_HEADERS: Final[HiddenFields[str]] = HiddenFields(dict[str, str]())
JSON_HEADERS: Final[HiddenFields[str]] = HiddenFields({"Content-Type": JSON})
_KEYED: Final = Repeat.KEYED
_NONE: Final[Mapping[str, Any]] = types.MappingProxyType({})
_IN_IDS: Final = (string.ascii_letters + string.digits + "-_").encode()
# Printable ASCII but the blank, and what a server never gets to see.
_IN_URLS: Final = bytes(set(range(0x21, 0x7F)) - set(b"#"))


@attrs.define
class WireRequest:
    """A request as it goes on the wire.

    All of it but the token.

    It stands in the frames of a call as long as that lasts, and there is code that reads every slot of every object.

    Attributes:
        operation: the operation's name, for errors and logs.
        url: complete and percent-encoded.
        headers: without ``Authorization``. Those of the caller may be keys.
        body: encoded; it may hold a password.
        reference: what identifies its effect.
        asked: parameters by name; the answer repeats those that its operation's ``echoes`` names.
        is_plain: ``url`` is known to be plain; False: see ``is_plain``.
        secrets: what of the body and of the caller's own headers no error may repeat.
    """

    operation: str
    method: str
    url: str
    headers: HiddenFields[str] = NO_HEADERS
    body: HiddenBytes | None = attrs.field(default=None, repr=False)
    reference: Mapping[str, str] = _NONE
    secrets: tuple[Secret, ...] = attrs.field(default=(), repr=False)
    asked: Mapping[str, str] = attrs.field(default=_NONE, repr=False)
    is_plain: bool = False


def build(
    operation: Operation[object],
    environment: Environment,
    *,
    path: Mapping[str, str] | None = None,
    query: Mapping[str, str | int] | None = None,
    body: Body | None = None,
    options: RequestOptions | None = None,
    new_key: str | None = None,
) -> WireRequest:
    """Build the request for an operation.

    Args:
        new_key: the idempotency key of an operation that takes one, where the options have none.

    Raises:
        InvalidRequestError: a path parameter is missing, unknown, empty, too long or a path of its own; the body is
            not JSON; an idempotency key is not a UUID4 or the operation takes none.
    """
    # Bodies and headers are in no variable here but hidden: frames can be printed with their variables.
    body = None if body is None else hide_body(body)
    if not _is_mapping(path) or not (query is None or _is_mapping(query)):
        _refuse_kinds(operation, path=path, query=query)
    # No variable holds the headers, of which one may be a key.
    sends_more = options is not None and (bool(options.headers) or options.idempotency_key is not None)
    if path and query is None and body is None and not sends_more and operation.repeat is not _KEYED:
        # Nothing but ids in its path, as most that read: they are all that it is about.
        url = environment.url(operation.service)
        plain = _has_plain_parts(url, operation.path)
        url += expand(operation, path)
        reference = _named(operation, path, _NONE, _NONE)[0] if operation.reference else path
        return WireRequest(operation.name, operation.method, url, NO_HEADERS, None, reference, (), path, plain)
    if body is not None and not body.is_mapping:
        refuse(operation.name, {"body": [f"is a mapping, not {body.kind}"]})
    path, query = path or _NONE, query or _NONE
    url = environment.url(operation.service)
    plain = _has_plain_parts(url, operation.path)
    url += expand(operation, path)
    if query:
        url += "?" + urlencode({name: _query_value(operation, name, query[name]) for name in query}, quote_via=quote)
    key, headers = None, NO_HEADERS if body is None else JSON_HEADERS
    if sends_more or operation.repeat is _KEYED:
        key = idempotency_key(operation, options, new_key)
        headers = _headers(options, key, headers)
    content, secrets = (None, ()) if body is None else encode(operation, body)
    if sends_more or key is not None:
        secrets += tuple(_keys(options, key))
    reference, asked = _named(operation, path, query, _NONE if body is None else body.reveal())
    return WireRequest(
        operation.name,
        operation.method,
        url,
        headers,
        content,
        reference if key is None or not operation.reference else {**reference, "idempotency_key": key},
        secrets,
        asked,
        plain,
    )


def is_plain(url: str) -> bool:
    """Return True if a URL needs no quoting."""
    return url.isascii() and not url.encode().translate(None, _IN_URLS)


@functools.lru_cache
def _has_plain_parts(*parts: str) -> bool:
    """Return True if no part of a URL needs quoting.

    Of the parts that are not parameters: those are quoted where they have to be.
    """
    return all(map(is_plain, parts))


def _named(
    operation: Operation[object], path: Mapping[str, str], query: Mapping[str, JsonInput], body: Mapping[str, JsonInput]
) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """Return the reference, and the parameters that answers repeat.

    Both by name, as they are sent.
    """
    asked: dict[str, str] = {}
    for name, _ in operation.echoes:
        # Of those with the same name the last.
        for parameters in (body, query, path):
            if isinstance(value := parameters.get(name), str):
                asked[name] = value if type(value) is str else checks.plain(value)
                break
    if not operation.reference:
        return path, asked
    reference: dict[str, str] = {}
    for name in operation.reference:
        told = path[name] if name in path else body.get(name)
        if isinstance(told, str):
            reference[name] = told if type(told) is str else checks.plain(told)
        elif isinstance(told, int):
            reference[name] = str(told)
    if operation.parts:
        reference |= _sum(body.get(operation.parts))
    return reference, asked


def _headers(options: RequestOptions | None, key: str | None, own: HiddenFields[str]) -> HiddenFields[str]:
    if key is None and (options is None or not options.headers):
        return own
    extra: Mapping[str, str] = (options.headers if options is not None else None) or {}
    keyed = {} if key is None else {"Idempotency-Key": key}
    return HiddenFields({**extra, **keyed, **own.reveal()})


def _keys(options: RequestOptions | None, key: str | None) -> Iterator[Secret]:
    """Return the header values that errors must not repeat.

    One of the caller's own may be a key to a gateway; short ones are words that answers are full of.
    """
    if key is not None:
        yield Secret(key)
    if options is not None and options.headers:
        yield from (Secret(value) for value in options.headers.values() if len(value) >= _SHORTEST_SECRET)


def _secrets(body: HiddenFields[JsonInput]) -> tuple[Secret, ...]:
    """Return the secrets of a body.

    What the typed methods hide, and what a caller of ``send`` gives under that name, at any depth.
    """
    found: list[Secret] = []
    left: list[JsonInput] = [body.reveal()]
    while left:
        value = left.pop()
        kind = type(value)
        if kind in _PLAIN:
            continue
        if kind is not dict and isinstance(value, Secret):
            found.append(value)
        elif isinstance(value, dict) or isinstance(value, Mapping):  # noqa: SIM101 - of a dictionary no registry is asked
            if isinstance(password := value.get("password"), str):
                found.append(Secret(password))
            left += value.values()
        elif isinstance(value, list | tuple):
            left += value
    return tuple(found)


def _refuse_kinds(operation: Operation[object], **given: object) -> None:
    """Refuse what is neither a mapping nor None."""
    odd = {name: value for name, value in given.items() if not _is_mapping(value)}
    refuse(operation.name, {name: checks.mapping(value) for name, value in odd.items()})


def _is_mapping(given: object) -> bool:
    """Return True for None, too: nothing is given.

    Of a dictionary no registry is asked.
    """
    return given is None or type(given) is dict or isinstance(given, Mapping)


def _query_value(operation: Operation[object], name: str, value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    refuse(operation.name, {name: checks.text(value, shortest=0)})
    return checks.plain(value) if isinstance(value, str) else ""


def expand(operation: Operation[object], path: Mapping[str, str]) -> str:
    """Return the path with its parameters.

    Each of them is one quoted segment.
    """
    segments = operation.segments
    if not path and len(segments) == 1 and segments[0][1] is None:
        return segments[0][0]
    url, found = "", 0
    for literal, name in segments:
        url += literal
        if name is None:
            continue
        found += 1
        value = path.get(name)
        # An id as Tilia makes them passes every check and needs no quoting, and both cost more than this look.
        if (
            isinstance(value, str)
            and 0 < len(value) <= LONGEST_ID
            and value.isascii()
            and not value.encode().strip(_IN_IDS)
        ):
            url += value
        elif value is None or checks.identifier(value, longest=operation.longest(name)):
            break
        else:
            url += quote(value, safe="")
    else:
        if len(path) == found:
            return url
    raise InvalidRequestError(_path_problems(operation, path), operation=operation.name)


def _path_problems(operation: Operation[object], path: Mapping[str, str]) -> dict[str, list[str]]:
    names = operation.parameters
    problems = {
        name: ["is missing"] if name not in path else checks.identifier(path[name], longest=operation.longest(name))
        for name in names
    }
    problems |= {name: [f"is no part of {operation.path}"] for name in path if name not in names}
    return {name: reasons for name, reasons in problems.items() if reasons}


def encode(operation: Operation[object], body: HiddenFields[JsonInput]) -> tuple[HiddenBytes, tuple[Secret, ...]]:
    """Encode a body as JSON; return its secrets, too."""
    try:
        try:
            content = HiddenBytes(orjson.dumps(body.reveal()))
        except TypeError:
            content = HiddenBytes(orjson.dumps(body.reveal(), default=_plain))
        else:
            if _is_simple(content.reveal()):
                return content, ()
        # What is not a number at all is written as null, which would be sent as something else than was given.
        if b"null" not in content.reveal() or not _has_no_number(body):
            return content, _secrets(body)
        reason = "it has a number that is not finite"
    except (TypeError, ValueError) as error:
        # The body itself is not quoted: it may hold a password.
        reason = str(error)
    raise InvalidRequestError({"body": [f"cannot be written as JSON: {reason}"]}, operation=operation.name)


def _is_simple(written: bytes) -> bool:
    """Return True if a body's values need no walk.

    Most do not. It was written without ``_plain``, so no ``Secret`` is in it.
    """
    # ``in`` looks first whether it is given a number, and costs twice as much.
    return written.find(b"null") < 0 and written.find(b'"password"') < 0


def _has_no_number(body: HiddenFields[JsonInput]) -> bool:
    left: list[JsonInput] = [body.reveal()]
    while left:
        value = left.pop()
        if isinstance(value, float) and not math.isfinite(value):
            return True
        if isinstance(value, Mapping):
            left += value.values()
        elif isinstance(value, list | tuple):
            left += value
    return False


def _plain(value: Secret | Mapping[object, object]) -> str | dict[object, object]:
    """Return a plain value for JSON's encoder.

    It takes a secret, or a mapping that is not a dict, e.g. a read-only one. Anything else is a TypeError, as it should
    be.
    """
    return value.reveal() if isinstance(value, Secret) else {**value}


def idempotency_key(operation: Operation[object], options: RequestOptions | None, new_key: str | None) -> str | None:
    """Return the key for one logical call.

    The same for all its attempts; None for an operation that takes none.
    """
    given = None if options is None else options.idempotency_key
    if operation.repeat is not Repeat.KEYED:
        if given is not None:
            reason = f"{operation.name} takes no Idempotency-Key; Tilia would not look at it"
            raise InvalidRequestError({"idempotency_key": [reason]}, operation=operation.name)
        return None
    if given is None:
        if new_key is None:
            raise ValueError(f"{operation.name} takes an Idempotency-Key, and none was made")
        return new_key
    refuse(operation.name, {"idempotency_key": checks.uuid4(given)})
    # A uuid.UUID will do as well.
    return str(given)


def _sum(parts: JsonInput) -> dict[str, str]:
    """Return the sum of the parts, with its currency.

    Empty if they are of several currencies.
    """
    entries = [part for part in parts if isinstance(part, Mapping)] if isinstance(parts, list) else []
    amounts = [amount for part in entries if isinstance(amount := part.get("amount"), int)]
    currencies = {currency for part in entries if isinstance(currency := part.get("currency"), str)}
    if len(currencies) != 1 or len(amounts) != len(entries):
        return {}
    return {"amount": str(sum(amounts)), "currency": checks.plain(currencies.pop())}


def described(operation: Operation[object], request: WireRequest) -> str:
    """Describe what is sent, in words.

    The names of its fields and not their values, which may be a user's secrets.
    """
    words = f"{request.method} {operation.service} {operation.path}"
    if request.body is not None:
        # No variable here holds its values.
        fields = ", ".join(_fields_of(request.body))
        words += f", {len(request.body.reveal())} bytes of JSON{' with ' if fields else ''}{fields}"
    return f"{words}; headers {', '.join(['Authorization', *request.headers.reveal()])}"


def _fields_of(content: HiddenBytes) -> tuple[str, ...]:
    body: JsonValue = orjson.loads(content.reveal())
    return tuple(body) if isinstance(body, dict) else ()
