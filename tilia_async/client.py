"""The client, with the services it hands out.

It builds the parts, and owns them.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Mapping
from datetime import datetime
from os import PathLike
from types import TracebackType
from typing import TYPE_CHECKING, Final, NoReturn, Self, TypedDict, TypeVar, Unpack

import attrs

from tilia_async import errors
from tilia_async.api import OPERATIONS
from tilia_async.api.accounts import Accounts
from tilia_async.api.auth import Auth
from tilia_async.api.compliance import Compliance
from tilia_async.api.escrow import Escrows
from tilia_async.api.invoices import Invoices
from tilia_async.api.payment_methods import PaymentMethods
from tilia_async.api.payouts import Payouts
from tilia_async.api.refunds import Refunds
from tilia_async.api.registration import Registration
from tilia_async.api.token_exchanges import TokenExchanges
from tilia_async.api.transfers import Transfers
from tilia_async.api.wallets import Wallets
from tilia_async.bulk.service import Bulk
from tilia_async.checks import plain
from tilia_async.config import (
    Credentials,
    Environment,
    Limits,
    RequestOptions,
    RetryPolicy,
    Service,
    find_environment,
    from_environment,
    require_variables,
)
from tilia_async.fleet.service import Fleet
from tilia_async.json_value import Body, JsonInput
from tilia_async.ledger.calls import RecordedCall, account_of, action_of, reason_of, recorded_call
from tilia_async.ledger.intent import Intent
from tilia_async.ledger.ledger import BlockLedger
from tilia_async.ledger.record import BlockAction
from tilia_async.observe.hooks import checked_observers
from tilia_async.observe.observer import Observer
from tilia_async.proxy import Proxy, find_proxy
from tilia_async.reconcile.reconciler import reconcile
from tilia_async.reconcile.reconciliation import Reconciliation
from tilia_async.secret import HiddenFields, Secret, hide, hide_body
from tilia_async.settings_checks import checked_grace, checked_seconds, expect
from tilia_async.tokens.cache import TokenCache, shared_cache, store_of, tokens_of
from tilia_async.tokens.fetch import TOKEN, TokenFetcher
from tilia_async.tokens.provider import TokenProvider
from tilia_async.tokens.token import AccessToken, Identity
from tilia_async.transport.requestor import Requestor, new_key
from tilia_async.wire.envelope import NoResponse, RawResponse
from tilia_async.wire.operation import Operation
from tilia_async.wire.refusal import refuse
from tilia_async.wire.request import WireRequest, build
from tilia_async.wire.response import Response

if TYPE_CHECKING:
    from ssl import SSLContext

    import aiohttp

    from tilia_async.corrections import CorrectionsFile

T = TypeVar("T")


class ClientSettings(TypedDict, total=False):
    """The optional arguments of ``TiliaClient``."""

    scopes: Iterable[str] | None
    timeout: float
    retry: RetryPolicy
    limits: Limits
    token_cache: TokenCache | None
    session: aiohttp.ClientSession | None
    operations: Mapping[str, Operation[object]] | str | PathLike[str] | None
    ledger: BlockLedger | None
    trust_env: bool
    ssl: SSLContext | None
    observers: Iterable[Observer]


class TiliaClient:
    """An asynchronous client for Tilia's API.

    Nothing happens before the first call, which opens a session in its event loop: a client made at import works in
    any loop, and in several. One client serves any number of tasks and threads. The first one of a process loads
    aiohttp, which takes a quarter of a second and is not part of the import.

    ::

        async with TiliaClient(client_id, client_secret, "staging") as tilia:
            account = await tilia.accounts.find("nyx@example.com")

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
        session: an ``aiohttp.ClientSession`` of yours: its connector, proxy, ``trust_env`` and trace configs are used.
            It is neither changed nor closed. One with settings that would be lost, such as headers, is refused.
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
        session: aiohttp.ClientSession | None = None,
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
        self._client_id = ""
        from tilia_async.transport.sessions import SessionPool  # noqa: PLC0415 - brings aiohttp: see the class

        through = None if proxy is None else find_proxy(proxy)
        if isinstance(through, errors.ConfigurationError):
            raise through
        self._pool = SessionPool(limits, session, proxy=through, trust_env=trust_env, ssl=ssl)
        expect("retry", retry, RetryPolicy)
        expect("token_cache", token_cache, TokenCache, type(None))
        corrected: Mapping[str, Operation[object]]
        self._corrections_file: CorrectionsFile | None = None
        if isinstance(operations, str | PathLike):
            from tilia_async.corrections import CorrectionsFile  # noqa: PLC0415 - few have such a file

            corrected = self._corrections_file = CorrectionsFile(operations, _corrections)
        else:
            expect("operations", operations, Mapping, type(None))
            corrected = _corrections(operations or {})
        expect("ledger", ledger, BlockLedger, type(None))
        credentials = Credentials(client_id, client_secret)
        if isinstance(where, errors.ConfigurationError):
            raise where
        self._environment = where
        _check_clear(where, self._pool.outward.proxy)
        self._client_id = credentials.client_id
        cache = shared_cache() if token_cache is None else token_cache
        budget = checked_seconds("timeout", timeout)
        watching = checked_observers(observers)
        self._tokens = TokenProvider(
            tokens_of(cache, Identity.of(self._environment.url(TOKEN.service) + TOKEN.path, credentials)),
            TokenFetcher(self._environment, credentials, self._exchange, cache.clock, retry, budget, watching),
            _scope_names(scopes),
        )
        self._ledger = ledger
        self._requestor = Requestor(self._environment, self._pool, self._tokens, budget, retry, corrected, watching)
        self.auth = Auth(self._requestor)
        self.registration = Registration(self._requestor)
        self.accounts = Accounts(self._requestor, ledger)
        self.wallets = Wallets(self._requestor)
        self.payment_methods = PaymentMethods(self._requestor)
        self.token_exchanges = TokenExchanges(self._requestor)
        self.invoices = Invoices(self._requestor)
        self.escrow = Escrows(self._requestor)
        self.refunds = Refunds(self._requestor)
        self.payouts = Payouts(self._requestor)
        self.transfers = Transfers(self._requestor)
        self.compliance = Compliance(self._requestor)
        self.bulk = Bulk(self._requestor, ledger)
        self.fleet = Fleet(self._requestor, self.bulk, ledger, store_of(cache))

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

    async def access_token(self, scopes: Iterable[str]) -> AccessToken:
        """Return a token with at least these scopes.

        From the cache or from the token endpoint.

        Raises:
            TokenError: the token endpoint refused.
            TransportError: it could not be reached, gave no answer, or the client's timeout is over.
            ClientClosedError: the client is closed.
        """
        if self._pool.closed:
            raise errors.ClientClosedError("the client is closed", operation=TOKEN.name)
        # A set that is equal to one for which there is a token needs no look at its names, and nobody waits.
        token = self._tokens.find(scopes) if isinstance(scopes, frozenset) else None
        if token is not None:
            return token
        wanted = _scope_names(scopes)
        try:
            with errors.attributed(TOKEN.name), self._pool.for_running_loop().deadline(self._requestor.timeout):
                return self._tokens.find(wanted) or await self._tokens.acquire(wanted)
        except TimeoutError as error:
            if isinstance(error, errors.TiliaError):
                raise
        if self._pool.ended:
            raise errors.ClientClosedError("the client was closed while waiting for a token", operation=TOKEN.name)
        raise errors.DeadlineExceededError(
            f"{self._requestor.timeout:g} s are over while waiting for a token", operation=TOKEN.name
        )

    async def send(
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
            operation: from ``tilia_async.api.OPERATIONS``, or of your own making; it is used as it is. Only
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
        expect("operation", operation, Operation, operation="send")
        operation = _checked_alike(operation)
        body = None if body is None else hide_body(body)
        if isinstance(query, Mapping | None):  # pyright: ignore[reportUnnecessaryIsInstance] - callers may have no checker
            _check_fields(operation, query, body)
        action = None if self._ledger is None else action_of(operation)
        if self._ledger is None or action is None:
            return await self._requestor.send(operation, path=path, query=query, body=body, options=options)

        expect("options", options, RequestOptions, type(None), operation=operation.name)
        # What cannot be sent is refused before it is on record.
        build(
            operation,
            self._environment,
            path=path,
            query=query,
            body=body,
            options=options,
            new_key=new_key(operation),
        )
        intent, account_id = Intent(action, reason_of(body)), account_of(operation, path, body)
        recorded = RecordedCall(operation.name, intent, account_id, self._requestor.timeout, options)
        with self._requestor.under_way(operation.name) as requestor:

            async def send(chosen: RequestOptions) -> Response[T]:
                return await requestor.send(operation, path=path, query=query, body=body, options=chosen)

            return await recorded_call(self._ledger, recorded, send)

    async def reconcile(
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
                found = await tilia.reconcile(error)
                if found.done: ...  # by this call or another's: not to be done again
                log.warning("%s: %s", found.verdict.value, found.reason)

        An error that says itself that nothing took effect gets ``NO_EFFECT``, without asking Tilia, unless the key of
        the write is in use: another call may have the effect of that write. ``TOOK_EFFECT`` is for this very write, and
        ``NOT_SEEN`` no proof of the opposite; what may be another's or an earlier write's, or may only be hidden by a
        clock, a look-up that lags behind or a proxy, is ``CANNOT_BE_KNOWN``. ``reason`` says what to do.

        Args:
            error_or_operation: the error; or, for a call that was cancelled and left none, its operation from
                ``tilia_async.api.OPERATIONS``.
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
        return await reconcile(self._requestor, error_or_operation, reference=reference, since=since, options=options)

    async def aclose(self, grace: float = 0.0) -> None:
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
            await self._drain(seconds)
        finally:
            self._pool.ended = True
            try:
                await self._tokens.release()
            finally:
                await self._pool.aclose()

    async def _drain(self, seconds: float) -> None:
        """Begin nothing new, and wait for calls under way.

        It waits at most as long as given.
        """
        self._pool.closed = True
        if seconds:
            await self._pool.drain(seconds)

    async def __aenter__(self) -> Self:
        if self._pool.closed:
            raise errors.ClientClosedError("the client is closed; make a new one")
        # Here, and not only in the first call: it says what to do if there is no loop of asyncio.
        self._pool.for_running_loop()
        if self._corrections_file is not None:
            await asyncio.to_thread(self._corrections_file.read)
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    if not TYPE_CHECKING:

        def __enter__(self) -> NoReturn:
            raise TypeError("this client is asynchronous: write 'async with', or use tilia_sync.TiliaClient")

        def __exit__(self, *_: object) -> None:
            """Do nothing.

            Only here so that ``with`` gets as far as ``__enter__``, which says what to do.
            """

    def __repr__(self) -> str:
        # A crash reporter may print a client whose constructor has refused its settings.
        if not self._client_id:
            return "<TiliaClient, not configured>"
        return f"<TiliaClient {self._client_id} at {self._environment.name}{', closed' if self._pool.closed else ''}>"

    async def _exchange(self, request: WireRequest, token: AccessToken | None = None) -> RawResponse | NoResponse:
        session = await self._pool.session()
        state = self._pool.for_running_loop()
        return await self._pool.send_once(state, session, request, token, state.current_send())


def environment_of(tilia: TiliaClient) -> Environment:
    """Return the environment that a client speaks to."""
    return tilia._environment  # pyright: ignore[reportPrivateUsage]  # noqa: SLF001 - of this module


def read_declarations(tilia: TiliaClient) -> None:
    """Read the file of corrected declarations, if there is one.

    Raises:
        ConfigurationError: it cannot be read, or says what a declaration cannot be.
    """
    file = tilia._corrections_file  # pyright: ignore[reportPrivateUsage]  # noqa: SLF001 - of this module
    if file is not None:
        file.read()


def declarations_of(tilia: TiliaClient) -> Mapping[str, Operation[object]]:
    """Return the declarations that a client's methods use.

    By name, its corrections among them.
    """
    requestor = tilia._requestor  # pyright: ignore[reportPrivateUsage]  # noqa: SLF001 - of this module
    return {**OPERATIONS, **requestor.corrected}


async def answer_as_it_came(
    tilia: TiliaClient,
    operation: Operation[object],
    *,
    path: Mapping[str, str] | None = None,
    query: Mapping[str, str | int] | None = None,
    body: Body | None = None,
) -> RawResponse | NoResponse:
    """Send a request once, and judge nothing of its answer.

    Raises:
        InvalidRequestError: the request was refused here.
        ClientClosedError: the client is closed.
        TokenError: the token endpoint refused the scopes.
        TransportError: it could not be reached.
    """
    requestor = tilia._requestor  # pyright: ignore[reportPrivateUsage]  # noqa: SLF001 - of this module
    exchange = tilia._exchange  # pyright: ignore[reportPrivateUsage]  # noqa: SLF001 - of this module
    key = new_key(operation)
    request = build(operation, environment_of(tilia), path=path, query=query, body=body, new_key=key)
    token = await tilia.access_token(operation.scopes)
    try:
        async with asyncio.timeout(requestor.timeout):
            return await exchange(request, token)
    except TimeoutError as error:
        if isinstance(error, errors.TiliaError):
            raise
    return NoResponse(sent=True, reason="no answer came in time")


_VARIABLES: Final = ("TILIA_CLIENT_ID", "TILIA_CLIENT_SECRET", "TILIA_ENVIRONMENT")


def from_variables(
    client_id: str | None, client_secret: Secret | None, environment: Environment | errors.ConfigurationError | None
) -> tuple[str, Secret, Environment]:
    """Fill in from the environment what is not given.

    Each from the environment variable of that name.

    Raises:
        ConfigurationError: a variable is not set, or wrong; the message names it. Or what is given is itself a refusal.
    """
    given = zip(_VARIABLES, (client_id, client_secret, environment), strict=True)
    require_variables([name for name, value in given if value is None])
    client_secret = from_environment("TILIA_CLIENT_SECRET") if client_secret is None else client_secret
    client_id = from_environment("TILIA_CLIENT_ID").reveal() if client_id is None else client_id
    if isinstance(environment, errors.ConfigurationError):
        raise environment
    if environment is not None:
        return client_id, client_secret, environment
    found = find_environment(from_environment("TILIA_ENVIRONMENT").reveal())
    if isinstance(found, errors.ConfigurationError):
        raise errors.ConfigurationError(
            f"TILIA_ENVIRONMENT: {found}; set it to production, staging or a URL with {{service}} in it"
        )
    return client_id, client_secret, found


def proxy_from_variables() -> Secret | None:
    """Return the proxy that ``TILIA_PROXY`` names.

    None if it is not set.
    """
    value = os.environ.get("TILIA_PROXY", "").strip()
    return Secret(value) if value else None


def _check_clear(environment: Environment, proxy: Proxy | None) -> None:
    """Refuse a proxy that would take plain http elsewhere.

    Plain http stays on this machine, so a proxy for it has to be here, too.
    """
    clear = [service for service in Service if environment.url(service).startswith("http:")]
    if clear and proxy is not None and not proxy.is_here:
        raise errors.ConfigurationError(
            f"proxy: {proxy.url} is not on this machine, and requests to {environment.url(clear[0])} are plain http; "
            "secrets go over https only"
        )


def _scope_names(scopes: Iterable[str] | None) -> frozenset[str]:
    if scopes is None:
        return frozenset()
    expect("scopes", scopes, Iterable)
    if isinstance(scopes, str):
        raise errors.ConfigurationError(f"scopes: a list of names is wanted, not the text {scopes!r}")
    return frozenset(_scope_name(scope) for scope in scopes)


def _scope_name(scope: object) -> str:
    if not isinstance(scope, str) or not scope or not scope.isascii() or not scope.replace("_", "").isalnum():
        raise errors.ConfigurationError(f"scopes: {scope!r} is not the name of one scope")
    return plain(scope)


def _corrections(operations: Mapping[str, Operation[object]]) -> Mapping[str, Operation[object]]:
    for name, operation in operations.items():
        expect(f"operations[{name!r}]", operation, Operation)
        declared = OPERATIONS.get(name)
        if declared is None or operation.name != name:
            raise errors.ConfigurationError(f"operations: {name!r} is not the name of an operation")
        if operation.returns != declared.returns or set(operation.parameters) != set(declared.parameters):
            raise errors.ConfigurationError(
                f"operations: {name} has to keep its result type and its path parameters {declared.parameters}"
            )
    return {name: _checked_alike(operation) for name, operation in operations.items()}


def _check_fields(
    operation: Operation[object], query: Mapping[str, str | int] | None, body: HiddenFields[JsonInput] | None
) -> None:
    """Refuse a request made by hand that its declaration refuses.

    What is no mapping at all is refused later.
    """
    from tilia_async.wire.field_checks import problems_of_request  # noqa: PLC0415 - the typed methods need none

    if body is None or body.is_mapping:
        refuse(operation.name, problems_of_request(operation, query, None if body is None else body.reveal()))


def _checked_alike(operation: Operation[T]) -> Operation[T]:
    """Let a caller's declaration doubt the answers the SDK's doubts.

    It does not if the declaration says itself which.
    """
    declared = OPERATIONS.get(operation.name)
    if declared is operation:
        return operation
    if declared is not None:
        echoes, denials = operation.echoes or declared.echoes, operation.denials or declared.denials
        return attrs.evolve(operation, echoes=echoes, denials=denials)
    action = action_of(operation)
    if action is None or operation.denials:
        return operation
    return attrs.evolve(operation, denials={"is_blocked": {action is BlockAction.UNBLOCK}})
