"""Filters of records."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import TypedDict

from tilia_async import checks
from tilia_async.ledger.record import BlockAction, RecordSource, RecordState
from tilia_async.wire.refusal import refuse


class RecordFilter(TypedDict, total=False):
    """Filters, all of which must match.

    ``since`` is inclusive, ``until`` exclusive; both compare the time at which the record was asked for.
    """

    job_id: str | None
    account_id: str | None
    action: BlockAction | None
    state: RecordState | None
    actor: str | None
    source: RecordSource | None
    issuer: str | None
    since: datetime | None
    until: datetime | None


_CHECKS: Mapping[str, Callable[[object], list[str]]] = {
    "job_id": checks.stored_text,
    "account_id": checks.stored_text,
    "action": partial(checks.one_of, known=BlockAction),
    "state": partial(checks.one_of, known=RecordState),
    "actor": checks.stored_text,
    "source": partial(checks.one_of, known=RecordSource),
    "issuer": checks.stored_text,
    "since": checks.moment,
    "until": checks.moment,
}


def checked(wanted: RecordFilter) -> RecordFilter:
    """Return the filters, or refuse those that are unknown.

    Raises:
        InvalidRequestError: with what is wrong with each.
    """
    given: Mapping[str, object] = {**wanted}
    refuse("ledger.records", {name: _problems(name, value) for name, value in given.items()})
    return wanted


def _problems(name: str, value: object) -> list[str]:
    check = _CHECKS.get(name)
    if check is None:
        return [f"is no filter; known are {', '.join(sorted(_CHECKS))}"]
    return [] if value is None else check(value)
