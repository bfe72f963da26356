"""Filters of records."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import TypedDict, TypeVar

from tilia_async import checks
from tilia_async.ledger.record import BlockAction, RecordSource, RecordState
from tilia_async.wire.refusal import refuse


class BlockFilter(TypedDict, total=False):
    """Filters of blocks in force, all of which must match.

    ``since`` is inclusive, ``until`` exclusive; both compare the time at which the record was asked for.
    """

    job_id: str | None
    reason: str | None
    actor: str | None
    source: RecordSource | None
    since: datetime | None
    until: datetime | None


class RecordFilter(BlockFilter, total=False):
    """Filters of records, all of which must match."""

    account_id: str | None
    action: BlockAction | None
    state: RecordState | None
    issuer: str | None


F = TypeVar("F", bound=BlockFilter)

_CHECKS: Mapping[str, Callable[[object], list[str]]] = {
    "job_id": checks.stored_text,
    "account_id": checks.stored_text,
    "action": partial(checks.one_of, known=BlockAction),
    "state": partial(checks.one_of, known=RecordState),
    "reason": checks.stored_text,
    "actor": checks.stored_text,
    "source": partial(checks.one_of, known=RecordSource),
    "issuer": checks.stored_text,
    "since": checks.moment,
    "until": checks.moment,
}


def checked(wanted: F, known: frozenset[str] = RecordFilter.__optional_keys__) -> F:
    """Return the filters, or refuse those that are unknown.

    Raises:
        InvalidRequestError: with what is wrong with each.
    """
    given: Mapping[str, object] = {**wanted}
    refuse("ledger.records", {name: _problems(name, value, known) for name, value in given.items()})
    return wanted


def _problems(name: str, value: object, known: frozenset[str]) -> list[str]:
    if name not in known:
        return [f"is no filter; known are {', '.join(sorted(known))}"]
    return [] if value is None else _CHECKS[name](value)
