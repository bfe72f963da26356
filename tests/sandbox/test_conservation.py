"""Money neither appears nor vanishes, and nothing walks where it may not."""

from __future__ import annotations

import random
from collections import Counter

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from support.plain import item

from tilia_async.money import Money
from tilia_async.sandbox import payouts
from tilia_async.sandbox.clock import SandboxClock
from tilia_async.sandbox.payment_methods import add_card, add_paypal
from tilia_async.sandbox.requests import ErrorResponse, SandboxRequest
from tilia_async.sandbox.routing import Match, Router
from tilia_async.sandbox.state.accounts import Kyc
from tilia_async.sandbox.state.wallets import Movement, OverdrawnError, SandboxWallet, Wallets
from tilia_async.sandbox.world import Settings, World

ROUTER = Router()
ESCROW_WALKS = {
    "OPEN": {"OPEN", "ESCROWED", "ESCROW-FAILED"},
    "ESCROWED": {"ESCROWED", "COMMITTED", "CANCELLED"},
    **{end: {end} for end in ("ESCROW-FAILED", "COMMITTED", "CANCELLED")},
}
INVOICE_WALKS = {"OPEN": {"OPEN", "SUCCESS", "FAILED"}, "SUCCESS": {"SUCCESS"}, "FAILED": {"FAILED"}}
PAYOUT_WALKS = {
    "FUNDS-IN-ESCROW": {"FUNDS-IN-ESCROW", "CREDIT-TRANSFER-INITIATED", "SUCCESS", "SUPPORT-REJECT-TRANSFER-INITIATED"},
    "CREDIT-TRANSFER-INITIATED": {"CREDIT-TRANSFER-INITIATED", "SUCCESS"},
    "SUPPORT-REJECT-TRANSFER-INITIATED": {"SUPPORT-REJECT-TRANSFER-INITIATED", "SUPPORT-REJECTED"},
    **{end: {end} for end in ("SUCCESS", "SUPPORT-REJECTED")},
}

amounts = st.integers(1, 400)
people = st.integers(0, 2)
any_of = st.integers(0, 10**6)


