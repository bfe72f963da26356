"""The commands against a server whose certificate a private CA has issued."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from support.forked import Case, run
from support.forward_proxy import Certificates, proxy_elsewhere
from support.hostile import TOKEN, Connection
from support.interruption import elsewhere

import tilia_sync

ACCOUNT = b'{"status":"Success","payload":{"account_id":"acct_1","username":"nyx","is_blocked":false}}'
CLEAN = dict.fromkeys(
    ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "NO_PROXY", "no_proxy"), ""
)


async def answer(connection: Connection) -> None:
    while (line := await connection.request()) is not None:
        await connection.answer(TOKEN if "/token" in line else ACCOUNT)


def test_a_private_ca_is_believed_when_it_is_named(tmp_path: Path) -> None:
    certificates, others = Certificates(), Certificates()
    certificates.ca.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    others.ca.cert_pem.write_to_path(str(tmp_path / "other.pem"))
    get = ["accounts", "get", "acct_1"]
    with elsewhere(answer, certificates.server()) as server:
        settings = {
            "TILIA_CLIENT_ID": "id",
            "TILIA_CLIENT_SECRET": "s3cret",
            "TILIA_ENVIRONMENT": f"https://127.0.0.1:{server.port}/{{service}}",
            **CLEAN,
        }
        named = [Case([*get, "--ca-file", f"{name}.pem"], settings) for name in ("ca", "other")]
        believed, refused, unnamed = run([*named, Case(get, settings)], tmp_path)
    assert (believed.status, believed.stderr) == (0, "")
    assert "nyx" in believed.stdout
    for end in (refused, unnamed):
        assert end.status == 5
        assert "certificate" in end.stderr
        assert "Traceback" not in end.stderr


@pytest.mark.nightly
def test_a_client_certificate_is_shown(tmp_path: Path) -> None:
    certificates = Certificates()
    certificates.ca.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    client = certificates.ca.issue_cert("ops@tilia.test")
    client.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "client.pem"))
    client.cert_chain_pems[0].write_to_path(str(tmp_path / "cert.pem"))
    key = load_pem_private_key(client.private_key_pem.bytes(), None)
    sealed = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"hunter-two"))
    (tmp_path / "sealed.pem").write_bytes(sealed)
    certificates.ca.issue_cert("other@tilia.test").private_key_pem.write_to_path(str(tmp_path / "other.pem"))
    with elsewhere(answer, certificates.server(wants_client=True)) as server:
        settings = {
            "TILIA_CLIENT_ID": "id",
            "TILIA_CLIENT_SECRET": "s3cret",
            "TILIA_ENVIRONMENT": f"https://127.0.0.1:{server.port}/{{service}}",
            **CLEAN,
        }
        get = ["accounts", "get", "acct_1", "--ca-file", "ca.pem"]
        parts = [*get, "--cert-file", "cert.pem", "--key-file"]
        password = {"TILIA_KEY_PASSWORD": "hunter-two"}
        shown = run(
            [
                Case([*get, "--cert-file", "client.pem"], settings),
                Case([*parts, "sealed.pem"], {**settings, **password}),
                Case(get, {**settings, **password, "TILIA_CERT_FILE": "cert.pem", "TILIA_KEY_FILE": "sealed.pem"}),
            ],
            tmp_path,
        )
        refused = run(
            [
                Case(get, settings),
                Case([*parts, "sealed.pem"], settings),
                Case([*parts, "sealed.pem"], {**settings, "TILIA_KEY_PASSWORD": "another"}),
                Case([*parts, "other.pem"], settings),
                Case([*parts, "none.pem"], settings),
                Case([*get, "--key-file", "sealed.pem"], settings),
            ],
            tmp_path,
        )
        (doctor,) = run([Case(["doctor", "--json", *get[3:], "--cert-file", "client.pem"], settings)], tmp_path)
    assert [(end.status, end.stderr) for end in shown] == [(0, "")] * 3
    assert [end.status for end in refused] == [5, 2, 2, 2, 2, 2]
    told = [" ".join(end.stderr.replace("│", " ").split()) for end in refused]
    for text, words in zip(
        told,
        [
            "certificate",
            "the key has a password: set TILIA_KEY_PASSWORD",
            "or the password is wrong",
            "the key is another certificate's",
            "cert.pem with none.pem cannot be used: No such file",
            "name that, too",
        ],
        strict=True,
    ):
        assert words in text
        assert "Traceback" not in text
    assert "it shows that of client.pem" in doctor.stdout
    assert not any("hunter-two" in end.stdout + end.stderr for end in (*shown, *refused))


def test_an_undo_goes_through_the_proxy_of_its_option(
    served: tilia_sync.Sandbox, settings: dict[str, str], tmp_path: Path
) -> None:
    with tilia_sync.TiliaClient(*settings.values()) as tilia:
        account_id = tilia.accounts.register("nyx", email="nyx@mail.example").account_id
    (tmp_path / "ids.txt").write_text(f"{account_id}\n")
    with proxy_elsewhere(login="ops:hunter-two") as proxy:
        block = ["bulk", "block", "ids.txt", "--reason", "x", "--ledger", "blocks.db", "--job", "wave"]
        undo = ["bulk", "undo", "wave", "--ledger", "blocks.db", "--proxy", proxy.url]
        blocked, undone = run([Case(block, {**settings, **CLEAN}), Case(undo, {**settings, **CLEAN})], tmp_path)
        assert (blocked.status, undone.status) == (0, 0), (blocked, undone)
        assert any(f"/{account_id}/" in head and "unblock" in head for head in proxy.heads)
    assert "hunter-two" not in undone.stdout + undone.stderr
    assert not served.accounts[account_id].blocks


@pytest.mark.parametrize("encoding", [pytest.param("latin-1", marks=pytest.mark.nightly), "ascii"])
def test_a_home_that_cannot_be_written_and_a_terminal_of_old(
    served: tilia_sync.Sandbox, settings: dict[str, str], tmp_path: Path, encoding: str
) -> None:
    with tilia_sync.TiliaClient(*settings.values()) as tilia:
        account_id = tilia.accounts.register("Zoë 名", email="zoe@mail.example").account_id
    home = tmp_path / "home"
    home.mkdir(mode=0o500)
    variables = {**settings, **CLEAN, "HOME": str(home), "PYTHONIOENCODING": encoding}
    (end,) = run([Case(["accounts", "get", account_id], variables, encoding=encoding)], tmp_path)
    assert (end.status, end.stderr) == (0, "")
    assert account_id in end.stdout
    assert list(home.iterdir()) == []


@pytest.mark.parametrize(
    "columns", [pytest.param("8", marks=pytest.mark.nightly), "20", pytest.param("60", marks=pytest.mark.nightly)]
)
def test_ids_are_whole_in_a_narrow_terminal(
    served: tilia_sync.Sandbox, settings: dict[str, str], tmp_path: Path, columns: str
) -> None:
    with tilia_sync.TiliaClient(*settings.values()) as tilia:
        account_id = tilia.accounts.register("nyx", email="nyx@mail.example").account_id
        wallets = [wallet.wallet_id for wallet in tilia.wallets.list(account_id)]
    cases = [
        Case(["wallets", "list", account_id], {**settings, **CLEAN, "COLUMNS": columns}, out)
        for out in ("terminal", "file")
    ]
    for end in run(cases, tmp_path):
        assert end.status == 0
        lines = end.stdout.splitlines()
        for wallet_id in wallets:
            assert any(wallet_id in line for line in lines), (wallet_id, end.stdout)
    assert served.accounts[account_id].username == "nyx"
