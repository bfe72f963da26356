"""The version, the Pythons and the changelog are the same wherever they stand."""

import ast
import re
import tomllib
from pathlib import Path

import pytest
import yaml

from tilia_async import __version__

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
PAGE = (ROOT / "docs" / "versions.md").read_text("utf-8")
CHANGELOG = (ROOT / "CHANGELOG.md").read_text("utf-8")
PYTHONS = re.findall(r"^Programming Language :: Python :: (3\.\d+)$", "\n".join(PROJECT["classifiers"]), re.MULTILINE)


def of_nox() -> list[str]:
    """The versions that ``nox -s tests_all`` looks for."""
    tree = ast.parse((ROOT / "noxfile.py").read_text("utf-8"))
    (interpreters,) = (each for each in tree.body if isinstance(each, ast.FunctionDef) and each.name == "interpreters")
    tuples = [ast.literal_eval(each.iter) for each in ast.walk(interpreters) if isinstance(each, ast.For)]
    return list(tuples[0])


def of_workflow() -> list[str]:
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text("utf-8"))["jobs"]
    return list(jobs["tests"]["strategy"]["matrix"]["python"])


def test_each_supported_python_is_tested_and_named() -> None:
    assert PYTHONS == of_nox() == of_workflow() == re.findall(r"^\| (3\.\d+) \|", PAGE, re.MULTILINE)
    assert PROJECT["requires-python"] == f">={PYTHONS[0]}"


def test_the_changelog_begins_with_this_version() -> None:
    first, *_ = re.findall(r"^## (\S+)", CHANGELOG, re.MULTILINE)
    assert first == __version__


def test_the_changelog_tells_first_what_breaks() -> None:
    section = CHANGELOG.split("\n## ")[1]
    assert next(iter(re.findall(r"^### (.*)$", section, re.MULTILINE))).startswith("What breaks")


@pytest.mark.parametrize("extra", sorted(PROJECT["optional-dependencies"].keys() - {"all"}))
def test_the_changelog_names_each_extra(extra: str) -> None:
    assert f"`{extra}`" in CHANGELOG
