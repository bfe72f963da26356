"""Bodies and queries of requests.

As they go on the wire.

Operations declare them. Nobody makes an object of them: a type checker, ``send``, the sandbox and the OpenAPI document
read which fields there are. Fields of their parts are told where the parts are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, NotRequired, TypedDict

from tilia_async.field_types import (
    AT_LEAST_ONE,
    Count,
    CountryCode,
    CurrencyCode,
    EmailAddress,
    Id,
    MinorUnits,
    Offset,
    Password,
    Text,
    Uuid,
    Word,
    text_of,
)
from tilia_async.json_value import JsonInput
from tilia_async.models.accounts import AccountProfile, ExternalPlatform
from tilia_async.models.invoices import InvoiceMechanism
from tilia_async.models.line_items import LineItem, PaymentSource
from tilia_async.models.refunds import RefundReason, RefundStatus
from tilia_async.models.transfers import TransferItem

LONGEST_USERNAME = 64
"""Longest username of a registration in one step.

In characters (fact sheet "accounts", B1).
"""


class NoFields(TypedDict):
    """A body or query without any field."""


class EmailFields(TypedDict):
    """E-mail address of a user, as a registration sends it."""

    address: EmailAddress
    """E-mail address."""
    requires_verification: NotRequired[bool]
    """True if the user has to confirm the address."""


class PlatformFields(TypedDict):
    """User on one external platform."""

    user_id: Word
    """Id of the user on that platform."""


class UpdateBody(AccountProfile, total=False):
    """Changes to a user's profile (fact sheet "accounts", C3)."""

    email: EmailFields
    """E-mail address; not together with ``external_platforms``."""
    external_platforms: Mapping[ExternalPlatform, PlatformFields]
    """Users on external platforms; not together with ``email``."""


class RegisterBody(UpdateBody):
    """Registration in one step (fact sheet "accounts", B1)."""

    username: Annotated[str, text_of(longest=LONGEST_USERNAME)]
    """Username, unique among your users."""


class AuthorizeUserBody(TypedDict):
    """Access for one user (fact sheet "accounts", A2)."""

    account_id: Id
    """Account that is let in."""
    return_token: NotRequired[bool]
    """True for a token instead of a redirect."""
    mechanism: NotRequired[Word]
    """``tilia_hosted`` for a page that Tilia hosts."""
    flow: NotRequired[Word]
    """Page, for hosted ones, e.g. ``kyc``."""
    token_expiration_seconds: NotRequired[Count | Word]
    """Lifetime of the token in seconds.

    Tilia's schema says text, and its sample is a number.
    """


class StartRegistrationBody(TypedDict):
    """First step of a registration (fact sheet "accounts", B2)."""

    username: EmailAddress
    """Username, in the form of an e-mail address."""
    password: Password
    """Password, with a letter and a digit or symbol."""
    email: EmailAddress
    """E-mail address."""
    tos: NotRequired[bool]
    """True if the user accepted your own terms."""
    tracking_id: NotRequired[Uuid]
    """UUID of yours."""
    metadata: NotRequired[Text]
    """Text that comes back unchanged; it is not secure."""


class BlockCapabilityBody(TypedDict):
    """Block of a capability (fact sheet "accounts", C6)."""

    account_id: Id
    """Account to block."""
    block_capability: Word
    """Capability; ``login`` covers all others."""
    block_reason: Word
    """Reason; ``account_close`` is documented."""
    note: NotRequired[Text]
    """Note of yours."""


class MergeBody(TypedDict):
    """Merger of two accounts (fact sheet "accounts", C9)."""

    source_account_id: Id
    """Account that is closed."""
    destination_account_id: Id
    """Account that remains."""


class CustomWalletBody(TypedDict):
    """Wallet of a type set up for you (fact sheet "money", A4)."""

    account_id: Id
    """Account that gets it."""
    wallet_type: Word
    """Type, as agreed with Tilia."""
    tags: NotRequired[Sequence[Word]]
    """Tags, e.g. ``coin:TOK``."""


class UpdateMethodBody(TypedDict, total=False):
    """Changes to a payment method (fact sheet "money", B4)."""

    display_string: Word
    """Text that the user sees."""
    default_payment: bool | Literal["true", "false"]
    """True if it is offered first for purchases."""
    default_payout: bool | Literal["true", "false"]
    """True if it is offered first for payouts."""


class AddressFields(TypedDict, total=False):
    """Address of a buyer, for taxes."""

    country: CountryCode
    """Country, two letters."""
    state: Text
    """State or province; only together with the country."""
    postal_code: Text | int
    """Postal code."""


class LocationFields(TypedDict):
    """Place of the buyer, for taxes."""

    type: Text
    """Kind of the address, ``billing``."""
    address: AddressFields
    """Address itself."""


class PurchaseBody(TypedDict):
    """Purchase of tokens (fact sheet "money", C1)."""

    payment_method_id: Id
    """Payment method that pays."""
    amount: MinorUnits
    """Number of tokens, in the token's smallest unit."""
    currency: CurrencyCode
    """Code of the token."""
    destination_account_id: NotRequired[Id]
    """Account that gets them; the payer's if left out."""
    tax_inclusive: NotRequired[bool]
    """True if taxes are part of the price."""
    location: NotRequired[LocationFields]
    """Place of the buyer, for taxes."""


class ConversionBody(TypedDict):
    """Conversion of tokens into money (fact sheet "money", C3)."""

    account_id: Id
    """Account whose tokens they are."""
    amount: NotRequired[MinorUnits]
    """Number of tokens; all of them if left out."""
    currency: NotRequired[CurrencyCode]
    """Code of the token; needed if there are several."""


