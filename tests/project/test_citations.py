"""Follows each citation of a fact sheet to its heading."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FACTS = ROOT / "docs" / "facts"
MARK = r"(?:[A-L]|0)(?:\.?[0-9]+)*"
CITATION = re.compile(
    rf'"({"|".join(page.stem for page in FACTS.glob("*.md"))})"(?:,? \(?section |, | \()({MARK}(?:(?:, | and | to ){MARK})*)\b'
)
HEADING = re.compile(rf"^#+ (?:Facts: .*|({MARK})(?:-({MARK}))?\b.*)$", re.MULTILINE)
SHEET = re.compile(r'fact sheets? "([a-z-]+)"')


def sources() -> list[Path]:
    """Return all files that may cite a fact sheet."""
    folders = ("tilia_async", "tilia_sync", "tests", "benchmarks", "examples")
    found = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    return [*found, *(path for path in (ROOT / "docs").glob("*.md")), ROOT / "README.md"]


def text_of(path: Path) -> str:
    """Return the text of a file with its line breaks folded: a citation may run over one."""
    return re.sub(r"\s*\n\s*(?:# )?", " ", path.read_text(encoding="utf-8"))


def citations() -> Iterator[tuple[str, str, str]]:
    """Yield file, page and mark of each citation."""
    for path in sources():
        for page, marks in CITATION.findall(text_of(path)):
            for mark in re.findall(MARK, marks):
                yield str(path.relative_to(ROOT)), page, mark


def headings(page: str) -> set[str]:
    """Return the marks that begin the headings of a page."""
    found: set[str] = set()
    for match in HEADING.finditer((FACTS / f"{page}.md").read_text(encoding="utf-8")):
        found.update(mark for mark in match.groups() if mark)
    return found


def test_each_citation_has_its_heading() -> None:
    lost = [f"{path}: {page}, {mark}" for path, page, mark in citations() if mark not in headings(page)]
    assert not lost, "cited, but no heading of docs/facts begins with it:\n" + "\n".join(lost)


def test_each_cited_page_exists() -> None:
    pages = {page.stem for page in FACTS.glob("*.md")}
    lost = [f"{path.name}: {page}" for path in sources() for page in SHEET.findall(text_of(path)) if page not in pages]
    assert not lost


def test_citations_are_found_at_all() -> None:
    by_page = {page: sum(each == page for _, each, _ in citations()) for page in ("accounts", "money", "guides")}
    assert all(count > 10 for count in by_page.values()), by_page


@pytest.mark.parametrize("page", sorted(path.stem for path in FACTS.glob("*.md") if path.stem != "README"))
def test_no_mark_stands_before_two_headings(page: str) -> None:
    marks = [match[1] for match in HEADING.finditer((FACTS / f"{page}.md").read_text(encoding="utf-8")) if match[1]]
    assert len(marks) == len(set(marks))
