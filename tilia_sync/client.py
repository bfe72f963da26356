"""The synchronous client.

It is the asynchronous one, run in the loop thread.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from os import PathLike
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypedDict, TypeVar, Unpack

import tilia_async
from tilia_async import errors
from tilia_async.client import from_variables, proxy_from_variables, read_declarations
from tilia_async.config import Environment, Limits, RequestOptions, RetryPolicy, find_environment
from tilia_async.errors import ClientClosedError, ConfigurationError
from tilia_async.json_value import Body
from tilia_async.observe import Observer
from tilia_async.reconcile import Reconciliation
from tilia_async.secret import Secret, hide, hide_body
from tilia_async.settings_checks import checked_grace
from tilia_async.tokens import AccessToken, TokenCache
from tilia_async.wire.operation import Operation
from tilia_async.wire.response import Response
from tilia_sync.api.accounts import Accounts
from tilia_sync.api.auth import Auth
from tilia_sync.api.compliance import Compliance
from tilia_sync.api.escrow import Escrows
from tilia_sync.api.invoices import Invoices
from tilia_sync.api.payment_methods import PaymentMethods
from tilia_sync.api.payouts import Payouts
from tilia_sync.api.refunds import Refunds
from tilia_sync.api.registration import Registration
from tilia_sync.api.token_exchanges import TokenExchanges
from tilia_sync.api.transfers import Transfers
from tilia_sync.api.wallets import Wallets
from tilia_sync.bulk import Bulk
from tilia_sync.fleet import Fleet
from tilia_sync.ledger import BlockLedger, behind
from tilia_sync.loop_thread import LOOP_THREAD

if TYPE_CHECKING:
    from ssl import SSLContext

T = TypeVar("T")


class ClientSettings(TypedDict, total=False):
    """The optional arguments of ``TiliaClient``."""

    scopes: Iterable[str] | None
    timeout: float
    retry: RetryPolicy
    limits: Limits
    token_cache: TokenCache | None
    operations: Mapping[str, Operation[object]] | str | PathLike[str] | None
    ledger: BlockLedger | None
    trust_env: bool
    ssl: SSLContext | None
    observers: Iterable[Observer]


class TiliaClient:
    """A synchronous client for Tilia's API.

    Nothing happens before the first call, which starts one background thread for all clients of the process. One client
    serves any number of threads, and works after ``fork`` in parent and child. The first one of a process loads
    aiohttp, which takes a quarter of a second and is not part of the import.

    ::

        with TiliaClient(client_id, client_secret, "staging") as tilia:
            account = tilia.accounts.find("nyx@example.com")

    Args:
        client_id: from Tilia.
        client_secret: from Tilia.
        environment: ``"production"``, ``"staging"``, an ``Environment``, or a URL template such as
            ``http://127.0.0.1:8411/{service}``.
        scopes: ask for these in one token from the start; None: for what each operation needs.
        timeout: seconds for a whole call: waiting, token, all attempts, reading.
        retry: how often and when a call is sent again.
        limits: connections, and the size of an answer.
        token_cache: share one between clients; None: the one of this process.
        operations: corrected declarations by name, used by the typed methods; or the TOML file in which ``tilia
            verify`` wrote them, read when the client is entered or by its first call. ``echoes`` and ``denials`` that
            one does not give stay as they are.
        ledger: where every block and unblock is recorded, before it is sent: of the typed methods, of bulk jobs, and
            of ``send``. It stays yours to close.
        observers: are told of each call and attempt: objects of subclasses of ``Observer``.

    Raises:
        ConfigurationError: a setting is missing or wrong; the message names it.
    """

    auth: Auth
    registration: Registration
    accounts: Accounts
    wallets: Wallets
    payment_methods: PaymentMethods
    token_exchanges: TokenExchanges
    invoices: Invoices
    escrow: Escrows
    refunds: Refunds
    payouts: Payouts
    transfers: Transfers
    compliance: Compliance
    bulk: Bulk
    fleet: Fleet

    def __init__(
        self,
        client_id: str,
        client_secret: str | Secret,
        environment: str | Environment,
        *,
        scopes: Iterable[str] | None = None,
        timeout: float = 30.0,
        retry: RetryPolicy = RetryPolicy(),  # noqa: B008 - frozen
        limits: Limits = Limits(),  # noqa: B008 - frozen
        token_cache: TokenCache | None = None,
        operations: Mapping[str, Operation[object]] | str | PathLike[str] | None = None,
        ledger: BlockLedger | None = None,
        proxy: str | Secret | None = None,
        trust_env: bool = False,
        ssl: SSLContext | None = None,
        observers: Iterable[Observer] = (),
    ) -> None:
        # At once: frames can be printed with their variables, and what is refused may be a secret, too.
        client_secret = hide(client_secret)
        proxy = None if proxy is None else hide(proxy)
        where = find_environment(environment)
        environment = ""
        if isinstance(where, ConfigurationError):
            raise where
        self._wrap(
            tilia_async.TiliaClient(
                client_id,
                client_secret,
                where,
                scopes=scopes,
                timeout=timeout,
                retry=retry,
                limits=limits,
                token_cache=token_cache,
                operations=operations,
                ledger=behind(ledger),
                proxy=proxy,
                trust_env=trust_env,
                ssl=ssl,
                observers=observers,
            )
        )

    @classmethod
    def from_env(
        cls,
        *,
        client_id: str | None = None,
        client_secret: str | Secret | None = None,
        environment: str | Environment | None = None,
        proxy: str | Secret | None = None,
        **settings: Unpack[ClientSettings],
    ) -> Self:
        """Make a client from environment variables.

        A variable is looked up only for an argument that is not given.

        Args:
            client_id: None: from ``TILIA_CLIENT_ID``.
            client_secret: None: from ``TILIA_CLIENT_SECRET``.
            environment: None: from ``TILIA_ENVIRONMENT``.
            proxy: None: from ``TILIA_PROXY``, if that is set.
            settings: the other arguments of the constructor.

        Raises:
            ConfigurationError: a variable is not set, or wrong; the message names it.
        """
        client_secret = None if client_secret is None else hide(client_secret)
        proxy = proxy_from_variables() if proxy is None else hide(proxy)
        found = None if environment is None else find_environment(environment)
        environment = None
        return cls(*from_variables(client_id, client_secret, found), proxy=proxy, **settings)

    def _wrap(self, client: tilia_async.TiliaClient) -> None:
        self._client = client
        self._lease = LOOP_THREAD.lease(client.aclose)
        self.auth = Auth(client.auth, self._lease)
        self.registration = Registration(client.registration, self._lease)
        self.accounts = Accounts(client.accounts, self._lease)
        self.wallets = Wallets(client.wallets, self._lease)
        self.payment_methods = PaymentMethods(client.payment_methods, self._lease)
        self.token_exchanges = TokenExchanges(client.token_exchanges, self._lease)
        self.invoices = Invoices(client.invoices, self._lease)
        self.escrow = Escrows(client.escrow, self._lease)
        self.refunds = Refunds(client.refunds, self._lease)
        self.payouts = Payouts(client.payouts, self._lease)
        self.transfers = Transfers(client.transfers, self._lease)
        self.compliance = Compliance(client.compliance, self._lease)
        self.bulk = Bulk(client.bulk, self._lease)
        self.fleet = Fleet(client.fleet, self._lease)

    def access_token(self, scopes: Iterable[str]) -> AccessToken:
        """Return a token with at least these scopes.

        From the cache or from the token endpoint.

        Raises:
            TokenError: the token endpoint refused.
            TransportError: it could not be reached, gave no answer, or the client's timeout is over.
            ClientClosedError: the client is closed.
        """
        with self._lease as run:
            return run(lambda: self._client.access_token(scopes))

    def send(
        self,
        operation: Operation[T],
        *,
        path: Mapping[str, str] | None = None,
        query: Mapping[str, str | int] | None = None,
        body: Body | None = None,
        options: RequestOptions | None = None,
    ) -> Response[T]:
        """Call any operation, and return the whole response.

        The answer comes with status, headers, attempts and raw payload.

        A block or unblock is recorded in the client's ledger: by its name, or, of your own making, if it is posted to
        the accounts' service and its path ends in ``/block`` or ``/unblock``.

        Args:
            operation: from ``tilia_sync.api.OPERATIONS``, or of your own making; it is used as it is. Only
                ``echoes`` and ``denials`` are those of the SDK's of the same name, if it has none.
            path: the path parameters, unquoted.
            query: the query parameters. What the operation's declaration of them knows is checked: a field that is
                missing, unknown or wrongly typed.
            body: what is sent as JSON, checked likewise. To send a field that is not declared, declare the operation
                without: ``attrs.evolve(operation, body=None)``.

        Raises:
            InvalidRequestError: the request was refused here; ``problems`` names each field with the reason.
            ClientClosedError: the client is closed.
            TokenError: the token endpoint refused.
            ApiError: Tilia answered with an error.
            TransportError: there was no usable answer; its subclasses say what is known.
            LedgerError: it is a block or unblock, and the client's ledger cannot be written; nothing was sent.
        """
        body = None if body is None else hide_body(body)
        with self._lease as run:
            return run(lambda: self._client.send(operation, path=path, query=query, body=body, options=options))

    def reconcile(
        self,
        error_or_operation: errors.TiliaError | Operation[object],
        *,
        reference: Mapping[str, str] | None = None,
        since: datetime | None = None,
        options: RequestOptions | None = None,
    ) -> Reconciliation:
        """Find out what became of an unanswered write.

        Asks Tilia about a write that got no usable answer. It only reads, and claims no more than is known.

        ::

            except errors.TiliaError as error:
                found = tilia.reconcile(error)
                if found.done: ...  # by this call or another's: not to be done again
                log.warning("%s: %s", found.verdict.value, found.reason)

        An error that says itself that nothing took effect gets ``NO_EFFECT``, without asking Tilia, unless the key of
        the write is in use: another call may have the effect of that write. ``TOOK_EFFECT`` is for this very write, and
        ``NOT_SEEN`` no proof of the opposite; what may be another's or an earlier write's, or may only be hidden by a
        clock, a look-up that lags behind or a proxy, is ``CANNOT_BE_KNOWN``. ``reason`` says what to do.

        Args:
            error_or_operation: the error; or, for a call that was cancelled and left none, its operation from
                ``tilia_sync.api.OPERATIONS``.
            reference: fields that identify the write, by name, beside or instead of those of the error, e.g.
                ``{"invoice_id": …}`` for the refund of a line item.
            since: when the call began, with a time zone; None: as the error says. Without it an earlier write cannot
                be told from this one. Clocks may differ, so what was made within a minute of it may be either's. With
                an error, an earlier time settles that if nobody used the write's ``reference_id`` from then on: when
                the order was opened, say. With an operation it is the call's own beginning and no earlier time:
                ``decide_from`` is counted from then, and takes it that the call lasted no longer than the client's
                ``timeout``. If it had a longer one of its own, wait so much longer.
            options: for each request of the look-up.

        Raises:
            InvalidRequestError: it is not this package's error, the error has lost its operation, the operation reads,
                or the reference lacks a field that the look-up needs.
            TransportError: the look-up got no answer.
            ApiError: Tilia answered the look-up with an error that may pass.
            ClientClosedError: the client is closed.
        """
        with self._lease as run:
            return run(
                lambda: self._client.reconcile(error_or_operation, reference=reference, since=since, options=options)
            )

    def close(self, grace: float = 0.0) -> None:
        """Close what the client opened. A second close does nothing.

        Nothing new is begun from now on. Of a bulk job that is under way, what was sent settles, and the job stops; one
        with a ``job_id`` goes on where it stopped when it is run again. A list that is read ends with an error at its
        next page. A recorded block that waits for its ledger and a ``reconcile`` are calls under way as a whole.

        Args:
            grace: seconds that calls under way have to end; then they end with an error.

        Raises:
            ConfigurationError: that is not a number of seconds.
        """
        seconds = checked_grace(grace)
        try:
            if seconds and not self._lease.closed:
                with self._lease as run:
                    run(lambda: self._client._drain(seconds))  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - half of its aclose()
        finally:
            self._lease.close()

    def __enter__(self) -> Self:
        if self._lease.closed:
            raise ClientClosedError("the client is closed; make a new one")
        read_declarations(self._client)
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        if not hasattr(self, "_lease"):
            return "<tilia_sync.TiliaClient, not configured>"
        inner = repr(self._client).removeprefix("<TiliaClient").removesuffix(", closed>").removesuffix(">")
        return f"<tilia_sync.TiliaClient{inner}{', closed' if self._lease.closed else ''}>"
