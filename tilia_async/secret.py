"""Values that may be used but not shown.

Promised: none of them shows its text by ``str``, ``repr``, ``format``, slicing, iterating, ``vars``, its slots,
``json``, ``copy``, ``attrs.asdict`` or ``pprint``, and ``pickle`` refuses it. So neither do frames that are printed
with their variables, by ``traceback``, rich, structlog, Sentry or Rollbar. Only ``reveal`` gives the text.

Not promised: that the text is nowhere in the memory of the process. Whoever has a debugger, a core dump or the garbage
collector finds it, and so does whoever calls ``reveal``, or reads an attribute that gives a text by contract, such as
``AccessToken.value``. The frames of your own code hold what you put in their variables: a ``Secret`` helps there,
too.
"""

import hmac
from collections.abc import Callable, Iterable, Mapping
from typing import ClassVar, Final, Generic, NoReturn, Self, TypeAlias, TypeVar

V = TypeVar("V")
V_co = TypeVar("V_co", covariant=True)

MASK: Final = "***"


class InProcess:
    """A constant value that does not leave this process.

    It cannot change: its copy is itself, and it is not pickled.
    """

    __slots__ = ()

    _INSTEAD: ClassVar[str] = "hand it over by other means, e.g. an environment variable"

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, _memo: object) -> Self:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"{type(self).__name__} holds a secret and is not pickled: {self._INSTEAD}")


class Secret(InProcess):
    """A text that shows as ``***``, whatever shows it.

    It is not a ``str``, because what prints variables cuts and copies those. Two are equal when their texts are.

    Attributes:
        is_text: it was made of a text. What is none, whatever the annotation says, makes an empty secret, for a check
            to refuse.
        kind: the name of the type that it was made of.
    """

    __slots__ = ("_held", "is_text", "kind")

    is_text: bool
    kind: str

    def __init__(self, text: "str | Secret") -> None:
        if isinstance(text, Secret):
            held, self.kind, self.is_text = text.reveal(), text.kind, text.is_text
        else:
            self.is_text = isinstance(text, str)  # pyright: ignore[reportUnnecessaryIsInstance] - callers may have no checker
            self.kind = type(text).__name__
            # str() of a member of an enumeration may be the name of its class.
            held = str.__str__(text) if self.is_text else ""
        # In a closure, because there is code that reads every slot of every object.
        self._held: Callable[[], str] = lambda: held

    def reveal(self) -> str:
        """Return the text itself.

        Use the result in place; a variable that holds it is not a secret any more.
        """
        return self._held()

    def __repr__(self) -> str:
        return f"Secret({MASK!r})"

    def __str__(self) -> str:
        return MASK

    def __format__(self, format_spec: str, /) -> str:
        return format(MASK, format_spec)

    def __bool__(self) -> bool:
        return bool(self._held())

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(_bytes(self), _bytes(other))

    def __hash__(self) -> int:
        return hash(self._held())


class HiddenFields(InProcess, Generic[V_co]):
    """A mapping that shows only its names.

    A request's body may hold a password, a header a key.

    Attributes:
        is_mapping: it was made of a mapping. What is none makes an empty one, for a check to refuse.
        kind: the name of the type that it was made of.
    """

    __slots__ = ("_held", "is_mapping", "kind")

    _INSTEAD = "make headers and bodies where the call is made"

    is_mapping: bool
    kind: str

    def __init__(self, fields: "Mapping[str, V_co] | HiddenFields[V_co]") -> None:
        held: Mapping[str, V_co]
        if isinstance(fields, HiddenFields):
            held, self.kind, self.is_mapping = fields.reveal(), fields.kind, fields.is_mapping
        else:
            self.kind = type(fields).__name__
            # Of a dictionary no registry is asked.
            self.is_mapping = type(fields) is dict or isinstance(fields, Mapping)  # pyright: ignore[reportUnnecessaryIsInstance] - callers may have no checker
            # A copy, because what was checked is what is sent.
            held = {**fields} if self.is_mapping else {}
        self._held: Callable[[], Mapping[str, V_co]] = lambda: held

    def reveal(self) -> Mapping[str, V_co]:
        """Return the fields themselves.

        Use the result in place.
        """
        return self._held()

    def __repr__(self) -> str:
        return f"<fields {names(self._held())}>"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, HiddenFields):
            return NotImplemented
        return bool(self._held() == other.reveal())  # pyright: ignore[reportUnknownMemberType] - generic at run time

    def __hash__(self) -> int:
        return hash(frozenset(self._held()))


class HiddenBytes(InProcess):
    """Bytes that show only their number.

    An encoded body may hold a password.
    """

    __slots__ = ("_held",)

    _INSTEAD = "encode bodies where the call is made"

    def __init__(self, content: bytes) -> None:
        self._held: Callable[[], bytes] = lambda: content

    def reveal(self) -> bytes:
        """Return the bytes themselves.

        Use the result in place.
        """
        return self._held()

    def __repr__(self) -> str:
        return f"<{len(self._held())} bytes>"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, HiddenBytes):
            return NotImplemented
        return hmac.compare_digest(self._held(), other.reveal())

    def __hash__(self) -> int:
        return hash(self._held())


BasicPair: TypeAlias = tuple[str | Secret, str | Secret]
"""A user and a password, for HTTP's basic authentication."""


def hide(text: str | Secret) -> Secret:
    """Hide a text.

    Anything else is hidden as well, whatever the annotation says: ``Secret.is_text``.
    """
    return text if isinstance(text, Secret) else Secret(text)


def hide_body(body: Mapping[str, V] | HiddenFields[V]) -> HiddenFields[V]:
    """Hide the values of a body.

    Anything but a mapping is hidden as well: ``HiddenFields.is_mapping``.
    """
    return body if isinstance(body, HiddenFields) else HiddenFields(body)


def hide_pair(pair: object) -> tuple[Secret, Secret]:
    """Hide a user and a password.

    Anything but a pair of texts becomes two empty ones, for a check to refuse.
    """
    match pair:
        case (str() | Secret() as user, str() | Secret() as password):
            return hide(user), hide(password)
        case _:
            return Secret(""), Secret("")


def names(fields: Iterable[object]) -> str:
    """Return the names of fields, for people."""
    return ", ".join(map(repr, fields))


def _bytes(secret: Secret) -> bytes:
    return secret.reveal().encode("utf-8", "surrogatepass")
