"""The sandbox's state as JSON, without secrets."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar
from urllib.parse import urlsplit

import attrs
import orjson

from tilia_async.json_value import JsonObject, JsonValue
from tilia_async.money import Money
from tilia_async.sandbox.faults import Fault, ScheduledFault
from tilia_async.sandbox.notifications import SentNotification
from tilia_async.sandbox.state.accounts import Block, Kyc, SandboxAccount, Tag
from tilia_async.sandbox.state.escrows import SandboxEscrow, SandboxPayout
from tilia_async.sandbox.state.invoices import SandboxInvoice
from tilia_async.sandbox.state.methods import SandboxPaymentMethod
from tilia_async.sandbox.state.wallets import SandboxWallet
from tilia_async.sandbox.world import World
from tilia_async.secret import MASK

A = TypeVar("A", bound=attrs.AttrsInstance)


def account(world: World, of: SandboxAccount) -> JsonObject:
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
        "wallets": wallets(world.wallets_of(of.account_id)),
        "payment_methods": [_method(method) for method in world.methods_of(of.account_id) if method.wallet is None],
    }


def wallets(found: Iterable[SandboxWallet]) -> list[JsonValue]:
    return [
        {**attrs.asdict(each), "tags": [*each.tags], "display": Money(each.balance, each.currency).display()}
        for each in found
    ]


def invoice(bill: SandboxInvoice, world: World) -> JsonObject:
    return {
        "invoice_id": bill.invoice_id,
        "account_id": bill.account_id,
        "type": bill.type,
        "state": bill.state,
        "total": bill.total,
        "display": Money(bill.total, bill.currency).display(),
        "currency": bill.currency,
        "refunded": bill.refunded,
        "recipients": list(bill.recipients),
        "created": world.clock.rfc3339(bill.created),
        "updated": world.clock.rfc3339(bill.updated),
    }


def escrow(deal: SandboxEscrow, world: World) -> JsonObject:
    return {
        "escrow_id": deal.escrow_id,
        "account_id": deal.escrow.account_id,
        "status": deal.status,
        "total": deal.escrow.total,
        "display": Money(deal.escrow.total, deal.escrow.currency).display(),
        "currency": deal.escrow.currency,
        "invoices": [bill.invoice_id for bill in deal.bills],
        "created": world.clock.rfc3339(deal.created),
        "updated": world.clock.rfc3339(deal.updated),
    }


def payout(of: SandboxPayout) -> JsonObject:
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


def fault(scheduled: ScheduledFault) -> JsonObject:
    return {
        "operation": scheduled.operation,
        "fault": scheduled.fault.name.lower(),
        "times": scheduled.left,
        "seconds": scheduled.seconds,
        "retry_after": scheduled.retry_after,
        "status": scheduled.status,
        "body": scheduled.body,
    }


def notification(sent: SentNotification) -> JsonObject:
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


def _method(method: SandboxPaymentMethod) -> JsonObject:
    return {
        "id": method.id,
        "display_string": method.display_string,
        "provider": method.provider,
        "currency": method.currency,
        "state": method.state,
    }


def read_account(told: JsonObject) -> SandboxAccount:
    """Return the account that JSON tells of."""
    kyc = told.get("kyc")
    return _read(
        SandboxAccount,
        {
            **told,
            "blocks": {each.issuer: each for each in _read_all(Block, told.get("blocks"))},
            "tags": _read_all(Tag, told.get("tags")),
            "kyc": _read(Kyc, kyc if isinstance(kyc, dict) else {}),
        },
    )


def read_fault(told: JsonObject) -> ScheduledFault:
    """Return the fault that JSON tells of."""
    return _read(ScheduledFault, {**told, "fault": Fault[str(told.get("fault")).upper()], "left": told.get("times")})


def read_wallets(told: JsonObject) -> list[SandboxWallet]:
    """Return the wallets that JSON tells of."""
    return _read_all(SandboxWallet, told.get("wallets"))


def read_notification(told: JsonObject) -> SentNotification:
    """Return the notification that JSON tells of."""
    answers = told.get("answers")
    return SentNotification(
        str(told.get("event_name")),
        str(told.get("url")),
        orjson.dumps(told.get("body")),
        [each if isinstance(each, int) else None for each in answers] if isinstance(answers, list) else [],
    )


def _read_all(model: type[A], told: JsonValue) -> list[A]:
    return [_read(model, each) for each in told if isinstance(each, dict)] if isinstance(told, list) else []


def _read(model: type[A], told: Mapping[str, object]) -> A:
    names = {field.name for field in attrs.fields(model)}
    make: Callable[..., A] = model
    return make(**{name: value for name, value in told.items() if name in names})
