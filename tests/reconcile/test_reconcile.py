"""The end of a write, asked of the sandbox by both packages."""

from __future__ import annotations

import asyncio
import pickle
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio
from support.both_packages import Make

from tilia_async import LineItem, Money, Operation, Repeat, RequestOptions, Service, TiliaClient, Verdict, errors
from tilia_async.api import OPERATIONS
from tilia_async.reconcile.lookups import LOOKUPS
from tilia_async.sandbox import Fault, Sandbox

SWORD = LineItem(amount=Money(200, "TOK"), transaction_type="user_to_integrator")


async def failing(call: object) -> errors.TiliaError:
    with pytest.raises(errors.TiliaError) as caught:
        await call
    assert caught.value.took_effect is not False
    return caught.value


async def lost(tilia: object, sandbox: Sandbox, fault: Fault, reference: str = "order-7") -> errors.TiliaError:
    """The error of an invoice whose answer was lost."""
    account = sandbox._world.accounts.named("nyx")
    assert account is not None
    sandbox.faults.add("invoices.create", fault)
    return await failing(tilia.invoices.create(account.account_id, [SWORD], reference_id=reference))


@pytest_asyncio.fixture
async def account_id(tilia: object) -> str:
    return (await tilia.accounts.register("nyx", email="nyx@mail.example")).account_id


def test_every_write_has_a_look_up_or_a_reason_why_not() -> None:
    assert LOOKUPS.keys() == {name for name, operation in OPERATIONS.items() if not operation.reads}


@pytest.mark.asyncio
async def test_an_earlier_write_like_it_is_not_taken_for_it(tilia: object, sandbox: Sandbox, account_id: str) -> None:
    earlier = await tilia.invoices.create(account_id, [SWORD], reference_id="order-7")
    told = await tilia.reconcile(await lost(tilia, sandbox, Fault.DROP_BEFORE_COMMIT))
    assert told.verdict is Verdict.CANNOT_BE_KNOWN
    assert [candidate.invoice_id for candidate in told.candidates] == [earlier.invoice_id]
    assert told.resource is None


@pytest.mark.asyncio
async def test_an_earlier_write_of_long_ago_is_distinguished_from_it(
    tilia: object, sandbox: Sandbox, account_id: str
) -> None:
    await tilia.invoices.create(account_id, [SWORD], reference_id="order-7")
    for invoice in sandbox._world.invoices.by_id.values():
        invoice.created -= 65
    told = await tilia.reconcile(await lost(tilia, sandbox, Fault.DROP_BEFORE_COMMIT))
    assert (told.verdict, told.resource, told.candidates) == (Verdict.NOT_SEEN, None, ())
    told = await tilia.reconcile(await lost(tilia, sandbox, Fault.DROP_AFTER_COMMIT))
    assert (told.verdict, len(told.candidates)) == (Verdict.CANNOT_BE_KNOWN, 1)
    assert told.candidates[0].reference_id == "order-7"
    assert "do not make another" in told.reason


@pytest.mark.asyncio
async def test_a_reference_id_that_nobody_used_before_makes_it_knowable(
    tilia: object, sandbox: Sandbox, account_id: str
) -> None:
    error = await lost(tilia, sandbox, Fault.DROP_AFTER_COMMIT)
    told = await tilia.reconcile(error, since=long_ago())
    assert (told.verdict, told.candidates, told.done) == (Verdict.TOOK_EFFECT, (), True)
    assert told.resource.reference_id == "order-7"


@pytest.mark.asyncio
async def test_two_writes_like_it_are_both_candidates(tilia: object, sandbox: Sandbox, account_id: str) -> None:
    error = await lost(tilia, sandbox, Fault.DROP_AFTER_COMMIT)
    await tilia.invoices.create(account_id, [SWORD], reference_id="order-7")
    told = await tilia.reconcile(error)
    assert (told.verdict, len(told.candidates)) == (Verdict.CANNOT_BE_KNOWN, 2)


