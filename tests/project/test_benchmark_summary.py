"""The tables of the README, made of what the sections measured."""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.skipif(not (ROOT / "benchmarks").is_dir(), reason="only the repository has the benchmarks")
ROUNDS = 6


@pytest.fixture(autouse=True)
def _benchmarks_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT))


def series() -> dict[str, list[float]]:
    """Return rounds of which each is slower than the one before, for everybody."""
    from benchmarks.sections import calls, sync

    costs = {"tilia": 40.0, "aiohttp": 100.0, "pyreqwest": 50.0, "rnet": 60.0, "httpx": 2_500.0, "raw_socket": 8.0}
    speeds = {"tilia_sync": 200.0, "pycurl": 50.0, "requests": 600.0, "raw_socket_sync": 5.0}
    found = {}
    for contender in (*calls.GETTING, *calls.POSTING):
        if contender.module in costs:
            rounds = range(0, ROUNDS, calls.SLOW_EVERY if contender.module in calls.SLOW else 1)
            found[calls.series_name(contender)] = [costs[contender.module] * (1 + each) for each in rounds]
    for name, wall in speeds.items():
        found[f"sync: {name}"] = [wall * (1 + each) for each in range(ROUNDS)]
        found[f"sync: {sync.threaded(name)}"] = [wall / 2 * (1 + each) for each in range(ROUNDS)]
    return found


def test_calls_are_compared_with_those_by_hand_and_the_fastest_client() -> None:
    from benchmarks import summary

    rows = {row[0]: row[1:] for row in summary.of_calls(series()).rows}
    assert rows["**tilia_async**, typed"] == ("0.40",) * 4
    assert rows["aiohttp by hand"] == ("1.00",) * 4
    # Its rounds are fewer, and compared with their own.
    assert rows["httpx"] == ("25", "25", "", "")
    assert rows["**tilia_async**, × the fastest other client"] == ("0.80 (pyreqwest)",) * 4
    assert not any("raw_socket" in row for row in rows)


def test_synchronous_calls_are_compared_with_requests_and_the_fastest_client() -> None:
    from benchmarks import summary

    rows = {row[0]: row[1:] for row in summary.of_sync(series()).rows}
    assert list(rows) == ["pycurl", "**tilia_sync**, typed", "requests", "**tilia_sync**, × the fastest other client"]
    assert rows["**tilia_sync**, typed"] == ("3.00", "3.00")
    assert rows["**tilia_sync**, × the fastest other client"] == ("0.25 (pycurl)", "0.25 (pycurl)")


def test_the_page_has_the_tables_and_they_are_cut_out_of_it() -> None:
    from benchmarks import report, summary
    from benchmarks.section import Section, Table

    section = Section("A call", "How.", Table(("client", "µs"), (("tilia", "1"),)), series(), ["`tilia`: a typed call"])
    page = "\n".join(report.lines([section], (), ["one core"]))
    tables = summary.part(page)
    assert tables.splitlines() == list(summary.lines(series()))[2:-1]
    assert tables.count("| :---") == 2
    assert page.endswith("| tilia | 1 |\n\n* `tilia`: a typed call\n")


def test_where_requests_takes_no_part_the_rest_is_listed() -> None:
    from benchmarks import summary

    without = {name: rounds for name, rounds in series().items() if "requests" not in name}
    told = "\n".join(summary.lines(without))
    assert "**tilia_async**, typed" in told
    assert "tilia_sync" not in told


def test_the_readme_tells_what_was_measured() -> None:
    from benchmarks import summary

    measured = summary.part((ROOT / "benchmarks" / "results.md").read_text(encoding="utf-8"))
    assert measured.count("**tilia_async**") >= 1
    assert measured in (ROOT / "README.md").read_text(encoding="utf-8")


def test_a_section_of_its_own_run_takes_its_place_among_the_others() -> None:
    from benchmarks import report
    from benchmarks.budgets import Budget, Verdict
    from benchmarks.section import Section, Table

    def verdict(name: str, found: float) -> Verdict:
        return Verdict(Budget(name, over="a", under=None, wanted=2), found)

    sections = [Section(f"The {name}", "How.", Table(("a",), (("1",),)), {}) for name in ("first", "second")]
    page = "\n".join(["# Results", "", "## Budgets", "", *report.rows(report.of_budgets([verdict("one", 1)])), ""])
    page = report.put(page, sections, [verdict("two", 1)])
    again = report.put(page, sections[:1], [verdict("one", 3)])
    assert again == page.replace("| one | ≤ 2 | 1 | met |", "| one | ≤ 2 | 3 | MISSED |")
    assert [row for row in again.splitlines() if row.startswith("## ")] == [
        "## Budgets",
        "## The first",
        "## The second",
    ]
    assert "| two | ≤ 2 | 1 | met |\n\n## The first\n\nHow.\n" in again
