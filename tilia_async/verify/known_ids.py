"""Ids that requests need, gathered from the answers of others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, cast

import attrs

from tilia_async.models.accounts import Account, RegisteredAccount
from tilia_async.models.escrow import Escrow
from tilia_async.models.invoices import AuthorizedInvoice, Invoice, InvoicePage, InvoiceSubitem
from tilia_async.models.payment_methods import PaymentMethod
from tilia_async.models.payouts import Payout
from tilia_async.models.registration import StartedRegistration
from tilia_async.models.token_exchanges import TokenExchange
from tilia_async.wire.operation import Operation

_MADE_UP: Final = "tilia_sdk_verify_no_such_id"
"""Well-formed id that nothing has."""


@attrs.frozen
class KnownIds:
    """Ids by the names of path parameters.

    Attributes:
        found: the first of each kind that an answer told of, or that was given.
        given: the names of those that no answer has told yet.
    """

    found: dict[str, str] = attrs.field(factory=dict[str, str], repr=False)
    given: set[str] = attrs.field(factory=set[str])

    def knows(self, operation: Operation[object]) -> bool:
        """Return True if all ids of its path are known."""
        return all(name in self.found for name in operation.parameters)

    def proves(self, operation: Operation[object]) -> bool:
        """Return True if answers told all ids of its path."""
        return self.knows(operation) and self.given.isdisjoint(operation.parameters)

    def path(self, operation: Operation[object]) -> Mapping[str, str]:
        """Return the path parameters, made up where unknown."""
        return {name: self.found.get(name, _MADE_UP) for name in operation.parameters}

    def learn(self, value: object) -> None:
        """Note the ids that a typed answer tells of."""
        for name, found in _ids_in(value):
            if isinstance(found, str) and found:
                self.found.setdefault(name, found)
                if self.found[name] == found:
                    self.given.discard(name)


_FIELDS: Final[Mapping[type, Mapping[str, str]]] = {
    Account: {"account_id": "account_id", "username": "username"},
    RegisteredAccount: {"account_id": "account_id", "username": "username"},
    PaymentMethod: {"payment_method_id": "id"},
    Invoice: {"invoice_id": "invoice_id"},
    InvoiceSubitem: {"token_exchange_id": "exchange_id"},
    AuthorizedInvoice: {"authorized_invoice_id": "authorized_invoice_id"},
    Escrow: {"escrow_id": "id", "escrow_invoice_id": "escrow_invoice_id"},
    Payout: {"payout_status_id": "payout_status_id"},
    TokenExchange: {"token_exchange_id": "token_exchange_id"},
    StartedRegistration: {"registration_id": "registration_id"},
}
"""Fields that tell an id, by model and id."""


def _ids_in(value: object) -> Iterator[tuple[str, object]]:
    for name, field in _FIELDS.get(type(value), {}).items():
        yield name, getattr(value, field)
    if isinstance(value, PaymentMethod) and value.is_wallet:
        yield from (("wallet_id", value.wallet_id), ("wallet_method_id", value.id))
        yield "currency" if value.currency == "USD" else "token", value.currency
    items: Iterable[object] = ()
    if isinstance(value, list):
        items = cast("list[object]", value)
    elif isinstance(value, InvoicePage):
        items = value.invoices
    elif isinstance(value, Invoice):
        items = value.subitems
    for item in items:
        yield from _ids_in(item)
