"""The means of a look-up."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final, TypeAlias, TypeVar

import attrs

from tilia_async.api.escrow import Escrow
from tilia_async.api.invoices import Invoice
from tilia_async.config import RequestOptions
from tilia_async.reconcile.reconciliation import Verdict
from tilia_async.reconcile.server_clock import Age
from tilia_async.reconcile.sought import Finding, Sought, matched
from tilia_async.transport.caller import Caller

R = TypeVar("R", Invoice, Escrow)

MOST_READ: Final = 1_000
"""How many items of a list are looked at, the newest first."""


@attrs.frozen(eq=False)
class Looking:
    """The means of a look-up.

    Attributes:
        caller: takes note of Tilia's clock.
    """

    caller: Caller
    options: RequestOptions | None


Lookup: TypeAlias = "Callable[[Looking, Sought], Awaitable[Finding]]"


async def found_in_list(sought: Sought, what: str, newest: AsyncIterator[R], fits: Callable[[R], bool]) -> Finding:
    """What a list says that begins with the newest item; it is read no further than to those before the call."""
    fitting: list[R] = []
    read = 0
    async for item in newest:
        if sought.clock.age(item.created, sought.since) is Age.BEFORE:
            break
        if fits(item):
            fitting.append(item)
        read += 1
        if read == MOST_READ and not fitting:
            return Finding(Verdict.CANNOT_BE_KNOWN, f"there is no such {what} among the newest {MOST_READ:,}")
        if read == MOST_READ:
            break
    made = [(item, item.created) for item in fitting]
    return matched(sought, what, made, identified=bool(sought.reference.get("reference_id")))
