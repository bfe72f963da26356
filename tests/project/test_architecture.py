"""Compares docs/architecture.md with the packages: each file it names is there, and each room is named."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")


def test_each_file_that_it_names_is_there() -> None:
    named = set(re.findall(r"\b([a-z_]+/(?:[a-z_]+/)*[a-z_]+\.py)\b", PAGE))
    assert len(named) > 15
    places = (ROOT, ROOT / "tilia_async", ROOT / "tilia_sync")
    assert not [name for name in sorted(named) if not any((place / name).exists() for place in places)]


def test_each_room_is_named() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (layers,) = (each["layers"] for each in contracts if each.get("containers") == ["tilia_async"])
    rooms = {name.strip() for layer in layers for name in layer.split("|")} - {"__main__"}
    table = PAGE.partition("| room | holds |")[2].partition("\n\n")[0]
    assert not [room for room in sorted(rooms) if f"`{room}`" not in table]
