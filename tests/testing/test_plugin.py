"""The pytest plugin in users' projects, each in a run of its own, with warnings as errors."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support.user_project import ASYNCHRONOUS, IN_ANY_MODE

pytest_plugins = ["pytester"]
PAGE = (Path(__file__).resolve().parents[2] / "docs" / "testing.md").read_text("utf-8")

STRICT = ASYNCHRONOUS.format(
    imports="import pytest_asyncio", marks="pytestmark = pytest.mark.asyncio", fixture="pytest_asyncio.fixture"
)
AUTO = ASYNCHRONOUS.format(imports="", marks="", fixture="pytest.fixture")
ANYIO = ASYNCHRONOUS.format(
    imports="",
    marks='pytestmark = pytest.mark.anyio\n\n\n@pytest.fixture\ndef anyio_backend():\n    return "asyncio"',
    fixture="pytest.fixture",
)
SHARED_LOOP = ASYNCHRONOUS.format(
    imports="import pytest_asyncio",
    marks='pytestmark = pytest.mark.asyncio(loop_scope="module")',
    fixture='pytest_asyncio.fixture(loop_scope="module")',
)
ASYNCIO = ["-p", "pytest_asyncio.plugin", "-o", "asyncio_default_fixture_loop_scope=function"]


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> object:
    """Run a project with the plugins that are named, and no other."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")

    def with_plugins(*options: str, **files: str) -> pytest.RunResult:
        # Else the settings of a project above the temporary folder hold.
        pytester.makeini("[pytest]")
        pytester.makepyfile(**files)
        return pytester.runpytest_subprocess("-W", "error", "--strict-markers", "-p", "tilia", *options)

    return with_plugins


def test_a_project_in_strict_mode_and_the_page(run: object) -> None:
    snippets = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    of_page = {f"test_page_{number}": snippet for number, snippet in enumerate(snippets)}
    result = run(*ASYNCIO, "-o", "asyncio_mode=strict", test_plain=IN_ANY_MODE, test_async=STRICT, **of_page)
    result.assert_outcomes(passed=16 + PAGE.count("def test_"))
    assert result.ret == 0


@pytest.mark.nightly
@pytest.mark.parametrize(
    ("options", "asynchronous"),
    [
        ([*ASYNCIO, "-o", "asyncio_mode=auto"], AUTO),
        ([*ASYNCIO, "-o", "asyncio_mode=strict"], SHARED_LOOP),
        (["-p", "anyio.pytest_plugin"], ANYIO),
        (["-p", "anyio.pytest_plugin", *ASYNCIO, "-o", "asyncio_mode=strict"], ANYIO),
        (["-p", "xdist.plugin", "-n", "2", *ASYNCIO, "-o", "asyncio_mode=auto"], AUTO),
        (["-p", "xdist.plugin", "-n", "2", "-p", "anyio.pytest_plugin"], ANYIO),
    ],
    ids=[
        "asyncio auto",
        "a loop for a module",
        "anyio",
        "anyio beside asyncio",
        "xdist and asyncio",
        "xdist and anyio",
    ],
)
def test_a_project_in_another_mode(run: object, options: list[str], asynchronous: str) -> None:
    result = run(*options, test_plain=IN_ANY_MODE, test_async=asynchronous)
    result.assert_outcomes(passed=16)
    assert result.ret == 0


FAILING = """
import pytest


def test_fails(tilia, tilia_calls):
    tilia.registration.start("nyx@mail.example", "c4nary-Pass", "nyx@mail.example")
    tilia_calls.assert_never("registration.start", username="nyx@mail.example")


@pytest.fixture
def account(tilia):
    return tilia.accounts.find("nobody")


def test_has_no_account(account): ...


def test_passes(tilia):
    assert tilia.wallets.list("acct_nobody") == []


@pytest.mark.tilia(walet_delay=1)
def test_unknown_option(): ...


@pytest.mark.tilia(3)
def test_without_a_name(): ...


@pytest.mark.tilia_faults("accounts.block")
def test_without_a_fault(): ...


@pytest.mark.tilia_faults("accounts.blok", "drop_after_comit")
def test_unknown_fault(): ...
"""


def test_a_failed_test_shows_what_arrived_and_a_wrong_marker_what_is_wrong(run: object) -> None:
    result = run(test_it=FAILING)
    result.assert_outcomes(passed=1, failed=1, errors=5)
    told = [
        "*- Tilia sandbox: what arrived -*",
        "*auth.token *POST /auth/token",
        "*accounts.find *GET /accounts/v1/user-info/search?username=nobody",
        "*options are wrong: *unexpected keyword argument 'walet_delay'*",
        "*the marker tilia takes named arguments: @pytest.mark.tilia(wallet_delay=0.5)",
        '*names an operation and what it meets: @pytest.mark.tilia_faults("accounts.block", "drop_after_commit")',
        "*no fault 'drop_after_comit'; did you mean drop_after_commit*no operation 'accounts.blok'; did you mean*",
        "E *registration.start with username='nyx@mail.example' arrived once, but never should. What arrived:*",
        "*- Tilia sandbox: what arrived -*",
        '*registration.start *POST *{*"username":"nyx@mail.example"*',
    ]
    result.stdout.fnmatch_lines(told)
    assert "acct_nobody" not in result.stdout.str()
    assert "c4nary" not in "".join(line for line in result.outlines if "POST" in line)


def test_a_foreign_run_loads_nothing_of_ours(pytester: pytest.Pytester) -> None:
    """Pytest imports the plugin in every run where the package is installed."""
    pytester.makepyfile(
        conftest="""
        import sys

        def pytest_report_header(config):
            assert config.pluginmanager.has_plugin("tilia")
            return f"loaded: {sorted(name for name in sys.modules if 'tilia' in name)}"
        """
    )
    result = pytester.runpytest_subprocess("-W", "error", "-p", "no:asyncio")
    result.stdout.fnmatch_lines("loaded: [[]'pytest_tilia']")
