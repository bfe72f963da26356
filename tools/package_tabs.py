"""A Markdown extension: tabs, one for each package.

Code blocks titled ``tilia_async`` and ``tilia_sync`` that stand one below the other become tabs of the site. On a
repository's page they stay what they are, two blocks.
"""

from __future__ import annotations

import re
import textwrap
from typing import TYPE_CHECKING

from markdown.extensions import Extension
from markdown.preprocessors import Preprocessor

if TYPE_CHECKING:
    from markdown import Markdown

TITLED = r"```python title=\"(?P<{0}>tilia_{0})\"\n(?P<{0}_code>(?:(?!```).*\n)*)```"
PAIR = re.compile(f"^{TITLED.format('async')}\n\n{TITLED.format('sync')}$", re.MULTILINE)


def tabbed(pair: re.Match[str]) -> str:
    """Return two code blocks as the source of two tabs."""
    blocks = ((pair["async"], pair["async_code"]), (pair["sync"], pair["sync_code"]))
    return "\n\n".join(f'=== "{title}"\n\n{indented(code)}' for title, code in blocks)


def indented(code: str) -> str:
    """Return a code block that belongs to a tab."""
    return textwrap.indent(f"```python\n{code}```", "    ")


class _Pairs(Preprocessor):
    def run(self, lines: list[str]) -> list[str]:
        return PAIR.sub(tabbed, "\n".join(lines)).split("\n")


class PackageTabs(Extension):
    """Tabs in place of pairs of code blocks."""

    def extendMarkdown(self, md: Markdown) -> None:  # noqa: N802 - Markdown's name
        """Rewrite pages before their code blocks are read."""
        md.preprocessors.register(_Pairs(md), "package_tabs", 40)


def makeExtension(**settings: object) -> PackageTabs:  # noqa: N802 - Markdown's name
    """Return the extension, as Markdown asks for it."""
    return PackageTabs(**settings)
