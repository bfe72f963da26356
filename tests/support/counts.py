"""Counts of the tests.

One line of JSON for each, in the file that ``TILIA_COUNTS`` names.
"""

from __future__ import annotations

import json
import os


def count(name: str, number: int = 1) -> None:
    """Add to the count of that name.

    Nothing happens where nobody counts.

    A line is one write at the end of the file, so the processes of a run do not cut each other's lines.
    """
    path = os.environ.get("TILIA_COUNTS")
    if not path:
        return
    line = json.dumps({"name": name, "number": number}) + "\n"
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(file, line.encode())
    finally:
        os.close(file)
