"""Writes ``docs/operations.md`` and ``docs/openapi.json`` from the operations' declarations.

Usage: ``operations_page.py`` writes the files; ``operations_page.py --check`` fails if one differs from what would be
written.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tilia_async.openapi import document

DOCS = Path(__file__).resolve().parent.parent / "docs"

INTRO = """\
<!-- Written by `nox -s docs` from the declarations in `tilia_async/api`: change those. -->

# Operations

What each operation sends, for `tilia.send` and for whoever writes requests by hand; [openapi.json](openapi.json) says
the same to programs, and what comes back. The methods check the same before anything is sent. Amounts are whole
numbers of the currency's smallest unit. *Repeat* says whether a request may be sent again when nobody knows what became
of it: `safe`, `keyed` (with the same `Idempotency-Key`), `never`.
"""
REFERENCE = "#/components/schemas/"
LIMITS = {
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minimum": "at least {}",
    "maximum": "at most {}",
    "minItems": "at least {}",
}


def page(described: Mapping[str, Any]) -> str:
    """Return the text of the page."""
    schemas: dict[str, Any] = described["components"]["schemas"]
    parts, bodies = [INTRO], dict[str, None]()
    for tag in described["tags"]:
        parts.append(f"## {tag['name']}\n")
        for path, item in described["paths"].items():
            for method, operation in item.items():
                if isinstance(operation, dict) and tag["name"] in operation["tags"]:
                    parts += _operation(f"{method.upper()} {path}", item, operation, bodies, schemas)
    parts.append("## Parts of bodies\n")
    for name in bodies:
        parts += [f"### {name}\n", f"{schemas[name]['description']}\n", _fields(schemas[name])]
    return "\n".join(parts)


def _operation(
    request: str, item: Mapping[str, Any], operation: Mapping[str, Any], parts: dict[str, None], schemas: dict[str, Any]
) -> Iterator[str]:
    names = [operation["operationId"], *operation.get("x-tilia-same-request", ())]
    host = item["servers"][0]["url"].removeprefix("https://").partition(".")[0]
    scopes = ", ".join(f"`{scope}`" for scope in operation["security"][0]["tilia"])
    yield f"### {' and '.join(f'`{name}`' for name in names)}\n"
    yield f"`{request}` of `{host}`. Scopes: {scopes}. Repeat: `{operation['x-tilia-repeat']}`.\n"
    inferred = operation.get("x-tilia-inferred")
    if inferred:
        yield f"Inferred: {', '.join(inferred['facts'])}: {inferred['note']}.\n"
    rows = [
        _row(each["name"], each["schema"], each.get("description", ""), required=each["required"])
        for each in operation.get("parameters", ())
        if each["in"] != "path"
    ]
    if rows:
        yield _table(rows, "query" if operation["parameters"][-1]["in"] == "query" else "header")
    body = operation.get("requestBody")
    if body:
        schema = schemas[body["content"]["application/json"]["schema"]["$ref"].removeprefix(REFERENCE)]
        parts |= dict.fromkeys(_used(schema, schemas))
        yield _fields(schema)


def _used(schema: Mapping[str, Any], schemas: dict[str, Any]) -> Iterator[str]:
    for each in schema["properties"].values():
        inner = each.get("items") or each.get("additionalProperties") or {}
        reference = each.get("$ref") or inner.get("$ref")
        if reference:
            name = reference.removeprefix(REFERENCE)
            yield name
            yield from _used(schemas[name], schemas)


def _fields(schema: Mapping[str, Any]) -> str:
    required = schema.get("required", ())
    rows = [
        _row(name, each, each.get("description", ""), required=name in required)
        for name, each in schema["properties"].items()
    ]
    return _table(rows, "field")


def _row(name: str, schema: Mapping[str, Any], text: str, *, required: bool) -> tuple[str, ...]:
    return f"`{name}`", _kind(schema), "yes" if required else "", text


def _kind(schema: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        name = schema["$ref"].removeprefix(REFERENCE)
        return f"[{name}](#{name.lower()})"
    if "anyOf" in schema:
        return " or ".join(map(_kind, schema["anyOf"]))
    if "propertyNames" in schema:
        names = ", ".join(f"`{name}`" for name in schema["propertyNames"]["enum"])
        return f"for each of {names}: {_kind(schema['additionalProperties'])}"
    words = schema.get("enum") or schema.get("x-extensible-enum")
    if words:
        open_end = "" if "enum" in schema else ", …"
        return ", ".join(f"`{word}`" for word in words) + open_end
    limits = [text.format(schema[name]) for name, text in LIMITS.items() if name in schema]
    if schema.get("minLength") == schema.get("maxLength") is not None:
        limits = [f"{schema['minLength']} characters"]
    kind = f"list of {_kind(schema['items'])}" if "items" in schema else schema.get("type", "any JSON")
    return ", ".join([kind, *(limit for limit in limits if limit != "at least 1 characters")])


def _table(rows: list[tuple[str, ...]], head: str) -> str:
    lines = [(head, "type", "required", "meaning"), ("---",) * 4, *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def rendered() -> dict[Path, str]:
    """Return the files with their texts."""
    described = document()
    text = json.dumps(described, indent=1, ensure_ascii=False) + "\n"
    return {DOCS / "openapi.json": text, DOCS / "operations.md": page(described)}


def main() -> int:
    files = rendered()
    if "--check" not in sys.argv[1:]:
        for path, text in files.items():
            path.write_text(text, encoding="utf-8")
    outdated = [path.name for path, text in files.items() if path.read_text(encoding="utf-8") != text]
    if outdated:
        print(f"{', '.join(outdated)}: outdated; run 'nox -s docs'")
    return 1 if outdated else 0


if __name__ == "__main__":
    raise SystemExit(main())
