"""Effects that are looked for, and findings."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime

import attrs

from tilia_async.errors import InvalidRequestError
from tilia_async.reconcile.reconciliation import Resource, Verdict
from tilia_async.reconcile.server_clock import Age, ServerClock
from tilia_async.text import readable


@attrs.frozen
class Finding:
    """The outcome of a look-up.

    Attributes:
        done: what the write would do is done, whoever did it.
        settles: what is not seen in the end did not happen; False: it may be there without being shown.
    """

    verdict: Verdict
    why: str
    resource: Resource | None = None
    candidates: tuple[Resource, ...] = ()
    done: bool = False
    settles: bool = True


def unknown(why: str, *candidates: Resource, done: bool = False) -> Finding:
    """Return a finding that leaves the effect open."""
    return Finding(Verdict.CANNOT_BE_KNOWN, why, candidates=candidates, done=done)


def proves_nothing(what: str) -> Finding:
    """Return the finding for an answer that says nothing."""
    return unknown(f"{what}, which proves nothing about this write: ask again later, and do not repeat it until then")


@attrs.frozen
class Search:
    """The effect of one write.

    Attributes:
        name: the operation's.
        reference: what identifies it.
        since: when the write may first have reached Tilia, by our clock; None if nobody knows.
        clock: Tilia's.
    """

    name: str
    reference: Mapping[str, str]
    since: datetime | None
    clock: ServerClock

    def needed(self, name: str) -> str:
        """Return a field of the reference that the look-up needs.

        Raises:
            InvalidRequestError: it is missing.
        """
        value = self.reference.get(name)
        if not value:
            problem = f"has no {name}; give it, e.g. reference={{{name!r}: …}}"
            raise InvalidRequestError({"reference": [problem]}, operation=self.name)
        return value

    def allows(self, **found: object) -> bool:
        """Return True unless the fields found contradict the reference.

        A field that either of them leaves out may be anything; Tilia leaves a text out as "".
        """
        return all(
            value is None or value == "" or name not in self.reference or str(value) == self.reference[name]
            for name, value in found.items()
        )

    def elsewhere(self, **found: str | None) -> Finding | None:
        """Return the finding for an answer about other ids.

        None if it is about these.
        """
        for name, value in found.items():
            asked = self.reference.get(name)
            if value and asked and value != asked:
                return proves_nothing(f"the answer is about the {name} {readable(value)!r} instead of {asked!r}")
        return None

    def possible(self, found: Iterable[tuple[Resource, datetime | None]]) -> Ages:
        """Sort resources by their age, each of them once."""
        ages: dict[Age, list[Resource]] = {age: [] for age in Age}
        for resource, made_at in found:
            kept = ages[self.clock.age(made_at, self.since)]
            if resource not in kept:
                kept.append(resource)
        return Ages(*(tuple(ages[age]) for age in (Age.BEFORE, Age.UNCLEAR, Age.AFTER)))


@attrs.frozen
class Ages:
    """Resources by their age.

    Seen from the start of the call.
    """

    before: tuple[Resource, ...]
    unclear: tuple[Resource, ...]
    after: tuple[Resource, ...]


@attrs.frozen
class Progress:
    """The states of a resource that one write moves on.

    Whoever else may do the same write can have reached any of them.

    Attributes:
        deed: what the write does to it, e.g. ``pay it``.
        done: the write has done it, this one or another like it.
        under_way: it was begun.
        waiting: it has not been done.
        failed: it was tried, by this write or another like it, without success.
        invoice: the field that has the invoice of the deed; empty if there is none.
    """

    deed: str
    done: Collection[str]
    under_way: Collection[str]
    waiting: Collection[str]
    failed: Collection[str]
    invoice: str = ""

    def finding(self, what: str, state: str | None, resource: Resource, trace: str = "") -> Finding:
        """Return the finding for the state of a resource.

        Args:
            trace: what tells of the deed beside the state, e.g. ``it has a commit_invoice_id``.
        """
        seen = f"the {what} is {readable(state) if state else 'in no known state'}"
        if state in self.done:
            why = f"{seen}: it is done, by this call or another's, so do not {self.deed} again"
            return unknown(why, resource, done=True)
        if state in self.under_way:
            why = f"{seen}: it is being done, by this call or another's, so do not {self.deed} again but look later"
            return unknown(why, resource)
        if trace and (state in self.waiting or state in self.failed):
            why = f"{seen}, but {trace}: do not {self.deed} again before you know; look later"
            return unknown(why, resource)
        if state in self.waiting:
            return Finding(Verdict.NOT_SEEN, seen, resource)
        if state in self.failed:
            return Finding(Verdict.NOT_SEEN, f"{seen}, so neither this write nor another like it succeeded", resource)
        why = f"{seen}, which may be this call's doing or another's: do not {self.deed} again before you know"
        return unknown(why, resource)


NO_REFERENCE = "a reference_id that no other write has would have made it knowable; give one next time"


def matched(
    sought: Search,
    what: str,
    found: Iterable[tuple[Resource, datetime | None]],
    *,
    identified: bool,
    advice: str = "",
) -> Finding:
    """Return the finding for resources that may be the write's.

    Args:
        found: each with the time it was made.
        identified: the reference has an id of the caller's own, which only an earlier write could have as well.
        advice: what to do, or to do better next time, if it stays open.
    """
    ages = sought.possible(found)
    possible = (*ages.after, *ages.unclear)
    if len(ages.after) == 1 and not ages.unclear and identified:
        why = f"there is one such {what}, made after the call began: do not make another"
        return Finding(Verdict.TOOK_EFFECT, why, ages.after[0], done=True)
    if possible:
        why = _doubt(sought, what, len(possible), undated=identified or sought.since is None)
        return unknown("; ".join(filter(None, (why, advice))), *possible)
    older = f", only {len(ages.before)} made before the call began" if ages.before else ""
    return Finding(Verdict.NOT_SEEN, f"there is no such {what}{older}")


def _doubt(sought: Search, what: str, number: int, *, undated: bool) -> str:
    if number > 1:
        return f"{number} such {what}s could be this call's or another's: find out which before you make another"
    seen = f"there is one such {what}"
    if not undated:
        return f"{seen}, but nothing sets it apart from another's: look at it before you make another"
    if sought.since is None:
        return f"{seen}, and it may be an earlier write's: since= would tell when this one began; do not make another"
    return (
        f"{seen}, made so near the call's beginning that an earlier write may have made it, as clocks differ: it is "
        "this call's if nothing else used its reference, so do not make another; since= may settle it"
    )
