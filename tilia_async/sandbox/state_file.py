"""The sandbox's state in a file, for its next start.

JSON, in which each object stands once and others refer to it by its number: a wallet is the same wallet for its
account, its payment method and its invoices. Only the classes that are listed here are ever made of it.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Iterable, Mapping
from enum import Enum
from fractions import Fraction
from pathlib import Path
from typing import Final, cast

import attrs
import orjson

from tilia_async.json_value import JsonObject, JsonValue
from tilia_async.models.compliance import KycState, PiiLevel
from tilia_async.models.escrow import EscrowStatus
from tilia_async.models.invoices import InvoiceState
from tilia_async.models.payment_methods import PaymentMethodState
from tilia_async.models.payouts import PayoutStatus
from tilia_async.models.refunds import RefundStatus
from tilia_async.models.token_exchanges import ExchangeDirection, ExchangeStatus
from tilia_async.sandbox.clock import SandboxClock
from tilia_async.sandbox.state.accounts import Accounts, Block, Kyc, SandboxAccount, StartedRegistration, Tag
from tilia_async.sandbox.state.escrows import SandboxEscrow, SandboxExchange, SandboxPayout, SandboxRefund
from tilia_async.sandbox.state.invoices import (
    Authorized,
    Kind,
    LineItem,
    Payment,
    Recipient,
    Reference,
    SandboxInvoice,
    SandboxInvoices,
)
from tilia_async.sandbox.state.methods import PaymentMethods, SandboxPaymentMethod
from tilia_async.sandbox.state.wallets import SandboxWallet, Wallets
from tilia_async.sandbox.world import Settings, World

_FORMAT: Final = 1
_NOT_KEPT: Final = frozenset({"clock", "random", "notify", "nonces"})
"""Fields of the world that are not kept.

