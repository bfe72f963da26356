"""The embedded Tilia itself, whoever serves it."""

from __future__ import annotations

import random
import uuid
from collections.abc import AsyncIterator, Iterable, Mapping
from pathlib import Path
from typing import Literal

import attrs

from tilia_async.currencies import DECIMALS, is_code
from tilia_async.json_value import JsonObject, JsonValue
from tilia_async.models.compliance import KycState
from tilia_async.models.payment_methods import PaymentMethodState
from tilia_async.models.requests import LONGEST_USERNAME
from tilia_async.money import Money, require_money
from tilia_async.sandbox import messages, payouts, state_file
from tilia_async.sandbox.blocks import block_account
from tilia_async.sandbox.clock import SandboxClock, put_back
from tilia_async.sandbox.compliance import decide_kyc
from tilia_async.sandbox.door import Door
from tilia_async.sandbox.event_feed import CHANGED, RESET, EventFeed
from tilia_async.sandbox.fault_script import FaultScript
from tilia_async.sandbox.fields import MOST
from tilia_async.sandbox.notifications import Destination, Notifier, SentNotification
from tilia_async.sandbox.past import copy_of
from tilia_async.sandbox.payment_methods import add_card, add_paypal, notify
from tilia_async.sandbox.recorded import RecordedRequest
from tilia_async.sandbox.request_handler import RequestHandler
from tilia_async.sandbox.request_log import RequestLog
from tilia_async.sandbox.routing import KNOWN_OPERATIONS
from tilia_async.sandbox.state.accounts import TILIA, SandboxAccount
from tilia_async.sandbox.state.wallets import REGISTRATION, STANDARD, SandboxWallet
from tilia_async.sandbox.token_issuer import TokenIssuer
from tilia_async.sandbox.trigger import trigger
from tilia_async.sandbox.waiting_faults import ScheduledFault, WaitingFaults
from tilia_async.sandbox.world import CUSTOM_WALLETS, Settings, World
from tilia_async.scopes import Scope
from tilia_async.secret import BasicPair, Secret, hide, hide_pair


@attrs.frozen
class _Start:
    """The state at the start, to which a reset returns."""

    world: World
    chance: tuple[object, ...] = attrs.field(repr=False)
    ahead: float
    destinations: tuple[Destination, ...]
    faults: tuple[ScheduledFault, ...] = attrs.field(repr=False)


