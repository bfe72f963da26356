"""Deliveries that are confirmed with Tilia before they are handled."""

import attrs
import pytest
from support import deliveries
from support.both_receivers import Ledger, Make, confirmed, make
from support.deliveries import BLOCK, delivery

from tilia_async import TiliaClient
from tilia_async.sandbox import Fault, Sandbox
from tilia_async.webhooks import (
    AccountBlockChanged,
    EscrowTransactionUpdated,
    Event,
    PaymentMethodUpdated,
    RegistrationCompleted,
    WalletBalanceAlert,
    WebhookReceiver,
)

__all__ = ["make"]


@pytest.mark.asyncio
async def test_a_block_is_confirmed(tilia: TiliaClient, make: Make) -> None:
    account_id = (await tilia.accounts.register("nyx", email="nyx@mail.example")).account_id
    receiver, seen = await confirmed(tilia, make, AccountBlockChanged)
    blocked = delivery({"account_id": account_id, "is_blocked": True})
    unblocked = delivery({"account_id": account_id, "is_blocked": False})
    assert await receiver.handle(blocked) == 409
    await tilia.accounts.block(account_id)
    assert [await receiver.handle(blocked), await receiver.handle(unblocked)] == [204, 409]
    assert [event.is_blocked for event in seen.events] == [True]
    for untold in ({"account_id": account_id}, {"is_blocked": True}, {"account_id": "nobody", "is_blocked": True},
                   {"account_id": "../x", "is_blocked": True}):  # fmt: skip
        assert await receiver.handle(delivery(untold)) == 409
    assert len(seen.events) == 1


@pytest.mark.asyncio
async def test_a_registration_is_confirmed(tilia: TiliaClient, make: Make) -> None:
    account_id = (await tilia.accounts.register("nyx", email="nyx@mail.example")).account_id
    receiver, seen = await confirmed(tilia, make, RegistrationCompleted)

    async def status(**message: object) -> int:
        return await receiver.handle(delivery(message, "register-account-completed"))

    assert await status(account_id="nobody") == 409
    assert await status(account_id=account_id, username="rook") == 409
    assert await status(account_id=account_id, email={"address": "thief@mail.example"}) == 409
    assert seen.events == []
    assert await status(account_id=account_id, username="nyx", email={"address": "nyx@mail.example"}) == 204
    assert len(seen.events) == 1


@pytest.mark.asyncio
async def test_a_payment_method_and_a_wallet_are_confirmed(tilia: TiliaClient, make: Make) -> None:
    account_id = (await tilia.accounts.register("nyx", email="nyx@mail.example")).account_id
    method = (await tilia.payment_methods.list(account_id))[0]
    receiver, seen = await confirmed(tilia, make, PaymentMethodUpdated)
    receiver.on(WalletBalanceAlert, seen.take)

    async def status(name: str, **message: object) -> int:
        return await receiver.handle(delivery(message, name))

    pm = "payment-method-updated"
    assert await status(pm, account_id=account_id, payment_method_id=method.id, state="INACTIVE") == 409
    assert await status(pm, account_id=account_id, payment_method_id="pm_other", state="ACTIVE") == 409
    assert await status(pm, account_id=account_id, payment_method_id=method.id) == 409
    assert await status("wallet-balance-alert", wallet_id="wal_other", balance=1) == 409
    assert seen.events == []
    assert await status(pm, account_id=account_id, payment_method_id=method.id, state="ACTIVE") == 204
    assert await status("wallet-balance-alert", wallet_id=method.wallet_id, balance=1) == 204
    assert len(seen.events) == 2


@pytest.mark.asyncio
async def test_a_block_of_tilias_is_one_event_and_tilias_whichever_part_of_it_is_posted(
    tilia: TiliaClient, sandbox: Sandbox, make: Make
) -> None:
    account_id = (await tilia.accounts.register("nyx", email="nyx@mail.example")).account_id
    receiver, seen = await confirmed(tilia, make, AccountBlockChanged)
    sandbox.block_as_tilia(account_id)
    least = {"account_id": account_id, "is_blocked": True}
    (block,) = (await tilia.accounts.get_blocks(account_id)).blocks
    whole = {"is_blocked": True, "blocks": attrs.asdict(block), "account_id": account_id}
    for number, message in enumerate((least, whole, {**whole, "note": "x"}, {**least, "blocks": []}, whole)):
        assert await receiver.handle(delivery(message, sent_at=f"2026-07-03T00:00:0{number}Z")) == 204
        assert await receiver.handle(delivery(message, event_name=None)) == 204
    (event,) = seen.events
    assert event.blocks == (block,)
    assert event.blocks[0].issuer == "tilia"


