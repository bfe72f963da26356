"""Time that others took from a thread."""

from __future__ import annotations

from pathlib import Path


def waited_for_processor() -> float:
    """Return how long this thread waited for a processor.

    In seconds; 0 where the system does not tell. A wait for the interpreter's lock is not counted: it is our own.
    """
    try:
        return int(Path("/proc/thread-self/schedstat").read_text().split()[1]) / 1e9
    except OSError:
        return 0.0