class Trading(RuleBasedStateMachine):
    """Three users do whatever the API lets them do, and much that it does not."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World(SandboxClock(), random.Random(7), Settings(wallet_delay=0, publisher_funds=500))
        self.outside = Counter({"USD": 500, "TOK": 10**15})
        self.seen: dict[str, str] = {}

    @initialize()
    def open(self) -> None:
        self.users = [self.world.create_account(f"user-{number}", "u@mail.example") for number in range(3)]
        for user in self.users:
            user.kyc = Kyc("kyc_1", "ACCEPT", "FULL")
            add_card(self.world, user, "USD", "ACTIVE")
            add_paypal(self.world, user, "USD", "ACTIVE")
            self.fund(user.account_id, Money(300, "USD"), "registration")
            self.fund(user.account_id, Money(300, "TOK"), "standard")
            self.fund(user.account_id, Money(300, "TOK"), "convertible")

    def fund(self, account_id: str, amount: Money, kind: str) -> None:
        self.world.fund(account_id, amount, kind)
        self.outside[amount.currency] += amount.minor_units

    def ask(self, method: str, path: str, body: object = None) -> dict[str, object] | None:
        """The payload of an answer; None if Tilia refuses."""
        match = ROUTER.find(method, "balances" if "transfer" in path else "invoicing", f"/{path}")
        assert isinstance(match, Match)
        try:
            answer = match.route.handler(SandboxRequest(self.world, match.path, {}, orjson.dumps(body)))
        except ErrorResponse as refused:
            answer = refused.answer
        assert answer.status in {200, 201, 400, 403}, answer.body
        told = orjson.loads(answer.body)
        return told.get("payload", told) if answer.status < 300 else None

    def methods(self, user: int, provider: str) -> list[str]:
        mine = self.world.methods.of(self.users[user].account_id)
        return [method.id for method in mine if method.provider == provider]

    def pick(self, things: dict[str, object], number: int) -> str:
        return sorted(things)[number % len(things)] if things else "nothing"

    @rule(buyer=people, seller=people, amount=amounts, share=st.integers(1, 400), tokens=st.booleans(), split=st.booleans(), escrow=st.booleans(), fee=st.sampled_from([0, 0.05, 1 / 3, 1]))  # fmt: skip
    def order(self, buyer: int, seller: int, amount: int, share: int, tokens: bool, split: bool, escrow: bool, fee: float) -> None:  # fmt: skip
        to = {"amount": share, "destination_account_id": self.users[seller].account_id, "fee_percentage": fee}
        (wallet, *_), (card,) = self.methods(buyer, "wallet"), self.methods(buyer, "rebilly")
        sources = [{"payment_method_id": wallet, "amount": 40}, {"payment_method_id": card, "amount": 0}]
        body = {
            "account_id": self.users[buyer].account_id,
            "line_items": [item(amount, "TOK" if tokens else "USD", to)],
            "payment_methods": None if tokens else sources if split else sources[:1],
        }
        if not tokens and not split:
            body["payment_methods"] = [{"payment_method_id": wallet}]
        made = self.ask("POST", "v2/escrow" if escrow else "v2/invoice", body)
        assert (made is None) == (share > amount or (not tokens and split and amount <= 40))

    @rule(number=any_of)
    def pay_invoice(self, number: int) -> None:
        invoice_id = self.pick(self.world.invoices.by_id, number)
        if invoice_id in self.world.invoices.by_id:
            self.ask("POST", f"v2/invoice/{invoice_id}/pay")

    @rule(number=any_of, step=st.sampled_from(["pay", "commit", "cancel"]))
    def step_escrow(self, number: int, step: str) -> None:
        if self.world.escrows:
            self.ask("POST", f"v2/escrow/{self.pick(self.world.escrows, number)}/{step}")

    @rule(number=any_of)
    def refund(self, number: int) -> None:
        if self.world.invoices.by_id:
            self.ask("POST", "v2/refund", {"invoice_id": self.pick(self.world.invoices.by_id, number)})

    @rule(number=any_of, amount=amounts)
    def refund_line_item(self, number: int, amount: int) -> None:
        invoice = self.world.invoices.by_id.get(self.pick(self.world.invoices.by_id, number))
        if invoice is not None:
            line = invoice.items[0].line_item_id
            methods = [payment.method.id for payment in invoice.payments]
            body = {"line_item_id": line, "amount": amount, "payment_methods": methods, "reason": "other"}
            self.ask("POST", "v2/line-item/refund", body)

    @rule(user=people, tokens=st.integers(1, 60_000), by_card=st.booleans())
    def quote_tokens(self, user: int, tokens: int, by_card: bool) -> None:
        method = self.methods(user, "rebilly" if by_card else "wallet")[0]
        body = {"payment_method_id": method, "amount": tokens, "currency": "TOK"}
        assert self.ask("POST", "v2/token/purchase", body) is not None

    @rule(user=people)
    def quote_money(self, user: int) -> None:
        self.ask("POST", "v2/token/convert", {"account_id": self.users[user].account_id})

    @rule(number=any_of, direction=st.sampled_from(["purchase", "convert"]))
    def execute(self, number: int, direction: str) -> None:
        if self.world.exchanges:
            self.ask("POST", f"v2/token/{direction}/{self.pick(self.world.exchanges, number)}")

    @rule(user=people, amount=amounts)
    def pay_out(self, user: int, amount: int) -> None:
        ids = {"source_payment_method_id": self.methods(user, "wallet")[0], "destination_payment_method_id": self.methods(user, "paypal")[0]}  # fmt: skip
        body = {**ids, "amount": amount, "currency": "USD"}
        self.ask("POST", f"v2/{self.users[user].account_id}/payout", body)

    @rule(number=any_of)
    def cancel_payout(self, number: int) -> None:
        if self.world.payouts:
            payout = self.world.payouts[self.pick(self.world.payouts, number)]
            self.ask("DELETE", f"v2/{payout.account_id}/payout/{payout.payout_status_id}")

    @rule(seconds=st.sampled_from([600, 3_600]))
    def wait(self, seconds: int) -> None:
        self.world.clock.advance(seconds)
        payouts.settle(self.world)

    @rule(source=people, destination=people, kind=st.integers(0, 2), amount=amounts)
    def transfer(self, source: int, destination: int, kind: int, amount: int) -> None:
        wallets = [self.world.wallets.of(self.users[user].account_id)[kind] for user in (source, destination)]
        move = {"source_wallet_id": wallets[0].wallet_id, "destination_wallet_id": wallets[1].wallet_id, "amount": amount, "currency": wallets[0].currency}  # fmt: skip
        body = {"account_id": self.users[source].account_id, "balance_transfer_type": "t", "transfer_items": [move]}
        assert (self.ask("POST", "v1/transfer", body) is None) == (source == destination)

    @invariant()
    def every_unit_is_somewhere(self) -> None:
        held: Counter[str] = Counter()
        for wallet in self.world.wallets.by_id.values():
            assert wallet.balance >= 0
            held[wallet.currency] += wallet.balance
        assert held == Counter(self.world.wallets.entered)
        assert held["TOK"] == self.outside["TOK"], "no token comes from outside but by funding"

    @invariant()
    def only_cards_and_payouts_change_the_sum(self) -> None:
        charged = sum(
            payment.amount - payment.refunded
            for invoice in self.world.invoices.by_id.values()
            if invoice.state == "SUCCESS" and not self.was_cancelled(invoice.invoice_id)
            for payment in invoice.payments
            if payment.method.wallet is None
        )
        bought = sum(
            exchange.paid
            for exchange in self.world.exchanges.values()
            if exchange.direction == "token_purchase" and exchange.status == "SUCCESS" and exchange.source is None
        )
        paid_out = sum(payout.amount for payout in self.world.payouts.values() if payout.status == "SUCCESS")
        assert self.world.wallets.entered["USD"] == self.outside["USD"] + charged + bought - paid_out

    def was_cancelled(self, invoice_id: str) -> bool:
        escrows = self.world.escrows.values()
        return any(
            escrow.status == "CANCELLED" and escrow.escrow_invoice.invoice_id == invoice_id for escrow in escrows
        )

    @invariant()
    def what_is_held_lies_at_tilia(self) -> None:
        for currency in ("USD", "TOK"):
            held = sum(escrow.escrow_invoice.total for escrow in self.world.escrows.values() if escrow.status == "ESCROWED" and escrow.escrow_invoice.currency == currency)  # fmt: skip
            assert self.world.tilia_wallet("escrow", currency).balance == held
        under_way = {"FUNDS-IN-ESCROW", "CREDIT-TRANSFER-INITIATED"}
        owed = sum(payout.amount for payout in self.world.payouts.values() if payout.status in under_way)
        assert self.world.tilia_wallet("payouts", "USD").balance == owed

    @invariant()
    def nothing_is_refunded_twice(self) -> None:
        for invoice in self.world.invoices.by_id.values():
            assert 0 <= invoice.refunded <= invoice.total
            assert all(0 <= payment.refunded <= payment.amount for payment in invoice.payments)
            assert sum(payment.refunded for payment in invoice.payments) == invoice.refunded

    @invariant()
    def states_walk_where_they_may(self) -> None:
        walks = (
            *((escrow.escrow_id, escrow.status, ESCROW_WALKS) for escrow in self.world.escrows.values()),
            *((invoice.invoice_id, invoice.state, INVOICE_WALKS) for invoice in self.world.invoices.by_id.values()),
            *((payout.payout_status_id, payout.status, PAYOUT_WALKS) for payout in self.world.payouts.values()),
        )
        for name, state, legal in walks:
            assert state in legal[self.seen.get(name, str(state))]
            self.seen[name] = str(state)


TestTrading = Trading.TestCase
TestTrading.settings = settings(max_examples=30, stateful_step_count=40, deadline=None)


def wallet(name: str, currency: str) -> SandboxWallet:
    return SandboxWallet(name, "acct_1", "registration", currency, "")


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 9)), max_size=12), st.integers(0, 12))
def test_movements_are_made_all_or_none(steps: list[tuple[int, int, int]], at_once: int) -> None:
    ledger = Wallets()
    places = [None, *(ledger.open(wallet(name, "USD")) for name in "abc")]
    moves = [
        Movement(places[source], places[destination], amount)
        for source, destination, amount in steps
        if source != destination
    ]
    for batch in (moves[:at_once], moves[at_once:]):
        before = [place.balance for place in places if place is not None]
        entered = ledger.entered["USD"]
        try:
            ledger.move(batch)
        except OverdrawnError:
            assert [place.balance for place in places if place is not None] == before
            assert ledger.entered["USD"] == entered
        balances = [place.balance for place in places if place is not None]
        assert min(balances) >= 0
        assert sum(balances) == ledger.entered["USD"]
