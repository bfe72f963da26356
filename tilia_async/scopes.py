"""The scopes an access token can carry."""

from enum import StrEnum


class Scope(StrEnum):
    """A scope of the ``client_credentials`` grant (fact sheet "accounts", A3; "money", A to E).

    The list is what Tilia's documentation and SDKs name. A scope that is not listed here can be asked for with its
    plain name wherever a ``Scope`` is accepted.
    """

    WRITE_REGISTRATIONS = "write_registrations"
    SEARCH_ACCOUNTS = "search_accounts"
    READ_ACCOUNTS = "read_accounts"
    CHANGE_ACCOUNTS = "change_accounts"
    BLOCK_ACCOUNTS = "block_accounts"
    UNBLOCK_ACCOUNTS = "unblock_accounts"
    WRITE_USER_TOKENS = "write_user_tokens"
    USER_INFO = "user_info"
    READ_PAYMENT_METHODS = "read_payment_methods"
    WRITE_PAYMENT_METHOD = "write_payment_method"
    READ_WALLETS = "read_wallets"
    CREATE_WALLET = "create_wallet"
    READ_TOKENS = "read_tokens"
    WRITE_TOKENS = "write_tokens"
    READ_INVOICES = "read_invoices"
    WRITE_INVOICES = "write_invoices"
    READ_PROCESS_CREDITS = "read_process_credits"
    WRITE_PROCESS_CREDITS = "write_process_credits"
    READ_KYCS = "read_kycs"
    VERIFY_KYC = "verify_kyc"
