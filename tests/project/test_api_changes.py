"""``nox -s api_changes`` finds what a release would break, and nothing else, in a repository made for it."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))
griffe = pytest.importorskip("griffe", reason="griffe compares public names; the group api_changes has it")
import api_changes  # noqa: E402 - found in tools/

BEFORE = """
from {package}._shop import Order, price
__all__ = ["Order", "price"]
"""
SHOP = """
class Order:
    number: int = 1
    def cancel(self, reason: str = "") -> None: ...
    def _hidden(self, a: int) -> None: ...

def price(amount: int, currency: str = "USD") -> int: ...
def of_nobody(a: int) -> None: ...
"""
PACKAGES = ("tilia_async", "tilia_sync")


def git(repository: Path, *command: str) -> None:
    author = ("-c", "user.name=nobody", "-c", "user.email=nobody@mail.example", "-c", "tag.gpgsign=false")
    subprocess.run(["git", *author, *command], cwd=repository, check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository of two small packages; its last tag is v1."""
    for package in PACKAGES:
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text(BEFORE.format(package=package))
        (tmp_path / package / "_shop.py").write_text(SHOP)
    names = tmp_path / "exports.txt"
    names.write_text("# the packages\ntilia_async\n    Order\ntilia_sync\n    Order\n")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "first")
    monkeypatch.setattr(api_changes, "ROOT", tmp_path)
    monkeypatch.setattr(api_changes, "LIST", names)
    return tmp_path


def change(repository: Path, old: str, new: str, file: str = "_shop.py", package: str = "tilia_async") -> None:
    path = repository / package / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def told(capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    return api_changes.main([]), capsys.readouterr().out


def test_without_a_tag_there_is_nothing_to_compare_with(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert repository.is_dir()
    code, out = told(capsys)
    assert (code, "no tag yet" in out) == (0, True)


def test_what_is_as_it_was_breaks_nothing(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    git(repository, "tag", "v1")
    assert told(capsys) == (0, "nothing public is broken since v1\n")


@pytest.mark.parametrize(
    ("old", "new", "word"),
    [
        ("def cancel(self, reason", "def cancel(self, why", "cancel"),
        ('    def cancel(self, reason: str = "") -> None: ...\n', "", "cancel"),
        ("amount: int, currency", "amount: int, currency_code", "price"),
        ("def price(amount: int,", "def price(amount: int, shop: str,", "price"),
        ("number: int = 1", "other: int = 1", "number"),
    ],
    ids=["a parameter is renamed", "a method is gone", "a name is changed", "one more is asked for", "a field is gone"],
)
def test_what_breaks_a_caller_is_named(
    repository: Path, capsys: pytest.CaptureFixture[str], old: str, new: str, word: str
) -> None:
    git(repository, "tag", "v1")
    change(repository, old, new)
    code, out = told(capsys)
    assert (code, word in out) == (1, True), out


def test_what_is_exported_no_more_is_named(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    git(repository, "tag", "v1")
    change(repository, '"Order", "price"', '"Order"', "__init__.py", "tilia_sync")
    code, out = told(capsys)
    assert (code, "tilia_sync.price: is exported no more" in out) == (1, True), out


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (
            'def price(amount: int, currency: str = "USD")',
            'def price(amount: int, currency: str = "USD", tip: int = 0)',
        ),
        ("def of_nobody(a: int)", "def of_nobody(b: str)"),
        ("def _hidden(self, a: int)", "def _hidden(self, b: str)"),
        ("number: int = 1", 'number: int = 1\n    note: str = ""'),
    ],
    ids=["one more that has a default", "what nobody exports", "what is private", "one more field"],
)
def test_what_breaks_nobody_is_not_named(
    repository: Path, capsys: pytest.CaptureFixture[str], old: str, new: str
) -> None:
    git(repository, "tag", "v1")
    change(repository, old, new)
    assert told(capsys) == (0, "nothing public is broken since v1\n")


def test_a_name_that_moves_is_the_same_name(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The exported name is public, wherever it is defined."""
    git(repository, "tag", "v1")
    package = repository / "tilia_async"
    (package / "_shop.py").rename(package / "_store.py")
    change(repository, "_shop", "_store", "__init__.py")
    assert told(capsys) == (0, "nothing public is broken since v1\n")
