"""The record as text: no cell is a formula, no line is two, nothing is lost."""

from __future__ import annotations

import csv
import inspect
import io
import itertools
import json
import re
import unicodedata
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.postgres import new_database

from tilia_async import errors
from tilia_async.ledger import BlockAction, BlockLedger, BlockRecord, RecordSource, RecordState, export
from tilia_async.ledger.claims import RecordedOutcome
from tilia_async.ledger.export import FIELDS, layout
from tilia_async.ledger.filters import checked
from tilia_async.ledger.intent import Intent
from tilia_async.ledger.ledger import journal_of

ASKED = datetime(2026, 5, 4, 3, 2, 1, 987_654, tzinfo=UTC)
BLANKS = [
    "",
    " ",
    "\t",
    "\n",
    "\r",
    "\r\n",
    "\x0b",
    "\0",
    "\N{NO-BREAK SPACE}",
    "\N{IDEOGRAPHIC SPACE}",
    "\ufeff",
    "\u200b",
    "\u00ad",
    "\u034f",
    "\ufe0f",
    "\u115f",
    "\u3164",
    "\u2800",
    "\u202e",
    "\U000e0020",
    '"',
    '""',
]
SIGNS = ["=", "+", "-", "@", "\N{MINUS SIGN}", "＝", "＋", "－", "＠", "﹦", "﹣", "﹢", "﹫", "⁼", "₊"]
BREAKS = [";", "|", "\t", "\n", "\r", "\r\n"]


def record(**fields: Any) -> BlockRecord:
    known: dict[str, Any] = {
        "account_id": "acct_1",
        "action": BlockAction.BLOCK,
        "state": RecordState.CONFIRMED,
        "source": RecordSource.CALL,
        "issuer": "publisher",
        "requested_at": ASKED,
    }
    return BlockRecord(**{**known, **fields})


def cells(of: BlockRecord) -> dict[str, str]:
    written = layout("csv")
    (row,) = csv.DictReader(io.StringIO(written.head + written.line(of), newline=""))
    return row


@pytest.mark.parametrize("field", ["account_id", "reason", "actor", "job_id", "issuer", "error"])
def test_a_text_that_a_spreadsheet_would_take_for_a_formula_is_none(field: str) -> None:
    for sign, blank in itertools.product(SIGNS, BLANKS):
        formula = f"{blank}{sign}HYPERLINK(A1)"
        written = cells(record(**{field: formula}))[field]
        assert written.startswith("'")
        assert read_back(written) == formula


def read_back(cell: str) -> str | None:
    """Read a file back as the module's docstring says."""
    return re.sub(r"(\A|[;|\t\r\n])'", r"\1", cell) if cell else None


def test_the_way_back_is_the_documented_one() -> None:
    assert export.__doc__ is not None
    assert inspect.getsource(read_back).partition("return ")[2].partition(" if ")[0] in export.__doc__


@pytest.mark.parametrize("cut", BREAKS)
def test_no_formula_begins_where_a_spreadsheet_with_other_settings_ends_a_cell(cut: str) -> None:
    for sign, blank in itertools.product(SIGNS, BLANKS):
        text = f"spam{cut}{blank}{sign}HYPERLINK(A1){cut}more"
        line = layout("csv").line(record(reason=text))
        for cell in re.split(r"[;|\t\r\n]", line):
            seen = [
                each
                for each in cell
                if unicodedata.category(each)[0] not in "CZM" and each not in '"\u115f\u3164\u2800'
            ]
            assert not seen or unicodedata.normalize("NFKC", seen[0]) not in ["=", "+", "-", "@", "\N{MINUS SIGN}"], (
                cell
            )
        assert read_back(cells(record(reason=text))["reason"]) == text


@pytest.mark.parametrize("start", ["\t", "\n", "\r"])
def test_a_cell_that_begins_with_another_cell_is_none(start: str) -> None:
    assert cells(record(reason=f"{start}1"))["reason"] == f"'{start}1"


