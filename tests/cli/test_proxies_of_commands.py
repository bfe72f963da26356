"""The way of the commands to Tilia: a proxy by option, by variable or by those of all programs, and certificates."""

import json
from pathlib import Path

import pytest
from support.forked import Case, Ending, run
from support.forward_proxy import proxy_elsewhere

import tilia_sync

ACCOUNT = "acct_1"


def commands() -> dict[str, list[str]]:
    """Commands that call Tilia, but for the ones that only read the ledger."""
    return {
        "token": ["--scope", "search_accounts"],
        "doctor": [],
        "accounts get": [ACCOUNT],
        "accounts find": ["nyx"],
        "accounts block": [ACCOUNT],
        "accounts unblock": [ACCOUNT],
        "wallets list": [ACCOUNT],
        "wallets balances": [ACCOUNT],
        "bulk block": ["ids.txt", "--reason", "x"],
        "bulk unblock": ["ids.txt"],
        "bulk lookup": ["ids.txt"],
    }


def clean(settings: dict[str, str], **variables: str) -> dict[str, str]:
    return {**settings, **dict.fromkeys(("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "NO_PROXY", "no_proxy"), ""), **variables}  # fmt: skip


def told(end: Ending, what: str) -> str:
    rows = {row["what"]: row for row in json.loads(end.stdout)}
    return str(rows[what]["found"])


def test_every_command_goes_through_the_proxy_of_its_option(
    served: tilia_sync.Sandbox, settings: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "ids.txt").write_text(f"{ACCOUNT}\n")
    with proxy_elsewhere(refuse=502) as proxy:
        url = f"http://ops:hunter-two@127.0.0.1:{proxy.port}"
        cases = [Case([*name.split(), *each, "--proxy", url], clean(settings)) for name, each in commands().items()]
        ends = run(cases, tmp_path)
        assert len(proxy.heads) >= len(cases)
    assert [request.path for request in served.requests] == [], "a command went past it"
    for case, end in zip(cases, ends, strict=True):
        assert end.status != 0, case.arguments
        assert "hunter-two" not in end.stdout + end.stderr, case.arguments


def test_the_doctor_says_which_proxy(settings: dict[str, str], tmp_path: Path) -> None:
    with proxy_elsewhere(login="ops:hunter-two") as proxy:
        where = f"http://127.0.0.1:{proxy.port}"
        login = f"http://ops:hunter-two@127.0.0.1:{proxy.port}"
        doctor = ["doctor", "--json"]
        cases = [
            Case(doctor, clean(settings)),
            Case(doctor, clean(settings, TILIA_PROXY=login)),
            Case([*doctor, "--proxy", login], clean(settings, TILIA_PROXY="http://127.0.0.1:1")),
            Case(doctor, clean(settings, HTTP_PROXY=login, http_proxy=login)),
            Case(
                doctor, clean(settings, HTTP_PROXY=login, http_proxy=login, NO_PROXY="127.0.0.1", no_proxy="127.0.0.1")
            ),
            Case(doctor, clean(settings, TILIA_PROXY="ftp://ops:hunter-two@x")),
        ]
        ends = run(cases, tmp_path)
        reached = len(proxy.heads)
    assert [told(end, "proxy") for end in ends[:5]] == [
        "none",
        f"{where}, with a login, by TILIA_PROXY",
        f"{where}, with a login, by --proxy",
        f"{where}, with a login for 127.0.0.1, by HTTP_PROXY",
        "none: NO_PROXY bypasses it for 127.0.0.1",
    ]
    assert [end.status for end in ends] == [0, 0, 0, 0, 0, 1]
    assert told(ends[5], "proxy").startswith("proxy: it is no URL")
    assert reached == 3
    assert not any("hunter-two" in end.stdout + end.stderr for end in ends)


@pytest.mark.parametrize(
    ("file", "why"),
    [pytest.param("none.pem", "No such file", marks=pytest.mark.nightly), ("ids.txt", "no certificates in PEM")],
)
def test_a_file_of_certificates_that_is_none(settings: dict[str, str], tmp_path: Path, file: str, why: str) -> None:
    (tmp_path / "ids.txt").write_text(f"{ACCOUNT}\n")
    (end,) = run([Case(["accounts", "get", ACCOUNT, "--ca-file", file], clean(settings))], tmp_path)
    assert end.status == 2
    assert why in " ".join(end.stderr.replace("│", " ").split())