class BillFields(TypedDict):
    """Fields that invoices and escrows share."""

    account_id: Id
    """Account of the buyer."""
    line_items: Annotated[Sequence[LineItem], AT_LEAST_ONE]
    """Things that are bought."""
    invoice_type: NotRequired[Text]
    """Type of the invoice; Tilia's default if left out."""
    reference_type: NotRequired[Text]
    """Kind of ``reference_id``, e.g. ``order``."""
    reference_id: NotRequired[Text]
    """Reference of your own."""
    description: NotRequired[Text]
    """Description for people."""
    metadata: NotRequired[JsonInput]
    """Data of your own: any JSON; not private."""
    tax_inclusive: NotRequired[bool]
    """True if the amounts include taxes."""
    location: NotRequired[LocationFields]
    """Place of the buyer, for taxes."""


class InvoiceBody(BillFields):
    """Invoice or escrow (fact sheet "money", D1 and D7)."""

    payment_methods: NotRequired[Sequence[PaymentSource]]
    """Payment methods that pay; left out for tokens."""


class PayAuthorizedBody(TypedDict):
    """Invoice or escrow that was authorized before.

    Tilia's iOS SDK sends it, with the user's own token (fact sheet "money", "Request: invoice body").
    """

    authorized_invoice_id: Id
    """Authorized invoice."""
    payment_methods: Sequence[PaymentSource]
    """Payment methods that pay."""


class AuthorizeInvoiceBody(BillFields):
    """Invoice to be paid in Tilia's pages (fact sheet "money", D5)."""

    invoice_mechanism: InvoiceMechanism | str
    """Place where it is paid."""
    is_escrow: NotRequired[bool]
    """True if the money is held until a commit."""


class RefundFields(TypedDict, total=False):
    """Words about a refund."""

    sub_reason: Text
    """Text of yours."""
    note: Text
    """Text of yours."""


class RefundInvoiceBody(RefundFields):
    """Refund of an invoice (fact sheet "money", D8)."""

    invoice_id: Id
    """Invoice; of an escrow its ``escrow_invoice_id``."""
    reason: NotRequired[RefundReason]
    """Reason of the refund."""


class RefundLineItemBody(RefundFields):
    """Refund of a part of a line item (fact sheet "money", D8)."""

    line_item_id: Id
    """Line item."""
    amount: MinorUnits
    """Amount in the smallest unit of the line item's currency."""
    payment_methods: Annotated[Sequence[Id], AT_LEAST_ONE]
    """Payment methods that get it, in order."""
    reason: RefundReason
    """Reason of the refund."""


class PayoutBody(TypedDict):
    """Payout to the world outside (fact sheet "money", E)."""

    source_payment_method_id: Id
    """Payment method of the wallet it comes from."""
    destination_payment_method_id: Id
    """Payment method that receives it."""
    amount: MinorUnits
    """Amount in the smallest unit of ``currency``."""
    currency: CurrencyCode
    """Currency code, three characters."""


class TransferBody(TypedDict):
    """Balance transfer between wallets (fact sheet "money", A8)."""

    account_id: Id
    """Primary account."""
    balance_transfer_type: Word
    """Type, as agreed with Tilia, e.g. ``fund_user``."""
    transfer_items: Annotated[Sequence[TransferItem], AT_LEAST_ONE]
    """Movements."""
    reference_type: NotRequired[Text]
    """Kind of ``reference_id``."""
    reference_id: NotRequired[Text]
    """Reference of your own."""
    description: NotRequired[Text]
    """Description for people."""
    metadata: NotRequired[JsonInput]
    """Data of your own: any JSON."""


class OnboardBody(TypedDict):
    """Business to be checked (fact sheet "compliance-webhooks", D)."""

    entity_name: Word
    """Name of the business."""
    user_email: NotRequired[EmailAddress]
    """E-mail address; the account's if left out."""
    jurisdiction: NotRequired[Literal["domestic", "international"]]
    """Jurisdiction; Tilia ignores it by now."""


class FindQuery(TypedDict):
    """Username to look for (fact sheet "accounts", C2)."""

    username: Annotated[str, text_of(longest=254)]
    """Username as a whole."""


class BalancesQuery(TypedDict, total=False):
    """Choice of balances (fact sheet "money", A1)."""

    currency: CurrencyCode
    """Currency code; all of them if left out."""


class MethodsQuery(TypedDict, total=False):
    """Choice of payment methods (fact sheet "money", B3)."""

    state: Word
    """``all`` for inactive ones as well."""
    capability: Word
    """``purchase``, ``payout`` or ``deposit``."""


class PageQuery(TypedDict, total=False):
    """Page of a list (fact sheet "money", 0.9)."""

    limit: Count
    """Items on a page; 100 if left out."""
    offset: Offset
    """Items before the page."""
    sort: Literal["asc", "desc"]
    """Direction; ``desc`` if left out."""


class InvoicesQuery(PageQuery, total=False):
    """Choice of invoices (fact sheet "money", D4)."""

    states: Word
    """States, parted by commas; all if left out."""
    invoice_types: Word
    """Types, parted by commas."""
    include_recipient_transactions: bool
    """True for those that the account received from."""
    sort_field: Literal["created", "updated"]
    """Field to sort by; ``updated`` if left out."""


class EscrowsQuery(PageQuery, total=False):
    """Choice of escrows (fact sheet "money", 0.9)."""

    status: Word
    """States, parted by commas; all if left out."""
    sortField: Literal["created", "updated"]
    """Field to sort by; ``updated`` if left out."""


class RefundsQuery(TypedDict, total=False):
    """Choice of refunds (fact sheet "money", D8)."""

    status: RefundStatus | str
    """State; ``REFUND-SUCCESS`` if left out."""