class Simulation:
    """An embedded Tilia without its server; see ``Sandbox``."""

    def __init__(
        self,
        *,
        seed: int = 7,
        scopes: Iterable[str] = tuple(Scope),
        wallet_delay: float = 0.5,
        token_lifetime: float = 3600.0,
        token_currency: str = "TOK",  # noqa: S107 - no password
        record: int = 100_000,
        tokens_per_cent: int = 100,
        publisher_funds: int = 100_000_000,
        custom_wallets: Mapping[str, str] = CUSTOM_WALLETS,
        allowed_hosts: Iterable[str] = (),
        client_secret: str | Secret | None = None,
    ) -> None:
        # Not drawn from the seed: two sandboxes never share a secret, so they never share tokens either.
        secret = client_secret = Secret(str(uuid.uuid4())) if client_secret is None else hide(client_secret)
        if not secret:
            raise ValueError("client_secret is a text that is not empty")
        if tokens_per_cent < 1:
            raise ValueError(f"tokens_per_cent is at least 1, not {tokens_per_cent!r}")
        if not is_code(token_currency) or token_currency in DECIMALS:
            raise ValueError(
                f"token_currency is a code of three characters that is no currency, not {token_currency!r}"
            )
        chance = random.Random(seed)  # noqa: S311 - repeatable on purpose
        self.client_id: str = str(uuid.UUID(int=chance.getrandbits(128), version=4))
        self._client_secret = secret
        self._feed = EventFeed()
        self.clock: SandboxClock = SandboxClock(self._changed)
        waiting = WaitingFaults(KNOWN_OPERATIONS)
        self.faults: FaultScript = FaultScript(waiting, self._changed)
        self._notifier = Notifier(self.clock, record)
        self._world = World(
            self.clock,
            chance,
            Settings(wallet_delay, token_currency, tokens_per_cent, publisher_funds, dict(custom_wallets)),
            notify=self._notifier.notify,
        )
        self._tokens = TokenIssuer(
            self.clock, self.client_id, self._client_secret, frozenset(map(str, scopes)), token_lifetime
        )
        log = RequestLog(record, self._feed)
        self._handler = RequestHandler(self._world, self._tokens, waiting, log, Door(allowed_hosts))
        self.requests: list[RecordedRequest] = log.requests
        self._start: _Start | None = None

    @property
    def client_secret(self) -> str:
        """The secret that it accepts."""
        return self._client_secret.reveal()

    @property
    def accounts(self) -> Mapping[str, SandboxAccount]:
        """The accounts that there are, by id."""
        return self._world.accounts.users

    @property
    def publisher_account_id(self) -> str:
        """The publisher's own account.

        Fees, refunds and your share of sales come from and go to it; ``fund`` takes it, too.
        """
        return self._world.publisher.account_id

    @property
    def publisher_wallets(self) -> Mapping[str, SandboxWallet]:
        """The publisher's wallets by currency.

        They have no payment methods, so no listing shows their ids.
        """
        return {wallet.currency: wallet for wallet in self._world.wallets.of(self.publisher_account_id)}

    @property
    def notifications(self) -> list[SentNotification]:
        """Notifications to registered URLs, in order, with the answers."""
        return self._notifier.sent

    def register_webhook(
        self,
        url: str | Secret,
        *,
        events: Iterable[str] | None = None,
        basic_auth: BasicPair | None = None,
        repeat_redirected: bool = False,
        repeat_unanswered: bool = True,
    ) -> None:
        """Post notifications to a URL.

        A 2xx takes one. After 400 or more it is posted again, a few times within a second. What Tilia does after a
        redirect, which it follows in no case here, or without an answer, is documented nowhere: try both ways.

        Args:
            url: on loopback.
            events: their ``event_name``; None: all. A URL may be registered several times.
            basic_auth: user and password that each request carries.
            repeat_redirected: post again after a 3xx, too. A notification that was redirected is not taken either way.
            repeat_unanswered: post again where no answer came within ten seconds.

        Raises:
            ConfigurationError: the URL is not on loopback, or an event has another name.
        """
        url, basic_auth = hide(url), None if basic_auth is None else hide_pair(basic_auth)
        self._notifier.register(
            url, events, basic_auth, repeat_redirected=repeat_redirected, repeat_unanswered=repeat_unanswered
        )
        self._changed()

    async def unregister_webhook(self, url: str | Secret) -> int:
        """Post no more notifications to a URL.

        What was on its way there is given up.

        Returns:
            How often it was registered; 0: not at all.
        """
        url = hide(url)
        number = await self._notifier.unregister(url)
        self._changed()
        return number

    async def notified(self) -> None:
        """Wait until each notification was taken or given up.

        It waits for each notification so far, and its URL.
        """
        # What went on by itself while the clock was put forward is told now, and not with the next request.
        payouts.settle(self._world)
        await self._notifier.settled()

    def add_account(self, username: str, email: str | None = None) -> str:
        """Register an account, as a request would.

        Args:
            username: up to 64 characters.
            email: None: none.

        Returns:
            Its id.

        Raises:
            ValueError: the name is taken, or is none.
        """
        if not 0 < len(username) <= LONGEST_USERNAME:
            raise ValueError(f"username has 1 to {LONGEST_USERNAME} characters, not {len(username)}")
        if self._world.accounts.named(username) is not None:
            raise ValueError(f"there is an account {username!r} already")
        account = self._world.create_account(username, email)
        self._world.notify(*messages.registered(account))
        self._changed()
        return account.account_id

    def block_as_tilia(self, account_id: str) -> None:
        """Block an account as Tilia itself does.

        A publisher cannot lift that.

        Raises:
            KeyError: there is no such account.
        """
        block_account(self._world, self._account(account_id), TILIA)
        self._changed()

    def add_payment_method(
        self,
        account_id: str,
        kind: Literal["card", "paypal"] = "card",
        *,
        currency: str = "USD",
        state: str = PaymentMethodState.ACTIVE,
    ) -> str:
        """Add a way to pay from outside.

        A user does so in Tilia's web pages.

        Args:
            kind: a card pays; a PayPal account pays and can be paid out to.
            state: ``ACTIVE``; others are listed and cannot be used.

        Returns:
            Its id.

        Raises:
            KeyError: there is no such account.
            ValueError: there is no such kind.
        """
        add = {"card": add_card, "paypal": add_paypal}.get(kind)
        if add is None:
            raise ValueError(f"a payment method that can be added is a card or paypal, not {kind!r}")
        method = add(self._world, self._account(account_id), currency, str(state))
        notify(self._world, method)
        self._changed()
        return method.id

    def set_kyc(self, account_id: str, state: str = KycState.ACCEPT, pii_level: str | None = None) -> None:
        """Decide about a user's data, as Tilia's compliance does.

        Payouts take ``ACCEPT`` with ``FULL``.

        Args:
            pii_level: None: ``FULL`` for ``ACCEPT``, ``NONE`` for ``NODATA``, else ``BASIC``.

        Raises:
            KeyError: there is no such account.
        """
        decide_kyc(self._world, self._account(account_id), str(state), pii_level)
        self._changed()

    def sign_tos(self, account_id: str) -> None:
        """Let a user accept Tilia's terms of service.

        This is done in Tilia's web pages.

        Raises:
            KeyError: there is no such account.
        """
        self._account(account_id).signed_tos = True
        self._changed()

    def hold_payout(self, payout_status_id: str) -> None:
        """Put a payout in escrow on hold.

        It does not go on by itself, and can still be cancelled.

        Raises:
            KeyError: there is no such payout.
            ValueError: its funds are not in escrow.
        """
        if payout_status_id not in self._world.payouts:
            raise KeyError(f"there is no payout {payout_status_id!r}")
        payouts.hold(self._world, self._world.payouts[payout_status_id])
        self._changed()

    def fund(self, account_id: str, amount: Money, wallet: str | None = None) -> None:
        """Put money or tokens into an account's wallet.

        Args:
            wallet: ``registration`` (money), ``standard`` or ``convertible`` (tokens); None: the first that fits.

        Raises:
            LookupError: there is no such account or wallet.
            TypeError: the amount has no currency.
            ValueError: the amount is negative, or above 10**15.
        """
        require_money(amount)
        if amount.minor_units > MOST:
            raise ValueError(f"nobody has more than {MOST}, not {amount.minor_units}")
        token = self._world.settings.token_currency
        kind = wallet or (STANDARD if amount.currency == token else REGISTRATION)
        if account_id == self.publisher_account_id:
            kind = self._world.publisher_wallet(amount.currency).kind
        else:
            self._account(account_id)
        self._world.fund(account_id, amount, kind)
        self._changed()

    def revoke_tokens(self) -> None:
        """Make all tokens that were issued worthless."""
        self._tokens.revoke_all()

    def trigger(
        self, event_name: str, account_id: str | None = None, *, message: Mapping[str, JsonValue] | None = None
    ) -> JsonObject:
        """Bring an event about, so that it is notified.

        The deed is done where there is one: a block, a purchase, a payout. What it needs is there at once: money, a
        card, a user who was checked.

        Args:
            event_name: one of the thirteen, as in ``register_webhook``.
            account_id: whose; None: a new account's.
            message: notified as it is, and nothing is done.

        Returns:
            The message.

        Raises:
            KeyError: there is no such account.
            ValueError: there is no such event, or the account may not do it.
        """
        done = trigger(self._world, event_name, account_id, message)
        self._changed()
        return done

    async def follow(self) -> AsyncIterator[RecordedRequest]:
        """Yield each request as it is over, from now on.

        Until the sandbox ends; whoever is far behind misses some.
        """
        seen = self._feed.last
        with self._feed.watch() as news:
            while True:
                news.clear()
                for event in self._feed.after(seen):
                    seen = event.number
                    request = self._handler.log.ended(event)
                    if request is not None:
                        yield request
                if self._feed.ended:
                    return
                await news.wait()

    async def reset(self) -> None:
        """Return to the state that it had when it started.

        Accounts, money, clock, faults, registered URLs, and the ids that come next. Requests, notifications and tokens
        are forgotten.

        Raises:
            RuntimeError: it does not run.
        """
        start = self._start
        if start is None:
            raise RuntimeError("the sandbox does not run: there is no start to return to")
        await self._notifier.reset(start.destinations)
        self._world = copy_of(start.world)
        self._world.notify = self._notifier.notify
        self._world.random.setstate(start.chance)
        put_back(self.clock, start.ahead)
        self._handler.faults.put_back(start.faults)
        self._tokens.revoke_all()
        self._handler.begin_anew(self._world)
        self._handler.log.clear()
        self._feed.publish(RESET, {})

    def _changed(self) -> None:
        """Tell those who watch from outside to look again."""
        self._feed.publish(CHANGED, {})

    def _started(self) -> None:
        """Keep the state for a reset."""
        self._feed.begin()
        self._start = _Start(
            copy_of(self._world),
            self._world.random.getstate(),
            self.clock.ahead,
            self._notifier.destinations,
            tuple(map(attrs.evolve, self.faults.scheduled)),
        )

    def _go_on_with(self, path: Path) -> None:
        """Take over the state of a file.

        If there is one.
        """
        kept = state_file.read(path, self.clock, self._world.random)
        if kept is not None:
            put_back(self.clock, kept.ahead)
            self._world = kept.world
            self._world.notify = self._notifier.notify
            self._handler.begin_anew(self._world)

    def _account(self, account_id: str) -> SandboxAccount:
        account = self.accounts.get(account_id)
        if account is None:
            raise KeyError(f"there is no account {account_id!r}")
        return account
