"""An ``Idempotency-Key`` has one effect, through both packages."""

import asyncio
import uuid

import pytest

from tilia_async import Money, RequestOptions, RetryPolicy
from tilia_async.models.transfers import TransferItem
from tilia_async.sandbox import Fault, Sandbox


@pytest.mark.asyncio
@pytest.mark.parametrize("fault", [Fault.DROP_AFTER_COMMIT, Fault.DROP_BEFORE_COMMIT, Fault.TRUNCATED_JSON])
async def test_a_transfer_that_is_sent_again_is_made_once(tilia: object, sandbox: Sandbox, fault: Fault) -> None:
    account_id, moves = await _reward(tilia, sandbox)
    sandbox.faults.add("transfers.create", fault)
    assert (await tilia.transfers.create(account_id, "fund_user", moves)).status == "EXECUTED"
    assert (await tilia.wallets.balances(account_id)).balances["TOK"].spendable.balance == 70


@pytest.mark.asyncio
async def test_a_key_in_use_is_waited_for(make: object, sandbox: Sandbox) -> None:
    tilia = make(retry=RetryPolicy(attempts=50, initial=0.05, maximum=0.1))
    account_id, moves = await _reward(tilia, sandbox)
    sandbox.faults.add("transfers.create", Fault.LATENCY, seconds=0.3)
    options = RequestOptions(idempotency_key=str(uuid.uuid4()))
    twice = [tilia.transfers.create(account_id, "fund_user", moves, options=options) for _ in "ab"]
    first, second = await asyncio.gather(*twice)
    assert first == second
    assert (await tilia.wallets.balances(account_id)).balances["TOK"].spendable.balance == 70


async def _reward(tilia: object, sandbox: Sandbox) -> tuple[str, list[TransferItem]]:
    account = await tilia.accounts.register("nyx", email="nyx@mail.example")
    wallet = (await tilia.wallets.list(account.account_id))[1]
    source = sandbox.publisher_wallets["TOK"].wallet_id
    move = TransferItem(source_wallet_id=source, destination_wallet_id=wallet.wallet_id, amount=Money(70, "TOK"))
    return account.account_id, [move]
