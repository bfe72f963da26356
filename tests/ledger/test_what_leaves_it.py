"""Exports of a ledger: without formulas, and no secret."""

from __future__ import annotations

import csv
import io
import json
import re
from datetime import UTC, datetime
from pathlib import Path

import orjson
import pytest
from support.canaries import places, search
from support.hostile import hostile_server
from support.ledgers import ledger, listed, tilia, url
from support.postgres import every_text
from support.scripted import (
    Reply,
    ScriptedTilia,
    client_of,
    ids,
    people,
)

from tilia_async import RequestOptions, TiliaClient, errors
from tilia_async.ledger import BlockLedger
from tilia_async.sandbox import Sandbox

__all__ = ["ledger", "tilia", "url"]


async def exported(ledger: BlockLedger, path: Path, **wanted: object) -> tuple[int, str]:
    with path.open("w", encoding="utf-8", newline="") as file:
        number = await ledger.export(file, **wanted)
    return number, content(path)


def content(path: Path) -> str:
    return path.read_bytes().decode()


def contents(directory: Path) -> list[str]:
    return [each.read_bytes().decode("latin-1") for each in directory.glob("blocks.db*")]


@pytest.mark.asyncio
async def test_an_export_tells_everything_and_no_cell_of_it_is_a_formula(
    tilia: TiliaClient, sandbox: Sandbox, ledger: BlockLedger, tmp_path: Path
) -> None:
    reasons = [
        '=HYPERLINK("http://evil.example";"x")',
        "+1",
        "-1+1",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        'a "b", c\nd;é💥',
        "plain",
    ]
    accounts = people(sandbox, len(reasons))
    review_at = datetime(2030, 1, 1, tzinfo=UTC)
    for account, reason in zip(accounts, reasons, strict=True):
        await tilia.accounts.block(account, reason=reason, actor=reason, review_at=review_at)
    await tilia.bulk.unblock(accounts[:1], job_id="=wave")
    records = await listed(ledger.records())

    number, text = await exported(ledger, tmp_path / "blocks.csv", format="csv")
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert number == len(rows) == len(records) == 9
    assert {"account_id", "action", "reason", "actor", "job_id", "state", "issuer", "source", "review_at"} <= rows[
        0
    ].keys()
    assert {"requested_at", "settled_at", "error"} <= rows[0].keys()
    assert [row["account_id"] for row in rows] == [record.account_id for record in records]
    for row, reason in zip(rows, reasons, strict=False):
        # As the module's docstring says.
        assert re.sub(r"(\A|[;|\t\r\n])'", r"\1", row["reason"]) == reason
        assert datetime.fromisoformat(row["review_at"]) == review_at
    assert (rows[-1]["reason"], rows[-1]["review_at"]) == ("", "")
    formulas = [cell for row in rows for cell in row.values() if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]
    assert formulas == []
    assert rows[7]["reason"] == "plain"

    number, text = await exported(ledger, tmp_path / "blocks.jsonl", format="jsonl")
    lines = [json.loads(line) for line in text.split("\n") if line]
    assert number == len(lines) == 9
    assert [line["reason"] for line in lines] == [*reasons, None]
    assert lines[0]["account_id"] == accounts[0]
    assert datetime.fromisoformat(lines[0]["review_at"]) == review_at

    number, text = await exported(ledger, tmp_path / "some.jsonl", format="jsonl", job_id="=wave")
    assert (number, json.loads(text)["job_id"]) == (1, "=wave")
    assert (await exported(ledger, tmp_path / "none.csv", format="csv", actor="nobody"))[0] == 0
    with pytest.raises((ValueError, errors.ConfigurationError)):
        await exported(ledger, tmp_path / "blocks.xml", format="xml")


SECRET, TOKEN, HEADER, PASSWORD = "canary-secret-1", "canary-token-2", "canary-header-3", "canary-password-4"


@pytest.mark.asyncio
async def test_no_secret_is_in_the_ledger_whatever_tilia_repeats(ledger: BlockLedger, url: str, tmp_path: Path) -> None:
    async def repeats(_tilia: ScriptedTilia, account_id: str) -> Reply:
        words = f"invalid: Bearer {TOKEN}{_tilia.tokens} {HEADER}"
        body = orjson.dumps({"status": "Failure", "message": [words], "codes": [words], "payload": {"error": words}})
        return Reply({"acct_0": 400, "acct_1": 403, "acct_2": 404, "acct_3": 500}[account_id], body)

    scripted = ScriptedTilia(repeats, token=TOKEN)
    options = RequestOptions(headers={"X-Api-Key": HEADER})
    async with hostile_server(scripted.serve) as server:
        async with client_of(server.template, secret=SECRET, ledger=ledger) as tilia:
            for account in ids(4):
                with pytest.raises(errors.ApiError):
                    await tilia.accounts.block(account, options=options)
            await tilia.bulk.block(ids(4), job_id="wave", options=options)
    records = await listed(ledger.records())
    assert len(records) == 8
    assert all(record.error for record in records)
    texts = [repr(ledger), *map(repr, records), *map(str, (record.error for record in records))]
    stored = contents(tmp_path) if url.startswith("sqlite") else [row async for row in every_text(url)]
    assert any("acct_3" in text for text in stored), "the search reads what is in there"
    search([SECRET, f"{TOKEN}1", HEADER], [*texts, *stored])


@pytest.mark.asyncio
async def test_the_password_of_a_database_is_in_no_error_and_no_repr(unused_tcp_port: int) -> None:
    opening = BlockLedger.open(f"postgresql://user:{PASSWORD}@127.0.0.1:{unused_tcp_port}/test")
    search([PASSWORD], [repr(opening), str(opening)])

    async def opens() -> None:
        async with opening:
            pass

    with pytest.raises(errors.LedgerError) as caught:
        await opens()
    search([PASSWORD], places(caught.value))
    assert str(unused_tcp_port) in str(caught.value), "it says which server"
