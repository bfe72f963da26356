"""The names and docstrings of the reference, for griffe.

``::`` begins a block in the docstrings, and means nothing in Markdown. Special methods are public by their names alone.
"""

from __future__ import annotations

import ast
import re
import textwrap

import griffe

BLOCK = re.compile(r"^(?P<lead>.*?) ?::\n\n(?P<code>(?:(?: {4}.*)?\n)* {4}.*)", re.MULTILINE)

SHEET = re.compile(r'fact sheet "(guides|accounts|money|compliance-webhooks)"')

ELSEWHERE = frozenset({"remedy"})
"""Members that have a page of their own.

``docs/errors.md`` has the remedy of each error.
"""


class Reference(griffe.Extension):
    """Public names, with docstrings in Markdown."""

    def on_class_members(self, *, cls: griffe.Class, **_: object) -> None:
        """Move descriptions of fields from a class to its fields.

        There griffe-fieldz, which comes next, looks for it.
        """
        if cls.docstring is None or not any(str(each.value).startswith("attrs.") for each in cls.decorators):
            return
        sections = cls.docstring.parsed
        for section in [each for each in sections if isinstance(each, griffe.DocstringSectionAttributes)]:
            for item in [each for each in section.value if each.name in cls.members]:
                member = cls.members[item.name]
                member.docstring = member.docstring or griffe.Docstring(item.description, parent=cls)
                section.value.remove(item)
            if not section.value:
                sections.remove(section)

    def on_object(self, *, obj: griffe.Object, **_: object) -> None:
        """Rewrite an object's docstring."""
        if obj.docstring is not None:
            obj.docstring.value = SHEET.sub(
                r"fact sheet [\1](../facts/\1.html)", BLOCK.sub(fenced, obj.docstring.value)
            )

    def on_class(self, *, cls: griffe.Class, **_: object) -> None:
        """Leave special members of a class out."""
        for name, member in list(cls.members.items()):
            if name in ELSEWHERE or (member.is_special and name != "__init__"):
                cls.del_member(name)


def fenced(block: re.Match[str]) -> str:
    """Return a literal block as a fenced one."""
    code = textwrap.dedent(block["code"])
    lead = f"{block['lead']}:\n\n" if block["lead"] else ""
    return f"{lead}```{language(code)}\n{code}\n```"


def language(code: str) -> str:
    """Return the language that the highlighter has to use."""
    try:
        ast.parse(code)
    except SyntaxError:
        return "text"
    return "python"
