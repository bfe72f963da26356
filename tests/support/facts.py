"""The operations and notifications of the fact sheets.

Every one that they name: transcribed from there, not from the code.

An operation without a method here says why it has none. ``docs/coverage.md`` is written from this list.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Mark(StrEnum):
    """Mark of how well a fact is known."""

    DOCUMENTED = "documented"
    SEEN = "seen in SDK code"
    INFERRED = "inferred"
    UNKNOWN = "not found"


D, S, I, U = Mark.DOCUMENTED, Mark.SEEN, Mark.INFERRED, Mark.UNKNOWN  # noqa: E741 - the sheets' own marks


class Fact(NamedTuple):
    """An operation's facts.

    What nobody tells is None; ``marks`` are those of path, host and scope.
    """

    noun: str
    name: str
    method: str | None
    service: str | None
    path: str | None
    scopes: frozenset[str] | None
    success: frozenset[int] | None
    marks: tuple[Mark, Mark, Mark]
    here: str | None
    reason: str

    @property
    def guessed(self) -> set[str]:
        """The facts that are guessed.

        Which of path, host and scope are inferred, or found nowhere.
        """
        return {part for part, mark in zip(("path", "host", "scope"), self.marks, strict=True) if mark in {I, U}}


class Notification(NamedTuple):
    """A notification's facts.

    The class that it is read as, its ``event_name`` if it is documented, and its page.
    """

    kind: str
    event_name: str | None
    page: str
    title: str


def fact(
    noun: str,
    name: str,
    request: str,
    scopes: str | None,
    *success: int,
    marks: tuple[Mark, Mark, Mark] = (D, D, D),
    here: str | None = None,
    reason: str = "",
) -> Fact:
    """Write a fact.

    The request is ``METHOD service path``, scopes are parted by spaces, a ``-`` is not known.
    """
    method, service, path = (None if word == "-" else word for word in request.split())
    found = None if scopes is None else frozenset(scopes.split())
    return Fact(noun, name, method, service, path, found, frozenset(success) or None, marks, here, reason)


def made(noun: str, name: str, method: str, request: str, scopes: str | None, *success: int, **rest: object) -> Fact:
    """Write the fact of an operation with a method here."""
    return fact(noun, name, request, scopes, *success, here=f"{noun}.{method}", **rest)  # type: ignore[arg-type] - the table passes columns on as they are


METHODS = "/v1/{account_id}/payment_methods"
PROFILE = "/v1/{account_id}/user-info"
PAYOUT = "/v2/{account_id}/payout"
NO_PATH = "no path known"
NOT_FOR_SERVERS = "not for servers: takes the user's own token (Tilia's iOS SDK)"
SCOPE_ONLY = "only its scope is named: no page, no path"
HOST_SEEN = (D, S, D)
SCOPE_GUESSED = (D, D, I)
SCOPE_UNKNOWN = (D, D, U)
SEEN = (S, S, U)
NOTHING = (U, U, U)
NAMED = (U, U, D)

FACTS = (
    fact("auth", "getToken", "POST auth /token", "", 200, reason="done for every call; by hand: `tilia.access_token(scopes)`"),
    made("auth", "AuthorizeUserHandler", "create_redirect", "POST auth /authorize/user", "write_user_tokens", 200),
    made("auth", "AuthorizeUserHandler", "create_user_token", "POST auth /authorize/user", "write_user_tokens", 200),
    fact("auth", "Nonces", "- - -", "create_nonce read_nonce delete_nonce", marks=NAMED, reason=SCOPE_ONLY),
    made("registration", "RegisterUser", "start", "POST registration /v2/register", "write_registrations", 201, marks=HOST_SEEN),
    made("registration", "Complete registration", "complete", "PUT registration /v2/register/{registration_id}", "write_registrations", marks=(D, S, I)),
    fact("registration", "Registration provider data", "- - -", "write_registration_provider_data", marks=NAMED, reason=SCOPE_ONLY),
    made("accounts", "RegisterAccountHandler", "register", "POST accounts /register", "write_registrations", 200),
    made("accounts", "getUserInfo", "get", f"GET accounts {PROFILE}", "search_accounts", 200),
    made("accounts", "getUserInfo", "is_blocked", f"GET accounts {PROFILE}", "search_accounts", 200),
    made("accounts", "searchUserInfo", "find", "GET accounts /v1/user-info/search", "search_accounts", 200),
    made("accounts", "UpdateAccountHandler", "update", "PUT accounts /user-info/{account_id}", "change_accounts", 200, marks=SCOPE_GUESSED),
    made("accounts", "blockAccount", "block", f"POST accounts {PROFILE}/block", "block_accounts", 200),
    made("accounts", "Unblock account", "unblock", f"POST accounts {PROFILE}/unblock", "unblock_accounts", 200),
    made("accounts", "BlockAccount", "block_capability", "POST accounts /v2/block", "block_accounts", 200, marks=SCOPE_GUESSED),
    fact("accounts", "Unblock account capability", "POST accounts -", None, marks=(U, I, U), reason=f"{NO_PATH}: the page was never found"),
    made("accounts", "GetAccountBlocks", "get_blocks", "GET accounts /v2/block/{account_id}", "read_accounts", 200),
    made("accounts", "MergeAccounts", "merge", "POST accounts /v2/merge-accounts", None, 200, marks=SCOPE_UNKNOWN),
    fact("accounts", "Own profile", "GET accounts /v1/user-info", None, 200, marks=SEEN, reason=NOT_FOR_SERVERS),
    fact("accounts", "Begin e-mail verification", "POST accounts /v1/user-info/email/begin-verify", None, 200, marks=SEEN, reason=NOT_FOR_SERVERS),
    fact("accounts", "Finish e-mail verification", "POST accounts /v1/user-info/email/finish-verify", None, 200, marks=SEEN, reason=NOT_FOR_SERVERS),
    fact("accounts", "E-mail addresses and passwords", "- accounts -", "add_email change_email delete_email read_email change_info change_password change_passwords manage_apps", marks=NAMED, reason=f"{SCOPE_ONLY}, and the scopes are for the user's own token"),
    made("wallets", "Get wallets by account", "list", f"GET payments {METHODS}", "read_payment_methods", 200),
    made("wallets", "GetWalletByID", "get", "GET wallets /v2/wallet/{wallet_id}", "read_wallets", 200),
    made("wallets", "GetBalancesByAccountID", "balances", "GET wallets /balances/{account_id}", "read_wallets", 200),
    made("wallets", "CreateCustomWallet", "create_custom", "POST wallets /v2/wallet/custom", None, 200, marks=SCOPE_GUESSED),
    fact("wallets", "Get wallets by account, its own path", "GET wallets -", "read_wallets", marks=(U, I, D), reason=f"{NO_PATH}; `wallets.list` takes the wallets out of the payment methods, as Tilia's guides do"),
    fact("wallets", "Get transactions by wallet ID", "GET wallets -", "read_wallets", marks=(U, I, D), reason=NO_PATH),
    fact("wallets", "Create, update and delete wallet", "- wallets -", "create_wallet update_wallet delete_wallet", marks=NAMED, reason=SCOPE_ONLY),
    made("payment_methods", "getPaymentMethods", "list", f"GET payments {METHODS}", "read_payment_methods", 200),
    made("payment_methods", "getPaymentMethodByID", "get", "GET payments /v2/payment-method/{payment_method_id}", "read_payment_methods", 200),
    made("payment_methods", "GetTransactionMethodsByAccountID", "transaction_methods", "GET payments /transaction-methods/{account_id}", "read_payment_methods", 200, marks=SCOPE_GUESSED),
    made("payment_methods", "UpdatePaymentMethodHandler", "update", "PATCH payments /v2/payment_method/{payment_method_id}", None, 200, marks=SCOPE_UNKNOWN),
    made("payment_methods", "CreateCustomWalletPaymentMethod", "create_custom_wallet", "POST payments /v2/payment-method/custom", None, 200, marks=SCOPE_UNKNOWN),
    fact("payment_methods", "Delete payment method", "DELETE payments /v1/payment_method/{payment_method_id}", None, 200, marks=SEEN, reason=NOT_FOR_SERVERS),
    made("token_exchanges", "createTokenPurchase", "start_purchase", "POST invoicing /v2/token/purchase", "write_tokens", 201),
    made("token_exchanges", "executeTokenPurchase", "execute_purchase", "POST invoicing /v2/token/purchase/{token_exchange_id}", "write_tokens", 200),
    made("token_exchanges", "createTokenConversion", "start_conversion", "POST invoicing /v2/token/convert", "write_tokens", 201),
    made("token_exchanges", "executeTokenConversion", "execute_conversion", "POST invoicing /v2/token/convert/{token_exchange_id}", "write_tokens", 200),
    made("token_exchanges", "getTokenExchange", "get", "GET invoicing /v2/token/{token_exchange_id}", "read_tokens", 200),
    made("invoices", "createInvoice", "create", "POST invoicing /v2/invoice", "write_invoices", 201),
    made("invoices", "payInvoice", "pay", "POST invoicing /v2/invoice/{invoice_id}/pay", "write_invoices", 200),
    made("invoices", "Get invoice details", "get", "GET invoicing /v2/invoice/{invoice_id}", "read_invoices", 200, marks=(S, D, D)),
    made("invoices", "getInvoicesByAccountIDV2", "list", "GET invoicing /v2/invoice/account/{account_id}", "read_invoices", 200),
    made("invoices", "authorizeInvoice", "authorize", "POST invoicing /v2/authorize/invoice", "write_user_tokens write_invoices", 200),
    made("invoices", "getAuthorizedInvoice", "get_authorized", "GET invoicing /v2/authorize/invoice/{authorized_invoice_id}", "read_invoices", 200),
    *(
        fact("invoices", name, request, None, 200, marks=SEEN, reason=NOT_FOR_SERVERS)
        for name, request in (
            ("Transactions", "GET invoicing /v1/transactions"),
            ("Transaction", "GET invoicing /v1/transaction/{transaction_id}"),
            ("Transaction receipt", "POST invoicing /v1/transaction/{transaction_id}/receipt"),
        )
    ),
    made("escrow", "createEscrowTransaction", "create", "POST invoicing /v2/escrow", "write_invoices", 201),
    *(
        made("escrow", f"{step}EscrowTransaction", step, f"POST invoicing /v2/escrow/{{escrow_id}}/{step}", "write_invoices", 200)
        for step in ("pay", "commit", "cancel")
    ),
    *(
        made("escrow", f"getEscrowTransactionBy{what}", method, f"GET invoicing /v2/escrow/{path}", "read_invoices", 200, marks=SCOPE_GUESSED)
        for what, method, path in (
            ("Id", "get", "{escrow_id}"),
            ("InvoiceId", "find_by_invoice", "by_invoice/{invoice_id}"),
            ("ReferenceId", "list_by_reference", "reference/{reference_id}"),
        )
    ),
    made("refunds", "refundFullInvoice", "refund_invoice", "POST invoicing /v2/refund", "write_invoices", 200, marks=SCOPE_GUESSED),
    made("refunds", "refundLineItemInvoice", "refund_line_item", "POST invoicing /v2/line-item/refund", "write_invoices", 200, marks=SCOPE_GUESSED),
    made("refunds", "getRefundsByInvoiceId", "list", "GET invoicing /v2/invoice/{invoice_id}/refunds", "read_invoices", 200, marks=SCOPE_GUESSED),
    made("payouts", "requestPayout", "request", f"POST invoicing {PAYOUT}", "write_process_credits", marks=(S, D, D)),
    made("payouts", "getAllPayouts", "list", f"GET invoicing {PAYOUT}s", "read_process_credits", 200),
    made("payouts", "getPayout", "get", f"GET invoicing {PAYOUT}/{{payout_status_id}}", "read_process_credits", marks=(S, D, I)),
    made("payouts", "Cancel payout", "cancel", f"DELETE invoicing {PAYOUT}/{{payout_status_id}}", "write_process_credits"),
    fact("payouts", "Execute payout", "- invoicing -", "write_process_credits", marks=NAMED, reason=f"{NO_PATH}; tutorials on staging use it"),
    made("transfers", "Balance transfer", "create", "POST balances /v1/transfer", None, 200, marks=(D, I, U)),
    fact("transfers", "Account credit balance transfer", "- - -", None, marks=NOTHING, reason="named by one tutorial, without a page; `transfers.create` moves balances"),
    made("compliance", "VLatestGetTiliaTOS", "tos_status", "GET accounts /user-info/{account_id}/tos/tilia", "read_accounts", 200),
    made("compliance", "GetKYCStatus", "kyc_status", "GET pii /v1/kyc/{account_id}", "read_kycs", 200),
    made("compliance", "KYBEntityOnboard", "onboard_entity", "POST pii /v1/entity/{account_id}/onboard", None, 200, marks=SCOPE_UNKNOWN),
    fact("compliance", "Text of the terms", "GET accounts /v1/tos", "", 200, marks=(S, S, S), reason="not for servers: a page for users (Tilia's iOS SDK)"),
    fact("compliance", "Own terms status", "GET accounts /v1/user-info/tos/tilia", None, 200, marks=SEEN, reason=NOT_FOR_SERVERS),
    fact("compliance", "Sign the terms", "POST accounts /v1/user-info/tos/tilia", None, 200, marks=SEEN, reason=NOT_FOR_SERVERS),
    *(
        fact("compliance", name, f"{method} pii /v2/kyc", None, 200, marks=SEEN, reason="sensitive data, undocumented, and the user's own token only")
        for name, method in (("Submit KYC", "POST"), ("Poll KYC", "GET"))
    ),
    fact("compliance", "KYC verification session", "- pii -", "verify_kyc", marks=(U, D, D), reason=SCOPE_ONLY),
    fact("compliance", "Reset TOS and KYC", "- - -", None, marks=NOTHING, reason=f"{NO_PATH}: named by one tutorial, staging only if at all"),
    fact("compliance", "Settings of the web pages", "GET web /ui/api/settings/acweb", "", 200, marks=(S, S, S), reason="not for servers: feature flags of Tilia's web pages"),
)  # fmt: skip
"""Facts by noun, in the order of the sheets."""

MADE = {each.here: each for each in FACTS if each.here is not None}
"""The operations that have a method here, by its name."""

CONVENIENCES = {
    "accounts.get_or_register": ("accounts.register",),
    "wallets.wait_until_ready": ("wallets.list",),
    "token_exchanges.buy": ("token_exchanges.start_purchase", "token_exchanges.execute_purchase"),
}
"""Methods that are made of operations.

