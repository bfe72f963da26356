"""The types that a user of ``tilia_async`` gets. Type checkers read this file (``nox -s types``); nobody runs it."""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from http import HTTPStatus
from io import StringIO
from typing import assert_type

from aiohttp import web

from tilia_async import Environment, LineItem, Money, Operation, Reconciliation, Response, Scope, TiliaClient, Verdict
from tilia_async.api import OPERATIONS
from tilia_async.bulk import BulkItem, BulkOutcome, BulkProgress, BulkReport, BulkStream
from tilia_async.fleet import FleetWorker, JobStatus
from tilia_async.json_value import JsonValue
from tilia_async.ledger import BlockAction, BlockJob, BlockLedger, BlockRecord, RecordSource, RecordState
from tilia_async.models import (
    Account,
    AccountBalances,
    AccountBlocks,
    AuthorizedInvoice,
    BalanceTransfer,
    BlockStatus,
    CompletedRegistration,
    CustomWallet,
    Escrow,
    Invoice,
    InvoiceMechanism,
    InvoiceRefunds,
    KycStatus,
    OnboardedEntity,
    PaymentMethod,
    Payout,
    Redirect,
    RegisteredAccount,
    StartedRegistration,
    TokenExchange,
    TosStatus,
    TransactionMethods,
    TransferItem,
    UserToken,
    Wallet,
)
from tilia_async.openapi import document
from tilia_async.sandbox import (
    Fault,
    RecordedRequest,
    RemoteSandbox,
    Sandbox,
    SandboxAccount,
    ScheduledFault,
    SentNotification,
)
from tilia_async.tokens import AccessToken
from tilia_async.verify import Finding, VerifyReport, verify
from tilia_async.webhooks import AccountBlockChanged, Event, UnknownEvent, WebhookReceiver, parse_event


async def clients(operation: Operation[Account]) -> None:
    async with TiliaClient("id", "secret", "staging") as tilia:
        assert_type(tilia, TiliaClient)
        assert_type(await tilia.access_token({Scope.READ_ACCOUNTS}), AccessToken)
        answer = await tilia.send(operation, path={"account_id": "a"})
        assert_type(answer, Response[Account])
        assert_type(answer.value, Account)
        assert_type(answer.status, int)
        assert_type(answer.headers, Mapping[str, str])
        report = await verify(tilia, "acct_1", writes=True, confirm="production")
        assert_type(report, VerifyReport)
        assert_type(report.findings, Sequence[Finding])
        assert_type(report.to_markdown(), str)
    assert_type(TiliaClient.from_env(timeout=5.0, operations="corrections.toml"), TiliaClient)
    assert_type(document("staging"), dict[str, JsonValue])
    assert_type(OPERATIONS, Mapping[str, Operation[object]])
    assert_type(Environment.at("http://127.0.0.1:8411/{service}"), Environment)


async def users(tilia: TiliaClient) -> None:
    assert_type(await tilia.auth.create_redirect("a"), Redirect)
    assert_type(await tilia.auth.create_user_token("a"), UserToken)
    assert_type(await tilia.registration.start("nyx", "password1", "nyx@example.com"), StartedRegistration)
    assert_type(await tilia.registration.complete("r"), CompletedRegistration)
    assert_type(await tilia.accounts.register("nyx", "nyx@example.com"), RegisteredAccount)
    assert_type(await tilia.accounts.get("a"), Account)
    assert_type(await tilia.accounts.find("nyx"), Account)
    assert_type(await tilia.accounts.update("a", country_iso="US", state_province="CA"), RegisteredAccount)
    assert_type(await tilia.accounts.block("a", reason="fraud"), BlockStatus)
    assert_type(await tilia.accounts.unblock("a"), BlockStatus)
    assert_type(await tilia.accounts.is_blocked("a"), bool)
    assert_type(await tilia.accounts.block_capability("a"), AccountBlocks)
    assert_type(await tilia.accounts.get_blocks("a"), AccountBlocks)
    assert_type(await tilia.compliance.tos_status("a"), TosStatus)
    assert_type(await tilia.compliance.kyc_status("a"), KycStatus)
    assert_type(await tilia.compliance.onboard_entity("a", "Nyx Ltd"), OnboardedEntity)


async def money(tilia: TiliaClient, item: LineItem, moved: TransferItem) -> None:
    assert_type(await tilia.wallets.list("a"), list[PaymentMethod])
    assert_type(await tilia.wallets.get("w"), Wallet)
    assert_type(await tilia.wallets.balances("a"), AccountBalances)
    assert_type(await tilia.payment_methods.get("p"), PaymentMethod)
    assert_type(await tilia.payment_methods.transaction_methods("a"), TransactionMethods)
    assert_type(await tilia.payment_methods.create_custom_wallet("a", "gold"), CustomWallet)
    assert_type(await tilia.token_exchanges.start_purchase("p", 500, "USD"), TokenExchange)
    assert_type(await tilia.token_exchanges.start_purchase("p", Money(500, "USD")), TokenExchange)
    assert_type(await tilia.invoices.create("a", [item]), Invoice)
    assert_type(await tilia.invoices.pay("i"), Invoice)
    assert_type(tilia.invoices.list("a"), AsyncIterator[Invoice])
    assert_type(await tilia.invoices.authorize("a", [item], InvoiceMechanism.WIDGET), AuthorizedInvoice)
    assert_type(await tilia.escrow.commit("e"), Escrow)
    assert_type(tilia.escrow.list_by_reference("order-7"), AsyncIterator[Escrow])
    assert_type(await tilia.refunds.list("i"), InvoiceRefunds)
    assert_type(await tilia.payouts.request("a", "from", "to", Money(500, "USD")), Payout)
    assert_type(await tilia.payouts.list("a"), list[Payout])
    assert_type(await tilia.transfers.create("a", "publisher", [moved]), BalanceTransfer)


