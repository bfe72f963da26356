"""``tilia_sync`` is what ``nox -s mirror`` writes, and has the same face as ``tilia_async`` beyond what RULES says."""

import importlib
import importlib.util
import inspect
import pkgutil
import re
import sys
import typing
from pathlib import Path

import pytest

import tilia_async
import tilia_sync

ROOT = Path(__file__).resolve().parents[2]

spec = importlib.util.spec_from_file_location("mirror", ROOT / "tools" / "mirror.py")
assert spec is not None
assert spec.loader is not None
mirror = importlib.util.module_from_spec(spec)
sys.modules["mirror"] = mirror
spec.loader.exec_module(mirror)
RULES = mirror.RULES

THE_BRIDGE = {
    "batch_reader",
    "batched_job",
    "call",
    "daemon_executor",
    "fast_loop",
    "greenlets",
    "latch",
    "loop_runner",
    "loop_thread",
    "tracebacks",
}
"""Modules of the bridge; nobody is to import from there."""


def modules(package: object) -> list[object]:
    names = [info.name for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")]
    return [
        importlib.import_module(name)
        for name in names
        if not name.endswith(("__main__", ".cli"))
        and not name.startswith("tilia_async.cli.")
        and ".integrations" not in name
    ]


def classes(module: object) -> dict[str, type]:
    """The public classes that are defined in a module."""
    members = inspect.getmembers(module, inspect.isclass)
    return {name: kind for name, kind in members if kind.__module__ == module.__name__ and not name.startswith("_")}


def room(module: str) -> str:
    """``tilia_async.sandbox.server`` and ``tilia_sync.sandbox`` are one room; each noun of the API is one, too."""
    parts = module.split(".")
    return ".".join(parts[1:3] if parts[1] == "api" else parts[1:2])


ASYNCHRONOUS = {
    (room(module.__name__), name): kind for module in modules(tilia_async) for name, kind in classes(module).items()
}
SYNCHRONOUS = {
    (room(module.__name__), name): kind
    for module in modules(tilia_sync)
    for name, kind in classes(module).items()
    if room(module.__name__) not in THE_BRIDGE
}
EXPORTED = {
    name
    for module in (tilia_async, *modules(tilia_async))
    if hasattr(module, "__all__") and hasattr(module, "__path__")
    for name in module.__all__
} | set(tilia_async.TiliaClient.__annotations__.values())
LIFECYCLE = {"__aenter__", "__aexit__"}


def is_public(name: str) -> bool:
    return not name.startswith("_") or name in LIFECYCLE | {"__enter__", "__exit__"}


def members(kind: type) -> dict[str, object]:
    """The public attributes that a class defines, without what hangs on it for type checkers' sake alone."""
    found = {name: inspect.getattr_static(kind, name) for name in dir(kind) if is_public(name)}
    if LIFECYCLE & found.keys():
        # On an asynchronous class ``with`` is there to be refused.
        found = {name: value for name, value in found.items() if name not in {"__enter__", "__exit__"}}
    return found


def function(member: object) -> object:
    """The function behind a class method or a property."""
    return getattr(member, "__func__", None) or getattr(member, "fget", None) or member


def awaits(member: object) -> bool:
    """Return True if it needs an event loop: to be awaited or to be iterated over."""
    found = function(member)
    if not inspect.isfunction(found):
        return False
    return inspect.iscoroutinefunction(found) or str(found.__annotations__.get("return")).startswith("AsyncIterator")


def told(text: str | None) -> str:
    """A docstring without what it says of parameters that are left out, in one line."""
    doc = inspect.cleandoc(text or "")
    for parameter in RULES.parameters:
        doc = re.sub(rf"^ +{parameter}: .*\n(?: {{8,}}.*\n)*", "", doc, flags=re.MULTILINE)
    return RULES.told(" ".join(doc.split()))


def plain(text: str | None) -> str:
    return " ".join(inspect.cleandoc(text or "").split())


def face(called: object) -> list[tuple[str, object, object, str]]:
    """Names, kinds, defaults and annotations of the parameters, and of the result."""
    signature = inspect.signature(called)
    parameters = [
        (each.name, each.kind, each.default, RULES.told(str(each.annotation)))
        for each in signature.parameters.values()
        if each.name not in RULES.parameters
    ]
    return [*parameters, ("return", None, None, RULES.told(str(signature.return_annotation)))]


def test_the_mirror_is_up_to_date() -> None:
    assert mirror.differences() == []


def test_whatever_is_exported_and_awaits_has_a_twin() -> None:
    needed = {
        key for key, kind in ASYNCHRONOUS.items() if key[1] in EXPORTED and any(map(awaits, members(kind).values()))
    }
    assert len(needed) >= 15
    # A store is awaited by the cache that has it, in the loop of either package.
    stores = {key for key in needed if key[1].endswith("TokenStore")}
    assert needed - SYNCHRONOUS.keys() == stores


def test_whatever_is_synchronous_has_an_original() -> None:
    assert len(SYNCHRONOUS) >= 15
    assert SYNCHRONOUS.keys() - ASYNCHRONOUS.keys() == set()


@pytest.mark.parametrize("key", SYNCHRONOUS, ids=".".join)
def test_the_twins_have_the_same_face(key: tuple[str, str]) -> None:
    original, copy = ASYNCHRONOUS[key], SYNCHRONOUS[key]
    assert told(original.__doc__) == plain(copy.__doc__)
    attributes = {
        name: RULES.told(str(annotation))
        for name, annotation in inspect.get_annotations(original).items()
        if not name.startswith("_") and name not in RULES.parameters
    }
    assert attributes == {
        name: str(annotation) for name, annotation in inspect.get_annotations(copy).items() if not name.startswith("_")
    }
    if typing.is_typeddict(original):
        assert (original.__total__, copy.__total__) == (copy.__total__, original.__total__)
        return
    if copy.__name__ in tilia_sync.__all__:
        # The others are made by the client, of parts of its own.
        assert face(original) == face(copy)
    originals, copies = members(original), members(copy)
    wanted = {RULES.members.get(name, name): name for name in originals}
    wanted.pop(None, None)
    assert wanted.keys() | attribute_names(original) == copies.keys() - RULES.additions
    for name in wanted.keys() & copies.keys():
        compare(name, originals[wanted[name]], copies[name])


def attribute_names(kind: type) -> set[str]:
    """The public attributes that only an object has, and no annotation tells; a twin may have them as properties."""
    if hasattr(kind, "__attrs_attrs__"):
        return set()
    makers = [vars(each)["__init__"] for each in kind.__mro__[:-1] if inspect.isfunction(vars(each).get("__init__"))]
    source = "\n".join(map(inspect.getsource, makers))
    found = re.findall(r"^        self\.([a-z]\w*)(?:: [^=]+)? = ", source, re.MULTILINE)
    return set(found) - inspect.get_annotations(kind).keys()


def compare(name: str, original: object, copy: object) -> None:
    assert isinstance(original, property) == isinstance(copy, property), name
    assert isinstance(original, classmethod) == isinstance(copy, classmethod), name
    assert not awaits(copy), name
    original, copy = function(original), function(copy)
    if inspect.isfunction(original):
        assert face(original) == face(copy), name
        assert told(original.__doc__) == plain(copy.__doc__), name


@pytest.mark.parametrize("service", tilia_async.TiliaClient.__annotations__)
def test_a_service_is_real_code_in_the_module_of_its_noun(service: str) -> None:
    kind = type(getattr(tilia_sync.TiliaClient("i", "s", "staging"), service))
    assert kind.__module__ == f"tilia_sync.{service if service in {'bulk', 'fleet'} else f'api.{service}'}"
    for name, member in members(kind).items():
        source = inspect.getsource(function(member))
        assert source.lstrip().startswith("def "), name


def test_every_rule_is_needed() -> None:
    """A rule that nothing needs any more is an allowance."""
    texts = [text for kind in ASYNCHRONOUS.values() for text in everything_said(kind)]
    together = "\n".join(texts)
    assert [words for words in RULES.words if words not in together] == []
    names = {name for kind in ASYNCHRONOUS.values() for name in members(kind)}
    assert RULES.members.keys() <= names
    twins = [ASYNCHRONOUS[key] for key in SYNCHRONOUS if not typing.is_typeddict(ASYNCHRONOUS[key])]
    assert {parameter for kind in twins for parameter in inspect.signature(kind).parameters} >= RULES.parameters
    assert {name for kind in SYNCHRONOUS.values() for name in members(kind)} >= RULES.additions


def everything_said(kind: type) -> list[str]:
    said = [plain(kind.__doc__)]
    for member in members(kind).values():
        found = function(member)
        said.append(plain(getattr(found, "__doc__", "")))
        said += map(str, getattr(found, "__annotations__", {}).values())
    return said


def test_the_packages_export_the_same_names() -> None:
    own = {name for _, name in SYNCHRONOUS}
    # The asynchronous package has these in rooms of their own.
    assert set(tilia_sync.__all__) - set(tilia_async.__all__) <= own
    assert set(tilia_async.__all__) - set(tilia_sync.__all__) == set()
    for name in set(tilia_async.__all__) - own:
        assert getattr(tilia_async, name) is getattr(tilia_sync, name)
