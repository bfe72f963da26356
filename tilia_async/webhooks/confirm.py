"""Asking Tilia whether a notification tells the truth.

Anybody who knows the URL can post a notification, so what it says is only a hint. A look-up over the API cannot be
forged. What it does not say as well, no handler sees.
"""

# The values are what a server or a stranger sent: of unknown type until they are compared.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from enum import Enum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar

import attrs

from tilia_async.api.accounts import AccountEmail
from tilia_async.api.refunds import Refund, RefundStatus
from tilia_async.errors import ConfigurationError, InvalidRequestError, NotFoundError, WebhookError
from tilia_async.json_value import JsonValue
from tilia_async.webhooks.account_events import (
    AccountBlockChanged,
    KycStateChanged,
    PaymentMethodUpdated,
    RegistrationCompleted,
)
from tilia_async.webhooks.event import Event, frozen_object
from tilia_async.webhooks.money_events import (
    EscrowTransactionUpdated,
    InvoiceCompleted,
    RefundCompleted,
    TokenExchangeCompleted,
    WalletBalanceAlert,
)
from tilia_async.webhooks.values import NotifiedRefund
from tilia_async.wire.codec import PayloadError, decode

if TYPE_CHECKING:
    from tilia_async.client import TiliaClient

E = TypeVar("E", bound=Event)

Facts: TypeAlias = Mapping[str, object]
"""What the API says, by the names that the event's fields have."""

_ENVELOPE: Final = frozenset(field.name for field in attrs.fields(Event))
_MOVING: Final = frozenset({"updated"})
"""Changes with every change, so that another value later is no contradiction."""


class ContradictedError(WebhookError):
    """Tilia's API says something else than the notification."""


async def confirm(tilia: TiliaClient, event: Event) -> Event:
    """Compare an event with what Tilia's API says now.

    Returns:
        The event with those fields that the API says as well; all others have their defaults, ``sent_at`` too.

    Raises:
        ContradictedError: the API says something else, knows no such thing, or the event does not say enough.
        ConfigurationError: there is no look-up for events of this class.
        TiliaError: the look-up failed; nothing is known.
    """
    name = type(event).__name__
    check = CHECKS.get(type(event))
    if check is None:
        raise ConfigurationError(f"{name} cannot be confirmed: there is no look-up for it")
    contradicted = ContradictedError(f"{name}: Tilia's API does not say the same")
    if not _is_set(getattr(event, check.named)):
        raise contradicted
    try:
        facts = await check.read(tilia, event)
    except (NotFoundError, InvalidRequestError):
        raise contradicted from None
    confirmed = _confirmed(event, facts)
    if not all(_is_set(getattr(confirmed, field)) for field in (check.named, *check.required)):
        raise contradicted
    return confirmed


@attrs.frozen
class Check:
    """How the events of a class are confirmed.

    Attributes:
        named: the field with the id to look up.
        required: what else the API has to say as well; without that an event says nothing.
        read: the look-up.
    """

    named: str
    required: tuple[str, ...]
    read: Callable[[TiliaClient, Event], Awaitable[Facts]]


def _confirmed(event: Event, facts: Facts) -> Event:
    agreed: dict[str, Any] = {}
    message: dict[str, JsonValue] = {}
    for field in attrs.fields(type(event)):
        if field.name in _ENVELOPE:
            continue
        value = _agreed(field.name, getattr(event, field.name), facts.get(field.name))
        if value is not None:
            agreed[field.name], message[field.name] = value, _plain(value)
    return type(event)(event_name=event.NAME, message=frozen_object(message), **agreed)


def _agreed(name: str, told: object, known: object) -> object:
    """What is told and known as well; None for what nobody can say.

    Raises:
        ContradictedError: something else is known.
    """
    if not _is_set(told) or not _is_set(known):
        return None
    if isinstance(told, tuple):
        return _agreed_entries(name, told, known)
    if attrs.has(type(known)):
        return _agreed_model(name, told, known)
    # Metadata may come as a text or as an object, and other forms cannot be compared.
    if isinstance(told, str) is not isinstance(known, str) or isinstance(told, Mapping) is not isinstance(
        known, Mapping
    ):
        return None
    if told == known:
        return told
    if name in _MOVING:
        return None
    raise ContradictedError(f"Tilia's API says something else about {name}")


def _agreed_model(name: str, told: object, known: object) -> object:
    """A part of an event that is an object: the event may have it as it came, or as a model."""
    fields = _names(known)
    if not isinstance(told, Mapping):
        parts = {field: _agreed(field, getattr(told, field, None), getattr(known, field)) for field in fields}
        parts = {field: value for field, value in parts.items() if value is not None}
        return type(known)(**parts) if parts else None
    try:
        read: object = decode(dict(told), type(known))
    except PayloadError:
        raise ContradictedError(f"{name} cannot be read") from None
    found: dict[str, object] = {}
    for field in fields:
        inner = told.get(field)
        value = _agreed(field, inner if isinstance(inner, Mapping) else getattr(read, field), getattr(known, field))
        if value is not None:
            found[field] = _plain(value)
    return found or None


def _agreed_entries(name: str, told: Sequence[object], known: object) -> object:
    """The entries of a list. Those that the event has as they came have no documented form to compare."""
    if not isinstance(known, tuple) or not all(attrs.has(type(entry)) for entry in told):
        return None
    found: list[object] = []
    for entry in told:
        key = _names(entry)[0]
        same = [each for each in known if _is_set(getattr(entry, key)) and getattr(each, key) == getattr(entry, key)]
        if not same:
            raise ContradictedError(f"Tilia's API does not know all {name}")
        found.append(_agreed_model(name, entry, same[0]))
    return tuple(found)


