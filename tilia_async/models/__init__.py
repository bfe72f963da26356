"""Types of all results, and of what requests contain.

All results, and the objects that requests are made of.
"""

from tilia_async.models.accounts import (
    Account,
    AccountBlocks,
    AccountEmail,
    AccountProfile,
    Block,
    BlockStatus,
    ExternalPlatform,
    PlatformUser,
    RegisteredAccount,
)
from tilia_async.models.amount import Amount
from tilia_async.models.auth import Redirect, UserToken
from tilia_async.models.compliance import (
    KycMatchCheck,
    KycRequirements,
    KycState,
    KycStatus,
    OnboardedEntity,
    PiiLevel,
    TosStatus,
)
from tilia_async.models.escrow import Escrow, EscrowPage, EscrowStatus
from tilia_async.models.invoices import (
    AuthorizedInvoice,
    AuthorizedInvoiceDetails,
    Invoice,
    InvoiceDetails,
    InvoiceLineItem,
    InvoiceMechanism,
    InvoicePage,
    InvoicePaymentMethod,
    InvoiceRecipient,
    InvoiceState,
    InvoiceSubitem,
)
from tilia_async.models.line_items import LineItem, Location, PaymentSource, Recipient, TransactionType
from tilia_async.models.payment_methods import (
    Capabilities,
    CustomWallet,
    PaymentMethod,
    PaymentMethodState,
    TransactionMethods,
    WalletDetails,
)
from tilia_async.models.payouts import Payout, PayoutCredit, PayoutFlow, PayoutStatus
from tilia_async.models.refunds import InvoiceRefunds, Refund, RefundedPayment, RefundReason, RefundStatus
from tilia_async.models.registration import CompletedRegistration, StartedRegistration
from tilia_async.models.tags import Tag
from tilia_async.models.token_exchanges import ExchangeDirection, ExchangeStatus, RateDirection, TokenExchange
from tilia_async.models.totals import Summary, Total
from tilia_async.models.transfers import BalanceTransfer, TransferItem, TransferStatus
from tilia_async.models.wallets import AccountBalances, BalanceAmount, CurrencyBalance, Wallet

__all__ = [
    "Account",
    "AccountBalances",
    "AccountBlocks",
    "AccountEmail",
    "AccountProfile",
    "Amount",
    "AuthorizedInvoice",
    "AuthorizedInvoiceDetails",
    "BalanceAmount",
    "BalanceTransfer",
    "Block",
    "BlockStatus",
    "Capabilities",
    "CompletedRegistration",
    "CurrencyBalance",
    "CustomWallet",
    "Escrow",
    "EscrowPage",
    "EscrowStatus",
    "ExchangeDirection",
    "ExchangeStatus",
    "ExternalPlatform",
    "Invoice",
    "InvoiceDetails",
    "InvoiceLineItem",
    "InvoiceMechanism",
    "InvoicePage",
    "InvoicePaymentMethod",
    "InvoiceRecipient",
    "InvoiceRefunds",
    "InvoiceState",
    "InvoiceSubitem",
    "KycMatchCheck",
    "KycRequirements",
    "KycState",
    "KycStatus",
    "LineItem",
    "Location",
    "OnboardedEntity",
    "PaymentMethod",
    "PaymentMethodState",
    "PaymentSource",
    "Payout",
    "PayoutCredit",
    "PayoutFlow",
    "PayoutStatus",
    "PiiLevel",
    "PlatformUser",
    "RateDirection",
    "Recipient",
    "Redirect",
    "Refund",
    "RefundReason",
    "RefundStatus",
    "RefundedPayment",
    "RegisteredAccount",
    "StartedRegistration",
    "Summary",
    "Tag",
    "TokenExchange",
    "TosStatus",
    "Total",
    "TransactionMethods",
    "TransactionType",
    "TransferItem",
    "TransferStatus",
    "UserToken",
    "Wallet",
    "WalletDetails",
]
