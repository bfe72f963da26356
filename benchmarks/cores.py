"""Cores by what they do: the client has the first to itself, the server the last."""

from __future__ import annotations

import os

import attrs


@attrs.frozen
class Cores:
    """Sets of cores for ``pin``; empty where the system cannot pin, or has only one."""

    client: frozenset[int]
    server: frozenset[int]

    @classmethod
    def of_this_machine(cls) -> Cores:
        usable = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
        if len(usable) < 2:
            return cls(frozenset(), frozenset())
        return cls(frozenset(usable[:1]), frozenset(usable[-1:]))


def pin(cores: frozenset[int]) -> None:
    """Keep this process on these cores."""
    if cores:
        os.sched_setaffinity(0, cores)