def _is_set(value: object) -> bool:
    return value is not None and value != "" and not (isinstance(value, tuple | list | Mapping) and not value)


def _plain(value: object) -> Any:
    """As JSON has it."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, tuple | list):
        return [_plain(each) for each in value]
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    return _plain(_fields(value)) if attrs.has(type(value)) else value


def _fields(model: Any) -> Facts:
    """What a model says, by its own names."""
    return {name: value for name in _names(model) if _is_set(value := getattr(model, name))}


def _names(model: Any) -> list[str]:
    return [field.name for field in attrs.fields(type(model))]


def _check(
    kind: type[E], named: str, required: tuple[str, ...], read: Callable[[TiliaClient, E], Awaitable[Facts]]
) -> tuple[type[Event], Check]:
    """A row of the table, see :class:`Check`."""

    async def read_of(tilia: TiliaClient, event: Event) -> Facts:
        return await read(tilia, event) if isinstance(event, kind) else {}

    return kind, Check(named, required, read_of)


async def _block(tilia: TiliaClient, event: AccountBlockChanged) -> Facts:
    return _fields(await tilia.accounts.get(event.account_id or ""))


async def _registration(tilia: TiliaClient, event: RegistrationCompleted) -> Facts:
    account = await tilia.accounts.get(event.account_id or "")
    return {**_fields(account), "email": AccountEmail(address=account.email) if account.email else None}


async def _payment_method(tilia: TiliaClient, event: PaymentMethodUpdated) -> Facts:
    methods = await tilia.payment_methods.list(event.account_id or "")
    for method in methods:
        if method.id == event.payment_method_id:
            # It is one of this account's, whether it says so itself or not.
            account_id = method.account_id or event.account_id
            return {"account_id": account_id, "payment_method_id": method.id, "state": method.pm_state}
    return {}


async def _invoice(tilia: TiliaClient, event: InvoiceCompleted) -> Facts:
    return _fields(await tilia.invoices.get(event.invoice_id or ""))


async def _escrow(tilia: TiliaClient, event: EscrowTransactionUpdated) -> Facts:
    return _fields(await tilia.escrow.get(event.id or ""))


async def _refund(tilia: TiliaClient, event: RefundCompleted) -> Facts:
    payment_invoice_id = event.payment_invoice_id or ""
    # Tilia lists the refunds of one status at a time, and of itself only those that were made.
    made = bool(event.successful_refunds) or not event.failed_refunds
    successful, ids = await _refunds(tilia, payment_invoice_id, RefundStatus.SUCCESS) if made else ([], set[str]())
    failed, more = (
        await _refunds(tilia, payment_invoice_id, RefundStatus.FAILED) if event.failed_refunds else ([], set[str]())
    )
    if event.invoice_id not in ids | more:
        return {}
    facts: dict[str, object] = {"payment_invoice_id": payment_invoice_id, "invoice_id": event.invoice_id}
    for field, refunds in (("successful_refunds", successful), ("failed_refunds", failed)):
        facts[field] = tuple(
            NotifiedRefund(refund.refund_id, refund.amount, refund.currency)
            for refund in refunds
            if refund.refund_invoice_id in {None, "", event.invoice_id}
        )
    return facts


async def _refunds(
    tilia: TiliaClient, payment_invoice_id: str, status: RefundStatus
) -> tuple[Sequence[Refund], set[str]]:
    """The refunds of a status, and the ids of their invoices."""
    listed = await tilia.refunds.list(payment_invoice_id, status)
    refunds = [*listed.refunds, *(refund for payment in listed.payments for refund in payment.refunds)]
    refunds = [refund for refund in refunds if refund.status in {None, "", status}]
    named = {refund.refund_invoice_id for refund in refunds if refund.refund_invoice_id}
    return refunds, {*listed.refund_invoice_ids, *named}


async def _exchange(tilia: TiliaClient, event: TokenExchangeCompleted) -> Facts:
    return _fields(await tilia.token_exchanges.get(event.token_exchange_id or ""))


async def _kyc(tilia: TiliaClient, event: KycStateChanged) -> Facts:
    return _fields(await tilia.compliance.kyc_status(event.account_id or ""))


async def _wallet(tilia: TiliaClient, event: WalletBalanceAlert) -> Facts:
    # The balance has moved on since, so little more can be confirmed than that there is such a wallet.
    return _fields(await tilia.wallets.get(event.wallet_id or ""))


CHECKS: Final[Mapping[type[Event], Check]] = MappingProxyType(
    dict(
        (
            _check(AccountBlockChanged, "account_id", ("is_blocked",), _block),
            _check(RegistrationCompleted, "account_id", (), _registration),
            _check(PaymentMethodUpdated, "account_id", ("payment_method_id", "state"), _payment_method),
            _check(InvoiceCompleted, "invoice_id", ("state",), _invoice),
            _check(EscrowTransactionUpdated, "id", ("status",), _escrow),
            _check(RefundCompleted, "payment_invoice_id", ("invoice_id",), _refund),
            _check(TokenExchangeCompleted, "token_exchange_id", ("status",), _exchange),
            _check(KycStateChanged, "account_id", ("state",), _kyc),
            _check(WalletBalanceAlert, "wallet_id", (), _wallet),
        )
    )
)
"""How an event of each class is confirmed. To add one, add its row."""
