"""The site has every page, its links lead somewhere, and its reference has every public name.

``nox -s site`` builds it; nothing is built here.
"""

import ast
import importlib
import inspect
import itertools
import os
import re
import sys
import textwrap
import typing
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest
import yaml

from tilia_async import TiliaClient

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))
pytest.importorskip("griffe", reason="griffe reads the docstrings; the group api_changes has it")
import reference  # noqa: E402 - found in tools/

DOCS = ROOT / "docs"
EXPORTS = (ROOT / "tests" / "project" / "exports.txt").read_text("utf-8")
PAGES = sorted(path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md"))
REFERENCE = "\n".join(path.read_text("utf-8") for path in sorted((DOCS / "reference").glob("*.md")))
SHOWN = re.findall(r"^::: (\S+)$", REFERENCE, re.MULTILINE)

Entry = str | dict[str, "Entry"] | list["Entry"]


def entries(navigation: Entry) -> Iterator[str]:
    """The files that a part of the navigation names."""
    if isinstance(navigation, str):
        yield navigation
    else:
        for each in navigation.values() if isinstance(navigation, dict) else navigation:
            yield from entries(each)


def links(page: str) -> Iterator[str]:
    """The relative links of a page, without what stands in code."""
    text = re.sub(r"^```.*?^```|`[^`\n]*`(?!\])", "", (DOCS / page).read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if not re.match(r"[a-z]+:", target):
            yield target


def test_the_navigation_has_every_page_once() -> None:
    site = yaml.safe_load((ROOT / "mkdocs.yml").read_text("utf-8"))
    assert sorted(entries(site["nav"])) == sorted([*PAGES, "openapi.json"])


def test_links_lead_to_files_of_the_site() -> None:
    followed, dead = 0, []
    for page in PAGES:
        for target in links(page):
            # Not resolved: the benchmarks' plot is a link to where they write it.
            file = Path(os.path.normpath((DOCS / page).parent / target.partition("#")[0]))
            followed += 1
            if not (file.is_file() and file.is_relative_to(DOCS)) and not target.startswith("#"):
                dead.append((page, target))
    assert followed > 50
    assert not dead, "a file outside docs/ is named as code"


def test_lists_and_tables_begin_after_an_empty_line() -> None:
    """Else the site, unlike a repository's pages, takes them for a part of the text above."""
    run_on = re.compile(r"^(?![#|* ]|- |\d+\. |```\w)(\S.*)\n(\* |- |1\. |\|)", re.MULTILINE)
    for page in PAGES:
        text = re.sub(r"^```\w.*?^```$", "```", (DOCS / page).read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
        assert not run_on.findall(text), page


def test_the_reference_has_every_public_module() -> None:
    modules = [line.strip() for line in EXPORTS.splitlines() if line and not line.startswith(("#", " "))]
    assert not [name for name in modules if name not in SHOWN and f"`{name}`" not in REFERENCE]


def test_the_reference_has_every_service() -> None:
    services = {f"{kind.__module__}.{kind.__qualname__}" for kind in typing.get_type_hints(TiliaClient).values()}
    assert {name for name in services if name.startswith("tilia_async.api.")} <= set(SHOWN)


def test_the_reference_shows_nothing_that_is_not_there() -> None:
    for name in SHOWN:
        try:
            importlib.import_module(name)
        except ModuleNotFoundError:
            module, _, member = name.rpartition(".")
            assert hasattr(importlib.import_module(module), member), name


def test_what_the_reference_leaves_out_is_there() -> None:
    modules = {name.rpartition(".")[0] if name.rpartition(".")[2][0].isupper() else name for name in SHOWN}
    kinds = [
        kind for name in modules for kind in vars(importlib.import_module(name)).values() if isinstance(kind, type)
    ]
    members = {member for kind in kinds for parent in kind.__mro__ for member in vars(parent)}
    assert not reference.ELSEWHERE - members


def test_a_literal_block_of_a_docstring_becomes_code() -> None:
    text = (
        "Open it, as in::\n\n    with it:\n\n        work()\n\nor:\n\n::\n\n    a tree\n    └── of things\n\nThe end."
    )
    assert reference.BLOCK.sub(reference.fenced, text) == (
        "Open it, as in:\n\n```python\nwith it:\n\n    work()\n```\n\n"
        "or:\n\n```text\na tree\n└── of things\n```\n\nThe end."
    )


def test_every_field_of_a_model_is_explained() -> None:
    """By a docstring below it, or in the class's ``Attributes``."""
    models = importlib.import_module("tilia_async.models")
    kinds = [kind for name in models.__all__ if attrs.has(kind := getattr(models, name))]
    assert len(kinds) > 40
    for kind in kinds:
        known = {name for parent in kind.__mro__ if attrs.has(parent) for name in explained(parent)}
        assert {field.name for field in attrs.fields(kind) if not field.name.startswith("_")} <= known, kind


def explained(kind: type) -> Iterator[str]:
    """Yield the fields of a class that have a description."""
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    assert isinstance(tree, ast.ClassDef)
    yield from re.findall(r"^ {4}(\w+)(?:, \w+)*:", inspect.getdoc(kind) or "", re.MULTILINE)
    for before, after in itertools.pairwise(tree.body):
        match before, after:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str())):
                yield name
