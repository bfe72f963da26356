"""The HTTP server of the sandbox."""

from __future__ import annotations

import math
import random
import socket
import uuid
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Literal, Self

from aiohttp import web

from tilia_async.config import Environment
from tilia_async.currencies import DECIMALS, is_code
from tilia_async.models.compliance import KycState
from tilia_async.models.payment_methods import PaymentMethodState
from tilia_async.money import Money
from tilia_async.sandbox import payouts
from tilia_async.sandbox.blocks import block_account
from tilia_async.sandbox.clock import SandboxClock
from tilia_async.sandbox.compliance import decide_kyc
from tilia_async.sandbox.door import Door
from tilia_async.sandbox.faults import FaultScript
from tilia_async.sandbox.notifications import Notifier, SentNotification
from tilia_async.sandbox.payment_methods import add_card, add_paypal, notify
from tilia_async.sandbox.recorded import RecordedRequest
from tilia_async.sandbox.request_handler import RequestHandler
from tilia_async.sandbox.routing import KNOWN_OPERATIONS
from tilia_async.sandbox.state.accounts import TILIA, SandboxAccount
from tilia_async.sandbox.state.wallets import REGISTRATION, STANDARD, SandboxWallet
from tilia_async.sandbox.token_issuer import TokenIssuer
from tilia_async.sandbox.world import CUSTOM_WALLETS, Settings, World
from tilia_async.scopes import Scope
from tilia_async.secret import BasicPair, Secret, hide, hide_pair


