"""Checks of what a caller passes, before anything is sent.

Each function returns the reasons why Tilia would refuse the value; no reason means that it may be sent.
"""

from __future__ import annotations

import string
import uuid
from collections.abc import AsyncIterable, Awaitable, Iterable, Mapping
from datetime import UTC, datetime
from inspect import isfunction, ismethod
from typing import TypeGuard

from tilia_async.currencies import is_code
from tilia_async.secret import Secret, hide

LONGEST_ID = 36
"""The schema's limit for every id, in characters (fact sheet "accounts", section C)."""

LONGEST_REFERENCE = 255
"""Longest reference of the caller's own in a path.

It is in characters. Tilia documents no limit, and URLs have one.
"""


def plain(text: str) -> str:
    """Return the text itself.

    It does so for a member of an enumeration, too, which ``str()`` may call by its class.
    """
    return str.__str__(text)


def identifier(value: object, *, longest: int = LONGEST_ID) -> list[str]:
    """Check an id: 1 to 36 characters, not a path.

    UUIDs and ``acct_…`` ids occur, so no form is asked for.
    """
    if not isinstance(value, str):
        return [f"is an id, a string, not {type(value).__name__}"]
    if not value:
        return ["is empty"]
    if value in {".", ".."}:
        return [f"cannot be {value!r}"]
    problems: list[str] = []
    if len(value) > longest:
        problems.append(f"has {len(value)} characters; {longest} are the most")
    if "/" in value or "\\" in value:
        problems.append("has a slash in it")
    if not value.isprintable() or value != value.strip():
        problems.append("has a blank at its start or end, or a character that cannot be printed")
    return problems


def country(value: object) -> list[str]:
    """Check the ISO 3166 code of a country, two letters."""
    if isinstance(value, str) and len(value) == 2 and value.isascii() and value.isalpha():
        return []
    return [f"is the code of a country, two letters, not {value!r}"]


def mapping(value: object) -> list[str]:
    """Check that it is a mapping, or None."""
    return [] if value is None or isinstance(value, Mapping) else [f"is a mapping, not {type(value).__name__}"]


def several(value: object) -> list[str]:
    """Refuse a text where several items are meant.

    A text can be iterated, but is one thing.
    """
    kind = type(value).__name__
    fits = isinstance(value, Iterable) and not isinstance(value, str | bytes | Mapping)
    return [] if fits else [f"is a list, not {kind}"]


def iterable(value: object) -> list[str]:
    """Check an iterable of either kind that is no text."""
    if isinstance(value, Iterable | AsyncIterable) and not isinstance(value, str | bytes):
        return []
    return [f"is an iterable of ids, of either kind, not {type(value).__name__}{_instead(value)}"]


def plain_iterable(value: object) -> list[str]:
    """Check an iterable that is read without an event loop."""
    if isinstance(value, Iterable) and not isinstance(value, str | bytes):
        return []
    kind = type(value).__name__
    if isinstance(value, AsyncIterable):
        return [f"is a plain iterable of ids, not the asynchronous {kind}: tilia_async reads those; or collect its ids"]
    return [f"is an iterable of ids, not {kind}{_instead(value)}"]


def _instead(value: object) -> str:
    if isinstance(value, Awaitable):
        return ": give what comes of it when it is awaited"
    return ": call it" if isfunction(value) or ismethod(value) else ""


def function(value: object) -> list[str]:
    """Check what is called later, or None."""
    return [] if value is None or callable(value) else [f"is a function or None, not {type(value).__name__}"]


def one_of(value: object, known: Iterable[str]) -> list[str]:
    """Check that it is one of the known words."""
    known = tuple(known)
    return [] if value in known else [f"is one of {', '.join(known)}, not {value!r}"]


def seconds(value: object, *, longest: float = 1e9) -> list[str]:
    """Check a time limit: a positive number of seconds."""
    return [] if _is_number(value) and 0 < value < longest else [f"is a positive number of seconds, not {value!r}"]


def pause(value: object, *, longest: float = 1e9) -> list[str]:
    """Check a wait, which may be none, in seconds."""
    return [] if _is_number(value) and 0 <= value < longest else [f"is 0 or more seconds, not {value!r}"]


def _is_number(value: object) -> TypeGuard[int | float]:
    # True and False are not numbers here, whatever Python says.
    return isinstance(value, int | float) and not isinstance(value, bool)


def moment(value: object) -> list[str]:
    """Check a point in time.

    Nobody can tell it without a time zone.
    """
    if not isinstance(value, datetime):
        return [f"is a datetime, not {type(value).__name__}"]
    if value.utcoffset() is None:
        return ["has no time zone; give it one, e.g. datetime.now(UTC)"]
    try:
        value.astimezone(UTC)
    except OverflowError:
        return ["is beyond the first or last year that there is, in UTC"]
    return []


def count(value: object) -> list[str]:
    """Check a number that has to be at least one."""
    is_count = isinstance(value, int) and not isinstance(value, bool) and value >= 1
    return [] if is_count else [f"is a whole number, at least 1, not {value!r}"]


def paging(page_size: object, sort_field: object, sort: object) -> dict[str, list[str]]:
    """Check the paging of a list (fact sheet "money", 0.9)."""
    return {
        "page_size": count(page_size),
        "sort_field": [] if sort_field in (None, "created", "updated") else ["is 'created' or 'updated'"],
        "sort": [] if sort in (None, "asc", "desc") else ["is 'asc' or 'desc'"],
    }


