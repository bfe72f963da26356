"""``tilia openapi`` and ``tilia verify``."""

import json
from pathlib import Path

import pytest
from support.commands import run

import tilia_sync
from tilia_async.corrections import read_corrections
from tilia_async.openapi import document


def test_the_document_is_printed_or_written(tmp_path: Path) -> None:
    assert json.loads(run({}, "openapi").stdout) == document()
    file = tmp_path / "openapi.json"
    done = run({}, "openapi", "--environment", "staging", "--output", str(file))
    assert (done.exit_code, done.stdout) == (0, "")
    assert json.loads(file.read_text("utf-8")) == document("staging")


def test_verify_reports_as_text_markdown_and_json(
    settings: dict[str, str], account_ids: list[str], tmp_path: Path
) -> None:
    done = run(settings, "verify", "--account", account_ids[0])
    assert done.exit_code == 0
    assert done.stdout.startswith("tilia-sdk ")
    assert " 0 differs" in done.stdout
    assert not [each for each in account_ids if each in done.stdout]
    assert json.loads(run(settings, "verify", "--json").stdout)["environment"] == "another"
    page, corrections = tmp_path / "report.md", tmp_path / "corrections.toml"
    run(settings, "verify", "--output", str(page), "--corrections", str(corrections))
    assert "### accounts.get\n" in page.read_text("utf-8")
    assert read_corrections(corrections) == {}


def test_verify_tries_corrections_and_says_that_something_differs(
    settings: dict[str, str], account_ids: list[str], tmp_path: Path
) -> None:
    wrong = tmp_path / "wrong.toml"
    wrong.write_text("[operations.'compliance.tos_status']\nenvelope = true\n", encoding="utf-8")
    right = tmp_path / "right.toml"
    arguments = ("verify", "--account", account_ids[0], "--operations", str(wrong), "--corrections", str(right))
    done = run(settings, *arguments)
    assert done.exit_code == 1
    assert "envelope differs: without an envelope" in done.stdout
    assert read_corrections(right)["compliance.tos_status"].envelope is False


def test_verify_writes_only_with_writes(served: tilia_sync.Sandbox, settings: dict[str, str]) -> None:
    run(settings, "verify")
    assert not served.accounts
    done = run(settings, "verify", "--writes")
    assert done.exit_code == 0, done.stdout
    assert served.accounts


@pytest.mark.parametrize("option", ["--output", "--corrections"])
def test_a_file_that_cannot_be_written_is_refused_before_anything_is_sent(
    option: str, served: tilia_sync.Sandbox, settings: dict[str, str], tmp_path: Path
) -> None:
    before = len(served.requests)
    done = run(settings, "verify", "--writes", option, str(tmp_path / "nowhere" / "file.md"))
    assert (done.exit_code, done.stdout) == (2, "")
    assert "cannot be written: No such file or directory" in done.stderr
    assert len(served.requests) == before
    assert run({}, "openapi", "--output", str(tmp_path)).exit_code == 2
