"""The look-up of each write, or why none."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from tilia_async.api import (
    accounts,
    auth,
    compliance,
    escrow,
    invoices,
    payment_methods,
    payouts,
    refunds,
    registration,
    token_exchanges,
    transfers,
    wallets,
)
from tilia_async.reconcile import account_lookups, money_lookups
from tilia_async.reconcile.lookup_context import Lookup

_QUOTE = "Tilia lists no exchanges, but an exchange that is not executed moves nothing: start another one"
_ACCESS = "Tilia lists no redirects or tokens, but one that is not used changes nothing: make another one"
_AGAIN = "it ends in the same state however often it is sent: send it again"

LOOKUPS: Mapping[str, Lookup | str] = MappingProxyType(
    {
        auth.CREATE_REDIRECT.name: _ACCESS,
        auth.CREATE_USER_TOKEN.name: _ACCESS,
        registration.START.name: (
            "Tilia lists no registrations that are begun, but one that is not completed makes no account: start again"
        ),
        registration.COMPLETE.name: account_lookups.completed,
        accounts.REGISTER.name: account_lookups.registered,
        accounts.UPDATE.name: (
            "Tilia's answers do not show all of an account's fields; send it again, unless it has external platforms, "
            "which may get a second payment method"
        ),
        accounts.BLOCK.name: account_lookups.blocked,
        accounts.UNBLOCK.name: account_lookups.unblocked,
        accounts.BLOCK_CAPABILITY.name: account_lookups.blocked,
        accounts.MERGE.name: account_lookups.merged,
        wallets.CREATE_CUSTOM.name: (
            "Tilia documents no way to list wallets that have no payment method; another one may be the second"
        ),
        payment_methods.UPDATE.name: _AGAIN,
        payment_methods.CREATE_CUSTOM_WALLET.name: money_lookups.wallet_made,
        token_exchanges.START_PURCHASE.name: _QUOTE,
        token_exchanges.EXECUTE_PURCHASE.name: money_lookups.exchanged,
        token_exchanges.START_CONVERSION.name: _QUOTE,
        token_exchanges.EXECUTE_CONVERSION.name: money_lookups.exchanged,
        invoices.CREATE.name: money_lookups.invoice_created,
        invoices.PAY.name: money_lookups.invoice_paid,
        invoices.AUTHORIZE.name: (
            "Tilia lists no authorized invoices, but one that is not paid moves nothing: authorize again"
        ),
        escrow.CREATE.name: money_lookups.escrow_created,
        escrow.PAY.name: money_lookups.escrow_paid,
        escrow.COMMIT.name: money_lookups.escrow_committed,
        escrow.CANCEL.name: money_lookups.escrow_cancelled,
        refunds.REFUND_INVOICE.name: money_lookups.invoice_refunded,
        refunds.REFUND_LINE_ITEM.name: money_lookups.line_item_refunded,
        payouts.REQUEST.name: money_lookups.payout_requested,
        payouts.CANCEL.name: money_lookups.payout_cancelled,
        transfers.CREATE.name: money_lookups.transferred,
        compliance.ONBOARD_ENTITY.name: _AGAIN,
    }
)
"""Look-up of each operation, by its name."""
