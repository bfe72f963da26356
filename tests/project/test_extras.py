"""Extras are needed by nothing but what they are for; a feature without its extra says how to get it."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from support.optional_features import FEATURES

HERE = Path(__file__).resolve().parent
EXTRAS = tomllib.loads((HERE.parents[1] / "pyproject.toml").read_text())["project"]["optional-dependencies"]
NEEDED = {
    "aiosqlite": {"sqlite"},
    "celery": {"fleet by celery"},
    "click": {"command"},
    "cryptography": {"file store", "postgres store", "redis store"},
    "filelock": {"file store"},
    "greenlet": {"fleet", "fleet by celery", "sqlite", "postgres"},
    "procrastinate": {"fleet"},
    "psycopg": {"fleet", "fleet by celery", "postgres", "postgres store"},
    "redis": {"redis store"},
    "opentelemetry": {"spans and metrics"},
    "rich": {"command"},
    "sqlalchemy": {"fleet", "fleet by celery", "sqlite", "postgres"},
    "uvloop": set[str](),
}
"""The features that cannot do without a package."""
BROUGHT_BY = {"greenlet": "sqlalchemy[asyncio]", "opentelemetry": "opentelemetry-api"}
"""Distribution names, where they differ from the module's."""


UNDERNEATH = {("click", "fleet by celery")}
"""Packages that another package stands on, which is missing then, too."""


def extras_with(package: str) -> set[str]:
    stated = BROUGHT_BY.get(package, package)
    found = {name for name, needs in EXTRAS.items() if any(each.startswith(stated) for each in needs)}
    # An extra may bring another.
    return found | {name for name, needs in EXTRAS.items() if any(f"tilia-sdk[{each}]" in needs for each in found)}


def test_every_package_of_an_extra_is_tried() -> None:
    stated = {
        each.partition(">")[0].partition("[")[0] for name, needs in EXTRAS.items() if name != "all" for each in needs
    }
    assert stated - {"tilia-sdk"} <= {*NEEDED, *BROUGHT_BY.values()}


QUICK = frozenset({"click", "cryptography"})
"""Packages that are tried by day; the others at night."""


@pytest.mark.parametrize(
    "missing", [each if each in QUICK else pytest.param(each, marks=pytest.mark.nightly) for each in NEEDED]
)
def test_a_feature_without_its_package_names_the_extra(missing: str) -> None:
    done = subprocess.run(
        [sys.executable, HERE.parent / "support" / "optional_features.py", missing],
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    *printed, last = done.stdout.splitlines()
    assert bool(printed) == ("command" not in NEEDED[missing])
    told: dict[str, str] = json.loads(last)
    assert told.keys() == FEATURES.keys()
    for feature, sentence in told.items():
        if (missing, feature) in UNDERNEATH:
            continue
        having = extras_with(missing) & FEATURES[feature][0]
        assert sentence if feature in NEEDED[missing] else not sentence or having, feature
        if sentence:
            assert f" {missing}" in sentence
            assert any(f"pip install 'tilia-sdk[{extra}]'" in sentence for extra in having)