async def amounts(price: Money) -> None:
    assert_type(price + price, Money)
    assert_type(-price * 3, Money)
    assert_type(price < price, bool)
    assert_type(price.split(3), tuple[Money, ...])
    assert_type(price.minor_units, int)


async def many(tilia: TiliaClient, account_ids: AsyncIterator[str]) -> None:
    report = await tilia.bulk.block(account_ids, reason="fraud")
    assert_type(report, BulkReport)
    assert_type(report.counts, Mapping[BulkOutcome, int])
    assert_type(report.failures, tuple[BulkItem, ...])
    assert_type(report.complete, bool)
    assert_type(await tilia.bulk.undo("wave-7"), BulkReport)
    assert_type(await tilia.fleet.submit(account_ids, "block", reason="fraud", job_id="wave-8"), JobStatus)
    assert_type((await tilia.fleet.pause("wave-8")).counts[BulkOutcome.DONE], int)
    assert_type(await tilia.fleet.workers(), tuple[FleetWorker, ...])
    async for failure in tilia.fleet.failures("wave-8"):
        assert_type(failure, BulkItem)
    await tilia.fleet.work(concurrency=64, until_idle=True)
    async with tilia.bulk.stream_block(["a"], reason="fraud") as stream:
        assert_type(stream, BulkStream)
        assert_type(stream.progress(), BulkProgress)
        async for item in stream:
            assert_type(item, BulkItem)
            assert_type(item.account, Account | None)
            assert_type(item.also_blocked_by, tuple[BlockRecord, ...])


async def recorded(before: datetime) -> None:
    async with BlockLedger.open("sqlite:///blocks.db") as ledger:
        assert_type(ledger, BlockLedger)
        assert_type(await ledger.history("a"), list[BlockRecord])
        assert_type(ledger.records(job_id="wave-7", action=BlockAction.BLOCK), AsyncIterator[BlockRecord])
        assert_type(ledger.due_for_review(before), AsyncIterator[BlockRecord])
        assert_type(ledger.blocked(reason="fraud", since=before), AsyncIterator[BlockRecord])
        assert_type(ledger.jobs(), AsyncIterator[BlockJob])
        assert_type(await ledger.export(StringIO(), "jsonl"), int)
        async for record in ledger.pending():
            assert_type(record.state, RecordState)
            assert_type(record.source, RecordSource)
            assert_type(record.review_at, datetime | None)


async def reconciled(tilia: TiliaClient) -> None:
    found = await tilia.reconcile(OPERATIONS["payouts.request"])
    assert_type(found, Reconciliation)
    assert_type(found.verdict, Verdict)
    assert_type(found.reason, str)


async def notified(receiver: WebhookReceiver, request: web.Request) -> None:
    @receiver.on(AccountBlockChanged)
    async def blocked(event: AccountBlockChanged) -> None:
        assert_type(event.is_blocked, bool | None)
        assert_type(event.sent_at, datetime | None)

    @receiver.on(UnknownEvent)
    async def unknown(event: UnknownEvent) -> None:
        assert_type(event.event_name, str | None)

    assert_type(parse_event(b"{}"), Event)
    assert_type(await receiver.handle(b"{}"), HTTPStatus)
    assert_type(await receiver.aiohttp_handler(request), web.Response)
    del blocked, unknown


async def embedded() -> None:
    async with Sandbox(seed=7) as sandbox:
        assert_type(sandbox, Sandbox)
        assert_type(sandbox.client_id, str)
        assert_type(sandbox.environment, Environment)
        assert_type(sandbox.requests, list[RecordedRequest])
        assert_type(sandbox.notifications, list[SentNotification])
        assert_type(sandbox.accounts, Mapping[str, SandboxAccount])
        sandbox.faults.add("accounts.block", Fault.DROP_AFTER_COMMIT, times=1)
        sandbox.clock.advance(3600)
    async with RemoteSandbox(sandbox.url) as remote:
        assert_type(remote, RemoteSandbox)
        assert_type(await remote.requests(), list[RecordedRequest])
        assert_type(await remote.accounts(), dict[str, SandboxAccount])
        assert_type(await remote.faults.scheduled(), tuple[ScheduledFault, ...])
        async for request in remote.follow():
            assert_type(request.status, int | None)
            assert_type(request.fault, Fault | None)
