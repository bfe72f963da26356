"""Without the libraries of a kind of database, the error names the extra that brings them."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from tilia_async import errors
from tilia_async.ledger import BlockLedger

SERVER = "postgresql://app@127.0.0.1/x"


@pytest.mark.parametrize("name", ["sqlalchemy", "aiosqlite"])
def test_each_ledger_needs_the_extra_for_files(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(errors.ConfigurationError, match=rf"needs {name}, .*tilia-sdk\[ledger\]"):
        BlockLedger.open("sqlite:///blocks.db")
    with pytest.raises(errors.ConfigurationError, match=rf"needs {name}, .*tilia-sdk\[postgres\]"):
        BlockLedger.open(SERVER)


def test_only_a_server_needs_the_driver_for_servers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(errors.ConfigurationError, match=r"needs psycopg, .*tilia-sdk\[postgres\]"):
        BlockLedger.open(SERVER)

    async def use() -> None:
        async with BlockLedger.open(f"sqlite:///{tmp_path}/blocks.db") as ledger:
            assert await ledger.history("acct_1") == []

    asyncio.run(use())
