"""The benchmarks measure what their budgets name, and a call costs no more instructions than the page says."""

import itertools
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.skipif(not (ROOT / "benchmarks").is_dir(), reason="only the repository has the benchmarks")

HELD = (
    "GET, typed, asyncio",
    "GET, typed, uvloop",
    "POST, typed, asyncio",
    "access_token(), at hand",
    "GET, tilia_sync",
)


@pytest.fixture(autouse=True)
def _benchmarks_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT))


def page() -> ModuleType:
    from benchmarks.instructions import page

    return page


def counted(subject: str, *turns: float) -> object:
    from benchmarks.instructions.counting import Count

    return Count(subject, turns)


def test_a_budget_names_what_its_section_measures() -> None:
    from benchmarks.budgets import BUDGETS
    from benchmarks.instructions.subjects import SUBJECTS
    from benchmarks.sections import calls, growth, imports, sync

    measured = {
        *(calls.series_name(contender) for contender in (*calls.GETTING, *calls.POSTING)),
        *(growth.series_name(*each) for each in itertools.product(growth.CONTENDERS, growth.IN_FLIGHT)),
        *(f"sync: {each}" for name in sync.CLIENTS for each in (name, sync.threaded(name))),
        *(f"sync: {name}" for name in sync.TOLD),
        *(f"instructions: {name}" for name in SUBJECTS),
        *(f"import: {name}" for name in imports.STATEMENTS),
    }
    kinds = {name.partition(":")[0] for name in measured}
    named = {name for budget in BUDGETS for name in (budget.over, budget.under) if name is not None}
    assert {name for name in named if name.partition(":")[0] in kinds} <= measured


def test_a_budget_is_met_missed_or_not_measured() -> None:
    from benchmarks.budgets import BUDGETS, judge

    budget = next(each for each in BUDGETS if each.over == "call: tilia, asyncio")
    words = {}
    for over in (budget.wanted, budget.wanted * 1.01):
        verdicts = judge({budget.over: [over] * 3, str(budget.under): [1.0] * 3})
        words[over] = next(verdict.word for verdict in verdicts if verdict.budget is budget)
    assert list(words.values()) == ["met", "MISSED"]
    assert {verdict.word for verdict in judge({})} == {"not measured"}


def test_rounds_are_compared_with_their_own() -> None:
    from benchmarks.budgets import Budget

    # The machine was three times as slow in the last round, for both of them.
    budget = Budget("a", over="a", under="b", wanted=0.5)
    assert budget.found({"a": [1, 1, 3], "b": [2, 2, 6]}) == 0.5


def test_the_page_says_what_was_counted() -> None:
    counts = [
        counted("GET, typed, asyncio", 200_000.4, 200_100, 199_000),
        counted("GET, aiohttp by hand, asyncio", 4e5),
    ]
    read = page().Page.read("\n".join(page().lines(counts, ("Python", "aiohttp"))))
    assert read.instructions == {"GET, typed, asyncio": 200_000, "GET, aiohttp by hand, asyncio": 400_000}
    assert read.basis == ("Python", "aiohttp")
    assert read.differs(("Python", "aiohttp")) is None
    assert "'aiohttp' there, 'aiohttp 4' here" in read.differs(("Python", "aiohttp 4"))
    assert read.differs(("Python",)) is not None


@pytest.mark.parametrize(("instructions", "status"), [(104_900, 0), (105_100, 1), (60_000, 0)])
def test_a_call_may_cost_a_little_more_than_the_page_says(
    instructions: int, status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rich.console import Console

    from benchmarks.instructions import __main__ as command

    monkeypatch.setattr(page(), "PAGE", tmp_path / "instructions.md")
    page().write([counted("GET, typed, asyncio", 100_000)], ("here",))
    console = Console(quiet=True)
    found = [counted("GET, typed, asyncio", instructions)]
    assert command.compared(console, found, ("here",)) == status
    assert command.compared(console, found, ("elsewhere",)) == 0


def test_the_page_has_all_subjects() -> None:
    from benchmarks.instructions.subjects import SUBJECTS

    read = page().Page.read(page().PAGE.read_text(encoding="utf-8"))
    assert list(read.instructions) == list(SUBJECTS)
    assert {subject.base for subject in SUBJECTS.values()} <= set(SUBJECTS)


@pytest.mark.nightly
@pytest.mark.timeout(600)
@pytest.mark.parametrize("subject", HELD)
def test_a_call_costs_no_more_instructions_than_the_page_says(subject: str) -> None:
    from benchmarks.instructions import callgrind
    from benchmarks.instructions.counting import count
    from benchmarks.server import running_server

    if (missing := callgrind.missing()) is not None:
        pytest.skip(missing)
    written = page().Page.read(page().PAGE.read_text(encoding="utf-8"))
    if (differs := written.differs(page().basis())) is not None:
        pytest.skip(f"the page was counted elsewhere: {differs}")
    with running_server(frozenset()) as server:
        found = count(subject, server.url)
    assert found.spread < 0.02
    assert written.excess(found) <= page().TOLERANCE
