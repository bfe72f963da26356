"""Advice that users of both packages read is right for both."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ASYNCHRONOUS = re.compile(r"\bawait\b|\basync (with|for|def)\b|\baclose\b")
BOTH = re.compile(r"\btilia_sync\b")
# A token store's methods are coroutines for both packages. The demo shows both.
ELSEWHERE = {"tilia_async/tokens/store_adapter.py", "tilia_async/cli/demo.py"}


def texts(path: Path) -> Iterator[tuple[int, str]]:
    """Yield each text that is no docstring, as it is shown."""
    module = ast.parse(path.read_text())
    statements = {id(node.value) for node in ast.walk(module) if isinstance(node, ast.Expr)}
    parts = {id(part) for node in ast.walk(module) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(module):
        if isinstance(node, ast.JoinedStr):
            yield node.lineno, ast.unparse(node)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in statements | parts:
            yield node.lineno, node.value


@pytest.mark.parametrize("package", ["tilia_async", "tilia_sync", "pytest_tilia"])
def test_what_only_coroutines_can_do_is_said_for_the_other_package_too(package: str) -> None:
    paths = {path.relative_to(ROOT).as_posix(): path for path in (ROOT / package).rglob("*.py")}
    assert [
        f"{name}:{line}: {text}"
        for name, path in sorted(paths.items())
        if name not in ELSEWHERE
        for line, text in texts(path)
        if ASYNCHRONOUS.search(text) and not BOTH.search(text)
    ] == []
