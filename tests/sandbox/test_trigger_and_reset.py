"""Events on demand, and the way back to the start."""

from collections import Counter

import aiohttp
import pytest
from support.taking import taking

from tilia_async import Money, TiliaClient, errors
from tilia_async.event_names import ALL
from tilia_async.sandbox import Fault, Sandbox
from tilia_async.webhooks import UnknownEvent, parse_event


def money(sandbox: Sandbox) -> Counter[str]:
    found = Counter[str]()
    for wallet in sandbox._world.wallets.by_id.values():
        found[wallet.currency] += wallet.balance
    return found


@pytest.mark.asyncio
@pytest.mark.parametrize("event_name", sorted(ALL))
async def test_each_event_can_be_brought_about(event_name: str) -> None:
    """For a new account, and again for the same; the receiver can read it, and money is where it was."""
    async with Sandbox() as sandbox, taking() as (url, bodies):
        sandbox.register_webhook(url, events=[event_name])
        first = sandbox.trigger(event_name)
        account_id = next(iter(sandbox.accounts))
        sandbox.trigger(event_name, account_id)
        await sandbox.notified()
        assert len(sandbox.accounts) == 1
        events = [parse_event(body) for body in bodies]
        assert [event.event_name for event in events] == [event_name] * 2
        assert not any(isinstance(event, UnknownEvent) for event in events)
        assert len({type(event) for event in events}) == 1
        assert first.get("account_id", account_id) == account_id
        assert money(sandbox) == +Counter(sandbox._world.wallets.entered)


@pytest.mark.asyncio
async def test_a_message_of_ones_own_is_notified_as_it_is() -> None:
    async with Sandbox() as sandbox, taking() as (url, bodies):
        sandbox.register_webhook(url)
        sandbox.trigger("payout-complete", message={"payout_status": "FAILED", "payout_status_id": "p-1"})
        await sandbox.notified()
        assert parse_event(bodies[0]).payout_status == "FAILED"
        assert not sandbox.accounts


@pytest.mark.asyncio
async def test_an_event_that_the_account_may_not_have_is_refused(sandbox: Sandbox) -> None:
    account_id = sandbox.add_account("nyx")
    sandbox.block_as_tilia(account_id)
    with pytest.raises(ValueError, match="account is blocked"):
        sandbox.trigger("invoice-completed", account_id)
    with pytest.raises(KeyError, match="nobody"):
        sandbox.trigger("kyc-webhook", "nobody")
    with pytest.raises(ValueError, match="there is no event 'kyc'"):
        sandbox.trigger("kyc")


@pytest.mark.asyncio
async def test_a_reset_leads_back_to_the_start() -> None:
    sandbox = Sandbox(wallet_delay=0, seed=11)
    kept = sandbox.add_account("kept", "kept@mail.example")
    sandbox.fund(kept, Money(700, "USD"))
    sandbox.clock.advance(100)
    sandbox.faults.add("accounts.find", Fault.LATENCY, 2, seconds=0)
    async with sandbox, taking() as (url, bodies), aiohttp.ClientSession() as session:
        async with TiliaClient(sandbox.client_id, sandbox.client_secret, sandbox.environment) as tilia:
            first = (await tilia.accounts.register("nyx", email="nyx@mail.example")).account_id
            await tilia.accounts.block(kept)
            sandbox.fund(kept, Money(1, "USD"))
            sandbox.register_webhook(url)
            sandbox.faults.add("accounts.find", Fault.LATENCY, seconds=0)
            sandbox.faults.add("accounts.get", Fault.DROP_BEFORE_COMMIT, None)
            sandbox.clock.advance(5_000)
            requests = sandbox.requests
            for _ in range(2):
                async with session.post(f"{sandbox.url}/_sandbox/v1/reset", json={}) as answer:
                    assert answer.status == 200
                assert list(sandbox.accounts) == [kept]
                assert not sandbox.accounts[kept].is_blocked
                assert [wallet.balance for wallet in sandbox._world.wallets_of(kept)] == [700, 0, 0]
                assert sandbox.clock.ahead == 100
                assert [(each.operation, each.left) for each in sandbox.faults.scheduled] == [("accounts.find", 2)]
                assert sandbox.requests is requests == []
                assert sandbox.notifications == []
                with pytest.raises(errors.NotFoundError):
                    await tilia.accounts.find("nobody")
                # The token that it had is worthless; the client gets another by itself.
                assert (await tilia.accounts.register("nyx", email="nyx@mail.example")).account_id == first
            await sandbox.notified()
            assert bodies == []
            assert {request.operation for request in sandbox.requests} == {
                "auth.token",
                "accounts.find",
                "accounts.register",
            }


@pytest.mark.asyncio
async def test_there_is_no_way_back_without_a_start() -> None:
    with pytest.raises(RuntimeError, match="does not run"):
        await Sandbox().reset()


@pytest.mark.asyncio
async def test_urls_of_before_the_start_stay(sandbox: Sandbox) -> None:
    async with taking() as (url, bodies):
        again = Sandbox()
        again.register_webhook(url)
        async with again:
            await again.reset()
            again.trigger("kyc-webhook")
            await again.notified()
        assert len(bodies) == 1


@pytest.mark.parametrize("secret", ["of-mine", None])
def test_credentials_may_be_ones_own(secret: str | None) -> None:
    one, other = Sandbox(client_secret=secret), Sandbox(client_secret=secret)
    assert (one.client_secret == other.client_secret) is (secret is not None)
    assert one.client_id == other.client_id
    with pytest.raises(ValueError, match="not empty"):
        Sandbox(client_secret="")


def test_an_account_can_be_added_once() -> None:
    sandbox = Sandbox()
    assert sandbox.add_account("nyx") in sandbox.accounts
    for name in ("nyx", "", "x" * 65):
        with pytest.raises(ValueError):
            sandbox.add_account(name)
