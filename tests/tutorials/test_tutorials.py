"""Tilia's tutorials, step by step, through both packages."""

from __future__ import annotations

import pytest
from support.both_packages import collected

from tilia_async import Money, Scope, errors
from tilia_async.models.line_items import LineItem, PaymentSource, Recipient
from tilia_async.models.transfers import TransferItem
from tilia_async.sandbox import Sandbox

USERS = ("payer", "recipient", "creator")
USER_SCOPES = (
    Scope.WRITE_REGISTRATIONS,
    Scope.SEARCH_ACCOUNTS,
    Scope.READ_PAYMENT_METHODS,
    Scope.WRITE_TOKENS,
    Scope.READ_TOKENS,
    Scope.READ_WALLETS,
    Scope.READ_ACCOUNTS,
    Scope.READ_KYCS,
)


async def new_users(tilia: object) -> dict[str, str]:
    """Step 2 of "Create new users": the accounts' ids by name."""
    users = {}
    for name in USERS:
        account = await tilia.accounts.register(f"{name}@mail.example", email=f"{name}@mail.example")
        users[name] = account.account_id
    return users


async def spendable(tilia: object, account_id: str, currency: str) -> int:
    balances = await tilia.wallets.balances(account_id, currency)
    return balances.balances[currency].spendable.balance


async def wallet(tilia: object, account_id: str, kind: str = "registration") -> object:
    wallets = await tilia.wallets.list(account_id)
    return next(each for each in wallets if each.method_class == kind)


async def buy_tokens(tilia: object, account_id: str, amount: int) -> object:
    """The tutorial "Buy tokens": get payment methods, initiate the purchase, execute it."""
    methods = await tilia.payment_methods.list(account_id)
    card = next(method for method in methods if method.provider == "rebilly")
    quote = await tilia.token_exchanges.start_purchase(card.id, amount, "TOK", account_id)
    assert (quote.status, quote.user_received_amount, quote.user_paid_currency) == ("OPEN", amount, "USD")
    done = await tilia.token_exchanges.execute_purchase(quote.token_exchange_id)
    assert (done.status, done.summary.total_amount) == ("SUCCESS", quote.user_paid_amount)
    assert (await tilia.token_exchanges.get(done.token_exchange_id)).status == "SUCCESS"
    return done


async def tos_and_kyc(tilia: object, sandbox: Sandbox, account_id: str) -> None:
    """The tutorial "Manage user account TOS and KYC", all but its resets."""
    assert (await tilia.compliance.tos_status(account_id)).signed_tos is False
    assert (await tilia.compliance.kyc_status(account_id)).state == "NODATA"
    # The user does this in the UI sandbox.
    sandbox.sign_tos(account_id)
    sandbox.set_kyc(account_id)
    assert (await tilia.compliance.tos_status(account_id)).signed_tos is True
    kyc = await tilia.compliance.kyc_status(account_id)
    assert (kyc.state, kyc.pii_level) == ("ACCEPT", "FULL")


@pytest.mark.asyncio
async def test_user_accounts_overview_create_new_users(make: object, sandbox: Sandbox) -> None:
    tilia = make(scopes=USER_SCOPES)
    # 1. Get an access token, with all scopes of the collection.
    token = await tilia.access_token(USER_SCOPES)
    assert token.scopes >= set(USER_SCOPES)
    # 2. Create new users.
    users = await new_users(tilia)
    # 3. Buy tokens, after adding a payment method in the widget.
    sandbox.add_payment_method(users["payer"])
    await buy_tokens(tilia, users["payer"], 2_500)
    # 4. Get wallet info.
    for account_id in users.values():
        wallets = await tilia.wallets.list(account_id)
        assert [each.method_class for each in wallets] == ["registration", "standard", "convertible"]
    standard = await tilia.wallets.get((await wallet(tilia, users["payer"], "standard")).wallet_id)
    assert (standard.current_balance, standard.account_id) == (2_500, users["payer"])
    # 5. View wallet balances.
    balances = (await tilia.wallets.balances(users["payer"])).balances["TOK"]
    assert (balances.spendable.balance, balances.convertible.balance) == (2_500, 0)
    # 6. Manage user account TOS and KYC.
    await tos_and_kyc(tilia, sandbox, users["payer"])
    assert sum(request.operation == "auth.token" for request in sandbox.requests) == 1