The tutorials' walks, in one call.
"""

NOTIFICATIONS = (
    Notification("AccountBlockChanged", "account-block-unblock-webhook", "accountBlock", "Account blocked or unblocked"),
    Notification("RegistrationCompleted", "register-account-completed", "registerAccountCompleted", "Account registered"),
    Notification("BalanceTransferCompleted", "balance-transfer-completed-publisher", "balanceTransferCompleted", "Balance transfer completed"),
    Notification("DepositCompleted", "deposit-completed", "depositComplete", "Deposit completed"),
    Notification("EscrowTransactionUpdated", "escrow-transaction-update", "escrowTransactionUpdate", "Escrow transaction updated"),
    Notification("InvoiceCompleted", "invoice-completed", "invoiceComplete", "Invoice completed"),
    Notification("PayoutCompleted", None, "payoutComplete", "Payout completed"),
    Notification("RefundCompleted", "refund-completed", "refundComplete", "Refund completed"),
    Notification("TokenExchangeCompleted", "token-exchange-completed", "tokenExchangeEvent", "Token exchange completed"),
    Notification("PaymentMethodUpdated", "payment-method-updated", "paymentMethodUpdated", "Payment method updated"),
    Notification("KycStateChanged", "kyc-webhook", "kycStatus", "KYC state changed"),
    Notification("KybStatusChanged", None, "kybStatusChange", "KYB status changed"),
    Notification("WalletBalanceAlert", "wallet-balance-alert", "walletBalanceAlert", "Publisher's wallet below a threshold"),
)  # fmt: skip