class Sandbox:
    """An embedded Tilia on 127.0.0.1.

    ::

        async with Sandbox() as sandbox:
            tilia = TiliaClient(sandbox.client_id, sandbox.client_secret, sandbox.environment)

    A request that has another ``Host``, or comes from a web page of another site, is refused with 403 and not
    remembered: any page that a browser of this machine shows could post here. A body of more than 1 MiB is refused with
    413, one that has not arrived after 30 seconds with 408.

    Args:
        port: 0: a free one is picked.
        seed: makes ids, and the choices where Tilia answers now so, now so, the same in every run.
        scopes: what the credentials may ask for; all that are documented by default.
        wallet_delay: seconds until a new account's wallets appear. At Tilia it takes some seconds.
        token_lifetime: in seconds.
        token_currency: the code of the publisher's own token.
        record: how many requests, and how many notifications, are remembered at least. Of requests that hold more than
            64 MiB together, the oldest are forgotten before that.
        tokens_per_cent: what a US cent buys, and what has to be converted for one.
        publisher_funds: what the publisher has for refunds and conversions, in cents.
        custom_wallets: the types of wallets of the publisher's own, each with its currency.
        keep_alive: after how many idle seconds it ends a connection. Tilia documents nothing about it.
        allowed_hosts: names and addresses, without a port, by which clients reach it beside those of loopback, e.g.
            ``host.docker.internal`` through a port that is forwarded. It listens on 127.0.0.1 all the same.

    Attributes:
        client_id: the one that it accepts.
        clock: its time, which can be put forward.
        faults: what goes wrong next.
        requests: what arrived, in order.
    """

    def __init__(
        self,
        port: int = 0,
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
        keep_alive: float = 3600.0,
        allowed_hosts: Iterable[str] = (),
    ) -> None:
        if tokens_per_cent < 1:
            raise ValueError(f"tokens_per_cent is at least 1, not {tokens_per_cent!r}")
        if not (math.isfinite(keep_alive) and keep_alive > 0):
            raise ValueError(f"keep_alive is a number of seconds above 0, not {keep_alive!r}")
        if not is_code(token_currency) or token_currency in DECIMALS:
            raise ValueError(
                f"token_currency is a code of three characters that is no currency, not {token_currency!r}"
            )
        chance = random.Random(seed)  # noqa: S311 - repeatable on purpose
        self.client_id: str = str(uuid.UUID(int=chance.getrandbits(128), version=4))
        # Not drawn from the seed: two sandboxes never share a secret, so they never share tokens either.
        self._client_secret = Secret(str(uuid.uuid4()))
        self.clock: SandboxClock = SandboxClock()
        self.faults: FaultScript = FaultScript(KNOWN_OPERATIONS)
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
        self._desk = RequestHandler(self._world, self._tokens, self.faults, record, Door(allowed_hosts))
        self.requests: list[RecordedRequest] = self._desk.requests
        self._wanted_port = port
        self._keep_alive = keep_alive
        self._runner: web.ServerRunner | None = None

    @property
    def client_secret(self) -> str:
        """The secret that it accepts."""
        return self._client_secret.reveal()

    @property
    def port(self) -> int:
        """The port on which it listens.

        Raises:
            RuntimeError: it does not run.
        """
        if self._runner is None or not self._runner.addresses:
            raise RuntimeError("the sandbox does not run; use 'async with Sandbox() as sandbox'")
        port: int = self._runner.addresses[0][1]
        return port

    @property
    def environment(self) -> Environment:
        """The environment for a client of this sandbox.

        The services are told apart by the first segment of the path.
        """
        return Environment.at(f"http://127.0.0.1:{self.port}/{{service}}")

    @property
    def accounts(self) -> Mapping[str, SandboxAccount]:
        """The accounts that there are, by id."""
        return self._world.people.users

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
        return {wallet.currency: wallet for wallet in self._world.ledger.of(self.publisher_account_id)}

    @property
    def notifications(self) -> list[SentNotification]:
        """Notifications to registered URLs, in order, with the answers."""
        return self._notifier.sent

    def register_webhook(
        self, url: str | Secret, *, events: Iterable[str] | None = None, basic_auth: BasicPair | None = None
    ) -> None:
        """Post notifications to a URL.

        They are posted again a few times within a second when the answer is 400 or more.

        Args:
            url: on loopback.
            events: their ``event_name``; None: all. A URL may be registered several times.
            basic_auth: user and password that each request carries.

        Raises:
            ConfigurationError: the URL is not on loopback, or an event has another name.
        """
        url, basic_auth = hide(url), None if basic_auth is None else hide_pair(basic_auth)
        self._notifier.register(url, events, basic_auth)

    async def notified(self) -> None:
        """Wait until each notification was taken or given up.

        It waits for each notification so far, and its URL.
        """
        # What went on by itself while the clock was put forward is told now, and not with the next request.
        payouts.settle(self._world)
        await self._notifier.settled()

    def block_as_tilia(self, account_id: str) -> None:
        """Block an account as Tilia itself does.

        A publisher cannot lift that.

        Raises:
            KeyError: there is no such account.
        """
        block_account(self._world, self.accounts[account_id], TILIA)

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
        method = add(self._world, self.accounts[account_id], currency, str(state))
        notify(self._world, method)
        return method.id

    def set_kyc(self, account_id: str, state: str = KycState.ACCEPT, pii_level: str | None = None) -> None:
        """Decide about a user's data, as Tilia's compliance does.

        Payouts take ``ACCEPT`` with ``FULL``.

        Args:
            pii_level: None: ``FULL`` for ``ACCEPT``, ``NONE`` for ``NODATA``, else ``BASIC``.

        Raises:
            KeyError: there is no such account.
        """
        decide_kyc(self._world, self.accounts[account_id], str(state), pii_level)

    def sign_tos(self, account_id: str) -> None:
        """Let a user accept Tilia's terms of service.

        This is done in Tilia's web pages.

        Raises:
            KeyError: there is no such account.
        """
        self.accounts[account_id].signed_tos = True

    def hold_payout(self, payout_status_id: str) -> None:
        """Put a payout in escrow on hold.

        It does not go on by itself, and can still be cancelled.

        Raises:
            KeyError: there is no such payout.
            ValueError: its funds are not in escrow.
        """
        payouts.hold(self._world, self._world.payouts[payout_status_id])

    def fund(self, account_id: str, amount: Money, wallet: str | None = None) -> None:
        """Put money or tokens into an account's wallet.

        Args:
            wallet: ``registration`` (money), ``standard`` or ``convertible`` (tokens); None: the first that fits.

        Raises:
            LookupError: there is no such account or wallet.
            ValueError: the amount is negative.
        """
        token = self._world.settings.token_currency
        kind = wallet or (STANDARD if amount.currency == token else REGISTRATION)
        if account_id == self.publisher_account_id:
            kind = self._world.publisher_wallet(amount.currency).kind
        self._world.fund(account_id, amount, kind)

    def revoke_tokens(self) -> None:
        """Make all tokens that were issued worthless."""
        self._tokens.revoke_all()

    async def start(self) -> None:
        """Listen. ``async with`` does it, too.

        Raises:
            OSError: the port is taken.
            RuntimeError: it runs already.
        """
        if self._runner is not None:
            raise RuntimeError("the sandbox runs already")
        server = web.Server(
            self._desk.serve, access_log=None, auto_decompress=False, keepalive_timeout=self._keep_alive
        )
        runner = web.ServerRunner(server, shutdown_timeout=0.05)
        await runner.setup()
        try:
            # Bound here: uvloop would look the address up in threads that a forked child cannot do without.
            listening = socket.create_server(("127.0.0.1", self._wanted_port), backlog=1024)
            await web.SockSite(runner, listening, backlog=1024).start()
        except BaseException:  # whatever it is, a port that was taken is given back
            await runner.cleanup()
            raise
        self._runner = runner
        self._notifier.start()

    async def aclose(self) -> None:
        """Stop listening, and drop the connections there are.

        A second close does nothing.
        """
        await self._notifier.aclose()
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        where = f"at port {self.port}" if self._runner is not None else "not running"
        return f"<Sandbox {where}, {len(self.accounts)} accounts>"
