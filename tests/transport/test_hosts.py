"""Tilia's real hosts, which no test can reach: here a mock says more than a server would."""

from collections.abc import Iterator
from unittest.mock import Mock

import aiohttp
import pytest
from aioresponses import aioresponses

from tilia_async import Environment, Service, TiliaClient, errors
from tilia_async.tokens import TokenCache

TOKEN = {"access_token": "t", "token_type": "Bearer", "expires_in": 3600}


class MockedResponse(aiohttp.ClientResponse):
    """aioresponses 0.7.9 does not know that aiohttp 3.14 wants a ``stream_writer``."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **{"stream_writer": Mock(), **kwargs})


@pytest.fixture
def internet() -> Iterator[aioresponses]:
    with aioresponses() as mocked:
        yield mocked


@pytest.mark.asyncio
@pytest.mark.parametrize(("name", "domain"), [("production", "tilia-inc.com"), ("staging", "staging.tilia-inc.com")])
async def test_each_service_has_its_host(internet: aioresponses, name: str, domain: str) -> None:
    internet.post(f"https://auth.{domain}/token", payload=TOKEN, repeat=True, response_class=MockedResponse)
    user_info = {"account_id": "a", "is_blocked": False}
    for url, payload in {
        f"https://accounts.{domain}/v1/a/user-info": user_info,
        f"https://wallets.{domain}/v2/wallet/w": {"wallet_id": "w"},
        f"https://payments.{domain}/v1/a/payment_methods": [],
    }.items():
        internet.get(url, payload={"status": "Success", "payload": payload}, response_class=MockedResponse)
    internet.put(
        f"https://registration.{domain}/v2/register/r",
        payload={"status": "Success", "payload": {"account_id": "a"}},
        response_class=MockedResponse,
    )
    async with TiliaClient("id", "secret", name, token_cache=TokenCache()) as tilia:
        assert not await tilia.accounts.is_blocked("a")
        assert (await tilia.wallets.get("w")).wallet_id == "w"
        assert await tilia.payment_methods.list("a") == []
        assert (await tilia.registration.complete("r")).account_id == "a"
    assert all(call.kwargs["allow_redirects"] is False for calls in internet.requests.values() for call in calls)


@pytest.mark.asyncio
async def test_one_host_elsewhere(internet: aioresponses) -> None:
    internet.post("https://auth.example/token", payload=TOKEN, response_class=MockedResponse)
    internet.get("https://wallets.elsewhere.example/api/v2/wallet/w", status=404, response_class=MockedResponse)
    there = Environment.at("https://{service}.example", {Service.WALLETS: "https://wallets.elsewhere.example/api"})
    async with TiliaClient("id", "secret", there, token_cache=TokenCache()) as tilia:
        with pytest.raises(errors.NotFoundError):
            await tilia.wallets.get("w")