@pytest.mark.parametrize("text", ["spam", "a=b", "1-2", "1; 2", " spam", "ｓpam", "a\nb", '"quoted", and more', "é"])
def test_any_other_text_stays_as_it_is(text: str) -> None:
    assert cells(record(reason=text))["reason"] == text


@pytest.mark.parametrize("text", [None, "", "'", "''", "'=1", ";'", "\n'=1", "\t\t", "=;=;'=", "\r\n", ";"])
def test_what_was_marked_and_what_began_with_a_mark_stay_different(text: str | None) -> None:
    assert read_back(cells(record(reason=text))["reason"]) == text


@given(st.text() | st.text(alphabet="=+-@';|\t\r\n \"x"))
def test_what_is_written_comes_back(text: str) -> None:
    written = cells(record(reason=text, review_at=ASKED))
    assert read_back(written["reason"]) == text
    assert list(written) == list(FIELDS)
    assert (written["review_at"], written["settled_at"]) == (ASKED.isoformat(), "")
    line = layout("jsonl").line(record(reason=text))
    assert line.splitlines() == [line.removesuffix("\n")]
    assert json.loads(line)["reason"] == text


@pytest.mark.parametrize("name", ["CSV", "json", "", None, 3])
def test_a_format_that_there_is_not_is_refused(name: str) -> None:
    with pytest.raises(errors.ConfigurationError, match="'csv' or 'jsonl'"):
        layout(name)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((name, value) for name in ("job_id", "account_id", "actor", "issuer") for value in ("", "a\0b", "\ud800", 3)),
        *((name, value) for name in ("action", "state", "source") for value in ("", "CALL", 3, [], {})),
        *((name, value) for name in ("since", "until") for value in ("2026", 3, datetime(2026, 1, 1), ASKED.date())),  # noqa: DTZ001 - without a zone on purpose
        ("since", datetime.min.replace(tzinfo=timezone(timedelta(hours=14)))),
        ("until", datetime.max.replace(tzinfo=timezone(timedelta(hours=-12)))),
        ("why", "spam"),
    ],
)
def test_a_filter_that_cannot_be_one_is_refused(name: str, value: object) -> None:
    with pytest.raises(errors.InvalidRequestError, match=name):
        checked({name: value})


@pytest.mark.parametrize("name", ["since", "until"])
def test_the_first_and_the_last_moment_are_moments(name: str) -> None:
    for moment in (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)):
        assert checked({name: moment})


# --- Clocks -----------------------------------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_hosts_whose_clocks_differ_agree_on_what_came_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """An unblock after the block lifts it, although the clock of the host that sent it is an hour behind."""

    class Ahead(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return datetime.now(tz) + timedelta(hours=1)

    async with new_database() as url, BlockLedger.open(url) as ledger:
        journal = await journal_of(ledger)
        for action, ahead in ((BlockAction.BLOCK, True), (BlockAction.UNBLOCK, False)):
            with monkeypatch.context() as patched:
                for module in ("journal", "database"):  # wherever it is asked
                    if ahead:
                        patched.setattr(f"tilia_async.ledger.{module}.datetime", Ahead, raising=False)
                await journal.intend(action.value, "acct_1", Intent(action))
                await journal.settle(action.value, settled("acct_1"))
        assert [each.account_id async for each in ledger.blocked()] == []
        block, unblock = await ledger.history("acct_1")
    assert (block.action, unblock.action) == (BlockAction.BLOCK, BlockAction.UNBLOCK)
    assert block.requested_at <= block.settled_at <= unblock.requested_at <= unblock.settled_at


def settled(account_id: str) -> RecordedOutcome:
    return RecordedOutcome(account_id, RecordState.CONFIRMED)


@pytest.mark.asyncio
async def test_a_file_keeps_the_time_of_its_host(tmp_path: Path) -> None:
    async with BlockLedger.open(f"sqlite:///{tmp_path}/blocks.db") as ledger:
        journal = await journal_of(ledger)
        before = datetime.now(UTC)
        await journal.intend("one", "acct_1", Intent(BlockAction.BLOCK))
        (found,) = await ledger.history("acct_1")
        assert before <= found.requested_at <= datetime.now(UTC)
