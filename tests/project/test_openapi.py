"""The OpenAPI document says what the operations declare, and the files in docs are up to date."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import validate
from support.whole_requests import BODIES, QUERIES

from tilia_async import Environment, errors
from tilia_async.api import OPERATIONS
from tilia_async.openapi import document

ROOT = Path(__file__).resolve().parents[2]
spec = importlib.util.spec_from_file_location("operations_page", ROOT / "tools" / "operations_page.py")
assert spec is not None
assert spec.loader is not None
operations_page = importlib.util.module_from_spec(spec)
spec.loader.exec_module(operations_page)

DOCUMENT: dict[str, Any] = document()
SCHEMAS = DOCUMENT["components"]["schemas"]


def described() -> dict[str, tuple[str, str, dict[str, Any], dict[str, Any]]]:
    """Method, path, path item and operation by name; those that share a request have one."""
    found = {}
    for path, item in DOCUMENT["paths"].items():
        for method, operation in item.items():
            if method != "servers":
                for name in (operation["operationId"], *operation.get("x-tilia-same-request", ())):
                    found[name] = (method.upper(), path, item, operation)
    return found


@pytest.mark.parametrize("path", operations_page.rendered(), ids=lambda path: path.name)
def test_the_files_are_up_to_date(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == operations_page.rendered()[path], "run 'nox -s docs'"


@pytest.mark.parametrize("environment", [None, "http://127.0.0.1:8411/{service}"])
def test_it_is_valid(environment: str | None) -> None:
    validate(document(environment))


def test_each_operation_is_in_it_as_declared() -> None:
    assert described().keys() == OPERATIONS.keys()
    for name, (method, path, item, operation) in described().items():
        declared = OPERATIONS[name]
        assert (method, path) == (declared.method, declared.path)
        for server, environment in zip(item["servers"], (Environment.PRODUCTION, Environment.STAGING), strict=True):
            assert server["url"] == environment.url(declared.service), "another service has the same path"
        assert operation["security"] == [{"tilia": sorted(declared.scopes)}]
        assert operation["x-tilia-repeat"] == declared.repeat.value
        assert {status for status in operation["responses"] if status.isdecimal()} == set(map(str, declared.success))
        inferred = set() if declared.evidence is None else declared.evidence.inferred
        assert set(operation.get("x-tilia-inferred", {}).get("facts", ())) == inferred
        assert operation["summary"].endswith(".")
        assert "reason" not in operation.get("requestBody", {}), "what only the ledger gets is not sent"


def test_bodies_and_queries_are_those_of_the_sheets() -> None:
    for name, whole in BODIES.items():
        body = described()[name][3].get("requestBody")
        assert bool(body) is bool(whole)
        if body:
            schema = SCHEMAS[body["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]]
            assert schema["properties"].keys() == whole.keys()
            assert all(field.get("description") for field in schema["properties"].values())
    for name, whole in QUERIES.items():
        parameters = described()[name][3]["parameters"]
        assert {each["name"] for each in parameters if each["in"] == "query"} == whole.keys()


def test_the_envelope_is_described_apart() -> None:
    def answer(name: str) -> dict[str, Any]:
        responses = described()[name][3]["responses"]
        schema: dict[str, Any] = responses[min(responses)]["content"]["application/json"]["schema"]
        return schema

    envelope = {"$ref": "#/components/schemas/Envelope"}
    assert answer("accounts.get")["allOf"][0] == envelope
    assert answer("accounts.get_blocks") == {"$ref": "#/components/schemas/AccountBlocks"}
    assert answer("accounts.merge") == envelope
    assert len(answer("escrow.create")["anyOf"]) == 2


def test_services_in_the_path_have_one_server() -> None:
    of_sandbox = document("http://127.0.0.1:8411/{service}")
    assert "/accounts/register" in of_sandbox["paths"]  # type: ignore[operator]  # JSON
    assert {json.dumps(item["servers"]) for item in of_sandbox["paths"].values()} == {  # type: ignore[union-attr, index, call-overload]  # JSON
        json.dumps([{"url": "http://127.0.0.1:8411", "description": "http://127.0.0.1:8411/{service}"}])
    }


def test_an_unknown_environment_is_refused() -> None:
    with pytest.raises(errors.ConfigurationError):
        document("stagging")


def test_it_can_be_written_where_there_are_no_docstrings() -> None:
    script = "from tilia_async.openapi import document; print(len(document()['paths']))"
    done = subprocess.run([sys.executable, "-OO", "-c", script], capture_output=True, text=True, check=True)
    assert int(done.stdout) == len(DOCUMENT["paths"])
