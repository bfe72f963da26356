"""Changes of the synchronous sandbox are made in its loop thread, between two requests."""

import pytest

import tilia_sync
from tilia_async import Money
from tilia_async.tokens import TokenCache


def test_the_sandbox_is_changed_from_other_threads() -> None:
    with tilia_sync.Sandbox(wallet_delay=0, publisher_funds=7, custom_wallets={"prizes": "TOK"}) as sandbox:
        credentials = (sandbox.client_id, sandbox.client_secret, sandbox.environment)
        with tilia_sync.TiliaClient(*credentials, token_cache=TokenCache()) as tilia:
            account_id = tilia.accounts.register("nyx", email="nyx@mail.example").account_id
            sandbox.fund(account_id, Money(500, "USD"))
            sandbox.set_kyc(account_id)
            sandbox.sign_tos(account_id)
            paypal = sandbox.add_payment_method(account_id, "paypal")
            assert tilia.compliance.tos_status(account_id).signed_tos
            source = tilia.wallets.list(account_id)[0]
            payout = tilia.payouts.request(account_id, source.id, paypal, Money(500, "USD"))
            sandbox.hold_payout(payout.payout_status_id)
            assert tilia.payouts.get(account_id, payout.payout_status_id).status == "FUNDS-IN-ESCROW-ON-HOLD"
            assert sandbox.publisher_wallets["USD"].balance == 7
            assert tilia.wallets.balances(sandbox.publisher_account_id).balances["USD"].spendable.balance == 7
            assert tilia.wallets.create_custom(account_id, "prizes").currency == "TOK"
            sandbox.block_as_tilia(account_id)
            assert tilia.accounts.is_blocked(account_id)
            with pytest.raises(KeyError):
                sandbox.sign_tos("nobody")