They belong to the process, or are secrets.
"""
_CLASSES: Final = {
    each.__name__: each
    for each in (
        *(Accounts, Block, Kyc, SandboxAccount, StartedRegistration, Tag),
        *(SandboxEscrow, SandboxExchange, SandboxPayout, SandboxRefund),
        *(Authorized, LineItem, Payment, Recipient, Reference, SandboxInvoice, SandboxInvoices),
        *(PaymentMethods, SandboxPaymentMethod, SandboxWallet, Wallets, Settings, World),
    )
}
_ENUMS: Final[Mapping[str, type[Enum]]] = {
    each.__name__: each
    for each in (
        *(KycState, PiiLevel, EscrowStatus, InvoiceState, PaymentMethodState, PayoutStatus, RefundStatus),
        *(ExchangeDirection, ExchangeStatus, Kind),
    )
}


@attrs.frozen
class KeptState:
    """A state that was read.

    Attributes:
        ahead: by how many seconds the clock was put forward.
    """

    world: World
    ahead: float


def collect(world: World) -> JsonObject:
    """Return the state, which later changes leave as it is."""
    writer = _Writer()
    root = writer.value(world)
    version, numbers, gauss = world.random.getstate()
    return {
        "tilia_sandbox": _FORMAT,
        "ahead": world.clock.ahead,
        "random": [version, [*numbers], gauss],
        "world": root,
        "objects": writer.objects,
    }


def written(state: object) -> bytes:
    """Return the contents of a file that holds a state."""
    return orjson.dumps(state)


def store(path: Path, content: bytes) -> None:
    """Replace a file, whole or not at all.

    Raises:
        OSError: it cannot be written.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.write_bytes(content)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def read(path: Path, clock: SandboxClock, chance: random.Random) -> KeptState | None:
    """Read the state; None if there is no such file.

    Args:
        clock: the state's from now on.
        chance: its state is set, too.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no state of a sandbox of this version.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    try:
        kept: JsonValue = orjson.loads(content)
        if not isinstance(kept, dict) or kept.get("tilia_sandbox") != _FORMAT:
            raise ValueError("it is no such file")  # noqa: TRY301 - told below, with the rest
        world = _Reader(kept["objects"]).value(kept["world"])
        ahead, drawn = kept["ahead"], kept["random"]
        if not (isinstance(world, World) and isinstance(ahead, int | float) and isinstance(drawn, list)):
            raise ValueError("a part of it is missing")  # noqa: TRY004, TRY301 - as above
        version, numbers, gauss = drawn
        chance.setstate((version, tuple(numbers) if isinstance(numbers, list) else (), gauss))
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} holds no state of a sandbox of this version: {error}") from error
    world.clock, world.random, world.nonces = clock, chance, {}
    return KeptState(world, float(ahead))


class _Writer:
    """Writes values; objects get numbers."""

    def __init__(self) -> None:
        self.objects: list[JsonValue] = []
        self._numbers: dict[int, int] = {}

    def value(self, value: object) -> JsonValue:
        match value:
            case Enum():
                return {"enum": type(value).__name__, "name": value.name}
            case None | bool() | int() | float() | str():
                return value
            case Fraction():
                return {"fraction": str(value)}
            case list():
                return self._values(cast("list[object]", value))
            case tuple():
                return {"tuple": self._values(cast("tuple[object, ...]", value))}
            case Mapping():
                fields = cast("Mapping[object, object]", value)
                pairs: list[JsonValue] = [self._values(pair) for pair in fields.items()]
                return {"counter" if isinstance(value, Counter) else "mapping": pairs}
            case _:
                return {"object": self._number(value)}

    def _values(self, values: Iterable[object]) -> list[JsonValue]:
        return [self.value(each) for each in values]

    def _number(self, value: object) -> int:
        known = self._numbers.get(id(value))
        if known is not None:
            return known
        number = self._numbers[id(value)] = len(self.objects)
        self.objects.append(None)
        fields: JsonObject = {name: self.value(getattr(value, name)) for name in _fields(type(value))}
        self.objects[number] = {"class": type(value).__name__, "fields": fields}
        return number


class _Reader:
    """Reads values.

    Objects are made empty first, since they refer to each other.
    """

    def __init__(self, objects: JsonValue) -> None:
        kept = objects if isinstance(objects, list) else []
        records = [each for each in kept if isinstance(each, dict)]
        self._made = [_empty(str(record["class"])) for record in records]
        for made, record in zip(self._made, records, strict=True):
            fields = record["fields"]
            names = _fields(type(made))
            if not isinstance(fields, dict) or fields.keys() != names:
                raise ValueError(f"{type(made).__name__} has other fields")
            for name in names:
                object.__setattr__(made, name, self.value(fields[name]))

    def value(self, kept: JsonValue) -> object:
        match kept:
            case {"enum": str(kind), "name": str(name)}:
                return _ENUMS[kind][name]
            case {"fraction": str(text)}:
                return Fraction(text)
            case {"object": int(number)}:
                return self._made[number]
            case {"tuple": list(values)}:
                return tuple(self.value(each) for each in values)
            case {"mapping": list(pairs)}:
                return dict(self._pairs(pairs))
            case {"counter": list(pairs)}:
                return Counter(dict(self._pairs(pairs)))
            case list():
                return [self.value(each) for each in kept]
            case _:
                return kept

    def _pairs(self, pairs: list[JsonValue]) -> list[tuple[object, object]]:
        return [(self.value(pair[0]), self.value(pair[1])) for pair in pairs if isinstance(pair, list)]


def _fields(kind: type) -> set[str]:
    """Return the names of a class's fields that are kept."""
    if kind is Wallets:
        return set(vars(Wallets()))
    if not attrs.has(kind):
        raise ValueError(f"{kind.__name__} is not kept")
    return {field.name for field in attrs.fields(kind)} - (_NOT_KEPT if kind is World else frozenset())


def _empty(name: str) -> object:
    kind = _CLASSES[name]
    return object.__new__(kind)
