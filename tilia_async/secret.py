"""Text that may be used but not shown."""

from collections.abc import Mapping
from typing import Final, Self

from tilia_async.json_value import JsonInput

MASK: Final = "***"


class Secret(str):
    """A string that ``repr``, ``str``, ``format`` and logging show as ``***``.

    A frame that holds one in a local variable can be printed by a crash reporter without giving it away. Only
    :meth:`reveal` returns the text.
    """

    __slots__ = ()

    def __new__(cls, text: str) -> Self:
        # str() of a secret is its mask, so one that is wrapped twice would be lost.
        return super().__new__(cls, text.reveal() if isinstance(text, Secret) else text)

    def __repr__(self) -> str:
        return f"Secret({MASK!r})"

    def __str__(self) -> str:
        return MASK

    def __format__(self, format_spec: str, /) -> str:
        return format(MASK, format_spec)

    def __reduce__(self) -> str | tuple[object, ...]:
        raise TypeError("a secret is not pickled: hand it over by other means, e.g. an environment variable")

    def reveal(self) -> str:
        """The text itself. Use the result in place; a variable that holds it is no secret any more."""
        return str.__str__(self)


def hide(text: str) -> str:
    """The text as a secret. What is no text, whatever the annotation says, comes back for a check to refuse."""
    is_text: bool = isinstance(text, str)  # pyright: ignore[reportUnnecessaryIsInstance] - callers may have no checker
    return Secret(text) if is_text else text


class HiddenBody(dict[str, JsonInput]):
    """A request's body, which may hold a password: ``repr`` shows the names of its fields only."""

    def __repr__(self) -> str:
        return f"<body with {', '.join(map(repr, self))}>"


def hide_body(body: Mapping[str, JsonInput]) -> Mapping[str, JsonInput]:
    """The body with its values hidden. What is no mapping comes back for a check to refuse."""
    is_map: bool = isinstance(body, Mapping)  # pyright: ignore[reportUnnecessaryIsInstance] - callers may have no checker
    return HiddenBody(body) if is_map else body
