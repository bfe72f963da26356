"""The types of what JSON can say."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from tilia_async.secret import HiddenFields, Secret

    JsonValue: TypeAlias = bool | int | float | str | list["JsonValue"] | dict[str, "JsonValue"] | None
    JsonInput: TypeAlias = bool | int | float | str | Secret | Sequence["JsonInput"] | Mapping[str, "JsonInput"] | None
    Body: TypeAlias = Mapping[str, JsonInput] | HiddenFields[JsonInput]
else:
    # A recursive alias has no use at run time, and libraries that resolve annotations would trip over it.
    JsonValue = object
    """What a JSON text is read as."""
    JsonInput = object
    """What may be written as JSON: any sequence and mapping will do, and a secret is written as its text."""
    Body = object
    """What a request sends as JSON."""

JsonObject: TypeAlias = dict[str, JsonValue]
"""A JSON object as it is read."""
