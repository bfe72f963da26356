"""The sandbox's state as JSON, without secrets."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar
from urllib.parse import urlsplit

import attrs
import orjson

from tilia_async.json_value import JsonObject, JsonValue
from tilia_async.money import Money
from tilia_async.sandbox.faults import Fault
from tilia_async.sandbox.notifications import SentNotification
from tilia_async.sandbox.state.accounts import Block, Kyc, SandboxAccount, Tag
from tilia_async.sandbox.state.escrows import SandboxEscrow, SandboxPayout
from tilia_async.sandbox.state.invoices import SandboxInvoice
from tilia_async.sandbox.state.methods import SandboxPaymentMethod
from tilia_async.sandbox.state.wallets import SandboxWallet
from tilia_async.sandbox.waiting_faults import ScheduledFault
from tilia_async.sandbox.world import World
from tilia_async.secret import MASK

A = TypeVar("A", bound=attrs.AttrsInstance)


def account_to_json(world: World, of: SandboxAccount) -> JsonObject:
    """Return an account, its wallets and ways to pay."""
    return {
        "account_id": of.account_id,
        "username": of.username,
        "email": of.email,
        "created": of.created,
        "wallets_at": of.wallets_at,
        "external_platforms": {**of.external_platforms},
        "profile": {**of.profile},
        "tracking_id": of.tracking_id,
        "metadata": of.metadata,
        "email_id": of.email_id,
        "is_blocked": of.is_blocked,
        "blocks": [attrs.asdict(block) for block in of.blocks.values()],
        "tags": [attrs.asdict(tag) for tag in of.tags],
        "kyc": attrs.asdict(of.kyc),
        "signed_tos": of.signed_tos,
        "entity_id": of.entity_id,
        "wallets": wallets_to_json(world.wallets_of(of.account_id)),
        "payment_methods": [
            _method_to_json(method) for method in world.methods_of(of.account_id) if method.wallet is None
        ],
    }


def wallets_to_json(found: Iterable[SandboxWallet]) -> list[JsonValue]:
    return [
        {**attrs.asdict(each), "tags": [*each.tags], "display": Money(each.balance, each.currency).display()}
        for each in found
    ]


def invoice_to_json(invoice: SandboxInvoice, world: World) -> JsonObject:
    return {
        "invoice_id": invoice.invoice_id,
        "account_id": invoice.account_id,
        "type": invoice.type,
        "state": invoice.state,
        "total": invoice.total,
        "display": Money(invoice.total, invoice.currency).display(),
        "currency": invoice.currency,
        "refunded": invoice.refunded,
        "recipients": list(invoice.recipient_ids),
        "created": world.times.rfc3339(invoice.created),
        "updated": world.times.rfc3339(invoice.updated),
    }


def escrow_to_json(escrow: SandboxEscrow, world: World) -> JsonObject:
    return {
        "escrow_id": escrow.escrow_id,
        "account_id": escrow.escrow_invoice.account_id,
        "status": escrow.status,
        "total": escrow.escrow_invoice.total,
        "display": Money(escrow.escrow_invoice.total, escrow.escrow_invoice.currency).display(),
        "currency": escrow.escrow_invoice.currency,
        "invoices": [invoice.invoice_id for invoice in escrow.invoices],
        "created": world.times.rfc3339(escrow.created),
        "updated": world.times.rfc3339(escrow.updated),
    }


def payout_to_json(of: SandboxPayout) -> JsonObject:
    return {
        "payout_status_id": of.payout_status_id,
        "account_id": of.account_id,
        "status": of.status,
        "amount": of.amount,
        "display": Money(of.amount, of.source.currency).display(),
        "currency": of.source.currency,
        "created": of.created,
        "updated": of.updated,
    }


def fault_to_json(scheduled: ScheduledFault) -> JsonObject:
    return {
        "operation": scheduled.operation,
        "fault": scheduled.fault.name.lower(),
        "times": scheduled.left,
        "seconds": scheduled.seconds,
        "retry_after": scheduled.retry_after,
        "status": scheduled.status,
        "body": scheduled.body,
    }


def notification_to_json(sent: SentNotification) -> JsonObject:
    envelope: JsonValue = orjson.loads(sent.body)
    return {
        "event_name": sent.event_name,
        "url": url_without_path(sent.url),
        "answers": list(sent.answers),
        "taken": sent.taken,
        "body": envelope,
    }


def url_without_path(url: str) -> str:
    """Return where a URL leads.

    Its path may be a secret.
    """
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}/{MASK if parts.path.strip('/') or parts.query else ''}"


def _method_to_json(method: SandboxPaymentMethod) -> JsonObject:
    return {
        "id": method.id,
        "display_string": method.display_string,
        "provider": method.provider,
        "currency": method.currency,
        "state": method.state,
    }


def account_from_json(record: JsonObject) -> SandboxAccount:
    """Return the account that a JSON object describes."""
    kyc = record.get("kyc")
    return _read(
        SandboxAccount,
        {
            **record,
            "blocks": {each.issuer: each for each in _read_all(Block, record.get("blocks"))},
            "tags": _read_all(Tag, record.get("tags")),
            "kyc": _read(Kyc, kyc if isinstance(kyc, dict) else {}),
        },
    )


def fault_from_json(record: JsonObject) -> ScheduledFault:
    """Return the fault that a JSON object describes."""
    return _read(
        ScheduledFault, {**record, "fault": Fault[str(record.get("fault")).upper()], "left": record.get("times")}
    )


def wallets_from_json(record: JsonObject) -> list[SandboxWallet]:
    """Return the wallets that a JSON object describes."""
    return _read_all(SandboxWallet, record.get("wallets"))


def notification_from_json(record: JsonObject) -> SentNotification:
    """Return the notification that a JSON object describes."""
    answers = record.get("answers")
    return SentNotification(
        str(record.get("event_name")),
        str(record.get("url")),
        orjson.dumps(record.get("body")),
        [each if isinstance(each, int) else None for each in answers] if isinstance(answers, list) else [],
    )


def _read_all(model: type[A], records: JsonValue) -> list[A]:
    return [_read(model, each) for each in records if isinstance(each, dict)] if isinstance(records, list) else []


def _read(model: type[A], record: Mapping[str, object]) -> A:
    names = {field.name for field in attrs.fields(model)}
    make: Callable[..., A] = model
    return make(**{name: value for name, value in record.items() if name in names})