@pytest.mark.asyncio
async def test_user_accounts_overview_recall_existing_users(make: object, sandbox: Sandbox) -> None:
    users = await new_users(make())
    # 1. Get an access token; an hour later another one.
    tilia = make(scopes=USER_SCOPES)
    await tilia.access_token(USER_SCOPES)
    sandbox.clock.advance(3_600)
    # 2. Recall existing users.
    for name in USERS:
        found = await tilia.accounts.find(f"{name}@mail.example")
        assert found.account_id == users[name]
    with pytest.raises(errors.NotFoundError):
        await tilia.accounts.find("nobody@mail.example")
    # 3. Get wallet info.
    assert (await wallet(tilia, users["payer"])).wallet_id
    # 4. View wallet balances.
    assert await spendable(tilia, users["payer"], "TOK") == 0
    # 5. Buy tokens, if necessary.
    sandbox.add_payment_method(users["payer"])
    await buy_tokens(tilia, users["payer"], 100)
    assert await spendable(tilia, users["payer"], "TOK") == 100
    # 6. TOS and KYC.
    await tos_and_kyc(tilia, sandbox, users["recipient"])


@pytest.mark.asyncio
async def test_standard_transaction(tilia: object, sandbox: Sandbox) -> None:
    users = await new_users(tilia)
    sandbox.fund(users["payer"], Money(1_000, "USD"))
    source, destination = await wallet(tilia, users["payer"]), await wallet(tilia, users["recipient"])
    line = LineItem(
        amount=Money(550, "USD"),
        transaction_type="user_to_user",
        product_sku="sword",
        recipients=[Recipient(amount=500, currency="USD", destination_wallet_id=destination.wallet_id, source_wallet_id=source.wallet_id)],
    )  # fmt: skip
    made = await tilia.invoices.create(users["payer"], [line], [PaymentSource(source.id)], reference_id="8987749")
    assert (made.state, made.created, made.line_items[0].product_sku) == ("OPEN", None, "sword")
    assert (await tilia.invoices.pay(made.invoice_id)).state == "SUCCESS"
    assert await spendable(tilia, users["payer"], "USD") == 450
    assert await spendable(tilia, users["recipient"], "USD") == 500
    with pytest.raises(errors.BadRequestError):
        await tilia.invoices.pay(made.invoice_id)
    details = await tilia.invoices.get(made.invoice_id)
    assert (details.summary.total_amount, details.reference_id) == (550, "8987749")
    (listed,) = await collected(tilia.invoices.list(users["recipient"], include_recipient_transactions=True))
    assert listed.invoice_id == made.invoice_id
    refund = await tilia.refunds.refund_line_item(
        details.line_items[0].line_item_id, 50, [source.id], "product_related"
    )
    assert refund["invoice_id"] == made.invoice_id
    assert await tilia.refunds.refund_invoice(made.invoice_id, "billing") is None
    assert await spendable(tilia, users["payer"], "USD") == 1_000
    assert await spendable(tilia, users["recipient"], "USD") == 500, "the publisher pays"
    told = await tilia.refunds.list(made.invoice_id)
    assert (told.is_fully_refunded, len(told.refund_invoice_ids), told.payments[0].provider) == (True, 2, "wallet")
    assert sum(each.amount for each in told.payments[0].refunds) == 550
    with pytest.raises(errors.ForbiddenError):
        await tilia.refunds.refund_invoice(made.invoice_id)


@pytest.mark.asyncio
async def test_transaction_with_royalties_in_tokens(tilia: object, sandbox: Sandbox) -> None:
    users = await new_users(tilia)
    sandbox.add_payment_method(users["payer"])
    await buy_tokens(tilia, users["payer"], 1_000)
    seller, creator = Money(1_000, "TOK").split([9, 1])
    line = LineItem(
        amount=Money(1_000, "TOK"),
        transaction_type="user_to_user",
        recipients=[
            Recipient(amount=seller, destination_account_id=users["recipient"], fee_percentage=0.05),
            Recipient(amount=creator, destination_account_id=users["creator"], description="royalty"),
        ],
    )
    made = await tilia.invoices.create(users["payer"], [line], invoice_type="user_purchase_virtual")
    paid = await tilia.invoices.pay(made.invoice_id)
    assert (paid.invoice_type, paid.line_items[0].transaction_type) == ("user_purchase_virtual", "user_to_user_virtual")
    assert sorted(each.amount for each in paid.line_items[0].subitems) == [100, 855]
    earned = [(await wallet(tilia, users[name], "convertible")).current_balance for name in ("recipient", "creator")]
    assert earned == [855, 100]
    assert await spendable(tilia, users["payer"], "TOK") == 0


