"""``OPERATIONS`` against the list of the fact sheets: nothing missing, nothing invented, guesses marked as such."""

from __future__ import annotations

import importlib.util
import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.facts import CONVENIENCES, FACTS, MADE, NOTIFICATIONS, Fact

from tilia_async import TiliaClient
from tilia_async.api import OPERATIONS

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("path", "host", "scope")
EACH = [pytest.param(fact, id=name) for name, fact in MADE.items()]
GUESSED = [pytest.param(fact, id=name) for name, fact in MADE.items() if fact.guessed]

spec = importlib.util.spec_from_file_location("coverage_page", ROOT / "tools" / "coverage_page.py")
assert spec is not None
assert spec.loader is not None
coverage = importlib.util.module_from_spec(spec)
spec.loader.exec_module(coverage)


def method_of(name: str) -> Any:
    """The method of the client under the name of an operation."""
    service, _, method = name.partition(".")
    return getattr(getattr(TiliaClient("i", "s", "staging"), service), method)


def methods() -> Iterator[str]:
    """Every public method of every service whose noun the facts know."""
    tilia = TiliaClient("i", "s", "staging")
    for service in dict.fromkeys(fact.noun for fact in FACTS):
        for name, _ in inspect.getmembers(type(getattr(tilia, service)), inspect.isfunction):
            if not name.startswith("_"):
                yield f"{service}.{name}"


def test_nothing_is_missing() -> None:
    """Each operation of the sheets is declared."""
    assert MADE.keys() - OPERATIONS.keys() == set()


def test_nothing_is_invented() -> None:
    """Each declaration is an operation of the sheets, and each method is one or is made of some."""
    assert OPERATIONS.keys() - MADE.keys() == set()
    assert set(methods()) - MADE.keys() == CONVENIENCES.keys()


def test_names() -> None:
    """An operation stands under its own name."""
    assert {name: operation.name for name, operation in OPERATIONS.items()} == {name: name for name in OPERATIONS}


def test_every_gap_has_its_reason() -> None:
    """An operation has a method or a reason."""
    assert all(bool(fact.reason) is (fact.here is None) for fact in FACTS)
    assert {made for used in CONVENIENCES.values() for made in used} <= MADE.keys()
    assert len(NOTIFICATIONS) == len({event.kind for event in NOTIFICATIONS}) == 13


@pytest.mark.parametrize("fact", EACH)
def test_route(fact: Fact) -> None:
    """Method, service and path are those of the sheets."""
    operation = OPERATIONS[str(fact.here)]
    assert (operation.method, str(operation.service), operation.path) == (fact.method, fact.service, fact.path)


@pytest.mark.parametrize(
    "fact", [pytest.param(fact, id=name) for name, fact in MADE.items() if fact.scopes is not None]
)
def test_scopes(fact: Fact) -> None:
    """The scopes are those of the sheets."""
    assert {str(scope) for scope in OPERATIONS[str(fact.here)].scopes} == fact.scopes


@pytest.mark.parametrize("fact", [pytest.param(fact, id=name) for name, fact in MADE.items() if fact.success])
def test_success(fact: Fact) -> None:
    """The statuses of success are those of the sheets."""
    assert OPERATIONS[str(fact.here)].success == fact.success


@pytest.mark.parametrize("fact", EACH)
def test_evidence(fact: Fact) -> None:
    """Path, host and scope are said to be inferred exactly where the sheets say so or found nothing."""
    evidence = OPERATIONS[str(fact.here)].evidence
    inferred = set() if evidence is None else set(evidence.inferred)
    assert inferred & set(PARTS) == fact.guessed
    assert inferred <= {*PARTS, "body", "answer"}
    assert evidence is None or (inferred and evidence.note)


@pytest.mark.parametrize("fact", EACH)
def test_method(fact: Fact) -> None:
    """Every operation has a method of its name, with a docstring that names its source."""
    method = method_of(str(fact.here))
    assert callable(method)
    assert "Source:" in inspect.getdoc(method)


@pytest.mark.parametrize("fact", GUESSED)
def test_a_guess_is_marked(fact: Fact) -> None:
    """The docstring says what is a guess."""
    source = str(inspect.getdoc(method_of(str(fact.here)))).partition("Source:")[2]
    assert "inferred" in source
    assert all(part in source for part in fact.guessed)


def test_the_page_is_up_to_date() -> None:
    """``docs/coverage.md`` is what ``nox -s docs`` writes."""
    assert (ROOT / "docs" / "coverage.md").read_text() == coverage.rendered()
