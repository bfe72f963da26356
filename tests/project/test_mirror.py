"""``tilia_sync`` is what ``nox -s mirror`` writes, and has the same face as ``tilia_async``."""

import importlib.util
import inspect
from pathlib import Path

import pytest

import tilia_async
import tilia_async.sandbox
import tilia_async.webhooks
import tilia_sync

ROOT = Path(__file__).resolve().parents[2]
SERVICES = tuple(tilia_async.TiliaClient.__annotations__)

spec = importlib.util.spec_from_file_location("mirror", ROOT / ".ci" / "mirror.py")
assert spec is not None
assert spec.loader is not None
mirror = importlib.util.module_from_spec(spec)
spec.loader.exec_module(mirror)


def test_the_mirror_is_up_to_date() -> None:
    assert mirror.differences() == []


def told(doc: str | None) -> str:
    text = doc or ""
    for words, instead in mirror.REWRITES.items():
        text = text.replace(words, instead)
    return inspect.cleandoc(text).strip()


def public(kind: type) -> set[str]:
    return {name for name, value in inspect.getmembers(kind) if not name.startswith("_") and callable(value)}


def face(function: object) -> list[tuple[str, object, object, str]]:
    signature = inspect.signature(function)
    parameters = [(each.name, each.kind, each.default, str(each.annotation)) for each in signature.parameters.values()]
    return [*parameters, ("return", None, None, told(str(signature.return_annotation)))]


@pytest.mark.parametrize("service", SERVICES)
def test_services_have_the_same_face(service: str) -> None:
    asynchronous = type(getattr(tilia_async.TiliaClient("i", "s", "staging"), service))
    synchronous = type(getattr(tilia_sync.TiliaClient("i", "s", "staging"), service))
    assert synchronous.__module__ == f"tilia_sync.api.{service}"
    assert public(asynchronous) == public(synchronous)
    assert told(asynchronous.__doc__) == told(synchronous.__doc__)
    for name in public(asynchronous):
        original, copy = getattr(asynchronous, name), getattr(synchronous, name)
        assert face(original) == face(copy), name
        assert told(original.__doc__) == told(copy.__doc__), name
        iterates = str(inspect.signature(original).return_annotation).startswith("AsyncIterator")
        assert inspect.iscoroutinefunction(original) is not iterates
        assert not inspect.iscoroutinefunction(copy)


RENAMED = {"aclose": "close"}
LEFT_OUT = {"session"}
"""Parameters that are bound to an event loop."""


def without(parameters: list[tuple[str, object, object, str]]) -> list[tuple[str, object, object, str]]:
    return [each for each in parameters if each[0] not in LEFT_OUT]


def test_the_clients_have_the_same_face() -> None:
    asynchronous, synchronous = tilia_async.TiliaClient, tilia_sync.TiliaClient
    assert {RENAMED.get(name, name) for name in public(asynchronous)} == public(synchronous)
    assert without(face(asynchronous)) == face(synchronous)
    for name in public(asynchronous):
        original, copy = getattr(asynchronous, name), getattr(synchronous, RENAMED.get(name, name))
        assert face(original) == face(copy), name
        assert told(original.__doc__) == told(copy.__doc__), name
    attributes = {name for name in asynchronous.__annotations__ if not name.startswith("_")}
    assert attributes == {name for name in synchronous.__annotations__ if not name.startswith("_")} == set(SERVICES)


def test_the_sandboxes_have_the_same_face() -> None:
    asynchronous, synchronous = tilia_async.sandbox.Sandbox, tilia_sync.Sandbox
    made = asynchronous()
    names = {name for name in dir(made) if not name.startswith("_")}
    assert {RENAMED.get(name, name) for name in names} == {
        name for name in dir(synchronous) if not name.startswith("_")
    }
    assert face(asynchronous) == face(synchronous)
    for name in public(asynchronous):
        assert face(getattr(asynchronous, name)) == face(getattr(synchronous, RENAMED.get(name, name))), name


def test_the_receivers_have_the_same_face() -> None:
    asynchronous, synchronous = tilia_async.webhooks.WebhookReceiver, tilia_sync.WebhookReceiver
    assert public(asynchronous) - {"aiohttp_handler", "asgi"} == public(synchronous) - {"wsgi"}
    # A thread cannot be ended from outside.
    assert [each for each in face(asynchronous) if each[0] != "handler_timeout"] == face(synchronous)
    for name in ("handle", "refusal"):
        assert face(getattr(asynchronous, name)) == face(getattr(synchronous, name)), name
        assert told(getattr(asynchronous, name).__doc__) == told(getattr(synchronous, name).__doc__), name


def test_the_packages_export_the_same_names() -> None:
    assert set(tilia_async.__all__) | {"Sandbox", "WebhookReceiver"} == set(tilia_sync.__all__)
    for name in tilia_async.__all__:
        if name != "TiliaClient":
            assert getattr(tilia_async, name) is getattr(tilia_sync, name)