@pytest.mark.asyncio
async def test_without_a_reference_of_ones_own_nothing_is_claimed(
    tilia: object, sandbox: Sandbox, account_id: str
) -> None:
    sandbox.faults.add("invoices.create", Fault.DROP_AFTER_COMMIT)
    error = await failing(tilia.invoices.create(account_id, [SWORD]))
    told = await tilia.reconcile(error)
    assert (told.verdict, len(told.candidates)) == (Verdict.CANNOT_BE_KNOWN, 1)
    sandbox.faults.add("escrow.create", Fault.DROP_AFTER_COMMIT)
    told = await tilia.reconcile(await failing(tilia.escrow.create(account_id, [SWORD])))
    assert (told.verdict, told.candidates) == (Verdict.CANNOT_BE_KNOWN, ())
    assert "reference_id" in told.reason


@pytest.mark.asyncio
async def test_a_sandbox_whose_clock_is_ahead_is_understood(tilia: object, sandbox: Sandbox, account_id: str) -> None:
    await tilia.invoices.create(account_id, [SWORD], reference_id="order-7")
    sandbox.clock.advance(3600)
    for invoice in sandbox._world.invoices.by_id.values():
        invoice.created -= 65
    told = await tilia.reconcile(await lost(tilia, sandbox, Fault.DROP_BEFORE_COMMIT))
    assert told.verdict is Verdict.NOT_SEEN, told.reason
    told = await tilia.reconcile(await lost(tilia, sandbox, Fault.DROP_AFTER_COMMIT))
    assert told.verdict is Verdict.CANNOT_BE_KNOWN, told.reason


@pytest.mark.asyncio
async def test_what_is_not_seen_says_from_when_it_is_safe_to_decide(
    tilia: object, sandbox: Sandbox, account_id: str
) -> None:
    error = await lost(tilia, sandbox, Fault.DROP_BEFORE_COMMIT)
    told = await tilia.reconcile(error)
    assert told.verdict is Verdict.NOT_SEEN
    assert told.decide_from == error.call.ended_at + timedelta(minutes=3)
    assert f"{told.decide_from:%H:%M:%S} UTC" in told.reason
    assert told.checked_at < told.decide_from
    late = await tilia.reconcile(OPERATIONS["accounts.register"], reference={"username": "x"}, since=long_ago())
    assert late.decide_from < late.checked_at
    assert "can be taken to have no effect" in late.reason
    assert "If it began at the time that was given" in late.reason, "nobody else knows when it did"
    # Whoever was cancelled holds no record; the call lasted no longer than the client's timeout, nor than until now.
    for ago, ended in ((60, 30), (10, 10)):
        since = datetime.now(UTC) - timedelta(seconds=ago)
        told = await tilia.reconcile(OPERATIONS["accounts.register"], reference={"username": "x"}, since=since)
        assert abs(told.decide_from - since - timedelta(seconds=ended + 180)) < timedelta(seconds=5)


def long_ago() -> datetime:
    return datetime.now(UTC) - timedelta(minutes=10)


@pytest.mark.asyncio
async def test_a_write_that_takes_effect_after_its_call_ended_is_seen_later(make: Make, sandbox: Sandbox) -> None:
    tilia = make()
    sandbox.faults.add("accounts.register", Fault.LATENCY, seconds=0.4)
    error = await failing(tilia.accounts.register("nyx", email="nyx@mail.example", options=RequestOptions(timeout=0.1)))
    assert (await tilia.reconcile(error)).verdict is Verdict.NOT_SEEN
    for _ in range(200):
        if sandbox.accounts:
            break
        await asyncio.sleep(0.01)
    told = await tilia.reconcile(error)
    assert (told.verdict, told.done, told.candidates[0].username) == (Verdict.CANNOT_BE_KNOWN, True, "nyx")


@pytest.mark.asyncio
async def test_a_caller_that_was_cancelled_can_ask(sandbox: Sandbox, tilia: object) -> None:
    sandbox.faults.add("accounts.register", Fault.HANG_AFTER_COMMIT)
    async with TiliaClient(sandbox.client_id, sandbox.client_secret, sandbox.environment) as client:
        since = datetime.now(UTC)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await client.accounts.register("nyx", email="nyx@mail.example")
    reference = {"username": "nyx"}
    for known in (since, None):
        told = await tilia.reconcile(OPERATIONS["accounts.register"], reference=reference, since=known)
        assert (told.verdict, told.done, told.candidates[0].username) == (Verdict.CANNOT_BE_KNOWN, True, "nyx")


