"""Names of Tilia's notifications, as ``event_name`` says them.

Source: fact sheet "compliance-webhooks", A.3 and A.4.
"""

from typing import Final

ACCOUNT_BLOCK: Final = "account-block-unblock-webhook"
REGISTRATION: Final = "register-account-completed"
TRANSFER: Final = "balance-transfer-completed-publisher"
DEPOSIT: Final = "deposit-completed"
ESCROW: Final = "escrow-transaction-update"
INVOICE: Final = "invoice-completed"
REFUND: Final = "refund-completed"
EXCHANGE: Final = "token-exchange-completed"
PAYMENT_METHOD: Final = "payment-method-updated"
KYC: Final = "kyc-webhook"
BALANCE_ALERT: Final = "wallet-balance-alert"

# Tilia's pages do not tell the names of these two: inferred.
PAYOUT: Final = "payout-complete"
KYB: Final = "kyb-status-change"

DOCUMENTED: Final = frozenset(
    {
        ACCOUNT_BLOCK,
        REGISTRATION,
        TRANSFER,
        DEPOSIT,
        ESCROW,
        INVOICE,
        REFUND,
        EXCHANGE,
        PAYMENT_METHOD,
        KYC,
        BALANCE_ALERT,
    }
)
"""The names that Tilia's pages tell."""

ALL: Final = DOCUMENTED | {PAYOUT, KYB}
"""The names that a URL can be registered for."""
