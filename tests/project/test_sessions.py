"""Sessions: what runs by itself calls those that exist, and something calls each check."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
WORKFLOWS = ROOT / ".github" / "workflows"
SLOW = {"nightly", "tests_lowest", "tests_newest", "distributions", "types_more", "site", "instructions"}
BY_HAND = {
    "tests_all": "the workflow of a change has a job for each Python",
    "reliability": "it writes a page",
    "mutants": "it takes hours, and writes a page",
    "mirror": "it writes code; a test compares",
    "docs": "it writes pages; tests compare",
    "bench": "its figures need a machine of their own",
}


def sessions() -> set[str]:
    """The functions of the noxfile that are sessions."""
    tree = ast.parse((ROOT / "noxfile.py").read_text("utf-8"))
    functions = [each for each in tree.body if isinstance(each, ast.FunctionDef)]
    return {each.name for each in functions if any("nox.session" in ast.unparse(one) for one in each.decorator_list)}


def called(text: str) -> set[str]:
    """The sessions that a file of commands calls by name."""
    found = set[str]()
    for names in re.findall(r"nox -s ((?:[a-z_]+(?: |$|`|'))+)", text, re.MULTILINE):
        found |= set(re.findall(r"[a-z_]+", names))
    return found


def of_jobs(workflow: str) -> Iterator[str]:
    """The sessions that a workflow's jobs call: by name, or one for each entry of a matrix."""
    for job in yaml.safe_load((WORKFLOWS / workflow).read_text("utf-8"))["jobs"].values():
        commands = "\n".join(step.get("run", "") for step in job["steps"])
        yield from called(commands)
        if "nox -s ${{ matrix.session }}" in commands:
            yield from (each.split()[0] for each in job["strategy"]["matrix"]["session"])


@pytest.mark.parametrize("name", ["ci.yml", "nightly.yml"])
def test_a_workflow_calls_sessions_that_exist(name: str) -> None:
    found = set(of_jobs(name))
    assert found
    assert found <= sessions()


@pytest.mark.parametrize(
    "name",
    [".ci/run", ".pre-commit-config.yaml", "CONTRIBUTING.md", "README.md", "tests/README.md", "docs/versions.md"],
)
def test_a_command_calls_sessions_that_exist(name: str) -> None:
    found = called((ROOT / name).read_text("utf-8"))
    assert found
    assert found <= sessions()


def test_each_night_runs_what_is_slow() -> None:
    assert set(of_jobs("nightly.yml")) >= SLOW


def test_each_check_is_run_by_a_workflow() -> None:
    by_themselves = {*of_jobs("ci.yml"), *of_jobs("nightly.yml")}
    assert sessions() - by_themselves == BY_HAND.keys()


def test_a_commit_and_a_change_are_checked_alike() -> None:
    before_a_commit = called((ROOT / ".pre-commit-config.yaml").read_text("utf-8"))
    assert before_a_commit <= called((ROOT / ".ci" / "run").read_text("utf-8")) <= set(of_jobs("ci.yml"))