def text(value: object, *, longest: int | None = None, shortest: int = 1) -> list[str]:
    """Check the length of a string, in characters."""
    if not isinstance(value, str):
        return [f"is a string, not {type(value).__name__}"]
    if len(value) < shortest:
        return ["is empty" if not value else f"has {len(value)} characters; {shortest} are the least"]
    if longest is not None and len(value) > longest:
        return [f"has {len(value)} characters; {longest} are the most"]
    try:
        value.encode()
    except UnicodeEncodeError:
        return ["has characters that are no Unicode text (lone surrogates)"]
    return []


def stored_text(value: object, *, longest: int | None = None) -> list[str]:
    """Check a text that a database is to keep."""
    zero = isinstance(value, str) and "\0" in value
    return text(value, longest=longest) + (["has a zero character in it, which databases refuse"] if zero else [])


def email_address(value: object, *, longest: int = 254) -> list[str]:
    """Check an e-mail address, for its form alone.

    It may have 254 characters (fact sheet "guides", G2).

    Tilia does not say what it takes, so what is given out is let through: dots in a row, first or before the ``@``
    (docomo.ne.jp, ezweb.ne.jp), quoted local parts, names of domains in any script or of one label, addresses of hosts
    in brackets.
    """
    if problems := text(value, longest=longest):
        return problems
    address = str(value)
    local, at, domain = address.rpartition("@")
    if _is_ordinary(local, domain):
        return []
    # Of ASCII nothing is translated, and most addresses are.
    labels = (domain if domain.isascii() else domain.translate(_DOTS)).split(".")
    well_formed = (
        at
        and 0 < len(local) <= 64
        # Some scripts join or part their letters by characters that are not printed.
        and (address if address.isascii() else address.translate(_JOINERS)).isprintable()
        and (_ONLY_QUOTED.isdisjoint(local) or _is_quoted(local))
        and " " not in domain
        and (all(map(_is_label, labels)) if _BRACKETS.isdisjoint(domain) else _is_host_address(domain))
    )
    return [] if well_formed else ["is not an e-mail address"]


def _is_ordinary(local: str, domain: str) -> bool:
    """Return True for an address as most are.

    It passes all checks, which cost more than this look.
    """
    return (
        0 < len(local) <= 64
        and 0 < len(domain) <= 63
        and local.isascii()
        and domain.isascii()
        and not local.encode().strip(_ORDINARY)
        and domain.replace(".", "").isalnum()
        and ".." not in domain
        and domain[0] != "."
        and domain[-1] != "."
    )


_ORDINARY = (string.ascii_letters + string.digits + "._-").encode()
_DOTS: Mapping[int, str] = dict.fromkeys(map(ord, "。．｡"), ".")
_JOINERS: Mapping[int, None] = {0x200C: None, 0x200D: None}
_BRACKETS = frozenset("[]")
_ONLY_QUOTED = frozenset(' @"')


def _is_quoted(local: str) -> bool:
    inner = local[1:-1].replace("\\\\", "").replace('\\"', "")
    return len(local) > 2 and local[0] == local[-1] == '"' and not inner.endswith("\\") and '"' not in inner


def _is_host_address(domain: str) -> bool:
    return len(domain) > 2 and domain[0] == "[" and domain[-1] == "]" and not set(domain[1:-1]) & _BRACKETS


def _is_label(label: str) -> bool:
    return 0 < len(label) <= 63 and not label.startswith("-") and not label.endswith("-")


def password(value: str | Secret, username: object, email: object) -> list[str]:
    """Check a password (seed 001).

    6 to 16 characters, a letter, a digit or symbol, neither the username nor the e-mail in it.

    Letter case makes no difference to whether it contains them.
    """
    value = hide(value)
    if not value.is_text:
        return [f"is a string, not {value.kind}"]
    problems: list[str] = []
    text = value.reveal()
    if not 6 <= len(text) <= 16:
        problems.append(f"has {len(text)} characters; 6 to 16 are asked for")
    if not any(character.isalpha() for character in text):
        problems.append("has no letter")
    if not any(_is_digit_or_symbol(character) for character in text):
        problems.append("has neither a digit nor a symbol")
    for name, other in (("username", username), ("e-mail address", email)):
        if isinstance(other, str) and other and other.casefold() in text.casefold():
            problems.append(f"contains the {name}")
    return problems


def _is_digit_or_symbol(character: str) -> bool:
    return not character.isalpha() and not character.isspace() and character.isprintable()


def currency(value: object) -> list[str]:
    """Check a currency code of three characters.

    ISO 4217 or a publisher's token (fact sheet "money", 0.6).
    """
    return [] if is_code(value) else [f"is a code of three characters such as USD, not {value!r}"]


def flag(value: object) -> list[str]:
    """Check a flag: True, False, or None if left out."""
    return [] if value is None or isinstance(value, bool) else [f"is True or False, not {value!r}"]


def any_uuid(value: object) -> list[str]:
    """Check a UUID of any version.

    The documentation's own sample is a UUID1 (fact sheet "accounts", B2).
    """
    if isinstance(value, uuid.UUID):
        return []
    if isinstance(value, str):
        try:
            # uuid.UUID() also takes braces, "urn:uuid:" and no hyphens; the wire format has hyphens only.
            if str(uuid.UUID(value)) == value.lower():
                return []
        except ValueError:
            pass
    return ["is not a UUID such as 454471c2-e4c6-11ea-87d0-0242ac100000"]


def uuid4(value: object) -> list[str]:
    """Check a UUID of version 4, as ``Idempotency-Key`` wants it.

    Source: fact sheet "accounts", D4.
    """
    if any_uuid(value) or uuid.UUID(str(value)).version != 4:
        return ["is not a UUID4"]
    return []
