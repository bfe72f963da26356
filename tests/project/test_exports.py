"""The names that users may import; none has a type that nobody knows."""

import ast
import difflib
import importlib
import inspect
import pkgutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import tilia_async
import tilia_sync
from tilia_async import errors

LIST = Path(__file__).with_name("exports.txt")
MODULES = [line.strip() for line in LIST.read_text("utf-8").splitlines() if line and not line.startswith(("#", " "))]


def listed() -> str:
    """The list as it would be written today."""
    lines = [line for line in LIST.read_text("utf-8").splitlines() if line.startswith("#")]
    for name in MODULES:
        lines += ["", name, *(f"    {each}" for each in sorted(importlib.import_module(name).__all__))]
    return "\n".join(lines) + "\n"


def test_only_what_is_listed_can_be_imported() -> None:
    diff = difflib.unified_diff(
        LIST.read_text("utf-8").splitlines(),
        listed().splitlines(),
        "tests/project/exports.txt",
        "the packages",
        lineterm="",
    )
    changes = list(diff)
    assert not changes, "\n".join(["the public names changed; if that is meant, change the list:", *changes])


def public_packages() -> Iterator[str]:
    integrations = [
        importlib.import_module(f"{package.__name__}.integrations") for package in (tilia_async, tilia_sync)
    ]
    for package in (tilia_async, tilia_sync, *integrations):
        for found in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            if hasattr(importlib.import_module(found.name), "__all__"):
                yield found.name


def test_each_module_that_declares_names_is_listed() -> None:
    assert {*public_packages(), "tilia_async", "tilia_sync"} - {"tilia_async.__main__"} == set(MODULES)


@pytest.mark.parametrize("name", MODULES)
def test_each_public_name_is_there_and_no_other_looks_public(name: str) -> None:
    module = importlib.import_module(name)
    exported: list[str] = module.__all__
    assert len(set(exported)) == len(exported)
    for each in exported:
        assert getattr(module, each) is not None
    if not hasattr(module, "__path__"):
        return
    own = {each for each, value in vars(module).items() if is_ours(value) and value.__module__.startswith(f"{name}.")}
    assert {each for each in own if not each.startswith("_")} <= set(exported)


def is_ours(value: object) -> bool:
    is_class = inspect.isclass(value) or inspect.isfunction(value)
    return is_class and str(value.__module__).startswith(("tilia_async", "tilia_sync"))


def test_each_error_is_public() -> None:
    found = {
        name
        for name, value in vars(errors).items()
        if inspect.isclass(value) and issubclass(value, errors.TiliaError) and value.__module__ == errors.__name__
    }
    assert found <= set(errors.__all__)


def test_both_packages_are_of_one_version() -> None:
    assert tilia_async.__version__ == tilia_sync.__version__
    assert all(part.isdigit() for part in tilia_async.__version__.split(".")[:2])


def test_both_packages_show_the_same_models() -> None:
    from tilia_async import models as asynchronous
    from tilia_sync import models as synchronous

    assert synchronous.__all__ == asynchronous.__all__
    assert all(getattr(synchronous, each) is getattr(asynchronous, each) for each in asynchronous.__all__)


def exported_values() -> list[object]:
    return [getattr(module, each) for module in map(importlib.import_module, MODULES) for each in module.__all__]


def annotations_of(owner: type | object) -> Iterator[tuple[str, object]]:
    """The annotations of a function, or of a class: its fields, methods and properties."""
    if not inspect.isclass(owner):
        yield from inspect.get_annotations(owner).items()  # type: ignore[arg-type]  # a function
        return
    for field, annotation in inspect.get_annotations(owner).items():
        if not field.startswith("_"):
            yield field, annotation
    exported = {each for each in exported_values() if inspect.isclass(each)}
    for name, member in vars(owner).items():
        # Nobody but us constructs what is not exported.
        is_constructor = name == "__init__" and owner in exported
        if name.startswith("_") and not is_constructor:
            continue
        function = member.fget if isinstance(member, property) else getattr(member, "__func__", member)
        if inspect.isfunction(function):
            for parameter, annotation in inspect.get_annotations(function).items():
                yield f"{name}({parameter})", annotation


def words(annotation: object) -> set[str]:
    """The names in an annotation; ``a.b`` is one name."""
    if not isinstance(annotation, str):
        return {"Any"} if "typing.Any" in repr(annotation) else set()
    tree = ast.parse(annotation, mode="eval")
    found = {ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Name | ast.Attribute)}
    quoted = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    return found.union(*(words(each) for each in quoted if each.isidentifier()))


def unknown_types(owner: type | object, module: ModuleType) -> tuple[list[str], set[type]]:
    """The places where ``Any`` stands, also behind an alias, and the classes of ours that the annotations lead to."""
    places, classes = list[str](), set[type]()
    for place, annotation in annotations_of(owner):
        for word in words(annotation):
            meant = vars(module).get(word)
            is_alias = meant is not None and not inspect.isclass(meant) and hasattr(meant, "__args__")
            if word.rpartition(".")[2] == "Any" or (is_alias and "typing.Any" in repr(meant)):
                places.append(f"{module.__name__}.{getattr(owner, '__name__', owner)}: {place}: {annotation}")
            if inspect.isclass(meant) and is_ours(meant):
                classes.add(meant)
    return places, classes


def test_no_public_signature_has_a_type_that_nobody_knows() -> None:
    """Exported names, and what their annotations lead to, such as the services of a client."""
    waiting = [each for each in exported_values() if is_ours(each)]
    seen, places = set[object](), list[str]()
    while waiting:
        owner = waiting.pop()
        if owner in seen:
            continue
        seen.add(owner)
        found, classes = unknown_types(owner, sys.modules[owner.__module__])
        places += found
        waiting += classes
    assert tilia_async.TiliaClient in seen
    assert "Accounts" in {getattr(each, "__name__", "") for each in seen}
    assert not places, "\n".join(places)


def test_the_walk_finds_any_where_it_stands() -> None:
    def plain(given: "Any") -> None: ...  # type: ignore[name-defined]  # noqa: F821 - looked at as text

    def nested(given: "dict[str, list[typing.Any]]") -> None: ...  # type: ignore[name-defined]  # noqa: F821 - as above

    def known(given: "dict[str, object]") -> None: ...

    here = sys.modules[__name__]
    assert [len(unknown_types(each, here)[0]) for each in (plain, nested, known)] == [1, 1, 0]
