"""Descriptions of fields and operations, read from the docstrings.

Where Python runs without docstrings or without source, there are none.
"""

from __future__ import annotations

import ast
import functools
import inspect
import re
import sys
from collections.abc import Iterator, Mapping
from types import ModuleType
from typing import Final

_EXAMPLE_OR_ARGUMENTS: Final = re.compile(r"^(?:For example::|Args:)\n", re.MULTILINE)


def description_of(kind: type[object]) -> str:
    """Return the docstring of a class, as one text."""
    return _flowing(inspect.cleandoc(kind.__doc__ or ""))


def descriptions_of_fields(kind: type[object]) -> Mapping[str, str]:
    """Return the docstrings of a class's fields, by name.

    Those of the classes it is made of among them.
    """
    module = sys.modules[kind.__module__]
    node = _classes(module).get(kind.__name__)
    found: dict[str, str] = {}
    if node is None:
        return found
    for base in node.bases:
        inherited: object = getattr(module, ast.unparse(base), None)
        if isinstance(inherited, type):
            found |= descriptions_of_fields(inherited)
    return found | dict(_fields(node))


def summary_of_method(module: ModuleType, name: str) -> tuple[str, str]:
    """Return a service method's first line, and the rest.

    Without its example, which is Python, and its arguments, which have descriptions of their own.
    """
    for value in vars(module).values():
        if isinstance(value, type) and value.__module__ == module.__name__ and hasattr(value, name):
            text = inspect.cleandoc(getattr(value, name).__doc__ or "")
            first, _, rest = text.partition("\n\n")
            return _flowing(first), _flowing(_EXAMPLE_OR_ARGUMENTS.split(rest, maxsplit=1)[0])
    return "", ""


def _flowing(text: str) -> str:
    paragraphs = (" ".join(paragraph.split()) for paragraph in text.split("\n\n"))
    return "\n\n".join(paragraph for paragraph in paragraphs if paragraph).replace("``", "`")


@functools.cache
def _classes(module: ModuleType) -> Mapping[str, ast.ClassDef]:
    try:
        tree = ast.parse(inspect.getsource(module))
    except (OSError, TypeError):
        return {}
    return {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}


def _fields(node: ast.ClassDef) -> Iterator[tuple[str, str]]:
    for before, after in zip(node.body, node.body[1:], strict=False):
        match before, after:
            case (
                ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str(text))),
            ):
                yield name, _flowing(inspect.cleandoc(text))
            case _:
                pass
