"""Text that may be used but not shown."""

from typing import Final, Self

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
