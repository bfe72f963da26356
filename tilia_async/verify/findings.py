"""Findings about the facts of declarations."""

from __future__ import annotations

from enum import StrEnum

import attrs


class Fact(StrEnum):
    """A fact that a declaration states."""

    HOST = "host"
    PATH = "path"
    SCOPE = "scope"
    STATUS = "status"
    ENVELOPE = "envelope"
    FIELDS = "fields"
    TIMES = "times"
    AMOUNTS = "amounts"


class Conformance(StrEnum):
    """Result of a check."""

    HOLDS = "holds"
    DIFFERS = "differs"
    NOT_TRIED = "not tried"


@attrs.frozen
class Finding:
    """Finding about one fact of an operation.

    It holds no id, address, amount or secret.
    """

    operation: str
    """Operation, e.g. ``accounts.get``."""
    fact: Fact
    """Fact that was checked."""
    conformance: Conformance
    """Result of the check."""
    why: str
    """Explanation for people."""
    inferred: bool = False
    """True if the declaration calls it a guess."""
