"""Filters of records."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
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


_KINDS = {"action": BlockAction, "state": RecordState, "source": RecordSource}
_MOMENTS = frozenset({"since", "until"})


def checked(wanted: RecordFilter) -> RecordFilter:
    """Return the filters, or refuse those that are unknown.

    Raises:
        InvalidRequestError: with what is wrong with each.
    """
    given: Mapping[str, object] = {**wanted}
    refuse("ledger.records", {name: _problems(name, value) for name, value in given.items()})
    return wanted


def _problems(name: str, value: object) -> list[str]:
    if name not in RecordFilter.__optional_keys__:
        return [f"is no filter; known are {', '.join(sorted(RecordFilter.__optional_keys__))}"]
    if value is None:
        return []
    if name in _MOMENTS:
        return checks.moment(value)
    if name in _KINDS and value not in [each.value for each in _KINDS[name]]:
        return [f"is one of {', '.join(_KINDS[name])}, not {value!r}"]
    return checks.text(value) or (["has a zero character in it, which no record has"] if "\0" in str(value) else [])
