"""Texts as a message may show them."""

from __future__ import annotations

from http import HTTPStatus


def readable(text: str) -> str:
    """Return the text on one line.

    What a server says must not forge a line of a log, nor command a terminal.
    """
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def status_line(status: int) -> str:
    """Return ``404 Not Found``, or the bare number.

    The bare number for a status that HTTP does not name.
    """
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)
