"""Mutation tests.

Changes the code of some rooms in small ways, and counts how often the tests notice.

Usage: ``mutants.py [--sample N] [--seed N] [ROOM …]``, where a room is e.g. ``wire`` or ``bulk.judge``. Settings of
mutmut, which makes and tries the mutants, are in ``pyproject.toml``. ``TILIA_COUNTS`` is told the figures.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT = Path(__file__).resolve().parent.parent
MUTANTS = ROOT / "mutants"
SAMPLE: Final = 300
FIRST: Final = "tilia_async.wire.effect.x_answered__mutmut_1"
"""Any mutant.

To try one of them is how mutmut is made to make them all.
"""

NOTICED: Final = {"killed", "timeout", "caught by type check", "segfault"}


def mutmut(*arguments: str, into: Path | None = None) -> str:
    """Run mutmut and return what it prints.

    It may write that into a file instead.
    """
    command = [sys.executable, "-m", "mutmut", *arguments]
    if into is None:
        return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    with into.open("w") as log:
        ended = subprocess.run(command, cwd=ROOT, check=False, stdout=log, stderr=subprocess.STDOUT)
    if ended.returncode:
        raise SystemExit(f"mutmut ended with {ended.returncode}: see {into}")
    return ""


def changes_behaviour() -> Iterator[str]:
    """Yield the mutants that change behaviour.

    They change more than the wording of a text for people.
    """
    for path in sorted((MUTANTS / "tilia_async").rglob("*.py")):
        if not path.with_name(path.name + ".meta").exists():
            continue
        module = ".".join(path.relative_to(MUTANTS).with_suffix("").parts)
        original: dict[str, str] = {}
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or "__mutmut_" not in node.name:
                continue
            function, _, number = node.name.rpartition("__mutmut_")
            if number == "orig":
                original[function] = _shape(node)
            elif _shape(node) != original.get(function):
                yield f"{module}.{node.name}"


def _shape(function: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    """Return the function's code without its words.

    Without its name, its docstring and its sentences.
    """
    parts: list[str] = []
    for statement in [function.args, *function.body]:
        copy = ast.parse(ast.unparse(statement)) if isinstance(statement, ast.stmt) else statement
        for node in ast.walk(copy):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value.strip("X"):
                node.value = ""
        parts.append(ast.dump(copy))
    return "\n".join(parts)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rooms", nargs="*")
    parser.add_argument("--sample", type=int, default=SAMPLE, help="how many mutants; 0: all")
    parser.add_argument("--seed", type=int, default=None)
    given = parser.parse_args()
    MUTANTS.mkdir(exist_ok=True)
    log = MUTANTS / "mutmut.log"
    mutmut("run", FIRST, into=log)
    prefixes = tuple(f"tilia_async.{room}." for room in given.rooms) or ("tilia_async.",)
    names = [name for name in changes_behaviour() if name.startswith(prefixes)]
    seed = random.randrange(10**6) if given.seed is None else given.seed
    chosen = names
    if given.sample and given.sample < len(names):
        chosen = sorted(random.Random(seed).sample(names, given.sample))
    print(f"{len(names)} mutants, {len(chosen)} of them tried (seed {seed})", flush=True)
    mutmut("run", *chosen, into=log)
    results = mutmut("results", "--all", "true").splitlines()
    said = dict(line.strip().rsplit(": ", 1) for line in results if ": " in line)
    survivors = [name for name in chosen if said.get(name) not in NOTICED]
    for name in survivors:
        print(f"\n{name}: {said.get(name)}\n{mutmut('show', name)}")
    print(f"{len(chosen) - len(survivors)} of {len(chosen)} mutants were noticed")
    figures = {"mutants tried": len(chosen), "mutants noticed": len(chosen) - len(survivors)}
    if counts := os.environ.get("TILIA_COUNTS"):
        with Path(counts).open("a") as file:
            file.writelines(json.dumps({"name": name, "number": number}) + "\n" for name, number in figures.items())
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
