"""``docs/reliability.md`` has a number for everything that the slow proofs count, and says where it comes from."""

import importlib.util
import json
import re
import shutil
import sys
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "reliability.md").read_text()
spec = importlib.util.spec_from_file_location("reliability_page", ROOT / "tools" / "reliability_page.py")
assert spec is not None
assert spec.loader is not None
reliability_page = importlib.util.module_from_spec(spec)
spec.loader.exec_module(reliability_page)


def test_the_page_is_what_its_numbers_make_it() -> None:
    counts: Counter[str] = reliability_page.read(PAGE)
    # The mutants are tried by a run of their own.
    assert [name for name, number in counts.items() if not number and not name.startswith("mutants ")] == []
    machine = PAGE.rpartition("The last run: ")[2]
    assert reliability_page.rendered(counts).rpartition("The last run: ")[0] + "The last run: " + machine == PAGE


def test_a_run_writes_its_sums_and_keeps_those_of_the_mutants(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counted = [name for name, _, where in reliability_page.WHAT if where != reliability_page.MUTANTS]
    lines = [json.dumps({"name": name, "number": number}) for name in counted for number in (1_000, 234)]
    (tmp_path / "counts.jsonl").write_text("\n".join(lines))
    target = Path(shutil.copy(ROOT / "docs" / "reliability.md", tmp_path))
    monkeypatch.setattr(reliability_page, "TARGET", target)
    monkeypatch.setattr(sys, "argv", ["reliability_page.py", str(tmp_path / "counts.jsonl")])
    assert reliability_page.main() == 0
    before, after = reliability_page.read(PAGE), reliability_page.read(target.read_text())
    assert after == {**before, **dict.fromkeys(counted, 1_234)}


def test_a_run_that_did_not_count_everything_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "counts.jsonl").write_text(json.dumps({"name": "reconciliations", "number": 1}))
    target = Path(shutil.copy(ROOT / "docs" / "reliability.md", tmp_path))
    monkeypatch.setattr(reliability_page, "TARGET", target)
    monkeypatch.setattr(sys, "argv", ["reliability_page.py", str(tmp_path / "counts.jsonl")])
    with pytest.raises(SystemExit, match="not counted"):
        reliability_page.main()
    assert target.read_text() == PAGE


def test_whatever_is_counted_has_a_line() -> None:
    tests = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    counted = set(re.findall(r"^ +count\(\"([^\"]+)\"", tests, re.MULTILINE))
    for searching in ("canaries.py", "shown_frames.py"):
        shared = (ROOT / "tests" / "support" / searching).read_text()
        counted |= set(re.findall(r"^ +count\(\"([^\"]+)\"", shared, re.MULTILINE))
    counted |= {"mutants tried", "mutants noticed"}
    assert counted == {name for name, _, _ in reliability_page.WHAT}


def test_the_places_that_it_names_are_there() -> None:
    for place in re.findall(r"nox -s [a-z]+ -- (\S+)`", PAGE):
        assert (ROOT / place).exists(), place
