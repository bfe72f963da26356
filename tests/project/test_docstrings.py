"""Docstrings open with a verb or a noun, say it in ten words, and explain after that.

Those of tests only open so. Ruff looks after the imperative of functions (D401) and the blank line after the first (D205).
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PLACES = ("pytest_tilia", "tilia_async", "tilia_sync", "tools", "tests/support", "noxfile.py")
PLACES_OF_OPENINGS = ("benchmarks", "examples", "tests")
"""Places whose docstrings open plainly, and are as long as they are."""
MOST_WORDS = 10

SIDEWAYS = re.compile(
    r"(?:as|how|if|its?|of|one|that|them|these|they|this|those|to|what(?:ever)?|when|where|whether|which|who(?:ever|se)?)\b",
    re.IGNORECASE,
)
"""Words that begin a clause or stand for a noun: a reader has to know already what is meant."""

ARTICLES = frozenset({"a", "an", "the"})
"""Beginnings of a noun; a function does something."""

ROLE = re.compile(r":[a-z]+(?::[a-z]+)?:`")
SOURCE = re.compile(r"\s*\([^()]*\)\.?$")
"""A source in brackets at the end, which is not counted."""

Docstring = tuple[str, bool, str]
"""Name, whether it is a function's, and text."""


def modules(places: tuple[str, ...]) -> list[Path]:
    """Return the modules in some places."""
    found = [path for place in places for path in ([ROOT / place] if "." in place else (ROOT / place).rglob("*.py"))]
    return sorted(found)


def name_of(path: Path) -> str:
    """Return a module's path in the repository."""
    return path.relative_to(ROOT).as_posix()


def text_of(node: ast.stmt) -> str | None:
    """Return the text of a statement that is a string alone."""
    match node:
        case ast.Expr(value=ast.Constant(value=str(text))):
            return text.strip()
    return None


def docstrings(node: ast.AST, name: str) -> Iterator[Docstring]:
    """Yield the docstrings in a node, those of attributes among them."""
    body = getattr(node, "body", None)
    if not isinstance(body, list):
        return
    for before, each in zip([None, *body], body, strict=False):
        text = text_of(each)
        if text is not None and before is None:
            yield name, is_function(node), text
        elif text is not None and isinstance(before, ast.Assign | ast.AnnAssign):
            yield f"{name}:{each.lineno}", False, text
        yield from docstrings(each, f"{name}.{each.name}" if hasattr(each, "name") else name)


def is_function(node: ast.AST) -> bool:
    """Return True for a function that is called as one, unlike a property."""
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not any(
        "property" in ast.unparse(each) for each in node.decorator_list
    )


def flaws(text: str, *, of_function: bool) -> Iterator[str]:
    """Yield what is wrong with a docstring."""
    first = text.split("\n\n", maxsplit=1)[0]
    opening = re.sub(r"\W.*", "", first, flags=re.DOTALL).lower()
    if SIDEWAYS.match(first) or (of_function and opening in ARTICLES):
        yield f"opens with {opening!r}"
    if len(SOURCE.sub("", first).split()) > MOST_WORDS:
        yield f"says {len(first.split())} words first: {first!r}"
    if ROLE.search(text):
        yield "has a Sphinx role in it"


@pytest.mark.parametrize("path", modules(PLACES), ids=name_of)
def test_docstrings_open_plainly(path: Path) -> None:
    found = docstrings(ast.parse(path.read_text(encoding="utf-8")), name_of(path))
    assert [
        f"{name} {flaw}" for name, of_function, text in found for flaw in flaws(text, of_function=of_function)
    ] == []


@pytest.mark.parametrize("path", modules(PLACES_OF_OPENINGS), ids=name_of)
def test_docstrings_of_tests_open_plainly(path: Path) -> None:
    found = docstrings(ast.parse(path.read_text(encoding="utf-8")), name_of(path))
    assert [
        f"{name} {flaw}"
        for name, _, text in found
        for flaw in flaws(text, of_function=False)
        if not flaw.startswith("says")
    ] == []


@pytest.mark.parametrize(
    ("text", "of_function", "expected"),
    [
        ("Return the balances.", True, []),
        ("The balances.", False, []),
        ("The balances.", True, ["opens with 'the'"]),
        ("What an account has.", False, ["opens with 'what'"]),
        ("It's away.", True, ["opens with 'it'"]),
        ("``it``: the pronoun.", False, []),
        ("Return ten words and not one more than the ten (source of it, D3).", True, []),
        ("Return :class:`Money`.", True, ["has a Sphinx role in it"]),
    ],
)
def test_the_check_itself(text: str, *, of_function: bool, expected: list[str]) -> None:
    assert list(flaws(text, of_function=of_function)) == expected


def test_the_check_counts_words_and_finds_all_docstrings() -> None:
    long = "Return one two three four five six seven eight nine ten."
    source = (
        f'"""Module."""\nX = 1\n"""Attribute."""\nclass C:\n    """Class."""\n    def f(self):\n        """{long}"""\n'
    )
    found = list(docstrings(ast.parse(source), "m"))
    assert [name for name, _, _ in found] == ["m", "m:3", "m.C", "m.C.f"]
    assert [flaw for _, of_function, text in found for flaw in flaws(text, of_function=of_function)] == [
        f"says 11 words first: {long!r}"
    ]
