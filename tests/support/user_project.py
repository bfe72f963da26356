"""Tests as users write them, to run the plugin on."""

IN_ANY_MODE = '''
import asyncio
import os
import unittest

import pytest

import tilia_async
import tilia_sync
from tilia_async import Money, errors


def ban(account_id):
    """Code under test, which finds Tilia by the environment."""
    with tilia_sync.TiliaClient.from_env() as client:
        client.accounts.block(account_id, reason="fraud")


def test_code_under_test_finds_the_sandbox(tilia, tilia_calls):
    account = tilia.accounts.register("nyx", email="nyx@mail.example")
    ban(account.account_id)
    request = tilia_calls.assert_once("accounts.block", account_id=account.account_id)
    assert request.method == "POST"
    tilia_calls.assert_order("accounts.register", "accounts.block")
    tilia_calls.assert_never("accounts.unblock")


def test_each_test_has_a_tilia_of_its_own(tilia, tilia_sandbox):
    assert len(tilia.wallets.list(tilia.accounts.register("nyx", email="nyx@mail.example").account_id)) == 3
    assert len(tilia_sandbox.accounts) == 1


@pytest.mark.tilia_faults("accounts.block", "drop_after_commit")
def test_a_lost_answer(tilia, tilia_calls):
    account = tilia.accounts.register("nyx", email="nyx@mail.example")
    tilia.accounts.block(account.account_id)
    tilia_calls.assert_times("accounts.block", 2, account_id=account.account_id)


@pytest.mark.tilia_faults("accounts.find", "rate_limited", "server_error_empty")
def test_waits_are_short(tilia, tilia_calls):
    tilia.accounts.register("nyx", email="nyx@mail.example")
    assert tilia.accounts.find("nyx").username == "nyx"
    tilia_calls.assert_times("accounts.find", 3)


@pytest.mark.tilia_faults("accounts.register", "drop_after_commit")
def test_an_unknown_outcome_in_code_that_has_no_fixture():
    with tilia_sync.TiliaClient.from_env() as client, pytest.raises(errors.OutcomeUnknownError):
        client.accounts.register("nyx", email="nyx@mail.example")


@pytest.mark.tilia(token_currency="GEM")
class TestOptions:
    @pytest.fixture
    def tilia_client_options(self):
        return {"timeout": 2.5}

    @pytest.mark.tilia(wallet_delay=60)
    def test_the_nearest_marker_wins_and_all_count(self, tilia, tilia_sandbox):
        account = tilia.accounts.register("nyx", email="nyx@mail.example")
        assert tilia.wallets.list(account.account_id) == []
        tilia_sandbox.clock.advance(61)
        assert {wallet.currency for wallet in tilia.wallets.list(account.account_id)} == {"USD", "GEM"}


@pytest.mark.parametrize("marked", [False, pytest.param(True, marks=pytest.mark.tilia), False])
def test_only_what_is_marked_has_a_sandbox(marked):
    assert ("TILIA_ENVIRONMENT" in os.environ) is marked


@pytest.fixture
def client():
    with tilia_sync.TiliaClient.from_env() as client:
        yield client


@pytest.mark.tilia
def test_other_fixtures_find_it(client):
    assert client.accounts.register("nyx", email="nyx@mail.example").account_id


@pytest.mark.usefixtures("tilia_sandbox")
class TestOldStyle(unittest.TestCase):
    def test_a_unittest(self):
        with tilia_sync.TiliaClient.from_env() as client:
            self.assertTrue(client.accounts.register("nyx", email="nyx@mail.example").account_id)


def test_a_loop_of_its_own(async_tilia):
    async def main():
        return (await async_tilia.accounts.register("nyx", email="nyx@mail.example")).account_id

    assert asyncio.run(main())


def test_nothing_is_set_any_more():
    assert not [name for name in os.environ if name in ("TILIA_CLIENT_ID", "TILIA_ENVIRONMENT")]
'''
"""Tests that need no plugin for asynchronous ones."""

ASYNCHRONOUS = """
import asyncio

import pytest
{imports}
from tilia_async import Money, TiliaClient

{marks}


@{fixture}
async def player(async_tilia):
    account = await async_tilia.accounts.register("nyx", email="nyx@mail.example")
    yield account
    await async_tilia.accounts.block(account.account_id)


async def test_an_asynchronous_client(async_tilia, player, tilia_sandbox, tilia_calls):
    assert (await async_tilia.accounts.find("nyx")).account_id == player.account_id
    # The sandbox is changed without a word about the loop that runs here.
    card = tilia_sandbox.add_payment_method(player.account_id)
    tilia_sandbox.fund(player.account_id, Money(500, "USD"))
    await async_tilia.token_exchanges.buy(card, Money(500, "TOK"))
    tilia_calls.assert_once("token_exchanges.execute_purchase")


@pytest.mark.tilia_faults("wallets.list", "drop_before_commit")
async def test_both_clients_in_one_test(async_tilia, tilia):
    account = await asyncio.to_thread(tilia.accounts.register, "nyx", "nyx@mail.example")
    assert len(await async_tilia.wallets.list(account.account_id)) == 3


async def test_code_under_test_finds_the_sandbox(tilia_sandbox, tilia_calls):
    async with TiliaClient.from_env() as client:
        await client.accounts.register("nyx", email="nyx@mail.example")
    tilia_calls.assert_once("accounts.register", username="nyx")
"""
"""Asynchronous tests, for the mode that is filled in."""
