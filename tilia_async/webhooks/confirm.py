"""Asking Tilia whether a notification tells the truth.

Anybody who knows the URL can post a notification, so what it says is only a hint. A look-up over the API cannot be
forged. What cannot be looked up is not confirmed, and no handler sees it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar

from tilia_async.api.accounts import Account
from tilia_async.api.payment_methods import PaymentMethod
from tilia_async.errors import ConfigurationError, InvalidRequestError, NotFoundError, WebhookError
from tilia_async.webhooks.account_events import (
    AccountBlockChanged,
    KycStateChanged,
    PaymentMethodUpdated,
    RegistrationCompleted,
)
from tilia_async.webhooks.event import Event
from tilia_async.webhooks.money_events import (
    EscrowTransactionUpdated,
    InvoiceCompleted,
    RefundCompleted,
    TokenExchangeCompleted,
    WalletBalanceAlert,
)

if TYPE_CHECKING:
    from tilia_async.client import TiliaClient

E = TypeVar("E", bound=Event)
F = TypeVar("F")

Check: TypeAlias = "Callable[[TiliaClient, Event], Awaitable[bool]]"


class ContradictedError(WebhookError):
    """Tilia's API says something else than the notification."""


async def confirm(tilia: TiliaClient, event: Event) -> None:
    """Compare an event with what Tilia's API says now.

    Raises:
        ContradictedError: the API says something else, knows no such thing, or the event does not say enough.
        ConfigurationError: there is no look-up for events of this class.
        TiliaError: the look-up failed; nothing is known.
    """
    name = type(event).__name__
    check = CHECKS.get(type(event))
    if check is None:
        raise ConfigurationError(f"{name} cannot be confirmed: there is no look-up for it")
    try:
        agreed = await check(tilia, event)
    except (NotFoundError, InvalidRequestError):
        agreed = False
    if not agreed:
        raise ContradictedError(f"{name}: Tilia's API does not say the same")


def _check(
    kind: type[E],
    named: Callable[[E], str | None],
    read: Callable[[TiliaClient, str], Awaitable[F]],
    agrees: Callable[[E, F], bool],
) -> tuple[type[Event], Check]:
    """A row of the table.

    Args:
        kind: the class of the events.
        named: the id to look up.
        read: the look-up.
        agrees: whether what it found says what the event says.
    """

    async def check(tilia: TiliaClient, event: Event) -> bool:
        wanted = named(event) if isinstance(event, kind) else None
        if not isinstance(event, kind) or not wanted:
            return False
        return agrees(event, await read(tilia, wanted))

    return kind, check


def _is_that_account(event: RegistrationCompleted, account: Account) -> bool:
    """The same id, name and address. The user's ids on external platforms cannot be looked up."""
    address = None if event.email is None else event.email.address
    return account.account_id == event.account_id and all(
        not told or told == known for told, known in ((event.username, account.username), (address, account.email))
    )


def _has_that_state(event: PaymentMethodUpdated, methods: Sequence[PaymentMethod]) -> bool:
    return event.state is not None and any(
        method.id == event.payment_method_id and method.pm_state == event.state for method in methods
    )


CHECKS: Final[Mapping[type[Event], Check]] = MappingProxyType(
    dict(
        (
            _check(
                AccountBlockChanged,
                lambda event: event.account_id,
                lambda tilia, account_id: tilia.accounts.get(account_id),
                lambda event, account: event.is_blocked is not None and account.is_blocked is event.is_blocked,
            ),
            _check(
                RegistrationCompleted,
                lambda event: event.account_id,
                lambda tilia, account_id: tilia.accounts.get(account_id),
                _is_that_account,
            ),
            _check(
                PaymentMethodUpdated,
                lambda event: event.account_id,
                lambda tilia, account_id: tilia.payment_methods.list(account_id),
                _has_that_state,
            ),
            _check(
                InvoiceCompleted,
                lambda event: event.invoice_id,
                lambda tilia, invoice_id: tilia.invoices.get(invoice_id),
                lambda event, invoice: event.state is not None and invoice.state == event.state,
            ),
            _check(
                EscrowTransactionUpdated,
                lambda event: event.id,
                lambda tilia, escrow_id: tilia.escrow.get(escrow_id),
                lambda event, escrow: event.status is not None and escrow.status == event.status,
            ),
            _check(
                RefundCompleted,
                lambda event: event.payment_invoice_id,
                lambda tilia, invoice_id: tilia.refunds.list(invoice_id),
                lambda event, refunds: event.invoice_id in refunds.refund_invoice_ids,
            ),
            _check(
                TokenExchangeCompleted,
                lambda event: event.token_exchange_id,
                lambda tilia, token_exchange_id: tilia.token_exchanges.get(token_exchange_id),
                lambda event, exchange: event.status is not None and exchange.status == event.status,
            ),
            _check(
                KycStateChanged,
                lambda event: event.account_id,
                lambda tilia, account_id: tilia.compliance.kyc_status(account_id),
                lambda event, kyc: event.state is not None and kyc.state == event.state,
            ),
            # The balance has moved on since, so all that can be confirmed is that there is such a wallet.
            _check(
                WalletBalanceAlert,
                lambda event: event.wallet_id,
                lambda tilia, wallet_id: tilia.wallets.get(wallet_id),
                lambda event, wallet: wallet.wallet_id == event.wallet_id,
            ),
        )
    )
)
"""How an event of each class is confirmed. To add one, add its row."""
