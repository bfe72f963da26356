"""``verify`` against sandboxes that deviate, each in another kind of fact."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from support.deviating import Change, Deviating
from support.good_answers import GOOD
from support.odd_json import bodies

from tilia_async import Environment, TiliaClient, errors
from tilia_async.api import OPERATIONS
from tilia_async.sandbox import Fault, Sandbox
from tilia_async.tokens import TokenCache
from tilia_async.verify import Conformance, Fact, Finding, VerifyReport, verify
from tilia_async.verify.answers import observations
from tilia_async.verify.requests import NEVER, READS, WRITES
from tilia_async.wire.envelope import RawResponse, open_envelope, read_json

HIDDEN = ("nyx", "mail.example", "acct_", "wal_", "pm_", "127.0.0.1")


async def registered(tilia: TiliaClient) -> str:
    return (await tilia.accounts.register("nyx", email="nyx@mail.example")).account_id


def finding(report: VerifyReport, operation: str, fact: Fact) -> Finding:
    (found,) = [each for each in report.findings if (each.operation, each.fact) == (operation, fact)]
    return found


def within(change: Change) -> Change:
    """A change of the payload in its envelope."""
    return lambda body: {**body, "payload": change(body["payload"])}


def test_each_operation_is_read_written_or_never_tried() -> None:
    assert {*READS, *WRITES, *NEVER} == OPERATIONS.keys()
    assert all(OPERATIONS[name].reads for name in READS)
    assert not any(OPERATIONS[name].reads for name in (*WRITES, *NEVER))


@pytest.mark.asyncio
async def test_the_sandbox_holds_what_is_declared(sandbox: Sandbox, tilia: TiliaClient) -> None:
    account = await registered(tilia)
    sandbox.add_payment_method(account)
    before = len(sandbox.requests)
    report = await verify(tilia, account)
    assert not report.differences
    assert not report.corrections
    assert all(request.method == "GET" or request.operation == "auth.token" for request in sandbox.requests[before:])
    tried = {each.operation for each in report.findings if each.conformance is Conformance.HOLDS}
    assert tried == set(READS)
    assert finding(report, "accounts.get", Fact.TIMES).why == "1 seen; RFC 3339"
    assert finding(report, "accounts.block", Fact.PATH).why == "it writes"


@pytest.mark.asyncio
async def test_writes_touch_no_account_but_their_own_and_move_no_money(sandbox: Sandbox, tilia: TiliaClient) -> None:
    account = await registered(tilia)
    before = len(sandbox.requests)
    report = await verify(tilia, account, writes=True)
    assert not report.differences
    sent = {each.operation for each in sandbox.requests[before:]}
    assert not sent & NEVER.keys()
    tried = {each.operation for each in report.findings if each.conformance is Conformance.HOLDS}
    assert tried == {*READS, *WRITES}
    writes = [each for each in sandbox.requests[before:] if each.method != "GET"]
    assert not [each for each in writes if account in each.path or account.encode() in each.body]
    assert (await tilia.accounts.is_blocked(account)) is False


@pytest.mark.asyncio
async def test_without_an_account_paths_and_scopes_are_tried(tilia: TiliaClient) -> None:
    report = await verify(tilia)
    assert not report.differences
    for fact in (Fact.HOST, Fact.PATH, Fact.SCOPE):
        assert finding(report, "accounts.get", fact).conformance is Conformance.HOLDS
    assert finding(report, "accounts.get", Fact.FIELDS).conformance is Conformance.NOT_TRIED


@pytest.mark.asyncio
async def test_an_account_that_is_not_there_is_no_difference(tilia: TiliaClient) -> None:
    report = await verify(tilia, "acct_of_nobody")
    assert not report.differences
    assert "no such id here" in finding(report, "accounts.get", Fact.PATH).why


@pytest.mark.asyncio
@pytest.mark.parametrize("environment", ["production", Environment.at("https://{service}.proxy.example")])
async def test_writes_elsewhere_want_to_be_confirmed(environment: str | Environment) -> None:
    async with TiliaClient("id", "secret", environment) as tilia:
        with pytest.raises(errors.ConfigurationError, match="nothing was sent"):
            await verify(tilia, writes=True)


@pytest.mark.parametrize("account", ["", "a/b", "..", "x" * 37])
@pytest.mark.asyncio
async def test_what_cannot_be_an_account_is_refused_before_anything_is_written(
    account: str, sandbox: Sandbox, tilia: TiliaClient
) -> None:
    with pytest.raises(errors.InvalidRequestError, match="account_id"):
        await verify(tilia, account, writes=True)
    assert not sandbox.requests


@pytest.mark.asyncio
async def test_credentials_that_get_no_token_are_an_error(sandbox: Sandbox) -> None:
    async with TiliaClient(sandbox.client_id, "wrong", sandbox.environment, token_cache=TokenCache()) as tilia:
        with pytest.raises(errors.TokenError):
            await verify(tilia)


@pytest.mark.asyncio
async def test_scopes_that_the_credentials_lack_are_not_tried() -> None:
    async with Sandbox(scopes=["search_accounts"]) as sandbox:
        async with TiliaClient(sandbox.client_id, sandbox.client_secret, sandbox.environment) as tilia:
            report = await verify(tilia)
    assert not report.differences
    assert finding(report, "accounts.get", Fact.SCOPE).conformance is Conformance.HOLDS
    assert finding(report, "wallets.get", Fact.SCOPE) == Finding(
        "wallets.get", Fact.SCOPE, Conformance.NOT_TRIED, "read_wallets: these credentials do not get it"
    )
    # Of what was not sent nothing is known, not even that somebody is there.
    unsent = {each.operation for each in report.findings if each.why.endswith("these credentials do not get it")}
    assert not [each for each in report.findings if each.operation in unsent and each.conformance is Conformance.HOLDS]
    assert finding(report, "wallets.get", Fact.HOST).why == "nothing was sent without a token"


@pytest.mark.asyncio
async def test_what_nobody_answers_is_not_looked_at(sandbox: Sandbox, tilia: TiliaClient) -> None:
    account = await registered(tilia)
    sandbox.faults.add("wallets.balances", Fault.SERVER_ERROR_EMPTY, times=10)
    sandbox.faults.add("compliance.kyc_status", Fault.DROP_BEFORE_COMMIT, times=10)
    report = await verify(tilia, account)
    assert not report.differences
    assert finding(report, "wallets.balances", Fact.FIELDS).why == "answered with 500"
    assert finding(report, "wallets.balances", Fact.HOST).conformance is Conformance.HOLDS
    assert finding(report, "wallets.balances", Fact.SCOPE).conformance is Conformance.NOT_TRIED
    assert finding(report, "compliance.kyc_status", Fact.HOST).why == "it was sent, and no answer came"


async def run(server: Deviating, **settings: Any) -> tuple[VerifyReport, str]:
    async with server.client(**settings) as tilia:
        account = next(iter(server.sandbox.accounts), "") or await registered(tilia)
        return await verify(tilia, account), account


FAILURE = {"status": "Failure", "message": ["no"], "codes": [], "payload": None}


@pytest.mark.asyncio
async def test_a_failure_under_a_good_status_is_not_looked_at() -> None:
    async with Deviating(changes={"v2/wallet/": lambda _: FAILURE}) as server:
        report, _ = await run(server)
        assert not report.differences
        assert finding(report, "wallets.get", Fact.FIELDS).why == "answered with 200 and a failure"


DEVIATIONS: list[tuple[dict[str, Any], str, Fact, str, dict[str, Any]]] = [
    (
        {"moved": {"payments/transaction-methods": "wallets/transaction-methods"}},
        "payment_methods.transaction_methods",
        Fact.HOST,
        "the host of wallets has it",
        {"service": "wallets"},
    ),
    (
        {"dead": ("pii",), "moved": {"pii/v1": "accounts/v1/kyc-of-pii"}},
        "compliance.kyc_status",
        Fact.HOST,
        "nobody answers",
        {},
    ),
    (
        {"moved": {"payments/v1/acct_": "payments/acct_"}},
        "payment_methods.list",
        Fact.PATH,
        "404; /{account_id}/payment_methods has it",
        {"path": "/{account_id}/payment_methods"},
    ),
    (
        {"moved": {"accounts/v2/block": "accounts/v3/blocks"}},
        "accounts.get_blocks",
        Fact.PATH,
        "404, and no other path or host that was tried has it",
        {},
    ),
    (
        {"wanted": {"wallets/balances": "read_accounts"}},
        "wallets.balances",
        Fact.SCOPE,
        "with read_accounts it is not",
        {"scopes": ["read_accounts"]},
    ),
    (
        {"statuses": {"wallets/balances": 203}},
        "wallets.balances",
        Fact.STATUS,
        "203 and not 200",
        {"success": [203]},
    ),
    (
        {"changes": {"wallets/balances": lambda body: body["payload"]}},
        "wallets.balances",
        Fact.ENVELOPE,
        "without an envelope; the SDK reads both",
        {"envelope": False},
    ),
    (
        {"changes": {"tos/tilia": lambda body: {"status": "Success", "message": [], "payload": body}}},
        "compliance.tos_status",
        Fact.ENVELOPE,
        "in an envelope; the SDK reads both",
        {"envelope": True},
    ),
    (
        {"changes": {"v2/wallet/": within(lambda wallet: {**wallet, "wallet_id": None})}},
        "wallets.get",
        Fact.FIELDS,
        "wallet_id is missing",
        {},
    ),
    (
        {"changes": {"v2/wallet/": within(lambda wallet: {**wallet, "currency": {"code": "USD"}})}},
        "wallets.get",
        Fact.FIELDS,
        "currency cannot be read: it is an object",
        {},
    ),
    (
        {"changes": {"/kyc/": within(lambda kyc: {**kyc, "state": "UNDER-REVIEW"})}},
        "compliance.kyc_status",
        Fact.FIELDS,
        "state has the new word UNDER-REVIEW",
        {},
    ),
    (
        {"changes": {"v2/wallet/": within(lambda wallet: {**wallet, "created": "07/10/2022 4pm"})}},
        "wallets.get",
        Fact.TIMES,
        "created cannot be read: it is of the form 99/99/9999 9aa",
        {},
    ),
    (
        {"changes": {"v2/wallet/": within(lambda wallet: {**wallet, "created": 1665160779})}},
        "wallets.get",
        Fact.TIMES,
        "created cannot be read: it is a whole number",
        {},
    ),
    (
        {"changes": {"v2/wallet/": within(lambda wallet: {**wallet, "current_balance": 4.2})}},
        "wallets.get",
        Fact.AMOUNTS,
        "current_balance cannot be read: it is a fraction",
        {},
    ),
]


@pytest.mark.asyncio
@pytest.mark.parametrize(("deviation", "operation", "fact", "why", "correction"), DEVIATIONS)
async def test_a_deviation_is_found_and_nothing_else(
    deviation: dict[str, Any], operation: str, fact: Fact, why: str, correction: dict[str, Any], tmp_path: Any
) -> None:
    async with Deviating(**deviation) as server:
        report, account = await run(server)
        found = finding(report, operation, fact)
        assert found.conformance is Conformance.DIFFERS, report.to_text()
        assert why in found.why
        shared = {name for name in OPERATIONS if OPERATIONS[name].path == OPERATIONS[operation].path}
        assert {each.operation for each in report.differences} <= shared, report.to_text()
        assert {each.fact for each in report.differences} == {fact}
        assert report.corrections.get(operation, {}) == correction
        assert all(secret not in text for text in texts(report) for secret in (*HIDDEN, account))
        if not correction:
            return
        file = tmp_path / "corrections.toml"
        file.write_text(report.corrections_toml())
        again, _ = await run(server, operations=file)
        assert not again.differences, again.to_text()


def texts(report: VerifyReport) -> list[str]:
    return [report.to_text(), report.to_markdown(), report.to_json(), report.corrections_toml()]


@pytest.mark.asyncio
async def test_corrections_serve_the_typed_methods(tmp_path: Any) -> None:
    async with Deviating(moved={"payments/v1/acct_": "payments/acct_"}) as server:
        report, account = await run(server)
        file = tmp_path / "corrections.toml"
        file.write_text(report.corrections_toml())
        async with server.client() as tilia:
            with pytest.raises(errors.NotFoundError):
                await tilia.wallets.list(account)
        async with server.client(operations=str(file)) as tilia:
            assert await tilia.wallets.list(account)


@pytest.mark.asyncio
async def test_the_report_can_be_read_by_programs_and_people(tilia: TiliaClient) -> None:
    report = await verify(tilia, await registered(tilia))
    read = json.loads(report.to_json())
    assert len(read["findings"]) == len(report.findings)
    assert read["environment"] == "another"
    assert "### accounts.get\n" in report.to_markdown()
    assert re.match(r"tilia-sdk \S+ against another environment, ", report.to_text())


@pytest.mark.parametrize("name", OPERATIONS)
def test_captured_and_documented_answers_hold(name: str) -> None:
    payload = open_envelope(GOOD[name]).payload
    seen = list(observations(OPERATIONS[name].returns, payload))
    placeholders = {"2006-01-02T15:04:05Z07:00"}
    odd = [each for each in seen if not each.well and not placeholders & {*texts_in(payload)}]
    assert not odd
    if OPERATIONS[name].returns is not type(None):
        assert seen or not payload


@pytest.mark.parametrize("examples", [10, pytest.param(500, marks=[pytest.mark.nightly, pytest.mark.timeout(600)])])
@pytest.mark.parametrize("name", OPERATIONS)
def test_no_answer_is_too_odd_to_look_at(name: str, examples: int) -> None:
    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))
    @given(body=bodies(GOOD[name]))
    def looked_at(body: bytes) -> None:
        try:
            read = read_json(RawResponse(200, {}, body))
        except ValueError:
            return
        for seen in observations(OPERATIONS[name].returns, open_envelope(read).payload):
            assert seen.place.isprintable()
            assert seen.note.isprintable()

    looked_at()


def texts_in(value: Any) -> list[str]:
    if isinstance(value, dict | list):
        return [text for each in (value.values() if isinstance(value, dict) else value) for text in texts_in(each)]
    return [value] if isinstance(value, str) else []


@pytest.mark.parametrize("written", ["Nyx Example complained", "nyx example", "acct_7", "nyx@mail.example"])
def test_a_text_where_a_word_is_expected_is_not_shown(written: str) -> None:
    seen = observations(OPERATIONS["refunds.list"].returns, [{"refunds": [{"refund_id": "r", "reason": written}]}])
    told = [f"{each.place} {each.note}" for each in seen]
    assert any("a new word" in each for each in told)
    assert not [each for each in told if written in each]
