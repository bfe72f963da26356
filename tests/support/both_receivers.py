"""Receivers of both packages under one face."""

import asyncio
from collections.abc import Callable, Iterator

import attrs
import pytest

import tilia_sync
from support.deliveries import BLOCK
from support.quick import QUICK
from tilia_async import TiliaClient
from tilia_async.sandbox import Sandbox
from tilia_async.tokens import TokenCache
from tilia_async.webhooks import (
    AccountBlockChanged,
    Event,
    WebhookReceiver,
)

OTHER = {**BLOCK, "account_id": "acct_other"}


@attrs.define
class Seen:
    """Handlers that keep what they got.

    They fail as often as they should.
    """

    events: list[object] = attrs.field(factory=list)
    failures: int = 0

    def take(self, event: object) -> None:
        self.events.append(event)
        if self.failures:
            self.failures -= 1
            raise RuntimeError("the handler failed")


@attrs.define
class Either:
    """A receiver of one of the packages, behind one face."""

    receiver: WebhookReceiver | tilia_sync.WebhookReceiver

    def on(self, kind: type[Event], handle: Callable[[Event], object]) -> None:
        if isinstance(self.receiver, tilia_sync.WebhookReceiver):
            self.receiver.on(kind)(handle)
            return

        async def handle_async(event: Event) -> None:
            handle(event)

        self.receiver.on(kind)(handle_async)

    async def handle(self, body: bytes, **request: str) -> int:
        if isinstance(self.receiver, WebhookReceiver):
            return await self.receiver.handle(body, **request)
        return await asyncio.to_thread(self.receiver.handle, body, **request)


Make = Callable[..., Either]


@pytest.fixture(params=["async", "sync"])
def make(request: pytest.FixtureRequest, sandbox: Sandbox) -> Iterator[Make]:
    clients: list[tilia_sync.TiliaClient] = []

    def build(*, tilia: TiliaClient | None = None, **settings: object) -> Either:
        if request.param == "async":
            return Either(WebhookReceiver(tilia, **settings))
        if tilia is None:
            return Either(tilia_sync.WebhookReceiver(**settings))
        credentials = (sandbox.client_id, sandbox.client_secret, sandbox.environment)
        clients.append(tilia_sync.TiliaClient(*credentials, retry=QUICK, token_cache=TokenCache()))
        return Either(tilia_sync.WebhookReceiver(clients[-1], **settings))

    yield build
    for client in clients:
        client.close()


@attrs.define
class Ledger:
    entries: list[object] = attrs.field(factory=list)

    async def apply(self, event: AccountBlockChanged) -> None:
        self.entries.append(event.is_blocked)


async def confirmed(tilia: TiliaClient, make: Make, kind: type[Event]) -> tuple[Either, Seen]:
    receiver, seen = make(tilia=tilia, confirm=True), Seen()
    receiver.on(kind, seen.take)
    return receiver, seen
