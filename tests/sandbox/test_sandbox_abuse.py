"""What nobody should ask of the sandbox, and what it says then, over plain HTTP."""

import uuid

import aiohttp
import pytest
from plain import Http

from tilia_async.json_value import JsonObject

TRANSFER = "balances/v1/transfer"


def nested(depth: int) -> object:
    value: object = 1
    for _ in range(depth):
        value = [value]
    return value


def transfer(account_id: str, source: object, destination: object, **more: object) -> dict[str, object]:
    move = {"source_wallet_id": source, "destination_wallet_id": destination, "amount": 100, "currency": "USD"}
    return {"account_id": account_id, "balance_transfer_type": "fund_user", "transfer_items": [move], **more}


async def wallet_of(http: Http, account_id: str) -> object:
    return (await http.methods(account_id))["registration"]["psp_reference"]


def publisher_wallet(http: Http) -> str:
    return http.sandbox.publisher_wallets["USD"].wallet_id


@pytest.mark.asyncio
@pytest.mark.parametrize("depth", [100, 300])
async def test_a_body_too_deep_to_be_repeated_changes_nothing(http: Http, depth: int) -> None:
    nyx = await http.register("nyx")
    body = transfer(nyx, publisher_wallet(http), await wallet_of(http, nyx), metadata=nested(depth))
    headers = {"Idempotency-Key": str(uuid.uuid4())}
    for _ in range(2):
        status, answer = await http.call("POST", TRANSFER, body, headers=headers)
        assert (status, answer["codes"]) == (400, ["INPUT_ERROR"])
    assert await http.balance(nyx) == 0


@pytest.mark.asyncio
async def test_a_deep_body_is_fine_up_to_the_limit(http: Http) -> None:
    nyx = await http.register("nyx")
    body = transfer(nyx, publisher_wallet(http), await wallet_of(http, nyx), metadata=nested(99))
    assert (await http.call("POST", TRANSFER, body))[0] == 200


@pytest.mark.asyncio
async def test_a_handler_that_fails_after_the_commit_does_not_run_again(http: Http) -> None:
    nyx = await http.register("nyx")
    body = transfer(nyx, publisher_wallet(http), await wallet_of(http, nyx))
    headers = {"Idempotency-Key": str(uuid.uuid4())}

    def fail(event_name: str, message: JsonObject) -> None:
        raise RuntimeError(event_name, message)

    working, http.sandbox._world.notify = http.sandbox._world.notify, fail
    with pytest.raises(aiohttp.ContentTypeError):
        await http.call("POST", TRANSFER, body, headers=headers)
    http.sandbox._world.notify = working
    assert (await http.call("POST", TRANSFER, body, headers=headers))[0] == 500
    assert await http.balance(nyx) == 100
