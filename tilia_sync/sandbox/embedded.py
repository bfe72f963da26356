"""The embedded Tilia, for code that has no event loop."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import TracebackType
from typing import Literal, Self, TypeVar

from tilia_async import sandbox
from tilia_async.config import Environment
from tilia_async.json_value import JsonObject, JsonValue
from tilia_async.models.compliance import KycState
from tilia_async.models.payment_methods import PaymentMethodState
from tilia_async.money import Money
from tilia_async.sandbox import (
    FaultScript,
    RecordedRequest,
    SandboxAccount,
    SandboxClock,
    SandboxWallet,
    SentNotification,
)
from tilia_async.sandbox.world import CUSTOM_WALLETS
from tilia_async.scopes import Scope
from tilia_async.secret import BasicPair, Secret, hide, hide_pair
from tilia_sync.loop_thread import LOOP_THREAD

T = TypeVar("T")


class Sandbox:
    """An embedded Tilia on 127.0.0.1, run in the loop thread.

    ::

        with Sandbox() as sandbox:
            tilia = TiliaClient(sandbox.client_id, sandbox.client_secret, sandbox.environment)

    Other processes steer it by ``RemoteSandbox(sandbox.url)``, or by JSON under ``/_sandbox/v1``; a browser shows it at
    ``/_sandbox/``.

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
        client_secret: the one that it accepts; None: a new one each time, so that no two sandboxes share tokens.
        state_file: accounts, money and the clock are read from it when it starts, if there is such a file, and written
            to it within a second of each change, and when it ends: one that is killed loses no more than that.
            (A state of more than some thousand accounts takes longer.) Tokens, requests and idempotency keys are not
            in it.

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
        client_secret: str | Secret | None = None,
        state_file: str | os.PathLike[str] | None = None,
    ) -> None:
        secret = client_secret = None if client_secret is None else hide(client_secret)
        self._sandbox = sandbox.Sandbox(
            port,
            seed=seed,
            scopes=scopes,
            wallet_delay=wallet_delay,
            token_lifetime=token_lifetime,
            token_currency=token_currency,
            record=record,
            tokens_per_cent=tokens_per_cent,
            publisher_funds=publisher_funds,
            custom_wallets=custom_wallets,
            keep_alive=keep_alive,
            allowed_hosts=allowed_hosts,
            client_secret=secret,
            state_file=state_file,
        )
        self._keeps_state = state_file is not None
        self._lease = LOOP_THREAD.lease(self._sandbox.aclose)

    @property
    def client_id(self) -> str:
        """The client id that it accepts."""
        return self._sandbox.client_id

    @property
    def client_secret(self) -> str:
        """The secret that it accepts."""
        return self._sandbox.client_secret

    @property
    def port(self) -> int:
        """The port on which it listens.

        Raises:
            RuntimeError: it does not run.
        """
        return self._sandbox.port

    @property
    def url(self) -> str:
        """Address without a slash at its end.

        ``RemoteSandbox`` takes it; ``/_sandbox/`` after it is a page that shows what happens.
        """
        return self._sandbox.url

    @property
    def environment(self) -> Environment:
        """The environment for a client of this sandbox.

        The services are told apart by the first segment of the path.
        """
        return self._sandbox.environment

    @property
    def clock(self) -> SandboxClock:
        """The sandbox's time, which can be put forward."""
        return self._sandbox.clock

    @property
    def faults(self) -> FaultScript:
        """The faults that come next."""
        return self._sandbox.faults

    @property
    def requests(self) -> list[RecordedRequest]:
        """The requests that arrived, in order."""
        return self._sandbox.requests

    @property
    def accounts(self) -> Mapping[str, SandboxAccount]:
        """The accounts that there are, by id."""
        return self._sandbox.accounts

    @property
    def publisher_account_id(self) -> str:
        """The publisher's own account.

        Fees, refunds and your share of sales come from and go to it; ``fund`` takes it, too.
        """
        return self._sandbox.publisher_account_id

    @property
    def publisher_wallets(self) -> Mapping[str, SandboxWallet]:
        """The publisher's wallets by currency.

        They have no payment methods, so no listing shows their ids.
        """
        return self._sandbox.publisher_wallets

    @property
    def notifications(self) -> list[SentNotification]:
        """Notifications to registered URLs, in order, with the answers."""
        return self._sandbox.notifications

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
        hidden, pair = hide(url), None if basic_auth is None else hide_pair(basic_auth)
        url, basic_auth = "", None
        self._change(
            lambda: self._sandbox.register_webhook(
                hidden,
                events=events,
                basic_auth=pair,
                repeat_redirected=repeat_redirected,
                repeat_unanswered=repeat_unanswered,
            )
        )

    def unregister_webhook(self, url: str | Secret) -> int:
        """Post no more notifications to a URL.

        What was on its way there is given up.

        Returns:
            How often it was registered; 0: not at all.
        """
        hidden, url = hide(url), ""
        return self._lease.run(lambda: self._sandbox.unregister_webhook(hidden))

    def notified(self) -> None:
        """Wait until each notification was taken or given up.

        It waits for each notification so far, and its URL.
        """
        self._lease.run(self._sandbox.notified)

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
        return self._change(lambda: self._sandbox.add_account(username, email))

    def block_as_tilia(self, account_id: str) -> None:
        """Block an account as Tilia itself does.

        A publisher cannot lift that.

        Raises:
            KeyError: there is no such account.
        """
        self._change(lambda: self._sandbox.block_as_tilia(account_id))

    def fund(self, account_id: str, amount: Money, wallet: str | None = None) -> None:
        """Put money or tokens into an account's wallet.

        Args:
            wallet: ``registration`` (money), ``standard`` or ``convertible`` (tokens); None: the first that fits.

        Raises:
            LookupError: there is no such account or wallet.
            TypeError: the amount has no currency.
            ValueError: the amount is negative, or above 10**15.
        """
        self._change(lambda: self._sandbox.fund(account_id, amount, wallet))

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
        return self._change(lambda: self._sandbox.add_payment_method(account_id, kind, currency=currency, state=state))

    def set_kyc(self, account_id: str, state: str = KycState.ACCEPT, pii_level: str | None = None) -> None:
        """Decide about a user's data, as Tilia's compliance does.

        Payouts take ``ACCEPT`` with ``FULL``.

        Args:
            pii_level: None: ``FULL`` for ``ACCEPT``, ``NONE`` for ``NODATA``, else ``BASIC``.

        Raises:
            KeyError: there is no such account.
        """
        self._change(lambda: self._sandbox.set_kyc(account_id, state, pii_level))

    def sign_tos(self, account_id: str) -> None:
        """Let a user accept Tilia's terms of service.

        This is done in Tilia's web pages.

        Raises:
            KeyError: there is no such account.
        """
        self._change(lambda: self._sandbox.sign_tos(account_id))

    def hold_payout(self, payout_status_id: str) -> None:
        """Put a payout in escrow on hold.

        It does not go on by itself, and can still be cancelled.

        Raises:
            KeyError: there is no such payout.
            ValueError: its funds are not in escrow.
        """
        self._change(lambda: self._sandbox.hold_payout(payout_status_id))

    def revoke_tokens(self) -> None:
        """Make all tokens that were issued worthless."""
        self._change(self._sandbox.revoke_tokens)

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
        return self._change(lambda: self._sandbox.trigger(event_name, account_id, message=message))

    def follow(self) -> Iterator[RecordedRequest]:
        """Yield each request as it is over, from now on.

        Until the sandbox ends; whoever is far behind misses some.
        """
        return self._lease.iterate(self._sandbox.follow())

    def reset(self) -> None:
        """Return to the state that it had when it started.

        Accounts, money, clock, faults, registered URLs, and the ids that come next. Requests, notifications and tokens
        are forgotten.

        Raises:
            RuntimeError: it does not run.
        """
        self._lease.run(self._sandbox.reset)

    def start(self) -> None:
        """Listen. ``with`` does it, too.

        Raises:
            OSError: the port is taken, or the state cannot be read.
            RuntimeError: it runs already.
            ValueError: the file holds no state of a sandbox of this version.
        """
        self._lease.run(self._sandbox.start)

    def close(self) -> None:
        """Stop listening, and drop the connections there are.

        A second close does nothing.

        Raises:
            OSError: the state cannot be written.
        """
        try:
            if self._keeps_state and not self._lease.closed:
                # The end of a lease tells nobody what went wrong, and here a state is lost.
                self._lease.run(self._sandbox.aclose)
        finally:
            self._lease.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return repr(self._sandbox)

    def _change(self, change: Callable[[], T]) -> T:
        """Change the state in the loop thread.

        Between two requests and never in the middle of one.
        """
        return self._lease.run_briefly(lambda: _called(change))


async def _called(change: Callable[[], T]) -> T:
    return change()
