"""Wallets, and the movement of money.

There is one way in which money moves between them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from types import MappingProxyType

import attrs

REGISTRATION = "registration"
STANDARD = "standard"
CONVERTIBLE = "convertible"
CUSTOM = "wallet"


@attrs.define(eq=False)
class SandboxWallet:
    """A wallet.

    Attributes:
        kind: ``registration`` for money, ``standard`` or ``convertible`` for tokens, ``wallet`` for a type of the
            publisher's own; other kinds belong to the publisher and to Tilia.
        balance: in the smallest unit of the currency. Only ``Wallets`` changes it.
    """

    wallet_id: str
    account_id: str
    kind: str
    currency: str
    created: str
    tags: tuple[str, ...] = ()
    balance: int = 0

    @property
    def description(self) -> str:
        return f"{self.currency} Wallet" if self.kind == REGISTRATION else f"{self.currency} {self.kind} Wallet"


@attrs.frozen
class Movement:
    """Money that goes from one wallet to another.

    None stands for the world outside: cards, PayPal, funding.
    """

    source: SandboxWallet | None
    destination: SandboxWallet | None
    amount: int


class OverdrawnError(Exception):
    """A wallet has not enough. Nothing was moved."""

    def __init__(self, wallet: SandboxWallet) -> None:
        super().__init__(f"wallet {wallet.wallet_id} has not enough {wallet.currency}")
        self.wallet = wallet


class Wallets:
    """Holds all wallets.

    Money enters and leaves by ``move`` alone, so for each currency the wallets together hold exactly what
    ``entered`` says.
    """

    def __init__(self) -> None:
        self._wallets: dict[str, SandboxWallet] = {}
        self._of: dict[str, list[SandboxWallet]] = {}
        self._entered: Counter[str] = Counter()

    @property
    def entered(self) -> Mapping[str, int]:
        """The money from outside, by currency.

        What came in less what went out.
        """
        return MappingProxyType(self._entered)

    @property
    def by_id(self) -> Mapping[str, SandboxWallet]:
        """The wallets by id."""
        return MappingProxyType(self._wallets)

    def open(self, wallet: SandboxWallet) -> SandboxWallet:
        """Add an empty wallet.

        Raises:
            ValueError: it is not empty: money does not come with a wallet.
        """
        if wallet.balance:
            raise ValueError("a new wallet is empty")
        self._wallets[wallet.wallet_id] = wallet
        self._of.setdefault(wallet.account_id, []).append(wallet)
        return wallet

    def of(self, account_id: str) -> tuple[SandboxWallet, ...]:
        """Return the wallets of an account.

        In the order in which they were opened.
        """
        return tuple(self._of.get(account_id, ()))

    def move(self, movements: Iterable[Movement]) -> None:
        """Make all movements, in their order, or none of them.

        Raises:
            OverdrawnError: one of them takes more from a wallet than is in it at that point.
            ValueError: an amount is negative, or the two wallets have different currencies.
        """
        balances: dict[SandboxWallet, int] = {}
        entered: Counter[str] = Counter()
        for movement in movements:
            currency = _currency(movement)
            for wallet, change in ((movement.source, -movement.amount), (movement.destination, movement.amount)):
                if wallet is None:
                    entered[currency] -= change
                    continue
                balances[wallet] = balances.get(wallet, wallet.balance) + change
                if balances[wallet] < 0:
                    raise OverdrawnError(wallet)
        for wallet, balance in balances.items():
            wallet.balance = balance
        for currency, change in entered.items():
            self._entered[currency] += change


def _currency(movement: Movement) -> str:
    if movement.amount < 0:
        raise ValueError(f"money does not move backwards: {movement.amount}")
    currencies = {wallet.currency for wallet in (movement.source, movement.destination) if wallet is not None}
    if len(currencies) != 1:
        raise ValueError(f"a movement has one currency, not {sorted(currencies)}")
    return currencies.pop()