@pytest.mark.asyncio
async def test_without_a_time_an_earlier_write_cannot_be_distinguished(
    tilia: object, sandbox: Sandbox, account_id: str
) -> None:
    await tilia.invoices.create(account_id, [SWORD], reference_id="order-7")
    for invoice in sandbox._world.invoices.by_id.values():
        invoice.created -= 3600
    reference = {"account_id": account_id, "reference_id": "order-7"}
    told = await tilia.reconcile(OPERATIONS["invoices.create"], reference=reference)
    assert (told.verdict, len(told.candidates)) == (Verdict.CANNOT_BE_KNOWN, 1)
    assert "since=" in told.reason


@pytest.mark.asyncio
async def test_a_state_that_is_reached_once_needs_no_time(tilia: object, account_id: str, sandbox: Sandbox) -> None:
    sandbox.fund(account_id, Money(500, "TOK"))
    invoice = await tilia.invoices.create(account_id, [SWORD])
    reference = {"invoice_id": invoice.invoice_id}
    assert (await tilia.reconcile(OPERATIONS["invoices.pay"], reference=reference)).verdict is Verdict.NOT_SEEN
    await tilia.invoices.pay(invoice.invoice_id)
    told = await tilia.reconcile(OPERATIONS["invoices.pay"], reference=reference)
    # It is paid, but nobody knows that it was by the call that is asked about.
    assert (told.verdict, told.done, len(told.candidates)) == (Verdict.CANNOT_BE_KNOWN, True, 1)
    assert "do not pay it again" in told.reason
    told = await tilia.reconcile(OPERATIONS["invoices.pay"], reference={"invoice_id": "inv_none"})
    assert (told.verdict, told.decide_from, told.done) == (Verdict.CANNOT_BE_KNOWN, None, False)


@pytest.mark.asyncio
async def test_a_payment_that_failed_did_not_take_effect(tilia: object, account_id: str, sandbox: Sandbox) -> None:
    invoice = await tilia.invoices.create(account_id, [SWORD])
    with pytest.raises(errors.ForbiddenError):
        await tilia.invoices.pay(invoice.invoice_id)
    told = await tilia.reconcile(OPERATIONS["invoices.pay"], reference={"invoice_id": invoice.invoice_id})
    assert told.verdict is Verdict.NOT_SEEN
    assert sandbox._world.invoices.by_id[invoice.invoice_id].state in told.reason


@pytest.mark.asyncio
async def test_a_block_of_tilias_is_not_taken_for_ones_own(tilia: object, account_id: str, sandbox: Sandbox) -> None:
    reference = {"account_id": account_id}
    block, unblock = OPERATIONS["accounts.block"], OPERATIONS["accounts.unblock"]

    async def verdicts() -> list[tuple[Verdict, bool]]:
        told = [await tilia.reconcile(each, reference=reference) for each in (block, unblock)]
        return [(each.verdict, each.done) for each in told]

    assert await verdicts() == [(Verdict.NOT_SEEN, False), (Verdict.CANNOT_BE_KNOWN, True)]
    await tilia.accounts.block(account_id)
    assert await verdicts() == [(Verdict.CANNOT_BE_KNOWN, True), (Verdict.NOT_SEEN, False)]
    sandbox.block_as_tilia(account_id)
    assert await verdicts() == [(Verdict.CANNOT_BE_KNOWN, False), (Verdict.CANNOT_BE_KNOWN, False)]


@pytest.mark.asyncio
async def test_a_refund_of_a_line_item_is_found_with_the_help_of_its_invoice(
    tilia: object, account_id: str, sandbox: Sandbox
) -> None:
    card = sandbox.add_payment_method(account_id)
    sandbox.fund(account_id, Money(500, "TOK"))
    invoice = await tilia.invoices.create(account_id, [SWORD])
    await tilia.invoices.pay(invoice.invoice_id)
    (item,) = invoice.line_items
    (paid,) = invoice.payment_methods
    assert card
    sandbox.faults.add("refunds.refund_line_item", Fault.DROP_AFTER_COMMIT)
    error = await failing(tilia.refunds.refund_line_item(item.line_item_id, 50, [paid.payment_method_id], "billing"))
    assert error.reference == {"line_item_id": item.line_item_id, "amount": "50"}
    blind = await tilia.reconcile(error)
    assert (blind.verdict, blind.candidates) == (Verdict.CANNOT_BE_KNOWN, ())
    assert "invoice_id" in blind.reason
    told = await tilia.reconcile(error, reference={"invoice_id": invoice.invoice_id})
    # Tilia dates refunds by the second.
    assert [refund.amount for refund in (told.resource, *told.candidates) if refund is not None] == [50]


@pytest.mark.asyncio
async def test_a_transfer_says_with_which_key_it_may_be_sent_again(
    tilia: object, account_id: str, sandbox: Sandbox
) -> None:
    from tilia_async import TransferItem

    (source,) = [each for each in await tilia.wallets.list(account_id) if each.method_class == "registration"]
    other = sandbox.publisher_wallets["USD"].wallet_id
    move = TransferItem(source_wallet_id=source.wallet_id, destination_wallet_id=other, amount=1, currency="USD")
    sandbox.faults.add("transfers.create", Fault.DROP_BEFORE_COMMIT, times=None)
    error = await failing(tilia.transfers.create(account_id, "fund_user", [move]))
    told = await tilia.reconcile(error)
    assert told.verdict is Verdict.CANNOT_BE_KNOWN
    assert error.reference["idempotency_key"] in told.reason
    sandbox.faults.clear()
    options = RequestOptions(idempotency_key=error.reference["idempotency_key"])
    assert await tilia.transfers.create(account_id, "fund_user", [move], options=options)


@pytest.mark.asyncio
async def test_a_transfer_that_failed_for_want_of_money_is_found_and_did_not_take_effect(
    tilia: object, account_id: str, sandbox: Sandbox
) -> None:
    from tilia_async import TransferItem

    (source,) = [each for each in await tilia.wallets.list(account_id) if each.method_class == "registration"]
    other = sandbox.publisher_wallets["USD"].wallet_id
    move = TransferItem(source_wallet_id=source.wallet_id, destination_wallet_id=other, amount=1, currency="USD")
    since = datetime.now(UTC)
    failed = await tilia.transfers.create(account_id, "fund_user", [move], reference_id="order-7")
    assert failed.status == "FAILED"
    reference = {"account_id": account_id, "reference_id": "order-7"}
    told = await tilia.reconcile(OPERATIONS["transfers.create"], reference=reference, since=since)
    assert (told.verdict, [each.state for each in told.candidates]) == (Verdict.CANNOT_BE_KNOWN, ["FAILED"])
    told = await tilia.reconcile(OPERATIONS["transfers.create"], reference=reference, since=long_ago())
    assert told.verdict is Verdict.NOT_SEEN, told.reason


@pytest.mark.asyncio
async def test_what_tilia_confirmed_stays_confirmed(tilia: object, account_id: str) -> None:
    error = errors.ResponseDecodeError(
        "odd", status=200, operation="accounts.unblock", took_effect=True, reference={"account_id": account_id}
    )
    await tilia.accounts.block(account_id)
    told = await tilia.reconcile(error)
    assert told.verdict is Verdict.TOOK_EFFECT
    assert "confirmed" in told.reason


@pytest.mark.asyncio
async def test_a_look_up_that_is_refused_claims_nothing() -> None:
    async with Sandbox(scopes=["write_registrations"], wallet_delay=0) as sandbox:
        async with TiliaClient(sandbox.client_id, sandbox.client_secret, sandbox.environment) as tilia:
            sandbox.faults.add("accounts.register", Fault.DROP_AFTER_COMMIT)
            error = await failing(tilia.accounts.register("nyx", email="nyx@mail.example"))
            told = await tilia.reconcile(error)
    assert told.verdict is Verdict.CANNOT_BE_KNOWN
    assert "search_accounts" in told.reason


@pytest.mark.asyncio
async def test_an_outage_of_the_look_up_is_an_error_and_no_verdict(
    tilia: object, sandbox: Sandbox, account_id: str
) -> None:
    error = await lost(tilia, sandbox, Fault.DROP_AFTER_COMMIT)
    sandbox.faults.add("invoices.list", Fault.SERVER_ERROR_EMPTY, times=None)
    with pytest.raises(errors.ServerError):
        await tilia.reconcile(error)
    sandbox.faults.clear()
    sandbox.faults.add("auth.token", Fault.TOKEN_OUTAGE, times=None)
    sandbox.revoke_tokens()
    with pytest.raises(errors.TokenError):
        await tilia.reconcile(error)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("subject", "settings", "field"),
    [
        (OPERATIONS["accounts.get"], {}, "operation"),
        (ValueError("x"), {}, "error"),
        (OPERATIONS["invoices.pay"], {}, "reference"),
        (OPERATIONS["invoices.pay"], {"reference": {"invoice_id": ""}}, "reference"),
        (OPERATIONS["invoices.pay"], {"reference": {"invoice_id": 7}}, "reference"),
        (OPERATIONS["invoices.pay"], {"reference": "inv_1"}, "reference"),
        (OPERATIONS["accounts.register"], {"reference": {"username": "n"}, "since": datetime(2026, 1, 1)}, "since"),  # noqa: DTZ001 - what is tested
    ],
)
async def test_what_cannot_be_reconciled_is_refused(
    tilia: object, sandbox: Sandbox, subject: object, settings: dict[str, object], field: str
) -> None:
    with pytest.raises(errors.InvalidRequestError) as caught:
        await tilia.reconcile(subject, **settings)
    assert field in caught.value.problems
    assert not sandbox.requests


@pytest.mark.asyncio
async def test_an_operation_of_ones_own_cannot_be_known(tilia: object) -> None:
    mine = Operation("things.make", "POST", Service.ACCOUNTS, "/v9", dict[str, str], scopes=(), repeat=Repeat.NEVER)
    assert (await tilia.reconcile(mine)).verdict is Verdict.CANNOT_BE_KNOWN


@pytest.mark.asyncio
async def test_an_error_that_came_from_another_process_can_be_reconciled(
    tilia: object, sandbox: Sandbox, account_id: str
) -> None:
    error = pickle.loads(pickle.dumps(await lost(tilia, sandbox, Fault.DROP_AFTER_COMMIT)))
    told = await tilia.reconcile(error)
    assert [each.reference_id for each in told.candidates] == ["order-7"]


@pytest.mark.asyncio
async def test_a_list_is_read_no_further_than_to_what_is_older(
    tilia: object, sandbox: Sandbox, account_id: str
) -> None:
    for number in range(230):
        await tilia.invoices.create(account_id, [SWORD], reference_id=f"old-{number}")
    for number, invoice in enumerate(sandbox._world.invoices.by_id.values()):
        invoice.created -= 3600 - number
    error = await lost(tilia, sandbox, Fault.DROP_BEFORE_COMMIT)
    already = len(sandbox.requests)
    assert (await tilia.reconcile(error)).verdict is Verdict.NOT_SEEN
    assert [each.operation for each in sandbox.requests[already:]].count("invoices.list") == 1


@pytest.mark.asyncio
async def test_an_invoice_of_another_type_is_found(tilia: object, sandbox: Sandbox, account_id: str) -> None:
    sandbox.faults.add("invoices.create", Fault.DROP_AFTER_COMMIT)
    error = await failing(
        tilia.invoices.create(account_id, [SWORD], invoice_type="user_purchase", reference_id="order-7")
    )
    assert error.reference["invoice_type"] == "user_purchase"
    assert (await tilia.reconcile(error, since=long_ago())).verdict is Verdict.TOOK_EFFECT


@pytest.mark.asyncio
async def test_a_payout_like_it_may_be_it_whatever_its_amount(tilia: object, sandbox: Sandbox, account_id: str) -> None:
    sandbox.set_kyc(account_id)
    sandbox.fund(account_id, Money(5_000, "USD"))
    paypal = sandbox.add_payment_method(account_id, "paypal")
    (source,) = [each for each in await tilia.wallets.list(account_id) if each.method_class == "registration"]
    sandbox.faults.add("payouts.request", Fault.DROP_BEFORE_COMMIT)
    error = await failing(tilia.payouts.request(account_id, source.id, paypal, Money(500, "USD")))
    assert (await tilia.reconcile(error)).verdict is Verdict.NOT_SEEN
    await tilia.payouts.request(account_id, source.id, paypal, Money(700, "USD"))
    told = await tilia.reconcile(error)
    assert (told.verdict, len(told.candidates), told.done) == (Verdict.CANNOT_BE_KNOWN, 1, False)
    await tilia.payouts.request(account_id, source.id, paypal, Money(500, "USD"))
    told = await tilia.reconcile(error)
    assert [each.credit.amount for each in told.candidates] == [500, 700]
