"""Files of corrected declarations."""

from pathlib import Path

import pytest

import tilia_async
import tilia_sync
from tilia_async import Service, errors
from tilia_async.api import OPERATIONS
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
@pytest.mark.parametrize("package", [tilia_async, tilia_sync])
def test_what_cannot_be_is_refused_when_the_client_is_made(
    package: object, text: str, why: str, tmp_path: Path
) -> None:
    with pytest.raises(errors.ConfigurationError) as caught:
        package.TiliaClient("id", "secret", "staging", operations=written(tmp_path, text))  # type: ignore[attr-defined]  # either package
    assert why in str(caught.value)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(errors.ConfigurationError, match="cannot be read"):
        read_corrections(tmp_path / "none.toml")
