"""States of a job."""

from __future__ import annotations

from enum import StrEnum


class JobState(StrEnum):
    """The state of a job."""

    PLANNED = "planned"
    """Being submitted: nothing is sent before all is entered."""
    RUNNING = "running"
    """Workers take its batches."""
    PAUSED = "paused"
    """Nothing is sent; ``resume`` goes on."""
    CANCELLED = "cancelled"
    """Nothing more is sent; the rest stays planned."""
    FINISHED = "finished"
    """Every account has an outcome.

    ``retry`` tries those again that failed or are unknown.
    """
