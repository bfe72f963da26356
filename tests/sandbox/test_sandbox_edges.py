"""Places where the sandbox could be wrong without anybody noticing: odd requests, faults that meet nobody, time that passes."""

import os
import subprocess
import sys

import aiohttp
import pytest
from support.plain import Http

from tilia_async import Money, TiliaClient
from tilia_async.sandbox import Fault, Sandbox


@pytest.mark.asyncio
@pytest.mark.parametrize("fault", [Fault.DROP_AFTER_COMMIT, Fault.TRUNCATED_JSON, Fault.WRONG_CONTENT_TYPE])
async def test_a_fault_after_the_commit_waits_for_a_commit(sandbox: Sandbox, http: Http, fault: Fault) -> None:
    account_id = await http.register("nyx")
    sandbox.faults.add("accounts.block", fault)
    assert (await http.call("POST", "accounts/v1/nobody/user-info/block"))[0] == 404
    assert sandbox.faults.pending == 1
    with pytest.raises((aiohttp.ClientError, ValueError)):
        await http.call("POST", f"accounts/v1/{account_id}/user-info/block")
    assert sandbox.faults.pending == 0
    assert sandbox.accounts[account_id].is_blocked


@pytest.mark.asyncio
async def test_a_revocation_for_every_request_meets_one_with_a_token(sandbox: Sandbox, http: Http) -> None:
    sandbox.faults.add("*", Fault.TOKEN_REVOKED)
    assert (await http.call("GET", "payments/v1/acct_1/payment_methods"))[0] == 401
    assert sandbox.faults.pending == 0


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "body",
    [
        {"username": "nyx", "external_platforms": "x"},
        {"username": "nyx", "external_platforms": {"steam": {"user_id": None}}},
        {"username": "nyx", "external_platforms": {"myspace": {"user_id": "7"}}},
        {"username": "nyx", "external_platforms": {}},
    ],
)
async def test_a_platform_user_has_an_id_on_a_platform(sandbox: Sandbox, http: Http, body: object) -> None:
    assert (await http.call("POST", "accounts/register", body))[0] == 400
    assert not sandbox.accounts


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "invoicing/v2/invoice/account/acct_1?limit=" + "9" * 5000, None),
        ("GET", "invoicing/v2/invoice/account/acct_1?limit=٣", None),
        ("POST", "registration/v2/register", {"username": "a@b.co", "password": "abcde1", "email": "a@b.co", "metadata": [[1]]}),
        ("POST", "auth/authorize/user", {"account_id": "acct_1", "flow": [[1]]}),
    ],
)  # fmt: skip
async def test_what_is_no_parameter_is_refused(http: Http, method: str, path: str, body: object) -> None:
    assert (await http.call(method, path, body))[0] == 400


@pytest.mark.asyncio
async def test_a_body_that_is_not_packed_as_it_says(sandbox: Sandbox, http: Http) -> None:
    _, granted = await http.token("write_registrations")
    headers = {"Authorization": f"Bearer {granted['access_token']}", "Content-Encoding": "gzip"}
    async with http.session.post(http.url("accounts/register"), data=b"abcde", headers=headers) as response:
        assert response.status == 400
    async with http.session.options(f"http://127.0.0.1:{sandbox.port}") as response:
        assert response.status == 404


@pytest.mark.asyncio
async def test_balances_are_displayed_as_captured(sandbox: Sandbox, http: Http) -> None:
    account_id = await http.register("nyx")
    sandbox.fund(account_id, Money(9701, "TOK"))
    sandbox.fund(account_id, Money(99898, "USD"))
    balances = (await http.call("GET", f"wallets/balances/{account_id}"))[1]["payload"]["balances"]
    assert balances["TOK"]["spendable"]["display"] == "TOK 9701.00"
    assert balances["USD"]["spendable"]["display"] == "$998.98"


@pytest.mark.asyncio
async def test_what_goes_on_by_itself_is_notified_without_a_request(sandbox: Sandbox, tilia: TiliaClient) -> None:
    account = await tilia.accounts.register("nyx", email="nyx@mail.example")
    sandbox.set_kyc(account.account_id, "ACCEPT", pii_level="FULL")
    sandbox.fund(account.account_id, Money(5000, "USD"))
    paypal = sandbox.add_payment_method(account.account_id, kind="paypal")
    wallet = (await tilia.wallets.list(account.account_id))[0]
    await tilia.payouts.request(account.account_id, wallet.id, paypal, Money(1000, "USD"))
    sandbox.register_webhook("http://127.0.0.1:9/nobody-listens")
    sandbox.clock.advance(7200)
    await sandbox.notified()
    assert "payout-complete" in {each.event_name for each in sandbox.notifications}


@pytest.mark.parametrize("settings", [{"tokens_per_cent": 0}, {"token_currency": "USD"}, {"token_currency": "TOKEN"}])
def test_a_sandbox_that_could_not_work_is_not_made(settings: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="token"):
        Sandbox(**settings)


def test_the_seed_alone_decides() -> None:
    script = """
import asyncio
from tilia_async import LineItem, Recipient, TiliaClient, errors
from tilia_async.sandbox import Sandbox

async def main():
    async with Sandbox(wallet_delay=0) as sandbox:
        async with TiliaClient(sandbox.client_id, sandbox.client_secret, sandbox.environment) as tilia:
            ids = [(await tilia.accounts.register(name, email="a@b.co")).account_id for name in "abcde"]
            shares = [Recipient(amount=1, currency="TOK", destination_account_id=each) for each in ids[1:]]
            for each in ids[1:]:
                await tilia.accounts.block(each)
            item = LineItem(amount=9, currency="TOK", transaction_type="user_to_user", recipients=shares)
            try:
                await tilia.invoices.create(ids[0], [item])
            except errors.AccountBlockedError as error:
                print(error)

asyncio.run(main())
"""
    told = {
        subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "PYTHONHASHSEED": str(seed)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in range(1, 5)
    }
    assert len(told) == 1
    assert "account is blocked" in told.pop()