@pytest.mark.asyncio
@pytest.mark.parametrize("end", ["commit", "cancel"])
async def test_escrow_transaction(tilia: object, sandbox: Sandbox, end: str) -> None:
    users = await new_users(tilia)
    sandbox.fund(users["payer"], Money(1_000, "USD"))
    source = await wallet(tilia, users["payer"])
    to = Recipient(amount=900, currency="USD", destination_account_id=users["recipient"])
    line = LineItem(amount=1_000, currency="USD", transaction_type="user_to_user", recipients=[to])
    made = await tilia.escrow.create(users["payer"], [line], [PaymentSource(source.id)], reference_id="deal-1")
    assert (made.status, made.escrow_invoice.state) == ("OPEN", "OPEN")
    with pytest.raises(errors.BadRequestError):
        await tilia.escrow.commit(made.id)
    assert (await tilia.escrow.pay(made.id)).status == "ESCROWED"
    assert [await spendable(tilia, users[name], "USD") for name in ("payer", "recipient")] == [0, 0]
    step = tilia.escrow.commit if end == "commit" else tilia.escrow.cancel
    done = await step(made.id)
    ends = {"commit": ("COMMITTED", [0, 900]), "cancel": ("CANCELLED", [1_000, 0])}
    balances = [await spendable(tilia, users[name], "USD") for name in ("payer", "recipient")]
    assert (done.status, balances) == ends[end]
    assert await tilia.escrow.get(made.id) == await tilia.escrow.find_by_invoice(made.escrow_invoice_id) == done
    assert await collected(tilia.escrow.list_by_reference("deal-1")) == [done]


@pytest.mark.asyncio
async def test_payout(tilia: object, sandbox: Sandbox) -> None:
    users = await new_users(tilia)
    creator = users["creator"]
    sandbox.fund(creator, Money(50_000, "TOK"), "convertible")
    with pytest.raises(errors.ForbiddenError):
        await tilia.token_exchanges.start_conversion(creator)
    await tos_and_kyc(tilia, sandbox, creator)
    quote = await tilia.token_exchanges.start_conversion(creator)
    assert (quote.user_received_amount, quote.exchange_rate) == (500, 0.01)
    assert (await tilia.token_exchanges.execute_conversion(quote.token_exchange_id)).status == "SUCCESS"
    assert await spendable(tilia, creator, "USD") == 500
    paypal = sandbox.add_payment_method(creator, "paypal")
    methods = await tilia.payment_methods.transaction_methods(creator, capability="payout")
    assert methods.capabilities.payout == (paypal,)
    source = await wallet(tilia, creator)
    cancelled = await tilia.payouts.request(creator, source.id, paypal, Money(200, "USD"))
    assert (cancelled.status, cancelled.credit.amount) == ("FUNDS-IN-ESCROW", 200)
    told = await tilia.payouts.cancel(creator, cancelled.payout_status_id)
    assert (told.status, told.credit.status) == ("SUPPORT-REJECT-TRANSFER-INITIATED", "CANCELED")
    payout = await tilia.payouts.request(creator, source.id, paypal, Money(500, "USD"))
    assert payout.created.tzinfo is not None
    sandbox.clock.advance(4_200)
    assert (await tilia.payouts.get(creator, payout.payout_status_id)).status == "SUCCESS"
    statuses = [each.status for each in await tilia.payouts.list(creator)]
    assert sorted(statuses) == ["SUCCESS", "SUPPORT-REJECTED"]
    assert await spendable(tilia, creator, "USD") == 0
    with pytest.raises(errors.BadRequestError):
        await tilia.payouts.cancel(creator, payout.payout_status_id)


