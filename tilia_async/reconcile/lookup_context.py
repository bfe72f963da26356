"""Look-ups and their means."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime
from typing import Final, TypeAlias, TypeVar

import attrs

from tilia_async.api.paging import Pages
from tilia_async.config import RequestOptions
from tilia_async.errors import TransportError
from tilia_async.json_value import JsonObject, JsonValue
from tilia_async.models.escrow import Escrow
from tilia_async.models.invoices import Invoice
from tilia_async.reconcile.search import Finding, Search, matched, proves_nothing, unknown
from tilia_async.reconcile.server_clock import Age
from tilia_async.transport.requestor import Requestor

R = TypeVar("R", Invoice, Escrow)

MOST_READ: Final = 1_000
"""Most items of a list that are looked at.

The newest first.
"""
_ENOUGH_TO_SEE_THE_ORDER: Final = 100


@attrs.frozen(eq=False)
class LookupContext:
    """The means of a look-up.

    Attributes:
        caller: takes note of Tilia's clock, and of the answers' payloads.
        payloads: of the answers so far, in order: a model does not show what it left out.
    """

    caller: Requestor
    options: RequestOptions | None
    payloads: list[JsonValue]

    @property
    def payload(self) -> JsonValue:
        """The payload of the latest answer."""
        return self.payloads[-1] if self.payloads else None

    def entry(self, name: str, value: str) -> JsonObject:
        """Return the entry of a list with that id.

        Empty if there is none.
        """
        for payload in self.payloads:
            for listed in (payload, *(payload.values() if isinstance(payload, dict) else ())):
                entries = [*listed.values()] if isinstance(listed, dict) else listed
                for entry in entries if isinstance(entries, list) else []:
                    if isinstance(entry, dict) and entry.get(name) == value:
                        return entry
        return {}


Lookup: TypeAlias = "Callable[[LookupContext, Search], Awaitable[Finding]]"


@attrs.define
class Order:
    """Order of a list.

    It may not be the one asked for.
    """

    read: int = 0
    falls: bool = False
    rises: bool = False
    latest: datetime | None = None

    def note(self, made_at: datetime | None) -> None:
        """Take in the time of the next item."""
        self.read += 1
        if made_at is None:
            self.rises = True
        elif self.latest is not None:
            self.falls = self.falls or made_at < self.latest
            self.rises = self.rises or made_at > self.latest
        self.latest = made_at

    @property
    def newest_first(self) -> bool:
        """True if the items so far came in that order."""
        return self.falls and not self.rises


async def found_in_list(
    look: LookupContext,
    sought: Search,
    what: str,
    newest: AsyncIterator[R],
    may_be: Callable[[R], bool],
    *,
    identifies: Callable[[R], bool],
    advice: str,
) -> Finding:
    """Find the write in a list.

    The list was asked for the newest first.

    It is read to its end, or as far as to those before the call if it really has the newest first.

    Args:
        may_be: whether an item may be what is sought.
        identifies: whether an item has the id of the caller's own.
    """
    possible: list[R] = []
    try:
        is_whole = await _read(sought, newest, may_be, possible)
    except TransportError:
        # Of an outage the list knows nothing.
        if not _flaw(newest):
            raise
        is_whole = False
    if strange := _list_of_another(look, sought):
        return strange
    if not all(map(_has_list, look.payloads)):
        return proves_nothing("the answer holds no list")
    made = [(item, item.created) for item in possible]
    flaw = _flaw(newest)
    if flaw:
        ages = sought.possible(made)
        why = f"the list is not whole ({flaw}): look through it yourself before you make another"
        return unknown("; ".join(filter(None, (why, advice))), *ages.after, *ages.unclear)
    if not is_whole and not made:
        return unknown(f"there is no such {what} among {MOST_READ:,} of a longer list: look through the rest")
    identified = is_whole and all(map(identifies, possible))
    return matched(sought, what, made, identified=identified, advice=advice)


async def _read(sought: Search, newest: AsyncIterator[R], may_be: Callable[[R], bool], possible: list[R]) -> bool:
    """Collect what may be the write's.

    Return False if the list is longer than what was read.
    """
    order = Order()
    async for item in newest:
        order.note(item.created)
        if may_be(item):
            possible.append(item)
        is_ordered = order.newest_first and order.read >= _ENOUGH_TO_SEE_THE_ORDER
        if is_ordered and sought.clock.age(item.created, sought.since) is Age.BEFORE:
            break
        if order.read == MOST_READ:
            return False
    return True


def _flaw(listed: AsyncIterator[R]) -> str:
    return listed.flaw if isinstance(listed, Pages) else ""


def _list_of_another(look: LookupContext, sought: Search) -> Finding | None:
    """Return the finding for another account's list.

    The list tells another account than asked for. None if it does not.
    """
    for payload in look.payloads:
        listed_for = payload.get("account_id") if isinstance(payload, dict) else None
        if listed_for is not None and (strange := sought.elsewhere(account_id=str(listed_for))):
            return strange
    return None


def _has_list(payload: JsonValue) -> bool:
    """Return True if a page really holds a list.

    An empty list is one, too.

    Anything else reads like an empty one, too.
    """
    if not isinstance(payload, dict):
        return isinstance(payload, list)
    named = any(isinstance(payload.get(name), dict) for name in ("invoices", "escrow_transactions"))
    return named or payload.get("total") in (0, "0") or any(map(_is_list, payload.values()))


def _is_list(value: JsonValue) -> bool:
    """Return True for a list, or a map by ids.

    The map holds objects by their ids.
    """
    return isinstance(value, list) or (
        isinstance(value, dict) and bool(value) and all(isinstance(item, dict) for item in value.values())
    )
