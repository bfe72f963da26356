"""The OpenAPI document, built from the operations' declarations."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import Final

from tilia_async import api
from tilia_async.api import OPERATIONS
from tilia_async.config import Environment, Service
from tilia_async.field_types import RandomUuid
from tilia_async.json_value import JsonObject, JsonValue
from tilia_async.openapi.descriptions import summary_of_method
from tilia_async.openapi.schemas import Schemas
from tilia_async.scopes import Scope
from tilia_async.tokens.fetch import TOKEN
from tilia_async.version import __version__
from tilia_async.wire.fields import fields_of
from tilia_async.wire.operation import Operation, Repeat

_ABOUT: Final = """\
Tilia's HTTP API as tilia-sdk knows it. It is no document of Tilia's: it is written from the SDK's declarations, which \
rest on Tilia's pages and SDKs. What is only inferred stands in `x-tilia-inferred`.

Each path has the host of its service. `x-tilia-repeat` says whether an operation may be sent again when nobody knows \
what became of it: `safe`, `keyed` (with the same Idempotency-Key) or `never`.
"""
_PLACEHOLDER: Final = "{service}"
_JSON: Final = "application/json"
_SECURITY: Final = "tilia"


def document(environment: str | Environment | None = None) -> JsonObject:
    """Describe the API as an OpenAPI 3.1 document.

    Args:
        environment: where its servers are; None: Tilia's production and staging.

    Raises:
        ConfigurationError: there is no such environment.
    """
    places = [Environment.PRODUCTION, Environment.STAGING] if environment is None else [Environment.of(environment)]
    schemas: dict[str, JsonValue] = {"Envelope": _envelope(), "Failure": _failure()}
    paths: dict[str, JsonObject] = {}
    for operations in _by_route(OPERATIONS.values()):
        declared = operations[0]
        key, servers = _placed(declared, places)
        item = paths.setdefault(key, {"servers": servers})
        item[declared.method.lower()] = _operation(operations, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Tilia",
            "version": __version__,
            "description": _ABOUT,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "tags": [{"name": noun} for noun in dict.fromkeys(name.partition(".")[0] for name in OPERATIONS)],
        "paths": {**paths},
        "components": {
            "schemas": dict(sorted(schemas.items())),
            "securitySchemes": {_SECURITY: _security(places[0])},
        },
    }


def _by_route(operations: Iterable[Operation[object]]) -> list[list[Operation[object]]]:
    """Return the operations with those that share their route."""
    found: dict[tuple[str, Service, str], list[Operation[object]]] = {}
    for operation in operations:
        found.setdefault((operation.method, operation.service, operation.path), []).append(operation)
    return list(found.values())


def _placed(operation: Operation[object], places: Iterable[Environment]) -> tuple[str, JsonValue]:
    """Return the path and its servers.

    Where the services are told apart by the path, theirs is a part of it, and there is one server.
    """
    places = list(places)
    base, _, rest = places[0].template.partition(f"/{_PLACEHOLDER}")
    if len(places) == 1 and not rest and not places[0].services and _PLACEHOLDER not in base:
        return f"/{operation.service}{operation.path}", [{"url": base, "description": places[0].name}]
    return operation.path, [{"url": each.url(operation.service), "description": each.name} for each in places]


def _operation(operations: list[Operation[object]], schemas: dict[str, JsonValue]) -> JsonObject:
    declared = operations[0]
    noun, _, method = declared.name.partition(".")
    summary, rest = summary_of_method(sys.modules[f"{api.__name__}.{noun}"], method)
    given: JsonObject = {
        "operationId": declared.name,
        "tags": [noun],
        "summary": summary or declared.name,
        "security": [{_SECURITY: list[JsonValue](sorted(declared.scopes))}],
        "responses": _responses(operations, schemas),
        "x-tilia-repeat": declared.repeat.value,
    }
    if rest:
        given["description"] = rest
    if parameters := list(_parameters(declared, Schemas(schemas, answers=False))):
        given["parameters"] = parameters
    if declared.body is not None and fields_of(declared.body):
        schema = Schemas(schemas, answers=False).of(declared.body)
        given["requestBody"] = {"required": True, "content": {_JSON: {"schema": schema}}}
    if len(operations) > 1:
        given["x-tilia-same-request"] = [each.name for each in operations[1:]]
    if declared.evidence is not None:
        inferred: list[JsonValue] = [*sorted(declared.evidence.inferred)]
        given["x-tilia-inferred"] = {"facts": inferred, "note": declared.evidence.note}
    return given


def _parameters(operation: Operation[object], schemas: Schemas) -> Iterator[JsonValue]:
    for name in operation.parameters:
        schema: JsonObject = {
            "type": "string",
            "minLength": 1,
            "maxLength": operation.longest(name),
            "pattern": r"^[^/\\]*$",
        }
        yield {"name": name, "in": "path", "required": True, "schema": schema}
    if operation.query is not None:
        fields = fields_of(operation.query)
        for name, schema in schemas.of_fields(operation.query).items():
            text = schema.pop("description", "")
            yield {
                "name": name,
                "in": "query",
                "description": text,
                "required": fields[name].required,
                "schema": schema,
            }
    if operation.repeat is Repeat.KEYED:
        yield {
            "name": "Idempotency-Key",
            "in": "header",
            "required": False,
            "description": "A random UUID. All requests with one key and body have one effect.",
            "schema": schemas.of(RandomUuid),
        }


def _responses(operations: list[Operation[object]], schemas: dict[str, JsonValue]) -> JsonObject:
    declared = operations[0]
    kinds = dict.fromkeys(operation.returns for operation in operations)
    payloads = [Schemas(schemas, answers=True).of_payload(kind) for kind in kinds]
    payload: JsonObject = payloads[0] if len(payloads) == 1 else {"anyOf": list[JsonValue](payloads)}
    good: JsonObject = {"description": "Success.", "content": {_JSON: {"schema": _answer(declared, payload)}}}
    refused: JsonObject = {
        "description": "Refused.",
        "content": {_JSON: {"schema": {"$ref": "#/components/schemas/Failure"}}},
    }
    found: JsonObject = {str(status): good for status in sorted(declared.success)}
    return {**found, "4XX": refused, "5XX": {"description": "Failed. There may be no body."}}


def _answer(operation: Operation[object], payload: JsonObject) -> JsonObject:
    """Return the schema of a success, envelope included."""
    envelope: JsonObject = {"$ref": "#/components/schemas/Envelope"}
    if operation.returns is type(None):
        return envelope
    enveloped: JsonObject = {
        "allOf": [envelope, {"type": "object", "properties": {"payload": payload}, "required": ["payload"]}]
    }
    if operation.envelope is None:
        return {"anyOf": [enveloped, payload]}
    return enveloped if operation.envelope else payload


def _texts() -> JsonObject:
    return {"type": ["array", "null"], "items": {"type": ["string", "null"]}}


def _envelope() -> JsonObject:
    return {
        "type": "object",
        "description": "Envelope around the payload of most answers.",
        "properties": {
            "status": {"const": "Success"},
            "message": _texts(),
            "messages": _texts(),
            "codes": _texts(),
            "payload": {},
        },
        "required": ["status"],
    }


def _failure() -> JsonObject:
    return {
        "type": "object",
        "description": "Refusal. Its payload is a text, an object with `error`, one with `errors` by field, a resource "
        "or null; the status, message and codes may be missing.",
        "properties": {
            "status": {"type": "string", "x-extensible-enum": ["Failure"]},
            "message": {"anyOf": [_texts(), {"type": "string"}]},
            "codes": _texts(),
            "payload": {},
        },
    }


def _security(environment: Environment) -> JsonObject:
    users = {str(scope): [each.name for each in OPERATIONS.values() if scope in each.scopes] for scope in Scope}
    scopes: JsonObject = {scope: ", ".join(names) or "No operation here needs it." for scope, names in users.items()}
    return {
        "type": "oauth2",
        "description": "The credentials go in the form body. Scopes are parted by commas.",
        "flows": {
            "clientCredentials": {"tokenUrl": environment.url(TOKEN.service) + TOKEN.path, "scopes": scopes},
        },
    }
