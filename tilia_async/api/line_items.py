"""What invoices and escrows are asked for with (fact sheet "money", D, "Request: invoice body").

The checks are made when the request is sent, so that all problems of all parts are told at once, each with its place.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Protocol, TypeVar

import attrs

from tilia_async.json_value import JsonInput
from tilia_async.money import Money
from tilia_async.wire import checks
from tilia_async.wire.amounts import Amount, GivenAmount

T = TypeVar("T")

Problems = dict[str, list[str]]


def _as_tuple(recipients: Iterable[Recipient]) -> tuple[Recipient, ...]:
    # Once, because it may be a generator.
    return tuple(recipients)


class TransactionType(StrEnum):
    """Who receives the money of a line item."""

    USER_TO_USER = "user_to_user"
    USER_TO_INTEGRATOR = "user_to_integrator"


class Part(Protocol):
    """A part of a request."""

    def problems(self) -> Problems:
        """What Tilia would refuse, by field."""
        ...

    def to_json(self) -> dict[str, JsonInput]:
        """What is sent, once there are no problems."""
        ...


@attrs.frozen(kw_only=True)
class Recipient:
    """Who receives a part of a line item.

    Attributes:
        amount: in the smallest unit of the currency, at least 1, or ``Money``.
        currency: three characters, with an amount that is no ``Money``.
        destination_account_id: whose default wallet receives it; or give a wallet.
        destination_wallet_id: the wallet that receives it.
        source_wallet_id: where it is taken from; the default wallet if left out.
        fee_percentage: your share, as a fraction: 0.05 is 5 %.
    """

    amount: Amount
    currency: str | None = None
    destination_account_id: str | None = None
    destination_wallet_id: str | None = None
    source_wallet_id: str | None = None
    reference_type: str | None = None
    reference_id: str | None = None
    description: str | None = None
    metadata: Mapping[str, JsonInput] | None = attrs.field(default=None, hash=False)
    fee_percentage: float | None = None
    fee_description: str | None = None

    def problems(self) -> Problems:
        found = GivenAmount(self.amount, self.currency).problems()
        found |= _wrong_ids(self, "destination_account_id", "destination_wallet_id", "source_wallet_id")
        found |= _wrong_texts(self, "reference_type", "reference_id", "description", "fee_description")
        if self.destination_account_id is None and self.destination_wallet_id is None:
            found["destination_wallet_id"] = ["is missing; give it or destination_account_id"]
        if self.fee_percentage is not None and not _is_fraction(self.fee_percentage):
            found["fee_percentage"] = [f"is a fraction from 0 to 1 (0.05 is 5 %), not {self.fee_percentage!r}"]
        return found

    def to_json(self) -> dict[str, JsonInput]:
        return {**_given(self, leave_out={"amount", "currency"}), **GivenAmount(self.amount, self.currency).fields()}


@attrs.frozen(kw_only=True)
class LineItem:
    """One thing that is bought.

    Attributes:
        amount: in the smallest unit of the currency, at least 1, or ``Money``.
        currency: three characters, with an amount that is no ``Money``.
        transaction_type: who receives it.
        recipients: for ``user_to_user`` only; several share it, e.g. a seller and a royalty.
    """

    amount: Amount
    currency: str | None = None
    transaction_type: TransactionType | str
    recipients: Sequence[Recipient] = attrs.field(default=(), converter=_as_tuple)
    product_sku: str | None = None
    product_code: str | None = None
    reference_type: str | None = None
    reference_id: str | None = None
    description: str | None = None
    metadata: Mapping[str, JsonInput] | None = attrs.field(default=None, hash=False)

    def problems(self) -> Problems:
        found = GivenAmount(self.amount, self.currency).problems()
        known = [each.value for each in TransactionType]
        if self.transaction_type not in known:
            found["transaction_type"] = [f"is one of {', '.join(known)}, not {self.transaction_type!r}"]
        if self.recipients and self.transaction_type == TransactionType.USER_TO_INTEGRATOR:
            found["recipients"] = [f"are for {TransactionType.USER_TO_USER} only"]
        found |= _wrong_texts(self, "product_sku", "product_code", "reference_type", "reference_id", "description")
        kinds = {f"recipients[{index}]": of_kind(each, Recipient) for index, each in enumerate(self.recipients)}
        wrong = {place: reasons for place, reasons in kinds.items() if reasons}
        return found | (wrong or problems_of("recipients", self.recipients))

    def to_json(self) -> dict[str, JsonInput]:
        left_out = {"amount", "currency", "transaction_type", "recipients"}
        sent = {
            **_given(self, leave_out=left_out),
            **GivenAmount(self.amount, self.currency).fields(),
            "transaction_type": checks.plain(self.transaction_type),
        }
        if self.recipients:
            sent["recipients"] = [recipient.to_json() for recipient in self.recipients]
        return sent


@attrs.frozen
class PaymentSource:
    """What is paid with.

    Attributes:
        payment_method_id: at most 36 characters.
        amount: in the smallest unit of the currency, or ``Money``; 0 means the remainder. It may be left out with a
            single source.
    """

    payment_method_id: str
    amount: Amount | None = None

    def problems(self) -> Problems:
        found = _wrong_ids(self, "payment_method_id")
        if self.amount is not None:
            found |= GivenAmount(self.amount, currency_wanted=False, least=0).problems()
        return found

    def to_json(self) -> dict[str, JsonInput]:
        amount = {} if self.amount is None else GivenAmount(self.amount, currency_wanted=False, least=0).fields()
        return {"payment_method_id": self.payment_method_id, **amount}

    @property
    def takes_the_remainder(self) -> bool:
        """Its amount is 0."""
        return self.amount is not None and not (
            self.amount.minor_units if isinstance(self.amount, Money) else self.amount
        )


@attrs.frozen(kw_only=True)
class Location:
    """Where the buyer is, for taxes.

    Attributes:
        country: two letters.
        state: only together with the country.
    """

    country: str | None = None
    state: str | None = None
    postal_code: str | None = None
    type: str = "billing"

    def problems(self) -> Problems:
        if self.state is not None and self.country is None:
            return {"country": ["is missing; a state needs its country"]}
        if self.country is not None and checks.country(self.country):
            return {"country": checks.country(self.country)}
        return _wrong_texts(self, "type", "state", "postal_code")

    def to_json(self) -> dict[str, JsonInput]:
        return {"type": self.type, "address": _given(self, leave_out={"type"})}


def listed(operation: str, field: str, values: Iterable[T], kind: type[T]) -> tuple[T, ...]:
    """What a caller gives as several, once, whatever can be iterated.

    Raises:
        InvalidRequestError: it cannot, is a text, or holds something of another kind.
    """
    checks.refuse(operation, {field: checks.several(values)})
    items = tuple(values)
    checks.refuse(operation, {f"{field}[{index}]": of_kind(item, kind) for index, item in enumerate(items)})
    return items


def of_kind(value: object, kind: type) -> list[str]:
    """Whether a part is what it has to be."""
    return [] if isinstance(value, kind) else [f"is {kind.__name__}, not {type(value).__name__}"]


def problems_of(field: str, parts: Iterable[Part]) -> Problems:
    """The problems of a list of parts, each with its place, e.g. ``line_items[0].recipients[1].amount``."""
    return {
        f"{field}[{index}].{name}": reasons
        for index, part in enumerate(parts)
        for name, reasons in part.problems().items()
    }


def problems_of_sources(sources: Sequence[PaymentSource]) -> Problems:
    """With several sources exactly one takes the remainder (fact sheet "money", D, "payment_methods")."""
    found = problems_of("payment_methods", sources)
    remainders = sum(source.takes_the_remainder for source in sources)
    if len(sources) > 1 and remainders != 1:
        found["payment_methods"] = [f"needs exactly one with amount 0, which takes the remainder; {remainders} have it"]
    return found


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
