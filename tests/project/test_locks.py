"""Methods that need a lock are named ``…_locked``, and are called only where it is held."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted(path for package in ("tilia_async", "tilia_sync") for path in (ROOT / package).rglob("*.py"))
WITH_LOCKS = [path for path in FILES if "Lock()" in path.read_text(encoding="utf-8")]


def takes_lock(item: ast.withitem) -> bool:
    words = ast.unparse(item.context_expr).rpartition(".")[2]
    return words.endswith(("lock", "guard")) or words == "_renewing"


def calls(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[tuple[str, bool]]:
    """The methods of its own object that it calls, each with whether a lock is held there."""
    held = function.name.endswith("_locked")

    def walk(node: ast.AST, held: bool) -> Iterator[tuple[str, bool]]:
        if isinstance(node, ast.Lambda) or (isinstance(node, ast.Call) and "create_task" in ast.unparse(node.func)):
            # It runs later, and nobody knows under which lock.
            held = False
        if isinstance(node, ast.With | ast.AsyncWith) and any(map(takes_lock, node.items)):
            for item in node.items:
                yield from walk(item, held)
            for inner in node.body:
                yield from walk(inner, held=True)
            return
        if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("self._"):
            yield ast.unparse(node.func).removeprefix("self."), held
        for child in ast.iter_child_nodes(node):
            yield from walk(child, held)

    for statement in function.body:
        yield from walk(statement, held)


@pytest.mark.parametrize("path", WITH_LOCKS, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_needs_a_lock_says_so_and_gets_it(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    own = {function.name for function in functions if function.name.startswith("_")}
    found = [(function.name, name, held) for function in functions for name, held in calls(function) if name in own]
    without = [(at, name) for at, name, held in found if name.endswith("_locked") and not held]
    assert not without, "called without the lock"
    called_under_it = {name for _, name, held in found if held}
    elsewhere = {name for _, name, held in found if not held}
    assert not [name for name in called_under_it - elsewhere if not name.endswith("_locked")], "needs the lock, perhaps"
