"""Line items of a new invoice or escrow (fact sheet "money", D, "Request: invoice body").

The checks are made when the request is sent, so that all problems of all parts are told at once, each with its place.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Annotated

import attrs

from tilia_async import checks
from tilia_async.field_types import AMOUNT, AMOUNT_OR_REST, CURRENCY, FRACTION, ID, TEXT, WANTED, one_of
from tilia_async.json_model import JsonModel
from tilia_async.json_value import JsonInput
from tilia_async.models.amount import Amount, AmountArgument
from tilia_async.models.request_part import Problems, body_of, of_kind, problems_of
from tilia_async.money import Money


def _as_tuple(recipients: Iterable[Recipient]) -> tuple[Recipient, ...]:
    # Once, because it may be a generator.
    return tuple(recipients)


class TransactionType(StrEnum):
    """Receiver of the money of a line item."""

    USER_TO_USER = "user_to_user"
    USER_TO_INTEGRATOR = "user_to_integrator"


@attrs.frozen(kw_only=True, eq=False, repr=False)
class Recipient(JsonModel):
    """Recipient of a part of a line item."""

    amount: Annotated[Amount, AMOUNT]
    """Amount, at least 1.

    In the smallest unit of the currency, or ``Money``.
    """
    currency: Annotated[str | None, CURRENCY] = None
    """Currency code, three characters.

    With an amount that is not ``Money``.
    """
    destination_account_id: Annotated[str | None, ID] = None
    """Account whose default wallet receives it; or give a wallet."""
    destination_wallet_id: Annotated[str | None, ID] = None
    """Wallet that receives."""
    source_wallet_id: Annotated[str | None, ID] = None
    """Wallet that pays; the default wallet if left out."""
    reference_type: Annotated[str | None, TEXT] = None
    """Kind of ``reference_id``, as you gave it; may be empty."""
    reference_id: Annotated[str | None, TEXT] = None
    """Reference of your own; may be empty."""
    description: Annotated[str | None, TEXT] = None
    """Description, as it was given; may be empty."""
    metadata: Mapping[str, JsonInput] | None = attrs.field(default=None, hash=False)
    """Data of your own, as they were given: any JSON."""
    fee_percentage: Annotated[float | None, FRACTION] = None
    """Your share as a fraction: 0.05 is 5 %."""
    fee_description: Annotated[str | None, TEXT] = None
    """Text that the fee is shown with."""

    def problems(self) -> Problems:
        found = AmountArgument(self.amount, self.currency).problems()
        found |= _wrong_ids(self, "destination_account_id", "destination_wallet_id", "source_wallet_id")
        found |= _wrong_texts(self, "reference_type", "reference_id", "description", "fee_description")
        if self.destination_account_id is None and self.destination_wallet_id is None:
            found["destination_wallet_id"] = ["is missing; give it or destination_account_id"]
        if self.fee_percentage is not None and not _is_fraction(self.fee_percentage):
            found["fee_percentage"] = [f"is a fraction from 0 to 1 (0.05 is 5 %), not {self.fee_percentage!r}"]
        return found

    def _to_body(self) -> dict[str, JsonInput]:
        return {**_given(self, leave_out={"amount", "currency"}), **AmountArgument(self.amount, self.currency).fields()}


@attrs.frozen(kw_only=True, eq=False, repr=False)
class LineItem(JsonModel):
    """Thing that is bought."""

    amount: Annotated[Amount, AMOUNT]
    """Amount, at least 1.

    In the smallest unit of the currency, or ``Money``.
    """
    currency: Annotated[str | None, CURRENCY, WANTED] = None
    """Currency code, three characters.

    With an amount that is not ``Money``.
    """
    transaction_type: Annotated[TransactionType | str, one_of(TransactionType)]
    """Receiver of the money: other users, or you."""
    recipients: Sequence[Recipient] = attrs.field(default=(), converter=_as_tuple)
    """Recipients, for ``user_to_user`` only.

    Several share it, e.g. a seller and a royalty.
    """
    product_sku: Annotated[str | None, TEXT] = None
    """Your stock-keeping unit."""
    product_code: Annotated[str | None, TEXT] = None
    """Your product code."""
    reference_type: Annotated[str | None, TEXT] = None
    """Kind of ``reference_id``, as you gave it; may be empty."""
    reference_id: Annotated[str | None, TEXT] = None
    """Reference of your own; may be empty."""
    description: Annotated[str | None, TEXT] = None
    """Description, as it was given; may be empty."""
    metadata: Mapping[str, JsonInput] | None = attrs.field(default=None, hash=False)
    """Data of your own, as they were given: any JSON."""

    def problems(self) -> Problems:
        found = AmountArgument(self.amount, self.currency).problems()
        if unknown := checks.one_of(self.transaction_type, TransactionType):
            found["transaction_type"] = unknown
        if self.recipients and self.transaction_type == TransactionType.USER_TO_INTEGRATOR:
            found["recipients"] = [f"are for {TransactionType.USER_TO_USER} only"]
        found |= _wrong_texts(self, "product_sku", "product_code", "reference_type", "reference_id", "description")
        kinds = {f"recipients[{index}]": of_kind(each, Recipient) for index, each in enumerate(self.recipients)}
        wrong = {place: reasons for place, reasons in kinds.items() if reasons}
        return found | (wrong or problems_of("recipients", self.recipients))

    def _to_body(self) -> dict[str, JsonInput]:
        left_out = {"amount", "currency", "transaction_type", "recipients"}
        sent = {
            **_given(self, leave_out=left_out),
            **AmountArgument(self.amount, self.currency).fields(),
            "transaction_type": checks.plain(self.transaction_type),
        }
        if self.recipients:
            sent["recipients"] = [body_of(recipient) for recipient in self.recipients]
        return sent


@attrs.frozen(eq=False, repr=False)
class PaymentSource(JsonModel):
    """Payment method that pays, with its part."""

    payment_method_id: Annotated[str, ID]
    """Payment method, at most 36 characters."""
    amount: Annotated[Amount | None, AMOUNT_OR_REST] = None
    """Amount; 0 means the remainder.

    In the smallest unit of the currency, or ``Money``. It may be left out with a single source.
    """

    def problems(self) -> Problems:
        found = _wrong_ids(self, "payment_method_id")
        if self.amount is not None:
            found |= AmountArgument(self.amount, currency_wanted=False, least=0).problems()
        return found

    def _to_body(self) -> dict[str, JsonInput]:
        amount = {} if self.amount is None else AmountArgument(self.amount, currency_wanted=False, least=0).fields()
        return {"payment_method_id": self.payment_method_id, **amount}


@attrs.frozen(kw_only=True, eq=False, repr=False)
class Location(JsonModel):
    """Place of the buyer, for taxes."""

    country: str | None = None
    """Country, two letters."""
    state: str | None = None
    """State or province; only together with the country."""
    postal_code: str | None = None
    """Postal code."""
    type: str = "billing"
    """Kind of the address."""

    def problems(self) -> Problems:
        if self.state is not None and self.country is None:
            return {"country": ["is missing; a state needs its country"]}
        if self.country is not None and checks.country(self.country):
            return {"country": checks.country(self.country)}
        return _wrong_texts(self, "type", "state", "postal_code")

    def _to_body(self) -> dict[str, JsonInput]:
        return {"type": self.type, "address": _given(self, leave_out={"type"})}


def problems_of_sources(sources: Sequence[PaymentSource]) -> Problems:
    """Return the problems of payment sources.

    Of several, exactly one takes the remainder.

    Source: fact sheet "money", D, "payment_methods".
    """
    found = problems_of("payment_methods", sources)
    remainders = sum(_takes_the_remainder(source) for source in sources)
    if len(sources) > 1 and remainders != 1:
        found["payment_methods"] = [f"needs exactly one with amount 0, which takes the remainder; {remainders} have it"]
    return found


def _takes_the_remainder(source: PaymentSource) -> bool:
    amount = source.amount
    return amount is not None and not (amount.minor_units if isinstance(amount, Money) else amount)


def _is_fraction(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1


def _wrong_ids(part: attrs.AttrsInstance, *fields: str) -> Problems:
    values = {field: getattr(part, field) for field in fields}
    found = {field: checks.identifier(value) for field, value in values.items() if value is not None}
    return {field: reasons for field, reasons in found.items() if reasons}


def _wrong_texts(part: attrs.AttrsInstance, *fields: str) -> Problems:
    values = {field: getattr(part, field) for field in fields}
    found = {field: checks.text(value, shortest=0) for field, value in values.items() if value is not None}
    return {field: reasons for field, reasons in found.items() if reasons}


def _given(part: attrs.AttrsInstance, leave_out: Iterable[str] = ()) -> dict[str, JsonInput]:
    fields = {each.name: getattr(part, each.name) for each in attrs.fields(type(part)) if each.name not in leave_out}
    return {name: value for name, value in fields.items() if value is not None}
