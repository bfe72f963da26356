"""Writes the pages' snippets of ``tilia_sync``.

They are made from those of ``tilia_async``.

Each code block titled ``tilia_async`` is followed by the same for the other package.

Usage: ``sync_snippets.py`` writes the pages; ``sync_snippets.py --check`` fails if they differ from what would be
written.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from mirror import RULES

import tilia_sync

DOCS = Path(__file__).resolve().parent.parent / "docs"

BLOCK = r'```python title="{}"\n(?P<{}>(?:(?!```).*\n)*)```\n'
SNIPPET = re.compile(f"^{BLOCK.format('tilia_async', 'code')}(?:\n{BLOCK.format('tilia_sync', 'twin')})?", re.MULTILINE)
IMPORT = re.compile(r"^( *)from tilia_async(?P<module>[.\w]*) import (?P<names>.+)$", re.MULTILINE)


def synchronous(code: str) -> str:
    """Return a snippet for a world without ``await``."""
    for said, instead in (*RULES.forms.items(), ("aclose(", "close("), ("anext(", "next(")):
        code = code.replace(said, instead)
    return IMPORT.sub(imported, code)


def imported(line: re.Match[str]) -> str:
    """Return an import for the other package.

    Those that it does not export are the same objects in both, and stay.
    """
    names = line["names"].split(", ")
    if line["module"] and not set(names) <= set(tilia_sync.__all__):
        return line[0]
    return f"{line[1]}from tilia_sync import {line['names']}"


def rewritten(page: str) -> str:
    """Return a page with the snippets of both packages."""
    return SNIPPET.sub(
        lambda snippet: (
            f'```python title="tilia_async"\n{snippet["code"]}```\n\n'
            f'```python title="tilia_sync"\n{synchronous(snippet["code"])}```\n'
        ),
        page,
    )


def main() -> None:
    """Write the pages, or compare them."""
    stale = []
    for path in sorted(DOCS.rglob("*.md")):
        page = path.read_text("utf-8")
        if (wanted := rewritten(page)) != page:
            stale.append(path.relative_to(DOCS).as_posix())
            if "--check" not in sys.argv:
                path.write_text(wanted, "utf-8")
    if stale and "--check" in sys.argv:
        sys.exit(f"not as `nox -s docs` writes them: {', '.join(stale)}")


if __name__ == "__main__":
    main()
