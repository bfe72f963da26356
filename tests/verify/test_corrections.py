"""Files of corrected declarations."""

import asyncio
from pathlib import Path

import pytest

import tilia_async
import tilia_sync
from tilia_async import Service, errors
from tilia_async.api import OPERATIONS
from tilia_async.client import declarations_of
from tilia_async.corrections import read_corrections, written_corrections

CORRECTED = {
    "accounts.get": {"path": "/v1/user-info/{account_id}", "scopes": ["read_accounts", "user_info"]},
    "transfers.create": {"service": "wallets", "success": [200, 201], "envelope": False, "method": "PUT"},
}


def written(folder: Path, text: str) -> Path:
    file = folder / "corrections.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_what_is_written_is_read(tmp_path: Path) -> None:
    read = read_corrections(written(tmp_path, written_corrections(CORRECTED)))
    assert read["accounts.get"].path == "/v1/user-info/{account_id}"
    assert read["accounts.get"].scopes == {"read_accounts", "user_info"}
    assert read["accounts.get"].echoes == OPERATIONS["accounts.get"].echoes
    transfer = read["transfers.create"]
    assert (transfer.service, transfer.success, transfer.envelope) == (Service.WALLETS, {200, 201}, False)
    assert (transfer.method, transfer.body) == ("PUT", OPERATIONS["transfers.create"].body)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("operations = 1", "tables"),
        ("[services]\nwallets = 'https://x.example'", "tables"),
        ("[operations.'accounts.gets']\npath = '/'", "'accounts.gets' is not the name of an operation"),
        ("[operations]\n'accounts.get' = 1", "is not the name of an operation"),
        ("[operations.'accounts.get']\nrepeat = 'never'", "has no 'repeat' to correct"),
        ("[operations.'accounts.get']\npath = 'v1'", "path of accounts.get cannot be 'v1'"),
        ("[operations.'accounts.get']\nservice = 'account'", "service of accounts.get cannot be"),
        ("[operations.'accounts.get']\nservice = ['accounts']", "service of accounts.get cannot be"),
        ("[operations.'accounts.get']\nservice = {name = 'accounts'}", "service of accounts.get cannot be"),
        ("[operations.'accounts.get']\npath = '/v1/{account_id'", "path of accounts.get cannot be"),
        ("[operations.'accounts.get']\npath = '/v1/account_id}'", "path of accounts.get cannot be"),
        ("[operations.'accounts.get']\nscopes = 'read_accounts'", "scopes of accounts.get cannot be"),
        ("[operations.'accounts.get']\nscopes = []", "scopes of accounts.get cannot be"),
        ("[operations.'accounts.get']\nsuccess = [true]", "success of accounts.get cannot be"),
        ("[operations.'accounts.get']\nenvelope = 1", "envelope of accounts.get cannot be"),
        ("[operations.'accounts.get']\nmethod = 'get'", "method of accounts.get cannot be"),
        ("[operations.'accounts.get']\npath = '/v1/{id}'", "path parameters"),
        ("[operations", "cannot be read"),
    ],
)
def test_what_cannot_be_is_refused_when_the_client_is_entered(text: str, why: str, tmp_path: Path) -> None:
    async def enter() -> None:
        async with tilia_async.TiliaClient("id", "secret", "staging", operations=written(tmp_path, text)):
            pass

    with pytest.raises(errors.ConfigurationError) as caught:
        asyncio.run(enter())
    assert why in str(caught.value)
    with (
        pytest.raises(errors.ConfigurationError) as caught,
        tilia_sync.TiliaClient("id", "secret", "staging", operations=written(tmp_path, text)),
    ):
        pass
    assert why in str(caught.value)


def test_the_constructor_reads_no_file_and_the_first_call_does(tmp_path: Path) -> None:
    file = tmp_path / "corrections.toml"
    asynchronous = tilia_async.TiliaClient("id", "secret", "http://127.0.0.1:1/{service}", operations=file)
    plain = tilia_sync.TiliaClient("id", "secret", "http://127.0.0.1:1/{service}", operations=str(file))
    try:
        with pytest.raises(errors.ConfigurationError, match=r"operations: .*corrections\.toml cannot be read"):
            plain.accounts.get("acct_1")
        with pytest.raises(errors.ConfigurationError, match=r"operations: .*corrections\.toml cannot be read"):
            asyncio.run(asynchronous.accounts.get("acct_1"))
        written(tmp_path, written_corrections(CORRECTED))
        assert declarations_of(asynchronous)["accounts.get"].path == "/v1/user-info/{account_id}"
        with pytest.raises(errors.ConnectError):
            plain.accounts.get("acct_1")
        file.unlink()
        with pytest.raises(errors.ConnectError):
            plain.accounts.get("acct_1")
        assert len(declarations_of(asynchronous)) == len(OPERATIONS)
    finally:
        plain.close()


@pytest.mark.parametrize("content", [None, b"\xff", b"a = " + b"[" * 100_000])
def test_a_file_that_cannot_be_read_is_refused(content: bytes | None, tmp_path: Path) -> None:
    file = tmp_path / "corrections.toml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(errors.ConfigurationError, match="cannot be read"):
        read_corrections(file)
