"""The snippets of a page, in both packages, run one after the other as printed."""

import ast
import asyncio
import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import tilia_async.sandbox
import tilia_sync

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
sys.path.insert(0, str(ROOT / "tools"))
import sync_snippets  # noqa: E402 - found in tools/

PACKAGES = ("tilia_async", "tilia_sync")
START = "how-to/index.md"
SNIPPET = re.compile(r'^```python title="(\w+)"\n(.*?)^```', re.MULTILINE | re.DOTALL)
PAGES = {
    path.relative_to(DOCS).as_posix(): path.read_text("utf-8")
    for path in sorted(DOCS.rglob("*.md"))
    if SNIPPET.search(path.read_text("utf-8"))
}


def snippets(page: str, package: str) -> Iterator[tuple[str, str]]:
    """Yield a package's snippets of a page, each with empty lines that put it where the page has it."""
    for found in SNIPPET.finditer(PAGES[page]):
        if found[1] == package:
            yield page, "\n" * PAGES[page].count("\n", 0, found.start(2)) + found[2]


async def run(page: str, package: str) -> None:
    """Run a page after the first lines of all, then the last ones."""
    *begin, end = snippets(START, package)
    names: dict[str, object] = {"__name__": "__main__"}
    own = () if page == START else snippets(page, package)
    try:
        for each in (*begin, *own):
            await paste(*each, names)
    finally:
        await paste(*end, names)


async def paste(page: str, code: str, names: dict[str, object]) -> None:
    """Run a snippet as a notebook or ``python -m asyncio`` does."""
    waiting = eval(compile(code, f"docs/{page}", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT), names)
    if inspect.iscoroutine(waiting):
        await waiting


@pytest.mark.parametrize("package", PACKAGES)
@pytest.mark.parametrize("page", PAGES)
def test_a_page_runs_from_top_to_bottom(
    page: str, package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for sandbox in (tilia_async.sandbox.Sandbox, tilia_sync.Sandbox):
        monkeypatch.setitem(sandbox.__init__.__kwdefaults__, "wallet_delay", 0)
    if package == "tilia_async":
        asyncio.run(run(page, package))
        return
    # No event loop runs where a snippet of the synchronous package is pasted.
    coroutine = run(page, package)
    with pytest.raises(StopIteration):
        coroutine.send(None)


def test_titles_are_packages() -> None:
    assert {title for page in PAGES.values() for title, _ in SNIPPET.findall(page)} == set(PACKAGES)


@pytest.mark.parametrize("page", PAGES)
def test_both_packages_have_the_same_snippets(page: str) -> None:
    assert sync_snippets.rewritten(PAGES[page]) == PAGES[page], "nox -s docs"


@pytest.mark.parametrize("page", [page for page in PAGES if page != START])
def test_a_page_says_where_its_names_come_from(page: str) -> None:
    beginning = PAGES[page].split("\n## ", 1)[0]
    targets = re.findall(r"\]\(([^)#]+)\)", beginning)
    assert (DOCS / START) in [((DOCS / page).parent / target).resolve() for target in targets]
