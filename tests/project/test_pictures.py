"""The pictures of the pages say what the sandbox does, and what they show can be read without seeing it."""

import re
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from tilia_async.api import OPERATIONS
from tilia_async.sandbox.transitions import ESCROW, HOLD, INVOICE, PAYOUT

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))
import pictures  # noqa: E402 - found in tools/

DRAWN = pictures.pictures()
TABLES = {"invoice-states.svg": INVOICE, "escrow-states.svg": ESCROW, "payout-states.svg": PAYOUT}


@pytest.mark.parametrize("name", DRAWN)
def test_a_picture_is_as_it_is_drawn(name: str) -> None:
    assert (ROOT / "docs" / "assets" / name).read_text("utf-8") == DRAWN[name], "nox -s docs"


@pytest.mark.parametrize("name", TABLES)
def test_a_picture_has_every_state_and_what_leads_there(name: str) -> None:
    words = [element.text for element in ET.fromstring(DRAWN[name]).iter("{http://www.w3.org/2000/svg}text")]
    for step in TABLES[name]:
        assert step.after in words
        assert step.failed is None or step.failed in words
        assert step.by in (None, HOLD) or step.by in words


@pytest.mark.parametrize("name", DRAWN)
def test_nothing_of_a_picture_lies_outside(name: str) -> None:
    root = ET.fromstring(DRAWN[name])
    for box in root.iter("{http://www.w3.org/2000/svg}rect"):
        assert float(box.attrib["x"]) + float(box.attrib["width"]) <= pictures.WIDTH
    for text in root.iter("{http://www.w3.org/2000/svg}text"):
        assert float(text.attrib["x"]) + len(text.text or "") * pictures.LETTER <= pictures.WIDTH


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_a_table_names_operations(table: tuple[pictures.Transition, ...]) -> None:
    assert {step.by for step in table} <= {*OPERATIONS, HOLD, None}


def test_images_of_pages_are_there_and_say_what_they_show() -> None:
    found = 0
    for page in sorted((ROOT / "docs").rglob("*.md")):
        for alt, target in re.findall(r"!\[([^\]]*)\]\(([^)\s]+)\)", page.read_text("utf-8")):
            found += 1
            assert len(alt) > 15, (page, target)
            assert (page.parent / target).is_file(), (page, target)
    assert found >= len(DRAWN)
