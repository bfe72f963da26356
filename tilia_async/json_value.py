"""The types of what JSON can say."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    JsonValue: TypeAlias = bool | int | float | str | list["JsonValue"] | dict[str, "JsonValue"] | None
    JsonInput: TypeAlias = bool | int | float | str | Sequence["JsonInput"] | Mapping[str, "JsonInput"] | None
else:
    # A recursive alias has no use at run time, and libraries that resolve annotations would trip over it.
    JsonValue = object
    """What a JSON text is read as."""
    JsonInput = object
    """What may be written as JSON: any sequence and mapping will do."""

JsonObject: TypeAlias = dict[str, JsonValue]
"""A JSON object as it is read."""
