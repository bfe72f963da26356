"""Comparison of the public API with an earlier commit's.

It says what a release would break.

Public is what the packages export (tests/project/exports.txt), with its methods and fields. ``nox -s api_changes`` runs
it against the last tag.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import griffe

ROOT = Path(__file__).resolve().parents[1]
# Reached through a client, and so public without being exported.
SERVICES = ("tilia_async.api", "tilia_sync.api", "tilia_sync.bulk", "tilia_sync.fleet")
LIST = ROOT / "tests" / "project" / "exports.txt"


def last_tag() -> str | None:
    """Return the last tag before this commit; None: no tag."""
    command = ["git", "describe", "--tags", "--abbrev=0"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip() or None


def public_paths(package: griffe.Object | griffe.Alias, modules: list[str]) -> dict[str, str]:
    """Return each exported name's place, by its public name."""
    found: dict[str, str] = {}
    for name in modules:
        module = package if name == package.path else package[name.removeprefix(f"{package.path}.")]
        for each in map(str, module.exports or ()):
            member = module.members.get(each)
            found[f"{name}.{each}"] = f"{name}.{each}" if member is None else defined_at(member)
    return found


def defined_at(member: griffe.Object | griffe.Alias) -> str:
    try:
        return member.canonical_path
    except griffe.AliasResolutionError as error:
        # It is the other package's, which is compared by itself.
        return error.alias.target_path


def broken(package: str, tag: str, modules: list[str]) -> list[str]:
    """Return what changed for the worse since that commit."""
    old = griffe.load_git(package, ref=tag, repo=ROOT, search_paths=["."])
    # Not the package in the folder that it happens to be run in.
    new = griffe.load(package, search_paths=[str(ROOT)], try_relative_path=False)
    before, after = public_paths(old, modules), public_paths(new, modules)
    lines = [f"{name}: is exported no more" for name in sorted(before.keys() - after.keys())]
    public = (*before.values(), *SERVICES)
    for change in griffe.find_breaking_changes(old, new):
        path = change.obj.canonical_path
        if any(path == each or path.startswith(f"{each}.") for each in public):
            lines.append(change.explain(griffe.ExplanationStyle.ONE_LINE))
    return lines


def main(arguments: list[str]) -> int:
    """Print what a release would break.

    Returns 1 if it would break something.
    """
    tag = arguments[0] if arguments else last_tag()
    if tag is None:
        print("there is no tag yet, so there is nothing to compare with")
        return 0
    modules = [line for line in LIST.read_text("utf-8").splitlines() if line and line[0] not in "# "]
    lines: list[str] = []
    for package in ("tilia_async", "tilia_sync"):
        lines += broken(package, tag, [name for name in modules if name.partition(".")[0] == package])
    print("\n".join(lines or [f"nothing public is broken since {tag}"]))
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
