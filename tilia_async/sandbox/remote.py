"""A sandbox in another process, steered from here."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from datetime import datetime
from types import TracebackType
from typing import Final, Literal, Self

from tilia_async.config import Environment
from tilia_async.json_value import JsonObject, JsonValue
from tilia_async.models.compliance import KycState
from tilia_async.models.payment_methods import PaymentMethodState
from tilia_async.money import Money, require_money
from tilia_async.sandbox.control import state_json
from tilia_async.sandbox.control_client import DEFAULT_URL, ControlClient, segment
from tilia_async.sandbox.faults import OTHER_BODY, Fault
from tilia_async.sandbox.notifications import SentNotification
from tilia_async.sandbox.recorded import RecordedRequest
from tilia_async.sandbox.request_json import recorded
from tilia_async.sandbox.request_log import REQUEST
from tilia_async.sandbox.state.accounts import SandboxAccount
from tilia_async.sandbox.state.wallets import SandboxWallet
from tilia_async.sandbox.waiting_faults import ScheduledFault
from tilia_async.secret import BasicPair, HiddenFields, Secret, hide, hide_pair

_PART: Final = 1_000
"""Things that are asked for at once."""


class RemoteClock:
    """The clock of a sandbox in another process."""

    def __init__(self, control: ControlClient) -> None:
        self._control = control

    async def advance(self, seconds: float) -> None:
        """Put the clock forward.

        Raises:
            ValueError: the number is negative, or leads further than a century.
        """
        await self._control.ask("POST", "/clock", {"seconds": seconds})

    async def now(self) -> float:
        """Return the seconds since 1970."""
        answer = await self._control.ask("GET", "/clock")
        return datetime.fromisoformat(str(answer["now"])).timestamp()


class RemoteFaults:
    """The faults of a sandbox in another process."""

    def __init__(self, control: ControlClient) -> None:
        self._control = control

    async def add(
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
        wanted: JsonObject = {
            "operation": operation,
            "fault": fault.name if isinstance(fault, Fault) else fault,
            "times": times,
            "seconds": seconds,
            "retry_after": str(retry_after),
            "status": status,
            "body": body,
        }
        await self._control.ask("POST", "/faults", wanted, operation="faults.add")

    async def clear(self) -> None:
        """Forget all faults that wait."""
        await self._control.ask("DELETE", "/faults")

    async def scheduled(self) -> tuple[ScheduledFault, ...]:
        """Return the faults that wait for a request, in order."""
        answer = await self._control.ask("GET", "/faults")
        return tuple(map(state_json.fault_from_json, _objects(answer, "faults")))

    async def pending(self) -> int:
        """Return the number of faults that wait for a request."""
        return len(await self.scheduled())


class RemoteSandbox:
    """A sandbox that runs in another process, e.g. ``tilia sandbox``.

    ::

        async with RemoteSandbox("http://127.0.0.1:8411") as sandbox:
            tilia = TiliaClient(sandbox.client_id, sandbox.client_secret, sandbox.environment)
            await sandbox.faults.add("accounts.block", "drop_after_commit")

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
        self._control = ControlClient(url, timeout)
        self.url: str = self._control.url
        self.clock: RemoteClock = RemoteClock(self._control)
        self.faults: RemoteFaults = RemoteFaults(self._control)
        self._client_id = ""
        self._client_secret = Secret("")
        self._publisher_account_id = ""

    @property
    def environment(self) -> Environment:
        """The environment for a client of this sandbox."""
        return Environment.at(f"{self.url}/{{service}}")

    @property
    def client_id(self) -> str:
        """The client id that it accepts.

        Raises:
            RuntimeError: it was not started.
        """
        return self._known(self._client_id)

    @property
    def client_secret(self) -> str:
        """The secret that it accepts.

        Raises:
            RuntimeError: it was not started.
        """
        return self._known(self._client_secret.reveal())

    @property
    def publisher_account_id(self) -> str:
        """The publisher's own account.

        Raises:
            RuntimeError: it was not started.
        """
        return self._known(self._publisher_account_id)

    async def start(self) -> None:
        """Connect. ``async with`` does it, too.

        Raises:
            ConnectionError: no sandbox answers there.
        """
        self._control.open()
        try:
            about = await self._control.ask("GET", "")
            self._client_id, self._publisher_account_id = str(about["client_id"]), str(about["publisher_account_id"])
            self._client_secret = Secret(str((await self._control.ask("GET", "/credentials"))["client_secret"]))
        except BaseException:  # whatever it is, the connection is closed
            await self._control.aclose()
            raise

    async def aclose(self) -> None:
        """Disconnect; the sandbox goes on.

        A second close does nothing.
        """
        await self._control.aclose()

    async def requests(self) -> list[RecordedRequest]:
        """Return the requests that it remembers, in order."""
        found: list[RecordedRequest] = []
        after = 0
        while True:
            answer = await self._control.ask("GET", f"/requests?after={after}&limit={_PART}")
            part = [recorded(each) for each in _objects(answer, "requests")]
            found += part
            if len(part) < _PART:
                return found
            after = part[-1].number

    async def forget_requests(self) -> None:
        """Let it forget the requests so far."""
        await self._control.ask("DELETE", "/requests")

    async def follow(self) -> AsyncIterator[RecordedRequest]:
        """Yield each request as it is over, from now on.

        Without headers and bodies.

        Raises:
            ConnectionError: the sandbox has ended.
        """
        async for name, answer in self._control.events():
            if name == REQUEST and answer.get("ms") is not None:
                yield recorded(answer)

    async def accounts(self) -> dict[str, SandboxAccount]:
        """Return the accounts that there are, by id."""
        found = [state_json.account_from_json(each) for each in await self._all("accounts")]
        return {account.account_id: account for account in reversed(found)}

    async def publisher_wallets(self) -> dict[str, SandboxWallet]:
        """Return the publisher's wallets by currency."""
        answer = await self._control.ask("GET", "/publisher-wallets")
        return {wallet.currency: wallet for wallet in state_json.wallets_from_json(answer)}

    async def notifications(self) -> list[SentNotification]:
        """Return the notifications, in order, with the answers."""
        return [state_json.notification_from_json(each) for each in reversed(await self._all("notifications"))]

    async def register_webhook(
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
        names: list[JsonValue] | None = None if events is None else [*([events] if isinstance(events, str) else events)]
        fields: dict[str, JsonValue] = {
            "url": hidden.reveal(),
            "events": names,
            "repeat_redirected": repeat_redirected,
            "repeat_unanswered": repeat_unanswered,
        }
        if pair is not None:
            fields["basic_auth"] = [each.reveal() for each in pair]
        wanted, fields = HiddenFields(fields), {}
        await self._control.ask("POST", "/webhooks", wanted)

    async def unregister_webhook(self, url: str | Secret) -> int:
        """Let it post no more notifications to a URL.

        Returns:
            How often it was registered; 0: not at all.
        """
        hidden, url = hide(url), ""
        told = await self._control.ask("DELETE", "/webhooks", HiddenFields({"url": hidden.reveal()}))
        number = told.get("unregistered")
        return number if isinstance(number, int) else 0

    async def notified(self) -> None:
        """Wait until each notification was taken or given up."""
        await self._control.ask("POST", "/notified")

    async def add_account(self, username: str, email: str | None = None) -> str:
        """Register an account, and return its id.

        Raises:
            ValueError: the name is taken, or is none.
        """
        answer = await self._control.ask("POST", "/accounts", {"username": username, "email": email})
        return str(answer["account_id"])

    async def block_as_tilia(self, account_id: str) -> None:
        """Block an account as Tilia itself does.

        A publisher cannot lift that.

        Raises:
            KeyError: there is no such account.
        """
        await self._control.ask("POST", f"/accounts/{segment(account_id)}/block")

    async def add_payment_method(
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
        wanted: JsonObject = {"account_id": account_id, "kind": kind, "currency": currency, "state": str(state)}
        return str((await self._control.ask("POST", "/payment-methods", wanted))["id"])

    async def set_kyc(self, account_id: str, state: str = KycState.ACCEPT, pii_level: str | None = None) -> None:
        """Decide about a user's data, as Tilia's compliance does.

        Args:
            pii_level: None: ``FULL`` for ``ACCEPT``, ``NONE`` for ``NODATA``, else ``BASIC``.

        Raises:
            KeyError: there is no such account.
        """
        wanted: JsonObject = {"account_id": account_id, "state": str(state), "pii_level": pii_level}
        await self._control.ask("POST", "/kyc", wanted)

    async def sign_tos(self, account_id: str) -> None:
        """Let a user accept Tilia's terms of service.

        Raises:
            KeyError: there is no such account.
        """
        await self._control.ask("POST", "/tos", {"account_id": account_id})

    async def hold_payout(self, payout_status_id: str) -> None:
        """Put a payout in escrow on hold.

        Raises:
            KeyError: there is no such payout.
            ValueError: its funds are not in escrow.
        """
        await self._control.ask("POST", f"/payouts/{segment(payout_status_id)}/hold")

    async def fund(self, account_id: str, amount: Money, wallet: str | None = None) -> None:
        """Put money or tokens into an account's wallet.

        Args:
            wallet: ``registration`` (money), ``standard`` or ``convertible`` (tokens); None: the first that fits.

        Raises:
            LookupError: there is no such account or wallet.
            TypeError: the amount has no currency.
            ValueError: the amount is negative, or above 10**15.
        """
        require_money(amount)
        wanted: JsonObject = {
            "account_id": account_id,
            "amount": amount.minor_units,
            "currency": amount.currency,
            "wallet": wallet,
        }
        await self._control.ask("POST", "/fund", wanted)

    async def revoke_tokens(self) -> None:
        """Make all tokens that were issued worthless."""
        await self._control.ask("DELETE", "/tokens")

    async def trigger(
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
        wanted: JsonObject = {"event_name": event_name, "account_id": account_id}
        if message is not None:
            wanted["message"] = {**message}
        done = (await self._control.ask("POST", "/trigger", wanted))["message"]
        return done if isinstance(done, dict) else {}

    async def reset(self) -> None:
        """Return to the state that it had when it started.

        As ``Sandbox.reset``.
        """
        await self._control.ask("POST", "/reset")

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"<RemoteSandbox at {self.url}>"

    def _known(self, text: str) -> str:
        if not text:
            raise RuntimeError(
                "it is not known before the start; "
                "use 'async with RemoteSandbox(url) as sandbox', and in tilia_sync 'with'"
            )
        return text

    async def _all(self, name: str) -> list[JsonObject]:
        """Return a whole list, the newest things first."""
        found: list[JsonObject] = []
        while True:
            part = _objects(await self._control.ask("GET", f"/{name}?offset={len(found)}&limit={_PART}"), name)
            found += part
            if len(part) < _PART:
                return found


def _objects(answer: JsonObject, name: str) -> list[JsonObject]:
    listed = answer.get(name)
    return [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []
