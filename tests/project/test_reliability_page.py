"""``docs/reliability.md`` has a number for everything that the slow proofs count, and says where it comes from."""

import importlib.util
import re
from collections import Counter
from pathlib import Path

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
