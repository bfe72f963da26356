"""An operation of the API, as an immutable declaration."""

from __future__ import annotations

import string
from collections.abc import Iterable, Mapping
from enum import Enum
from typing import TYPE_CHECKING, Generic, TypeVar

import attrs

from tilia_async.checks import LONGEST_ID, LONGEST_REFERENCE
from tilia_async.config import Service

if TYPE_CHECKING:
    from tilia_async.models.accounts import RegisteredAccount

T_co = TypeVar("T_co", covariant=True)


class Repeat(Enum):
    """Repeatability of an operation with an unknown outcome.

    Whether it may be sent again when it is not known what became of it.
    """

    SAFE = "safe"
    """Safe to repeat: the final state is the same.

    It reads, or writes the same final state however often it is sent.
    """
    KEYED = "keyed"
    """Tilia takes an ``Idempotency-Key``: one key stands for one effect."""
    NEVER = "never"
    """Repeatable only if certainly nothing was sent.

    It may also be repeated if it was refused for its token.
    """


def _parse(template: str) -> tuple[tuple[str, str | None], ...]:
    return tuple((literal, name) for literal, name, _, _ in string.Formatter().parse(template))


def _names(names: Iterable[str]) -> frozenset[str]:
    if isinstance(names, str):
        raise TypeError(f"several names are wanted, not the text {names!r}")
    return frozenset(names)


_Echoes = tuple[tuple[str, tuple[str, ...]], ...]
_Denials = tuple[tuple[str, frozenset[object]], ...]


def _echoes(echoes: Mapping[str, str | tuple[str, ...]] | _Echoes) -> _Echoes:
    # Pairs can be hashed; attrs.evolve() hands them back as they are.
    pairs = echoes.items() if isinstance(echoes, Mapping) else echoes
    return tuple(sorted((name, (fields,) if isinstance(fields, str) else tuple(fields)) for name, fields in pairs))


def _denials(denials: Mapping[str, Iterable[object]] | _Denials) -> _Denials:
    pairs = denials.items() if isinstance(denials, Mapping) else denials
    return tuple((field, _values(values)) for field, values in sorted(pairs, key=lambda pair: pair[0]))


def _values(values: Iterable[object]) -> frozenset[object]:
    if isinstance(values, str):
        raise TypeError(f"several values are wanted, not the text {values!r}")
    return frozenset(values)


def _statuses(statuses: Iterable[int]) -> frozenset[int]:
    return frozenset(statuses)


class Said(Enum):
    """A stand-in among the values of ``Operation.denials``."""

    ANYTHING = "anything"
    """Any value but false and an empty text.

    That the field is there is what says no.
    """


@attrs.frozen
class Evidence:
    """Facts of an operation that had to be inferred.

    They are not documented.

    Attributes:
        inferred: the parts that are inferred: any of ``path``, ``host``, ``scope``, ``body``, ``answer``.
        note: why they are believed.
    """

    inferred: frozenset[str] = attrs.field(converter=_names)
    note: str


@attrs.frozen
class Operation(Generic[T_co]):
    """An operation of Tilia's API.

    Declared once for client, sandbox, mirror, docs and tests.

    Attributes:
        name: ``service.method``, as errors, logs and faults name it.
        method: the HTTP method.
        service: which part of the API has it.
        path: the path template; ``{name}`` stands for a path parameter.
        other_paths: templates under which pages or SDKs of Tilia's have the same operation.
        returns: the type that the answer's payload is read as.
        repeat: whether it may be sent again.
        scopes: what its token has to carry.
        body: the fields of its JSON, as a typed dictionary or a model; None: not declared, so nothing is checked.
        query: the query parameters, likewise.
        envelope: whether the payload of its answer stands in an envelope; None: samples disagree. Either is read.
        success: the documented statuses of success; any other 2xx is believed if its body says so.
        references: the path parameters that are references of the caller's own and not Tilia's ids.
        reference: the fields of path and body that identify its effect, as ``TiliaError.reference`` shows them.
        parts: the list in the body whose entries add up to its amount, which ``reference`` then shows as well, with its
            currency, if they are of one.
        echoes: the parameters of path, query or body that the answer repeats, each with the field that has it (a dot
            leads into an object or a list), or with several fields, of which one has it; all the items that a read
            lists have it. An answer with another value there is an answer to another question.
        essential: the fields of the answer of which at least one has to be there, for an answer without which it says
            nothing; only where no field of its model is required, and none that the request has.
        denials: the fields of the answer, each with the values that say the opposite of what was asked for;
            ``Said.ANYTHING`` is any.
        confidential: its answer lets the bearer in, so no error keeps it.
        conflict: the type of the resource that a 409 carries, if it carries one.
        evidence: what is only inferred; None if all of it is documented.
    """

    name: str
    method: str
    service: Service
    path: str
    returns: type[T_co]
    repeat: Repeat = attrs.field(kw_only=True)
    scopes: frozenset[str] = attrs.field(kw_only=True, converter=_names)
    body: type[object] | None = attrs.field(kw_only=True, default=None)
    query: type[object] | None = attrs.field(kw_only=True, default=None)
    envelope: bool | None = attrs.field(kw_only=True, default=True)
    success: frozenset[int] = attrs.field(kw_only=True, default=frozenset({200}), converter=_statuses)
    references: frozenset[str] = attrs.field(kw_only=True, default=frozenset[str](), converter=_names)
    reference: tuple[str, ...] = attrs.field(kw_only=True, default=())
    parts: str = attrs.field(kw_only=True, default="")
    echoes: _Echoes = attrs.field(kw_only=True, default=(), converter=_echoes)
    essential: frozenset[str] = attrs.field(kw_only=True, default=frozenset[str](), converter=_names)
    denials: _Denials = attrs.field(kw_only=True, default=(), converter=_denials)
    confidential: bool = attrs.field(kw_only=True, default=False)
    conflict: type[RegisteredAccount] | None = attrs.field(kw_only=True, default=None)
    evidence: Evidence | None = attrs.field(kw_only=True, default=None)
    other_paths: tuple[str, ...] = attrs.field(kw_only=True, default=())
    segments: tuple[tuple[str, str | None], ...] = attrs.field(
        init=False, repr=False, eq=False, default=attrs.Factory(lambda self: _parse(self.path), takes_self=True)
    )

    @property
    def reads(self) -> bool:
        """True if it changes nothing at Tilia.

        Then no failure of it can have had an effect.
        """
        return self.method == "GET"

    def longest(self, parameter: str) -> int:
        """Return the longest value of a path parameter.

        It is in characters.
        """
        return LONGEST_REFERENCE if parameter in self.references else LONGEST_ID

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names of the path parameters, in order."""
        return tuple(name for _, name in self.segments if name is not None)
