"""A sandbox with accounts, and a file of their ids."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.commands import settings_of

import tilia_sync


@pytest.fixture
def served() -> Iterator[tilia_sync.Sandbox]:
    with tilia_sync.Sandbox(wallet_delay=0) as sandbox:
        yield sandbox


@pytest.fixture
def settings(served: tilia_sync.Sandbox) -> dict[str, str]:
    return settings_of(served)


@pytest.fixture
def account_ids(served: tilia_sync.Sandbox, settings: dict[str, str]) -> list[str]:
    with tilia_sync.TiliaClient(*settings.values()) as tilia:
        return [
            tilia.accounts.register(f"bot-{number}", email=f"bot-{number}@mail.example").account_id
            for number in range(12)
        ]


@pytest.fixture
def file(account_ids: list[str], tmp_path: Path) -> Path:
    path = tmp_path / "ban wave.txt"
    path.write_text("".join(f"{account_id}\n" for account_id in account_ids))
    return path
