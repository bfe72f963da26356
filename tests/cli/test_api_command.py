"""``tilia api``: every operation from the command line."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from support.commands import run

import tilia_sync
from tilia_async.api import OPERATIONS
from tilia_async.sandbox import Fault
from tilia_async.wire.fields import fields_of

Settings = dict[str, str]


def last(served: tilia_sync.Sandbox) -> tuple[str, dict[str, object]]:
    request = list(served.requests)[-1]
    return request.operation or "", json.loads(request.body) if request.body else {}


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_operation_is_a_command(served: tilia_sync.Sandbox, settings: Settings, name: str) -> None:
    operation = OPERATIONS[name]
    path = [f"{parameter}=some-{parameter[:8]}" for parameter in operation.parameters]
    declared = operation.query if operation.reads else operation.body
    fields = fields_of(declared) if declared else {}
    required = {field.name for field in fields.values() if field.required}
    done = run(settings, "api", name, *path, "--dry-run", "--json")
    if required:
        assert (done.exit_code, json.loads(done.stderr)["error"]["problems"].keys()) == (2, required)
    else:
        told = json.loads(done.stdout)
        filled = re.sub(r"{(\w{1,8})\w*}", r"some-\1", operation.path)
        assert (told["method"], told["url"].endswith(filled), told["body"]) == (operation.method, True, None)
        assert told["scopes"] == sorted(operation.scopes)
    assert len(served.requests) == 0
    told = run({"COLUMNS": "80"}, "api", name, "-h").stdout
    assert f"{operation.method} {operation.path}" in told
    for field in (*operation.parameters, *fields):
        (marked,) = re.findall(rf"^  {field}:?=@?\s+(required)?", told, re.MULTILINE)
        assert bool(marked) == (field in {*operation.parameters, *required})


def test_a_help_tells_types_parts_and_secrets() -> None:
    told = run({"COLUMNS": "120"}, "api", "escrow.create", "-h").stdout
    assert re.search(r"^  line_items:= +required; list of LineItem\.", told, re.MULTILINE)
    assert re.search(r"^LineItem:\n  amount +required; whole number, at least 1\.", told, re.MULTILINE)
    assert re.search(r"^  tax_inclusive:= +true or false\.", told, re.MULTILINE)
    assert re.search(r"^  currency +required; text, 3 characters\.", told, re.MULTILINE)
    start = run({"COLUMNS": "120"}, "api", "registration.start", "-h").stdout
    assert re.search(r"^  password=@ +required; text", start, re.MULTILINE)


def test_a_dry_run_checks_what_would_be_sent(settings: Settings) -> None:
    start = ("api", "token_exchanges.start_conversion", "account_id=acct_1", "--dry-run")
    good = run(settings, *start, "amount:=500", "currency=TOK")
    assert json.loads(good.stdout)["body"] == {"account_id": "acct_1", "amount": 500, "currency": "TOK"}
    wrong = run(settings, *start, "amount=500", "money=TOK")
    assert (wrong.exit_code, wrong.stdout) == (2, "")
    assert "amount: is a whole number" in wrong.stderr
    assert "money: is no field" in wrong.stderr


def test_the_help_names_every_operation_with_its_whole_path() -> None:
    told = " ".join(run({"COLUMNS": "80"}, "api", "-h").stdout.split())
    assert all(f"{each.name} {each.method} {each.path}" in told for each in OPERATIONS.values())


def test_fields_go_where_they_belong(served: tilia_sync.Sandbox, settings: Settings, tmp_path: Path) -> None:
    given = ["username=nyx", 'email:={"address": "nyx@mail.example"}', "full_name=@name.txt"]
    (tmp_path / "name.txt").write_text("Zoë Quinn\n")
    given[2] = f"full_name=@{tmp_path / 'name.txt'}"
    registered = json.loads(run(settings, "api", "accounts.register", *given).stdout)
    assert last(served)[1] == {
        "username": "nyx", "email": {"address": "nyx@mail.example"}, "full_name": "Zoë Quinn",
    }  # fmt: skip
    found = json.loads(run(settings, "api", "accounts.find", "username=nyx").stdout)
    assert found["account_id"] == registered["account_id"]
    assert run(settings, "api", "invoices.list", f"account_id={found['account_id']}", "limit:=2").exit_code == 0
    assert list(served.requests)[-1].query == "limit=2"
    assert run(settings, "api", "accounts.merge", f"source_account_id={found['account_id']}", "destination_account_id=x").exit_code != 0  # fmt: skip


def test_a_block_is_on_record_if_there_is_a_ledger(settings: Settings, account_ids: list[str], tmp_path: Path) -> None:
    settings["TILIA_LEDGER"] = str(tmp_path / "b.db")
    assert json.loads(run(settings, "api", "accounts.block", f"account_id={account_ids[0]}").stdout)["is_blocked"]
    told = json.loads(run(settings, "ledger", "history", account_ids[0], "--json").stdout)
    assert [record["action"] for record in told] == ["block"]


def test_secrets_are_neither_typed_nor_printed(served: tilia_sync.Sandbox, settings: Settings, account_ids: list[str]) -> None:  # fmt: skip
    start = ("api", "registration.start", "username=vex@mail.example", "email=vex@mail.example")
    typed = run(settings, *start, "password=Geheim-7")
    assert (typed.exit_code, "password=@-" in typed.stderr, "Geheim" in typed.output) == (2, True, False)
    dry = run(settings, *start, "password=@-", "--dry-run", given=b"Geheim-7\n")
    assert json.loads(dry.stdout)["body"]["password"] == "***"
    assert run(settings, *start, "password=@-", given=b"Geheim-7\n").exit_code == 0
    assert last(served)[1]["password"] == "Geheim-7"
    token = ("api", "auth.create_user_token", f"account_id={account_ids[0]}", "return_token:=true")
    hidden, shown = (run(settings, *token, *more) for more in ((), ("--reveal",)))
    assert (hidden.exit_code, shown.exit_code) == (0, 0)
    assert "***" in hidden.stdout
    assert "***" not in shown.stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("accounts.get", "acct_1"), "'acct_1' is neither name=value nor name:=json"),
        (("accounts.get", "=x"), "is neither name=value"),
        (("accounts.get", "account_id=a", "account_id=b"), "account_id is there twice"),
        (("accounts.get",), "account_id: is missing"),
        (("accounts.gett",), "there is no operation 'accounts.gett'; there is accounts.get"),
        (("nothing.like.it",), "No such command"),
        (("invoices.get", "invoice_id:={"), "invoice_id: that is no JSON"),
        (("invoices.get", "invoice_id=@none.txt"), "none.txt cannot be read: No such file or directory"),
    ],
)
def test_a_command_that_is_wrong_sends_nothing(
    served: tilia_sync.Sandbox, settings: Settings, arguments: tuple[str, ...], told: str
) -> None:
    done = run(settings, "api", *arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    assert told in done.stderr
    assert len(served.requests) == 0


def test_failures_have_the_exit_status_of_any_command(
    served: tilia_sync.Sandbox, settings: Settings, account_ids: list[str]
) -> None:
    assert run(settings, "api", "accounts.get", "account_id=nobody").exit_code == 4
    served.faults.add("accounts.update", Fault.DROP_AFTER_COMMIT)
    done = run(settings, "api", "accounts.update", f"account_id={account_ids[0]}", "city=Oslo", "--json")
    assert (done.exit_code, json.loads(done.stderr)["error"]["operation"]) == (3, "accounts.update")


@pytest.mark.parametrize(
    ("words", "completed"),
    [
        ("tilia api escrow.f", ["escrow.find_by_invoice"]),
        ("tilia api payouts.get p", ["payout_status_id="]),
        ("tilia api invoices.list account_id=x so", ["sort=", "sort_field="]),
        ("tilia api escrow.create account_id=x line_items:=1 a", []),
        ("tilia api escrow.create l", ["line_items:=", "location:="]),
        ("tilia api registration.start p", ["password=@"]),
        ("tilia api payouts.", [name for name in OPERATIONS if name.startswith("payouts.")]),
    ],
)
def test_operations_and_ids_are_completed(words: str, completed: list[str]) -> None:
    settings = {"_TILIA_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(len(words.split()) - 1)}
    done = subprocess.run(
        [sys.executable, "-m", "tilia_async"],
        env={"PATH": os.environ["PATH"], **settings},
        capture_output=True,
        text=True,
        check=False,
    )
    assert [line.partition(",")[2] for line in done.stdout.splitlines() if line] == completed
