"""Answers in the shapes that Tilia's have (fact sheets "accounts", D2 and D3; "money", 0.3 and 0.4)."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType

import attrs
import orjson

from tilia_async.json_value import JsonObject, JsonValue


@attrs.frozen
class SandboxResponse:
    """The sandbox's response to a request."""

    status: int
    body: bytes
    content_type: str = "application/json"
    headers: dict[str, str] = attrs.field(factory=dict[str, str])


def bare(body: JsonValue, status: int = 200) -> SandboxResponse:
    """JSON without an envelope, as the token endpoint answers."""
    return SandboxResponse(status, orjson.dumps(body))


class Texts(Enum):
    """A form without message and code.

    A way to write that there is none: all occur in Tilia's pages.
    """

    EMPTY = "[]"
    NULL = "null"
    NULLS = "[null]"
    ABSENT = ""


_TEXTS: Mapping[Texts, JsonObject] = MappingProxyType(
    {
        Texts.EMPTY: {"message": [], "codes": []},
        Texts.NULL: {"message": None, "codes": None},
        Texts.NULLS: {"message": [None], "codes": [None]},
        Texts.ABSENT: {},
    }
)


def success(payload: JsonValue, *, status: int = 200, texts: Texts = Texts.EMPTY) -> SandboxResponse:
    """Return an envelope that says Success."""
    return bare({"status": "Success", **_TEXTS[texts], "payload": payload}, status)


def without_payload() -> SandboxResponse:
    """Return a Success without the key ``payload``.

    The key is left out altogether, as after a merge or a full refund.
    """
    return bare({"status": "Success", "message": None, "codes": None})


def without_texts(payload: JsonValue, status: int = 200) -> SandboxResponse:
    """Return a Success without ``message`` and ``codes``.

    The keys are left out, as with token exchanges.
    """
    return success(payload, status=status, texts=Texts.ABSENT)


def failure(
    status: int, payload: JsonValue, *, message: tuple[str, ...] = (), codes: tuple[str, ...] = ()
) -> SandboxResponse:
    """Return an envelope that says Failure.

    The payload is a text, an object or a whole resource.
    """
    return bare({"status": "Failure", "message": list(message), "codes": list(codes), "payload": payload}, status)


def error(status: int, text: str) -> SandboxResponse:
    """``payload.error`` is a text, as in "token is expired"."""
    return failure(status, {"error": text})


def invalid(errors: dict[str, list[str]]) -> SandboxResponse:
    """400 with the texts for each field."""
    fields: JsonObject = {field: list(texts) for field, texts in errors.items()}
    return failure(400, {"errors": fields}, message=("input is invalid",), codes=("INPUT_ERROR",))


def blocked(account_id: str) -> SandboxResponse:
    """403, the payload a plain text (fact sheet "guides", G3)."""
    return failure(403, f"account is blocked ({account_id})")


def rejected() -> SandboxResponse:
    """Return 403 for a transaction that was rejected.

    It could not be made; in the words of the reference; the shape is inferred.
    """
    return error(403, "The transaction was rejected")


def not_found(what: str) -> SandboxResponse:
    """Return 404.

    Its body is inferred from that of an unknown invoice.
    """
    return failure(404, f"{what} not found", message=("",), codes=(f"{what.removesuffix('_id').upper()}_NOT_FOUND",))
