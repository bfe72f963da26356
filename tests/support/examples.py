"""Examples in the services' docstrings, and their surroundings."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
import typing
from collections.abc import Awaitable, Callable, Iterator

import tilia_async
from tilia_async import LineItem, Money, PaymentSource, Recipient, TransferItem
from tilia_async.sandbox import Sandbox

EXAMPLE = re.compile(r"^For example::\n\n((?: {4}.*\n|\n)+)", re.MULTILINE)
MANY = {"bulk", "fleet"}
"""Services for many accounts; their examples stand in the guides."""
GIVEN = {each.__name__: each for each in (LineItem, Money, PaymentSource, Recipient, TransferItem)}


def methods(client: type) -> Iterator[tuple[str, Callable[..., object]]]:
    """Yield the methods of a client's services by name."""
    for service, kind in typing.get_type_hints(client).items():
        if service not in MANY:
            for name, member in vars(kind).items():
                if inspect.isfunction(member) and not name.startswith("_"):
                    yield f"{service}.{name}", member


def example_of(method: Callable[..., object]) -> str | None:
    """Return the example of a method's docstring."""
    found = EXAMPLE.search(f"{inspect.getdoc(method)}\n")
    return None if found is None else textwrap.dedent(found[1])


class Scene:
    """A world in which an example runs.

    It makes what the example names, and nothing else.
    """

    def __init__(self, sandbox: Sandbox, tilia: tilia_async.TiliaClient) -> None:
        self._sandbox = sandbox
        self._tilia = tilia
        self._made: dict[str, object] = {}

    async def names(self, example: str) -> dict[str, object]:
        """Return all that an example uses and does not make."""
        if '"ada"' in example:
            self._sandbox.accounts.get("ada") or await self._tilia.accounts.get_or_register("ada", "ada@mail.example")
        parts = [each for each in ast.walk(ast.parse(example)) if isinstance(each, ast.Name)]
        stored = {each.id for each in parts if isinstance(each.ctx, ast.Store)}
        wanted = {each.id for each in parts} - stored - GIVEN.keys() - {"tilia", "print"}
        return GIVEN | {name: await self[name] for name in sorted(wanted)}

    async def __getitem__(self, name: str) -> object:
        """Return the thing of that name, made when needed."""
        if name not in self._made:
            make: Callable[[], Awaitable[object]] = getattr(self, f"_{name}")
            self._made[name] = await make()
        return self._made[name]

    async def _user(self) -> str:
        name = f"user-{len(self._sandbox.accounts)}"
        return (await self._tilia.accounts.register(name, email=f"{name}@mail.example")).account_id

    _account_id = _other_id = _user

    async def _password(self) -> str:
        return "8chars+x"

    async def _registration_id(self) -> str:
        name = f"user-{len(self._sandbox.accounts)}@mail.example"
        return (await self._tilia.registration.start(name, "8chars+x", name)).registration_id

    async def _blocked_id(self) -> str:
        account_id = await self._user()
        await self._tilia.accounts.block(account_id)
        return account_id

    async def _wallet(self, kind: str) -> tilia_async.models.PaymentMethod:
        found = await self._tilia.wallets.list(str(await self["account_id"]))
        return next(wallet for wallet in found if wallet.method_class == kind)

    async def _wallet_id(self) -> str | None:
        return (await self._wallet("registration")).wallet_id

    async def _token_wallet_id(self) -> str | None:
        return (await self._wallet("convertible")).wallet_id

    async def _publisher_wallet_id(self) -> str:
        return self._sandbox.publisher_wallets["TOK"].wallet_id

    async def _card_id(self) -> str:
        return self._sandbox.add_payment_method(str(await self["account_id"]))

    async def _purchase_id(self) -> str:
        return (
            await self._tilia.token_exchanges.start_purchase(str(await self["card_id"]), 500, "TOK")
        ).token_exchange_id

    async def _earner_id(self) -> str:
        account_id = await self._user()
        self._sandbox.set_kyc(account_id)
        self._sandbox.fund(account_id, Money(50_000, "TOK"), "convertible")
        self._sandbox.fund(account_id, Money(1_000, "USD"))
        return account_id

    async def _conversion_id(self) -> str:
        return (await self._tilia.token_exchanges.start_conversion(str(await self["earner_id"]))).token_exchange_id

    async def _usd_wallet_method_id(self) -> str:
        found = await self._tilia.wallets.list(str(await self["earner_id"]))
        return next(wallet.id for wallet in found if wallet.currency == "USD")

    async def _paypal_id(self) -> str:
        return self._sandbox.add_payment_method(str(await self["earner_id"]), "paypal")

    async def _payout_status_id(self) -> str:
        ids = [str(await self[name]) for name in ("earner_id", "usd_wallet_method_id", "paypal_id")]
        return (await self._tilia.payouts.request(*ids, Money(100, "USD"))).payout_status_id

    async def _bought(self) -> tuple[str, list[LineItem], list[PaymentSource]]:
        ticket = LineItem(amount=Money(300, "USD"), transaction_type="user_to_integrator")
        return str(await self["account_id"]), [ticket], [PaymentSource(str(await self["card_id"]))]

    async def _invoice_id(self) -> str:
        return (await self._tilia.invoices.create(*await self._bought())).invoice_id

    async def _paid_invoice_id(self) -> str:
        invoice_id = await self._invoice_id()
        await self._tilia.invoices.pay(invoice_id)
        return invoice_id

    async def _authorized_invoice_id(self) -> str:
        buyer, items, _ = await self._bought()
        return (await self._tilia.invoices.authorize(buyer, items, "api")).authorized_invoice_id

    async def _escrow_id(self) -> str:
        return (await self._tilia.escrow.create(*await self._bought(), reference_id="trade-7")).id

    async def _held_escrow_id(self) -> str:
        escrow_id = await self._escrow_id()
        await self._tilia.escrow.pay(escrow_id)
        return escrow_id
