"""Asking Tilia whether a notification tells the truth.

Anybody who knows the URL can post a notification, so what it says is only a hint: of which thing, in which state. A
look-up over the API cannot be forged. A handler sees what the look-up says, all of it and nothing else, so that it does
not matter which part of it was posted, by whom, and how often. It proves a state: that something is so now. It does not
prove an event: that Tilia has just sent word of it.
"""

# The values are what a server or a stranger sent: of unknown type until they are compared.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from datetime import UTC, datetime
from enum import Enum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar

import attrs
import orjson

from tilia_async.errors import ConfigurationError, InvalidRequestError, NotFoundError, WebhookError, attributed
from tilia_async.json_value import JsonValue
from tilia_async.models.accounts import AccountEmail
from tilia_async.models.refunds import Refund, RefundStatus
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
"""The API's facts, by the names of event fields."""

_ENVELOPE: Final = frozenset(field.name for field in attrs.fields(Event))
_NEVER_CONFIRMED: Final = frozenset({"line_items", "payment_methods", "subitems", "tags", "updated"})
"""Fields that cannot be confirmed.

Lists whose entries have no documented form, and a time that moves with changes that no event tells.
"""


class ContradictedError(WebhookError):
    """Tilia's API says something else than the notification."""


async def confirm(tilia: TiliaClient, event: Event) -> Event:
    """Compare an event with what Tilia's API says now.

    Returns:
        An event with what the API says in the fields of its class; all others have their defaults, ``sent_at`` too.

    Raises:
        ContradictedError: the API says something else, knows no such thing, or contradicts itself, or the event does
            not say enough.
        ConfigurationError: there is no look-up for events of this class.
        TiliaError: the look-up failed; nothing is known.
    """
    with attributed("webhooks.confirm"):
        return await _confirmed(tilia, event)


async def _confirmed(tilia: TiliaClient, event: Event) -> Event:
    name = type(event).__name__
    check = CHECKS.get(type(event))
    if check is None:
        raise ConfigurationError(f"{name} cannot be confirmed: there is no look-up for it")
    if not all(_is_set(getattr(event, field)) for field in (check.named, *check.required)):
        raise ContradictedError(f"{name}: it does not say enough to be looked up")
    asked_at = datetime.now(UTC)
    contradicted = ContradictedError(f"{name}: Tilia's API does not say the same")
    try:
        facts = await check.read(tilia, event)
    except (NotFoundError, InvalidRequestError):
        raise contradicted from None
    if not all(_is_set(facts.get(field)) for field in (check.named, *check.required)):
        raise contradicted
    _compare_fields(event, facts, check.partial)
    return _stated(event, facts, asked_at)


def subject(event: Event) -> Hashable | None:
    """Name the look-up that confirms an event.

    None if there is none.

    Events that a look-up tells apart are handled one after the other, whatever else they say.
    """
    check = CHECKS.get(type(event))
    named = None if check is None else getattr(event, check.named)
    return (type(event).__name__, named) if _is_set(named) else None


@attrs.frozen
class Check:
    """The way to confirm the events of a class.

    Attributes:
        named: the field with the id to look up.
        required: what else both have to say; without that an event says nothing.
        read: the look-up.
        partial: the lists of which the API may tell a part only, so that an entry may be missing there.
    """

    named: str
    required: tuple[str, ...]
    read: Callable[[TiliaClient, Event], Awaitable[Facts]]
    partial: frozenset[str]


def _compare_fields(event: Event, facts: Facts, partial: frozenset[str]) -> None:
    for name in _shared_fields(type(event)):
        _compare(name, getattr(event, name), facts.get(name), partial)


def _stated(event: Event, facts: Facts, asked_at: datetime) -> Event:
    """Return the event that the API's answer makes.

    The same whatever was posted of it, and in whichever order it answers.
    """
    kind = type(event)
    message = {name: _ordered(facts[name]) for name in _shared_fields(kind) if _is_set(facts.get(name))}
    stated = decode(message, kind)
    return attrs.evolve(stated, event_name=event.NAME, confirmed_at=asked_at, message=frozen_object(message))


def _shared_fields(kind: type[Event]) -> list[str]:
    """Return the fields common to message and API.

    A message of this class and the API both have them.
    """
    return [field.name for field in attrs.fields(kind) if field.name not in _ENVELOPE | _NEVER_CONFIRMED]


def _ordered(value: object) -> JsonValue:
    """Return JSON values with lists in a fixed order.

    The API promises no order of their entries.
    """
    plain: JsonValue = _plain(value)
    is_list_of_models = isinstance(value, tuple) and isinstance(plain, list)
    return sorted(plain, key=_sorting) if is_list_of_models and isinstance(plain, list) else plain


def _sorting(entry: JsonValue) -> bytes:
    return orjson.dumps(entry, option=orjson.OPT_SORT_KEYS)


