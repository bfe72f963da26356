"""Bodies and queries made by hand, against what their operations declare."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import attrs
import pytest
from support.good_answers import GOOD
from support.samples import ACCOUNT, MAIL, PHRASE
from support.whole_requests import BODIES, QUERIES

from tilia_async import Operation, errors
from tilia_async.api import OPERATIONS
from tilia_async.secret import Secret
from tilia_async.wire.field_checks import problems_of_fields
from tilia_async.wire.fields import fields_of, is_object, parted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.recorder import Recorder

    from tilia_async import TiliaClient

FLAGS = {"include_recipient_transactions"}
DECLARED = {
    **{(name, "body"): whole for name, whole in BODIES.items()},
    # A flag of a query is a text on the wire.
    **{(name, "query"): {**whole, **dict.fromkeys(FLAGS & whole.keys(), True)} for name, whole in QUERIES.items()},
}
WRONG: list[Any] = [True, 7, 0.5, "", [], {}, [7], {"no_such": 1}, "x" * 300, -1]


def declared(name: str, part: str) -> type[object]:
    kind: type[object] | None = getattr(OPERATIONS[name], part)
    assert kind is not None, name
    return kind


def objects_in(kind: Any, value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[type[object], tuple[Any, ...]]]:
    """The objects of a body whose fields are declared, with their places."""
    base, _ = parted(kind)
    if is_object(base):
        yield base, place
        for name, field in fields_of(base).items():
            yield from objects_in(field.kind, value[name], (*place, name))
    elif isinstance(value, list):
        yield from objects_in(base.__args__[0], value[0], (*place, 0))
    elif getattr(base, "__origin__", None) is Mapping:
        for name, item in value.items():
            yield from objects_in(base.__args__[1], item, (*place, name))


def at(whole: dict[str, Any], place: tuple[Any, ...]) -> dict[str, Any]:
    found: Any = whole
    for step in place:
        found = found[step]
    assert isinstance(found, dict)
    return found


def spelled(place: tuple[Any, ...]) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in place).removeprefix(".")


def test_each_operation_that_writes_declares_its_body() -> None:
    writes = {name for name, each in OPERATIONS.items() if each.method in {"POST", "PUT", "PATCH"}}
    assert writes == set(BODIES)
    assert {name for name, each in OPERATIONS.items() if each.body is not None} == writes
    assert {name for name, each in OPERATIONS.items() if each.query is not None} == set(QUERIES)


@pytest.mark.parametrize(("name", "part"), DECLARED)
def test_the_sheets_name_the_same_fields(name: str, part: str) -> None:
    whole, kind = DECLARED[name, part], declared(name, part)
    assert not problems_of_fields(kind, whole)
    for inner, place in objects_in(kind, whole):
        assert set(fields_of(inner)) == set(at(whole, place)), place


@pytest.mark.parametrize(("name", "part"), DECLARED)
def test_what_is_missing_or_unknown_is_named_with_its_place(name: str, part: str) -> None:
    kind, whole = declared(name, part), DECLARED[name, part]
    for inner, place in objects_in(kind, whole):
        for field in fields_of(inner).values():
            wrong = copy.deepcopy(whole)
            del at(wrong, place)[field.name]
            missing = {spelled((*place, field.name)): ["is missing"]} if field.required else {}
            assert problems_of_fields(kind, wrong) == missing
        wrong = copy.deepcopy(whole)
        at(wrong, place)["no_such"] = 1
        (why,) = problems_of_fields(kind, wrong)[spelled((*place, "no_such"))]
        assert why.startswith("is no field; ")


@pytest.mark.parametrize(("name", "part"), DECLARED)
def test_no_field_but_free_ones_takes_values_of_any_type(name: str, part: str) -> None:
    kind, whole = declared(name, part), DECLARED[name, part]
    for inner, place in objects_in(kind, whole):
        for field in fields_of(inner).values():
            refused = 0
            for value in WRONG:
                wrong = copy.deepcopy(whole)
                at(wrong, place)[field.name] = value
                found = problems_of_fields(kind, wrong)
                assert all(where.startswith(spelled((*place, field.name))) for where in found)
                refused += bool(found)
            assert refused >= 5 or field.name == "metadata", (field, refused)


@pytest.mark.asyncio
@pytest.mark.parametrize("name", BODIES)
async def test_a_whole_body_is_sent_and_a_wrong_one_is_not(name: str, api: Recorder, tilia: TiliaClient) -> None:
    operation: Operation[object] = OPERATIONS[name]
    path = dict.fromkeys(operation.parameters, ACCOUNT)
    with pytest.raises(errors.InvalidRequestError) as caught:
        await tilia.send(operation, path=path, body={**BODIES[name], "amuont": 1})
    assert set(caught.value.problems) == {"amuont"}
    assert not api.requests
    api.answer(min(operation.success), GOOD[name])
    await tilia.send(attrs.evolve(operation, echoes={"none": "none"}), path=path, body=BODIES[name])
    assert api.call.json == BODIES[name]


@pytest.mark.asyncio
@pytest.mark.parametrize("name", QUERIES)
async def test_a_wrong_query_is_not_sent(name: str, api: Recorder, tilia: TiliaClient) -> None:
    operation: Operation[object] = OPERATIONS[name]
    path = dict.fromkeys(operation.parameters, ACCOUNT)
    with pytest.raises(errors.InvalidRequestError) as caught:
        await tilia.send(operation, path=path, query={**QUERIES[name], "ofset": 1})
    assert set(caught.value.problems) == {"ofset"}
    assert not api.requests


@pytest.mark.asyncio
async def test_a_body_that_is_left_out_lacks_its_fields(api: Recorder, tilia: TiliaClient) -> None:
    with pytest.raises(errors.InvalidRequestError) as caught:
        await tilia.send(OPERATIONS["accounts.merge"])
    assert caught.value.problems == {"source_account_id": ["is missing"], "destination_account_id": ["is missing"]}
    assert not api.requests


@pytest.mark.asyncio
async def test_a_field_that_is_not_declared_can_be_sent_by_another_declaration(
    api: Recorder, tilia: TiliaClient
) -> None:
    api.answer(200, GOOD["accounts.block"])
    # The recorder is asked for another path, since what arrives there has to be declared.
    undeclared = attrs.evolve(OPERATIONS["accounts.block"], body=None, path="/v3/{account_id}/block")
    await tilia.send(undeclared, path={"account_id": ACCOUNT}, body={"until": "2027-01-01"})
    assert api.call.json == {"until": "2027-01-01"}


@pytest.mark.asyncio
async def test_a_secret_is_a_text_and_no_reason_repeats_it(api: Recorder, tilia: TiliaClient) -> None:
    start = OPERATIONS["registration.start"]
    body = {"username": MAIL, "password": Secret(PHRASE), "email": Secret("nobody")}
    with pytest.raises(errors.InvalidRequestError) as caught:
        await tilia.send(start, body=body)
    assert set(caught.value.problems) == {"email"}
    assert "nobody" not in str(caught.value)
    with pytest.raises(errors.InvalidRequestError) as caught:
        await tilia.send(start, body={"username": MAIL, "password": Secret("short"), "email": MAIL})
    assert set(caught.value.problems) == {"password"}
    assert "short" not in str(caught.value)
    assert not api.requests


def test_a_platform_that_there_is_not_is_refused() -> None:
    body = {**BODIES["accounts.register"], "external_platforms": {"myspace": {"user_id": "tom"}, "steam": {}}}
    assert problems_of_fields(declared("accounts.register", "body"), body) == {
        "external_platforms.myspace": ["is none of steam, oculus, apple, google, microsoft, nintendo, sony"],
        "external_platforms.steam.user_id": ["is missing"],
    }


@pytest.mark.parametrize("text", ["back\\slash", "quo'te\"s", "\x00unprintable", "\ud800", "plain"])
def test_no_refusal_repeats_a_secret_however_it_is_quoted(text: str) -> None:
    for operation in OPERATIONS.values():
        for name in fields_of(operation.body) if operation.body is not None else ():
            found = problems_of_fields(declared(operation.name, "body"), {name: Secret(text)}, closed=False)
            told = " ".join(found.get(name, ()))
            assert text not in told
            assert repr(text)[1:-1] not in told
