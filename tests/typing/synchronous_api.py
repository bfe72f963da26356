"""The types that a user of ``tilia_sync`` gets. Type checkers read this file (``nox -s types``); nobody runs it."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from http import HTTPStatus
from io import StringIO
from typing import assert_type

from tilia_async.bulk import BulkItem, BulkOutcome, BulkProgress, BulkReport
from tilia_async.fleet import FleetWorker, JobStatus
from tilia_async.ledger import BlockAction, BlockJob, BlockRecord, RecordSource, RecordState
from tilia_async.sandbox import Fault, RecordedRequest, SandboxAccount, ScheduledFault, SentNotification
from tilia_async.tokens import AccessToken
from tilia_async.webhooks import AccountBlockChanged, Event, UnknownEvent, parse_event
from tilia_sync import (
    BlockLedger,
    Environment,
    LineItem,
    Money,
    Operation,
    Reconciliation,
    RemoteSandbox,
    Response,
    Sandbox,
    Scope,
    TiliaClient,
    Verdict,
    WebhookReceiver,
)
from tilia_sync.api import OPERATIONS
from tilia_sync.models import (
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


def clients(operation: Operation[Account]) -> None:
    with TiliaClient("id", "secret", "staging") as tilia:
        assert_type(tilia, TiliaClient)
        assert_type(tilia.access_token({Scope.READ_ACCOUNTS}), AccessToken)
        answer = tilia.send(operation, path={"account_id": "a"})
        assert_type(answer, Response[Account])
        assert_type(answer.value, Account)
        assert_type(answer.status, int)
        assert_type(answer.headers, Mapping[str, str])
    assert_type(TiliaClient.from_env(timeout=5.0), TiliaClient)
    assert_type(OPERATIONS, Mapping[str, Operation[object]])
    assert_type(Environment.at("http://127.0.0.1:8411/{service}"), Environment)


def users(tilia: TiliaClient) -> None:
    assert_type(tilia.auth.create_redirect("a"), Redirect)
    assert_type(tilia.auth.create_user_token("a"), UserToken)
    assert_type(tilia.registration.start("nyx", "password1", "nyx@example.com"), StartedRegistration)
    assert_type(tilia.registration.complete("r"), CompletedRegistration)
    assert_type(tilia.accounts.register("nyx", "nyx@example.com"), RegisteredAccount)
    assert_type(tilia.accounts.get("a"), Account)
    assert_type(tilia.accounts.find("nyx"), Account)
    assert_type(tilia.accounts.update("a", country_iso="US", state_province="CA"), RegisteredAccount)
    assert_type(tilia.accounts.block("a", reason="fraud"), BlockStatus)
    assert_type(tilia.accounts.unblock("a"), BlockStatus)
    assert_type(tilia.accounts.is_blocked("a"), bool)
    assert_type(tilia.accounts.block_capability("a"), AccountBlocks)
    assert_type(tilia.accounts.get_blocks("a"), AccountBlocks)
    assert_type(tilia.compliance.tos_status("a"), TosStatus)
    assert_type(tilia.compliance.kyc_status("a"), KycStatus)
    assert_type(tilia.compliance.onboard_entity("a", "Nyx Ltd"), OnboardedEntity)


def money(tilia: TiliaClient, item: LineItem, moved: TransferItem) -> None:
    assert_type(tilia.wallets.list("a"), list[PaymentMethod])
    assert_type(tilia.wallets.get("w"), Wallet)
    assert_type(tilia.wallets.balances("a"), AccountBalances)
    assert_type(tilia.payment_methods.get("p"), PaymentMethod)
    assert_type(tilia.payment_methods.transaction_methods("a"), TransactionMethods)
    assert_type(tilia.payment_methods.create_custom_wallet("a", "gold"), CustomWallet)
    assert_type(tilia.token_exchanges.start_purchase("p", 500, "USD"), TokenExchange)
    assert_type(tilia.token_exchanges.start_purchase("p", Money(500, "USD")), TokenExchange)
    assert_type(tilia.invoices.create("a", [item]), Invoice)
    assert_type(tilia.invoices.pay("i"), Invoice)
    assert_type(tilia.invoices.list("a"), Iterator[Invoice])
    assert_type(tilia.invoices.authorize("a", [item], InvoiceMechanism.WIDGET), AuthorizedInvoice)
    assert_type(tilia.escrow.commit("e"), Escrow)
    assert_type(tilia.escrow.list_by_reference("order-7"), Iterator[Escrow])
    assert_type(tilia.refunds.list("i"), InvoiceRefunds)
    assert_type(tilia.payouts.request("a", "from", "to", Money(500, "USD")), Payout)
    assert_type(tilia.payouts.list("a"), list[Payout])
    assert_type(tilia.transfers.create("a", "publisher", [moved]), BalanceTransfer)


def amounts(price: Money) -> None:
    assert_type(price + price, Money)
    assert_type(-price * 3, Money)
    assert_type(price < price, bool)
    assert_type(price.split(3), tuple[Money, ...])
    assert_type(price.minor_units, int)


def many(tilia: TiliaClient, account_ids: Iterator[str]) -> None:
    report = tilia.bulk.block(account_ids, reason="fraud")
    assert_type(report, BulkReport)
    assert_type(report.counts, Mapping[BulkOutcome, int])
    assert_type(report.failures, tuple[BulkItem, ...])
    assert_type(report.complete, bool)
    assert_type(tilia.bulk.undo("wave-7"), BulkReport)
    assert_type(tilia.fleet.submit(account_ids, "block", reason="fraud", job_id="wave-8"), JobStatus)
    assert_type((tilia.fleet.pause("wave-8")).counts[BulkOutcome.DONE], int)
    assert_type(tilia.fleet.workers(), tuple[FleetWorker, ...])
    for failure in tilia.fleet.failures("wave-8"):
        assert_type(failure, BulkItem)
    tilia.fleet.work(concurrency=64, until_idle=True)
    with tilia.bulk.stream_block(["a"], reason="fraud") as stream:
        assert_type(stream.progress(), BulkProgress)
        for item in stream:
            assert_type(item, BulkItem)
            assert_type(item.account, Account | None)
            assert_type(item.also_blocked_by, tuple[BlockRecord, ...])


def recorded(before: datetime) -> None:
    with BlockLedger.open("sqlite:///blocks.db") as ledger:
        assert_type(ledger, BlockLedger)
        assert_type(ledger.history("a"), list[BlockRecord])
        assert_type(ledger.records(job_id="wave-7", action=BlockAction.BLOCK), Iterator[BlockRecord])
        assert_type(ledger.due_for_review(before), Iterator[BlockRecord])
        assert_type(ledger.blocked(reason="fraud", since=before), Iterator[BlockRecord])
        assert_type(ledger.jobs(), Iterator[BlockJob])
        assert_type(ledger.export(StringIO(), "jsonl"), int)
        for record in ledger.pending():
            assert_type(record.state, RecordState)
            assert_type(record.source, RecordSource)
            assert_type(record.review_at, datetime | None)


def reconciled(tilia: TiliaClient) -> None:
    found = tilia.reconcile(OPERATIONS["payouts.request"])
    assert_type(found, Reconciliation)
    assert_type(found.verdict, Verdict)
    assert_type(found.reason, str)


def notified(receiver: WebhookReceiver) -> None:
    @receiver.on(AccountBlockChanged)
    def blocked(event: AccountBlockChanged) -> None:
        assert_type(event.is_blocked, bool | None)
        assert_type(event.sent_at, datetime | None)

    @receiver.on(UnknownEvent)
    def unknown(event: UnknownEvent) -> None:
        assert_type(event.event_name, str | None)

    assert_type(parse_event(b"{}"), Event)
    assert_type(receiver.handle(b"{}"), HTTPStatus)
    del blocked, unknown


def embedded() -> None:
    with Sandbox(seed=7) as sandbox:
        assert_type(sandbox, Sandbox)
        assert_type(sandbox.client_id, str)
        assert_type(sandbox.environment, Environment)
        assert_type(sandbox.requests, list[RecordedRequest])
        assert_type(sandbox.notifications, list[SentNotification])
        assert_type(sandbox.accounts, Mapping[str, SandboxAccount])
        sandbox.faults.add("accounts.block", Fault.DROP_AFTER_COMMIT, times=1)
        sandbox.clock.advance(3600)
    with RemoteSandbox(sandbox.url) as remote:
        assert_type(remote, RemoteSandbox)
        assert_type(remote.requests(), list[RecordedRequest])
        assert_type(remote.accounts(), dict[str, SandboxAccount])
        assert_type(remote.faults.scheduled(), tuple[ScheduledFault, ...])
        for request in remote.follow():
            assert_type(request.status, int | None)
            assert_type(request.fault, Fault | None)