def _compare(name: str, stated: object, known: object, partial: frozenset[str]) -> None:
    """Refuse an event that the facts contradict.

    What is told and known alike may pass, and what nobody can compare.

    Raises:
        ContradictedError: something else is known.
    """
    if not _is_set(stated) or not _is_set(known):
        return
    if isinstance(stated, tuple):
        _compare_entries(name, stated, known, may_be_missing=name in partial)
    elif attrs.has(type(known)):
        _compare_model(name, stated, known)
    # Metadata may come as a text or as an object, and other forms cannot be compared.
    elif (
        isinstance(stated, str) is isinstance(known, str)
        and isinstance(stated, Mapping) is isinstance(known, Mapping)
        and stated != known
    ):
        raise ContradictedError(f"Tilia's API says something else about {name}")


def _compare_model(name: str, stated: object, known: object) -> None:
    """Compare a part of an event that is an object.

    The event may have it as it came, or as a model.
    """
    read = stated
    if isinstance(stated, Mapping):
        try:
            read = decode(dict(stated), type(known))
        except PayloadError:
            raise ContradictedError(f"{name} cannot be read") from None
    for field in _names(known):
        # Where it came as an object it is read again, with the part of the API's model that it belongs to.
        inner = stated.get(field) if isinstance(stated, Mapping) else None
        part = inner if isinstance(inner, Mapping) else getattr(read, field, None)
        _compare(field, part, getattr(known, field), frozenset())


def _compare_entries(name: str, stated: Sequence[object], known: object, *, may_be_missing: bool) -> None:
    if not isinstance(known, tuple) or not all(attrs.has(type(entry)) for entry in stated):
        return
    for entry in stated:
        key = _names(entry)[0]
        same = [each for each in known if _is_set(getattr(entry, key)) and getattr(each, key) == getattr(entry, key)]
        if same:
            _compare_model(name, entry, same[0])
        elif not may_be_missing:
            raise ContradictedError(f"Tilia's API does not know all {name}")


def _is_set(value: object) -> bool:
    return value is not None and value != "" and not (isinstance(value, tuple | list | Mapping) and not value)


def _plain(value: object) -> Any:
    """Return the value as JSON has it."""
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
    """Return the fields of a model, by its own names."""
    return {name: value for name in _names(model) if _is_set(value := getattr(model, name))}


def _names(model: Any) -> list[str]:
    return [field.name for field in attrs.fields(type(model))]


def _check(
    kind: type[E],
    named: str,
    required: tuple[str, ...],
    read: Callable[[TiliaClient, E], Awaitable[Facts]],
    *partial: str,
) -> tuple[type[Event], Check]:
    """Return a row of the table, see ``Check``."""

    async def read_of(tilia: TiliaClient, event: Event) -> Facts:
        return await read(tilia, event) if isinstance(event, kind) else {}

    return kind, Check(named, required, read_of, frozenset(partial))


async def _block(tilia: TiliaClient, event: AccountBlockChanged) -> Facts:
    account_id = event.account_id or ""
    facts = await _account_state(tilia, account_id)
    if not facts["is_blocked"] or not event.is_blocked:
        return facts
    # Only this look-up names who blocked.
    found = await tilia.accounts.get_blocks(account_id)
    blocks = tuple(block for block in found.blocks if block.account_id in {None, "", account_id})
    if found.account_id != account_id or (found.blocks and not blocks):
        raise ContradictedError("Tilia's API answers with the blocks of another account")
    if blocks:
        return {**facts, "blocks": blocks}
    # No page says that each block is listed there. But the account may have been unblocked in between.
    return await _account_state(tilia, account_id)


async def _account_state(tilia: TiliaClient, account_id: str) -> Facts:
    account = await tilia.accounts.get(account_id)
    return {"account_id": account.account_id, "is_blocked": account.is_blocked}


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
    payment_invoice_id, invoice_id = event.payment_invoice_id or "", event.invoice_id
    # Tilia lists the refunds of one status at a time.
    successful, ids = await _refunds(tilia, payment_invoice_id, RefundStatus.SUCCESS)
    failed, more = await _refunds(tilia, payment_invoice_id, RefundStatus.FAILED)
    ids |= more
    if invoice_id not in ids:
        return {}
    # A refund that does not name its own invoice is of this one only if there is no other.
    own = {invoice_id, None, ""} if len(ids) == 1 else {invoice_id}
    facts: dict[str, object] = {"payment_invoice_id": payment_invoice_id, "invoice_id": invoice_id}
    for field, refunds in (("successful_refunds", successful), ("failed_refunds", failed)):
        facts[field] = tuple(
            NotifiedRefund(refund.refund_id, refund.amount, refund.currency)
            for refund in refunds
            if refund.refund_invoice_id in own
        )
    return facts


async def _refunds(
    tilia: TiliaClient, payment_invoice_id: str, status: RefundStatus
) -> tuple[Sequence[Refund], set[str]]:
    """Return the refunds of a status, with their invoices' ids."""
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
            _check(AccountBlockChanged, "account_id", ("is_blocked",), _block, "blocks"),
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
"""Check of the events of each class.

To add one, add its row.
"""
