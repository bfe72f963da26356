"""Results of a section, for people and for the budgets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs


@attrs.frozen
class Table:
    """Cells as they are shown; the first column is text, the others are numbers."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


@attrs.frozen
class Section:
    """A thing that was measured.

    Attributes:
        how: the method, in a few sentences.
        series: by name, what each round measured, or the one number that was counted.
        notes: what else there is to say, in a line each.
    """

    title: str
    how: str
    table: Table
    series: Mapping[str, Sequence[float]]
    notes: Sequence[str] = ()
