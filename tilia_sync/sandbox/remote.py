"""A sandbox in another process, for code without a loop."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import TracebackType
from typing import Literal, Self

from tilia_async import sandbox
from tilia_async.config import Environment
from tilia_async.json_value import JsonObject, JsonValue
from tilia_async.models.compliance import KycState
from tilia_async.models.payment_methods import PaymentMethodState
from tilia_async.money import Money
from tilia_async.sandbox import (
    Fault,
    RecordedRequest,
    SandboxAccount,
    SandboxWallet,
    ScheduledFault,
    SentNotification,
)
from tilia_async.sandbox.control_client import DEFAULT_URL
from tilia_async.sandbox.faults import OTHER_BODY
from tilia_async.secret import BasicPair, Secret, hide, hide_pair
from tilia_sync.loop_thread import LOOP_THREAD, LoopHandle


class RemoteClock:
    """The clock of a sandbox in another process."""

    def __init__(self, lease: LoopHandle, clock: sandbox.RemoteClock) -> None:
        self._lease = lease
        self._clock = clock

    def advance(self, seconds: float) -> None:
        """Put the clock forward.

        Raises:
            ValueError: the number is negative, or leads further than a century.
        """
        self._lease.run(lambda: self._clock.advance(seconds))

    def now(self) -> float:
        """Return the seconds since 1970."""
        return self._lease.run(self._clock.now)


class RemoteFaults:
    """The faults of a sandbox in another process."""

    def __init__(self, lease: LoopHandle, faults: sandbox.RemoteFaults) -> None:
        self._lease = lease
        self._faults = faults

    def add(
        self,
        operation: str,
        fault: Fault | str,
        times: int | None = 1,
        *,
        seconds: float | None = None,
        retry_after: float | str = 1,
        status: int = 408,
        body: str = OTHER_BODY,
    ) -> None:
        """Let the next requests of an operation go wrong.

        As ``FaultScript.add``.

        Raises:
            InvalidRequestError: there is no such operation or fault, the fault is not made for the operation, or a
                number is out of its range. It is a ``ValueError``.
        """
        self._lease.run(
            lambda: self._faults.add(
                operation, fault, times, seconds=seconds, retry_after=retry_after, status=status, body=body
            )
        )

    def clear(self) -> None:
        """Forget all faults that wait."""
        self._lease.run(self._faults.clear)

    def scheduled(self) -> tuple[ScheduledFault, ...]:
        """Return the faults that wait for a request, in order."""
        return self._lease.run(self._faults.scheduled)

    def pending(self) -> int:
        """Return the number of faults that wait for a request."""
        return self._lease.run(self._faults.pending)


class RemoteSandbox:
    """A sandbox that runs in another process, e.g. ``tilia sandbox``.

    ::

        with RemoteSandbox("http://127.0.0.1:8411") as sandbox:
            tilia = TiliaClient(sandbox.client_id, sandbox.client_secret, sandbox.environment)
            sandbox.faults.add("accounts.block", "drop_after_commit")

    It has the methods of ``Sandbox``, and raises as they do. What is an attribute there and may change is a method
    here, since it is asked for: ``requests``, ``accounts``, ``publisher_wallets``, ``notifications``. In what it
    returns secrets are masked, and URLs have no path.

    Args:
        url: of the sandbox, without a path.
        timeout: in seconds, for each request.

    Attributes:
        url: as given.
        clock: its time, which can be put forward.
        faults: what goes wrong next.

    Raises:
        ValueError: the URL is none of a sandbox.
    """

    def __init__(self, url: str = DEFAULT_URL, *, timeout: float = 10.0) -> None:
        self._remote = sandbox.RemoteSandbox(url, timeout=timeout)
        self._lease = LOOP_THREAD.lease(self._remote.aclose)
        self._clock = RemoteClock(self._lease, self._remote.clock)
        self._faults = RemoteFaults(self._lease, self._remote.faults)

    @property
    def url(self) -> str:
        """Address of the sandbox, as given."""
        return self._remote.url

    @property
    def clock(self) -> RemoteClock:
        """The sandbox's time, which can be put forward."""
        return self._clock

    @property
    def faults(self) -> RemoteFaults:
        """The faults that come next."""
        return self._faults

    @property
    def environment(self) -> Environment:
        """The environment for a client of this sandbox."""
        return self._remote.environment

    @property
    def client_id(self) -> str:
        """The client id that it accepts.

        Raises:
            RuntimeError: it was not started.
        """
        return self._remote.client_id

    @property
    def client_secret(self) -> str:
        """The secret that it accepts.

        Raises:
            RuntimeError: it was not started.
        """
        return self._remote.client_secret

    @property
    def publisher_account_id(self) -> str:
        """The publisher's own account.

        Raises:
            RuntimeError: it was not started.
        """
        return self._remote.publisher_account_id

    def start(self) -> None:
        """Connect. ``with`` does it, too.

        Raises:
            ConnectionError: no sandbox answers there.
        """
        self._lease.run(self._remote.start)

    def close(self) -> None:
        """Disconnect; the sandbox goes on.

        A second close does nothing.
        """
        self._lease.close()

    def requests(self) -> list[RecordedRequest]:
        """Return the requests that it remembers, in order."""
        return self._lease.run(self._remote.requests)

    def accounts(self) -> dict[str, SandboxAccount]:
        """Return the accounts that there are, by id."""
        return self._lease.run(self._remote.accounts)

    def publisher_wallets(self) -> dict[str, SandboxWallet]:
        """Return the publisher's wallets by currency."""
        return self._lease.run(self._remote.publisher_wallets)

    def notifications(self) -> list[SentNotification]:
        """Return the notifications, in order, with the answers."""
        return self._lease.run(self._remote.notifications)

    def forget_requests(self) -> None:
        """Let it forget the requests so far."""
        self._lease.run(self._remote.forget_requests)

    def follow(self) -> Iterator[RecordedRequest]:
        """Yield each request as it is over, from now on.

        Without headers and bodies.

        Raises:
            ConnectionError: the sandbox has ended.
        """
        return self._lease.iterate(self._remote.follow())

    def register_webhook(
        self,
        url: str | Secret,
        *,
        events: Iterable[str] | None = None,
        basic_auth: BasicPair | None = None,
        repeat_redirected: bool = False,
        repeat_unanswered: bool = True,
    ) -> None:
        """Let it post notifications to a URL.

        As ``Sandbox.register_webhook``.

        Args:
            url: on loopback.
            events: their ``event_name``; None: all.
            basic_auth: user and password that each request carries.
            repeat_redirected: post again after a 3xx, too.
            repeat_unanswered: post again where no answer came.

        Raises:
            ConfigurationError: the URL is not on loopback, or an event has another name.
        """
        hidden, pair = hide(url), None if basic_auth is None else hide_pair(basic_auth)
        url, basic_auth = "", None
        self._lease.run(
            lambda: self._remote.register_webhook(
                hidden,
                events=events,
                basic_auth=pair,
                repeat_redirected=repeat_redirected,
                repeat_unanswered=repeat_unanswered,
            )
        )

    def unregister_webhook(self, url: str | Secret) -> int:
        """Let it post no more notifications to a URL.

        Returns:
            How often it was registered; 0: not at all.
        """
        hidden, url = hide(url), ""
        return self._lease.run(lambda: self._remote.unregister_webhook(hidden))

    def notified(self) -> None:
        """Wait until each notification was taken or given up."""
        self._lease.run(self._remote.notified)

    def add_account(self, username: str, email: str | None = None) -> str:
        """Register an account, and return its id.

        Raises:
            ValueError: the name is taken, or is none.
        """
        return self._lease.run(lambda: self._remote.add_account(username, email))

    def block_as_tilia(self, account_id: str) -> None:
        """Block an account as Tilia itself does.

        A publisher cannot lift that.

        Raises:
            KeyError: there is no such account.
        """
        self._lease.run(lambda: self._remote.block_as_tilia(account_id))

    def add_payment_method(
        self,
        account_id: str,
        kind: Literal["card", "paypal"] = "card",
        *,
        currency: str = "USD",
        state: str = PaymentMethodState.ACTIVE,
    ) -> str:
        """Add a way to pay, and return its id.

        Args:
            kind: a card pays; a PayPal account pays and can be paid out to.
            state: ``ACTIVE``; others are listed and cannot be used.

        Raises:
            KeyError: there is no such account.
            ValueError: there is no such kind.
        """
        return self._lease.run(
            lambda: self._remote.add_payment_method(account_id, kind, currency=currency, state=state)
        )

    def set_kyc(self, account_id: str, state: str = KycState.ACCEPT, pii_level: str | None = None) -> None:
        """Decide about a user's data, as Tilia's compliance does.

        Args:
            pii_level: None: ``FULL`` for ``ACCEPT``, ``NONE`` for ``NODATA``, else ``BASIC``.

        Raises:
            KeyError: there is no such account.
        """
        self._lease.run(lambda: self._remote.set_kyc(account_id, state, pii_level))

    def sign_tos(self, account_id: str) -> None:
        """Let a user accept Tilia's terms of service.

        Raises:
            KeyError: there is no such account.
        """
        self._lease.run(lambda: self._remote.sign_tos(account_id))

    def hold_payout(self, payout_status_id: str) -> None:
        """Put a payout in escrow on hold.

        Raises:
            KeyError: there is no such payout.
            ValueError: its funds are not in escrow.
        """
        self._lease.run(lambda: self._remote.hold_payout(payout_status_id))

    def fund(self, account_id: str, amount: Money, wallet: str | None = None) -> None:
        """Put money or tokens into an account's wallet.

        Args:
            wallet: ``registration`` (money), ``standard`` or ``convertible`` (tokens); None: the first that fits.

        Raises:
            LookupError: there is no such account or wallet.
            TypeError: the amount has no currency.
            ValueError: the amount is negative, or above 10**15.
        """
        self._lease.run(lambda: self._remote.fund(account_id, amount, wallet))

    def revoke_tokens(self) -> None:
        """Make all tokens that were issued worthless."""
        self._lease.run(self._remote.revoke_tokens)

    def trigger(
        self, event_name: str, account_id: str | None = None, *, message: Mapping[str, JsonValue] | None = None
    ) -> JsonObject:
        """Bring an event about, so that it is notified.

        As ``Sandbox.trigger``.

        Args:
            account_id: whose; None: a new account's.
            message: notified as it is, and nothing is done.

        Returns:
            The message.

        Raises:
            KeyError: there is no such account.
            ValueError: there is no such event, or the account may not do it.
        """
        return self._lease.run(lambda: self._remote.trigger(event_name, account_id, message=message))

    def reset(self) -> None:
        """Return to the state that it had when it started.

        As ``Sandbox.reset``.
        """
        self._lease.run(self._remote.reset)

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:  # whatever it is, nobody would close it
            self.close()
            raise
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return repr(self._remote)