@pytest.mark.asyncio
async def test_blocked_unblocked_blocked_are_three_confirmed_events(tilia: TiliaClient, make: Make) -> None:
    account_id = (await tilia.accounts.register("nyx", email="nyx@mail.example")).account_id
    receiver, seen = await confirmed(tilia, make, AccountBlockChanged)
    for blocked in (True, False, True):
        await (tilia.accounts.block if blocked else tilia.accounts.unblock)(account_id)
        told = delivery({"account_id": account_id, "is_blocked": blocked})
        denied = delivery({"account_id": account_id, "is_blocked": not blocked})
        assert [await receiver.handle(body) for body in (told, denied, told)] == [204, 409, 204]
    assert [event.is_blocked for event in seen.events] == [True, False, True]


@pytest.mark.asyncio
async def test_a_block_is_not_handled_while_nobody_says_whose_it_is(
    tilia: TiliaClient, sandbox: Sandbox, make: Make
) -> None:
    account_id = (await tilia.accounts.register("nyx", email="nyx@mail.example")).account_id
    receiver, seen = await confirmed(tilia, make, AccountBlockChanged)
    await tilia.accounts.block(account_id)
    told = delivery({"account_id": account_id, "is_blocked": True})
    sandbox.faults.add("accounts.get_blocks", Fault.SERVER_ERROR_EMPTY, times=None)
    assert await receiver.handle(told) == 500
    assert seen.events == []
    sandbox.faults.clear()
    assert await receiver.handle(told) == 204
    assert [block.issuer for event in seen.events for block in event.blocks] == ["publisher"]


@pytest.mark.asyncio
async def test_a_replica_that_lags_makes_no_event(tilia: TiliaClient, sandbox: Sandbox, make: Make) -> None:
    account_id = (await tilia.accounts.register("nyx", email="nyx@mail.example")).account_id
    receiver, seen = await confirmed(tilia, make, AccountBlockChanged)
    blocked, unblocked = (delivery({"account_id": account_id, "is_blocked": each}) for each in (True, False))

    def lags() -> None:
        sandbox.faults.add("accounts.get", Fault.STALE_READ, times=None, seconds=600)

    lags()
    await tilia.accounts.block(account_id)
    assert await receiver.handle(blocked) == 409
    sandbox.faults.clear()
    assert await receiver.handle(blocked) == 204
    lags()
    await tilia.accounts.unblock(account_id)
    assert await receiver.handle(unblocked) == 409
    sandbox.faults.clear()
    assert await receiver.handle(unblocked) == 204
    assert [(event.is_blocked, len(event.blocks)) for event in seen.events] == [(True, 1), (False, 0)]


@pytest.mark.asyncio
async def test_a_block_that_is_not_listed_yet_has_no_issuer(tilia: TiliaClient, sandbox: Sandbox, make: Make) -> None:
    account_id = (await tilia.accounts.register("nyx", email="nyx@mail.example")).account_id
    receiver, seen = await confirmed(tilia, make, AccountBlockChanged)
    sandbox.faults.add("accounts.get_blocks", Fault.STALE_READ, times=None, seconds=600)
    await tilia.accounts.block(account_id)
    blocked = delivery({"account_id": account_id, "is_blocked": True})
    assert await receiver.handle(blocked) == 204
    sandbox.faults.clear()
    assert await receiver.handle(blocked) == 204
    assert [[block.issuer for block in event.blocks] for event in seen.events] == [[], ["publisher"]]


@pytest.mark.asyncio
async def test_what_cannot_be_asked_is_not_handled(
    tilia: TiliaClient, sandbox: Sandbox, make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    receiver, seen = await confirmed(tilia, make, Event)
    assert await receiver.handle(delivery(deliveries.BALANCE_TRANSFER, "balance-transfer-completed-publisher")) == 500
    assert await receiver.handle(delivery({}, "brand-new")) == 500
    assert "BalanceTransferCompleted cannot be confirmed: there is no look-up for it" in caplog.text
    sandbox.faults.add("accounts.get", Fault.SERVER_ERROR_EMPTY, times=None)
    assert await receiver.handle(delivery(BLOCK)) == 500
    assert seen.events == []


@pytest.mark.asyncio
async def test_an_unconfirmed_block_is_not_entered_in_the_ledger(tilia: TiliaClient) -> None:
    ledger = Ledger()
    receiver = WebhookReceiver(tilia, ledger, confirm=True)
    assert await receiver.handle(delivery(BLOCK)) == 409
    assert ledger.entries == []


@pytest.mark.asyncio
async def test_what_nobody_wants_is_not_asked_for(tilia: TiliaClient, sandbox: Sandbox, make: Make) -> None:
    receiver, _ = await confirmed(tilia, make, EscrowTransactionUpdated)
    assert await receiver.handle(delivery(BLOCK)) == 204
    assert sandbox.requests == []
