"""``docs/errors.md`` is what ``nox -s docs`` writes, and every class says what to do."""

import importlib.util
import re
from pathlib import Path

import pytest

from tilia_async import errors

ROOT = Path(__file__).resolve().parents[2]
spec = importlib.util.spec_from_file_location("errors_page", ROOT / "tools" / "errors_page.py")
assert spec is not None
assert spec.loader is not None
errors_page = importlib.util.module_from_spec(spec)
spec.loader.exec_module(errors_page)

CLASSES = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, errors.TiliaError)]


def test_the_page_is_up_to_date() -> None:
    assert (ROOT / "docs" / "errors.md").read_text() == errors_page.rendered()


@pytest.mark.parametrize("kind", CLASSES)
def test_a_class_has_a_cause_a_remedy_and_a_place_on_the_page(kind: type[errors.TiliaError]) -> None:
    assert kind.__doc__
    assert "remedy" in vars(kind), "its own, and not that of the class above"
    assert errors_page.rendered().count(f"## {kind.__name__}\n") == 1


def test_each_point_of_the_page_is_an_attribute_with_its_meaning() -> None:
    """A docstring that goes on after its attributes is taken for more of them."""
    points = re.findall(r"^\* (.*)", errors_page.rendered().partition("## TiliaError")[2], re.MULTILINE)
    assert len(points) > 20
    assert [point for point in points if not re.fullmatch(r"`\w+`: .+", point)] == []
    assert not [point for point in points if re.search(r"\. [a-z_]+: ", point)]
