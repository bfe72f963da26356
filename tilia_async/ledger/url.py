"""The URL of a ledger.

As far as it can be judged before the database's libraries are loaded.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final

from tilia_async.secret import Secret


class Kind(StrEnum):
    """Kinds of databases."""

    SQLITE = "sqlite"
    POSTGRESQL = "postgresql"


_KINDS: Final = {"sqlite": Kind.SQLITE, "postgresql": Kind.POSTGRESQL, "postgres": Kind.POSTGRESQL}

_FORM: Final = re.compile(
    r"""
    (?P<kind>\w+) (?:\+\w+)? ://
    (?: [^:/@]* (?: : [^@/]* )? @ )?
    (?P<host> \[ [^/?]+ \] | [^/:?]* ) (?: : \d* )?
    (?: / (?P<database> [^?]* ) )?
    (?: \? .* )?
    """,
    re.VERBOSE | re.DOTALL,
)
"""Form of a URL, the same as SQLAlchemy's.

SQLAlchemy reads it again when it is loaded.
"""


def kind_of(url: Secret) -> Kind | None:
    """Return the kind of database that a URL names.

    None if a ledger cannot have it.
    """
    return _KINDS.get(url.reveal().partition("://")[0].partition("+")[0])


def url_problem(url: Secret) -> str | None:
    """Return the problem of a ledger's URL.

    To be raised where no variable holds its parts.
    """
    if not _is_utf8(url):
        return "the ledger's URL is not in UTF-8"
    kind, form = kind_of(url), _FORM.fullmatch(url.reveal())
    if kind is not None and form is None and url.reveal().count("@") > 1:
        return "the ledger's URL has an @ in its user or password: write it as %40, as urllib.parse.quote does"
    if kind is None or form is None:
        return "the ledger's URL is like sqlite:///blocks.db or postgresql://user:password@host/database"
    if "@" in form["host"]:
        return "the ledger's URL has an @ in its user or password: write it as %40, as urllib.parse.quote does"
    if kind is Kind.SQLITE and form["database"] in {None, "", ":memory:"}:
        return "the ledger's URL names no file: a record that is kept in memory is none"
    return None


def _is_utf8(url: Secret) -> bool:
    # A variable of the environment may have other bytes.
    try:
        url.reveal().encode()
    except UnicodeEncodeError:
        return False
    return True
