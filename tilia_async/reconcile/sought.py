"""What is looked for, and what was found."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime

import attrs

from tilia_async.errors import InvalidRequestError
from tilia_async.reconcile.reconciliation import Resource, Verdict
from tilia_async.reconcile.server_clock import Age, ServerClock


@attrs.frozen
class Finding:
    """What a look-up came to.

    Attributes:
        final: nothing that is under way can change it any more.
    """

    verdict: Verdict
    why: str
    resource: Resource | None = None
    candidates: tuple[Resource, ...] = ()
    final: bool = False


@attrs.frozen
class Sought:
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
        """A field of the reference that the look-up cannot do without.

        Raises:
            InvalidRequestError: it is missing.
        """
        value = self.reference.get(name)
        if not value:
            problem = f"has no {name}; give it, e.g. reference={{{name!r}: …}}"
            raise InvalidRequestError({"reference": [problem]}, operation=self.name)
        return value

    def agrees(self, **found: object) -> bool:
        """Whether what was found has what the reference says; what the reference leaves out may be anything."""
        return all(name not in self.reference or str(value) == self.reference[name] for name, value in found.items())


@attrs.frozen
class Progress:
    """The states of a resource that one write moves on, once and for all.

    Attributes:
        done: the write, or an earlier one like it, has done it.
        waiting: it has not.
        failed: it was tried, or something else was done, so it will not be done any more.
    """

    done: Collection[str]
    waiting: Collection[str]
    failed: Collection[str]

    def finding(self, what: str, state: str | None, resource: Resource) -> Finding:
        """What the state of the resource says."""
        told = f"the {what} is {state or 'in no known state'}"
        if state in self.done:
            return Finding(Verdict.TOOK_EFFECT, f"{told}, which happens to it once", resource)
        if state in self.waiting:
            return Finding(Verdict.NOT_SEEN, told, resource)
        if state in self.failed:
            return Finding(Verdict.NOT_SEEN, f"{told}: this write did not succeed, and will not", resource, final=True)
        why = f"{told}, and Tilia does not document what that means for this write"
        return Finding(Verdict.CANNOT_BE_KNOWN, why, candidates=(resource,))


def matched(
    sought: Sought, what: str, found: Iterable[tuple[Resource, datetime | None]], *, identified: bool = True
) -> Finding:
    """What the resources say that have all that the reference tells, each with the time it was made.

    Only the time tells this write from an earlier one like it.

    Args:
        identified: the reference tells enough that no other write of that time would have it as well.
    """
    ages: dict[Age, list[Resource]] = {age: [] for age in Age}
    for resource, made_at in found:
        ages[sought.clock.age(made_at, sought.since)].append(resource)
    after, unclear, before = ages[Age.AFTER], ages[Age.UNCLEAR], ages[Age.BEFORE]
    if len(after) == 1 and not unclear and identified:
        return Finding(Verdict.TOOK_EFFECT, f"there is one such {what}, made after the call began", after[0])
    if after or unclear:
        return Finding(Verdict.CANNOT_BE_KNOWN, _doubt(sought, what, after, unclear), candidates=(*after, *unclear))
    older = f", only {len(before)} made before the call began" if before else ""
    return Finding(Verdict.NOT_SEEN, f"there is no such {what}{older}")


def _doubt(sought: Sought, what: str, after: list[Resource], unclear: list[Resource]) -> str:
    if len(after) + len(unclear) > 1:
        return f"there is more than one such {what}, and one may be another write's"
    if after:
        return f"there is one such {what}, but nothing that the write told sets it apart from another's"
    if sought.since is None:
        return f"there is one such {what}, and it may be an earlier write's: since= would tell when this one began"
    return f"there is one such {what}, and its time does not tell whether it is an earlier write's"