@pytest.mark.asyncio
async def test_checkout_in_tilias_pages(tilia: object) -> None:
    users = await new_users(tilia)
    line = LineItem(amount=100, currency="USD", transaction_type="user_to_integrator", description="sword")
    made = await tilia.invoices.authorize(users["payer"], [line], "widget", reference_id="r")
    assert made.nonce_auth_id in made.redirect
    details = await tilia.invoices.get_authorized(made.authorized_invoice_id)
    assert ([each.description for each in details.line_items], details.line_items_total) == (["sword"], 100)
    assert (await tilia.invoices.authorize(users["payer"], [line], "api")).password_token
    await tilia.accounts.block(users["payer"])
    with pytest.raises(errors.AccountBlockedError) as caught:
        await tilia.invoices.authorize(users["payer"], [line], "widget")
    assert caught.value.account_id == users["payer"]


@pytest.mark.asyncio
async def test_reward(tilia: object, sandbox: Sandbox) -> None:
    users = await new_users(tilia)
    to = await wallet(tilia, users["payer"], "convertible")
    move = TransferItem(
        source_wallet_id=sandbox.publisher_wallets["TOK"].wallet_id,
        destination_wallet_id=to.wallet_id,
        amount=Money(70, "TOK"),
    )
    done = await tilia.transfers.create(users["payer"], "fund_user", [move], reference_id="quest-7")
    assert (done.status, done.reference_id) == ("EXECUTED", "quest-7")
    back = TransferItem(
        source_wallet_id=to.wallet_id,
        destination_wallet_id=move.source_wallet_id,
        amount=Money(71, "TOK"),
    )
    assert (await tilia.transfers.create(users["payer"], "fund_user", [back])).status == "FAILED"
    assert await spendable(tilia, users["payer"], "TOK") == 70


@pytest.mark.asyncio
async def test_merging_and_closing(tilia: object, sandbox: Sandbox) -> None:
    users = await new_users(tilia)
    sandbox.fund(users["payer"], Money(70, "TOK"))
    assert await tilia.accounts.merge(users["payer"], users["recipient"]) is None
    assert await spendable(tilia, users["recipient"], "TOK") == 70
    assert [tag.tag for tag in (await tilia.accounts.get(users["recipient"])).tags] == ["merged_from"]
    (block,) = (await tilia.accounts.get_blocks(users["payer"])).blocks
    assert (block.issuer, block.reason) == ("tilia", "account_close")
    (own,) = (await tilia.accounts.block_capability(users["creator"], note="closed")).blocks
    assert own.issuer == "publisher"
    await tilia.accounts.unblock(users["creator"])
    assert (await tilia.accounts.get_blocks(users["creator"])).blocks == ()
    updated = await tilia.accounts.update(users["creator"], city="Wien")
    assert updated.city == "Wien"
    custom = await tilia.payment_methods.create_custom_wallet(users["creator"], "publisher_hosted", ["coin:TOK"])
    assert custom.payment_method.wallet_id == custom.wallet.wallet_id
    assert (await tilia.wallets.create_custom(users["creator"], "publisher_hosted")).active is True
    with pytest.raises(errors.BadRequestError):
        await tilia.wallets.create_custom(users["creator"], "unheard_of")
    assert (await tilia.payment_methods.get(custom.payment_method.id)).method_class == "wallet"
    renamed = await tilia.payment_methods.update(custom.payment_method.id, "Prizes", default_payment=True)
    assert renamed["display_string"] == "Prizes"
    entity = await tilia.compliance.onboard_entity(users["creator"], "Acme")
    assert (await tilia.compliance.onboard_entity(users["creator"], "Acme")).entity_id == entity.entity_id


@pytest.mark.asyncio
async def test_lists_cross_their_pages(tilia: object, sandbox: Sandbox) -> None:
    users = await new_users(tilia)
    sandbox.fund(users["payer"], Money(100, "TOK"))
    line = LineItem(amount=1, currency="TOK", transaction_type="user_to_integrator")
    made = [(await tilia.invoices.create(users["payer"], [line])).invoice_id for _ in range(5)]
    listed = await collected(tilia.invoices.list(users["payer"], sort_field="created", sort="asc", page_size=2))
    assert [each.invoice_id for each in listed] == made
    escrows = [(await tilia.escrow.create(users["payer"], [line], reference_id="r")).id for _ in range(3)]
    listed = await collected(tilia.escrow.list_by_reference("r", sort_field="created", page_size=2))
    assert [each.id for each in listed] == escrows[::-1]
    assert await collected(tilia.escrow.list_by_reference("r", ["ESCROWED"])) == []
