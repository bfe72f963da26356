"""Registrations, mergers and blocks that may be another's."""

from __future__ import annotations

import attrs
import pytest
from support.lost_writes import CANNOT, DAY, NOT_SEEN, server, told
from support.lying import Liar, when, zoned

from tilia_async import Verdict
from tilia_async.api import OPERATIONS

__all__ = ["server"]


@pytest.mark.asyncio
@pytest.mark.parametrize("seconds", [-30, 0, 40, 90])
async def test_an_account_with_the_name_may_be_another_workers(server: Liar, seconds: float) -> None:
    server.say({"account_id": "acct_1", "username": "Nyx", "created": zoned(seconds)})
    found = await told(server, "accounts.register")
    assert (found.verdict, len(found.candidates), found.done) == (CANNOT, 1, True)
    assert "get_or_register" in found.reason


@pytest.mark.asyncio
@pytest.mark.parametrize("seconds", [-DAY, -600, 0])
async def test_a_registration_that_was_begun_before_may_have_dated_its_account(server: Liar, seconds: float) -> None:
    """Nobody says whether an account is made when its registration is begun or when it is completed."""
    server.say({"account_id": "acct_1", "username": "nyx", "created": zoned(seconds)})
    found = await server.tilia.reconcile(
        OPERATIONS["registration.complete"], reference={"username": "nyx"}, since=when(0)
    )
    assert (found.verdict, len(found.candidates), found.done) == (CANNOT, 1, True)


@pytest.mark.asyncio
async def test_an_account_that_was_there_before_was_not_registered_by_the_call(server: Liar) -> None:
    server.say({"account_id": "acct_1", "username": "nyx", "created": zoned(-90)})
    found = await told(server, "accounts.register")
    assert (found.verdict, found.resource.account_id, found.done) == (NOT_SEEN, "acct_1", False)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("tag", "verdict", "done"), [("acct_2", CANNOT, True), ("acct_9", CANNOT, False), (None, NOT_SEEN, False)]
)
async def test_a_merger_may_be_another_workers(server: Liar, tag: str | None, verdict: Verdict, done: bool) -> None:
    tags = [] if tag is None else [{"tag": "merged_to", "resource_id": tag}]
    server.say({"account_id": "acct_1", "tags": tags})
    found = await told(server, "accounts.merge")
    assert (found.verdict, found.done) == (verdict, done)


@attrs.frozen
class Blocked:
    """Blocks of an account, and what they mean to a block, to a block of ``cashout``, and to an unblock."""

    blocks: object
    block: tuple[Verdict, bool]
    cashout: tuple[Verdict, bool]
    unblock: tuple[Verdict, bool]


LOGIN = {"capability": "login", "issuer": "publisher"}
CASHOUT = {"capability": "cashout", "issuer": "publisher"}


BLOCKED = [
    Blocked([], (NOT_SEEN, False), (NOT_SEEN, False), (CANNOT, True)),
    Blocked([LOGIN], (CANNOT, True), (CANNOT, True), (NOT_SEEN, False)),
    Blocked([CASHOUT], (CANNOT, False), (CANNOT, True), (CANNOT, False)),
    Blocked([{"capability": "chat", "issuer": "publisher"}], (CANNOT, False), (CANNOT, False), (CANNOT, False)),
    Blocked([CASHOUT, LOGIN], (CANNOT, True), (CANNOT, True), (NOT_SEEN, False)),
    Blocked([{"capability": "login", "issuer": "tilia"}], (CANNOT, False), (CANNOT, False), (CANNOT, False)),
    Blocked([{"capability": "login"}], (CANNOT, False), (CANNOT, False), (CANNOT, False)),
    Blocked([{"issuer": "publisher"}], (CANNOT, False), (CANNOT, False), (CANNOT, False)),
    Blocked(None, (CANNOT, False), (CANNOT, False), (CANNOT, False)),
    Blocked("login", (CANNOT, False), (CANNOT, False), (CANNOT, False)),
    Blocked(["login"], (CANNOT, False), (CANNOT, False), (CANNOT, False)),
]


@pytest.mark.asyncio
@pytest.mark.parametrize("case", BLOCKED)
async def test_a_block_may_be_another_s_and_of_something_else(server: Liar, case: Blocked) -> None:
    server.say({"account_id": "acct_1", "blocks": case.blocks})
    for name, settings, expected in (
        ("accounts.block", {}, case.block),
        ("accounts.block_capability", {"reference": {"block_capability": "cashout"}}, case.cashout),
        ("accounts.unblock", {}, case.unblock),
    ):
        found = await told(server, name, **settings)
        assert (found.verdict, found.done) == expected, (name, found.reason)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("seconds", "verdict"), [(-DAY, NOT_SEEN), (-90, NOT_SEEN), (-30, CANNOT), (0, CANNOT), (70, CANNOT)]
)
async def test_a_block_that_may_be_made_after_an_unblock_does_not_tell_of_it(
    server: Liar, seconds: float, verdict: Verdict
) -> None:
    server.say({"account_id": "acct_1", "blocks": [{**LOGIN, "created": zoned(seconds)}]})
    found = await told(server, "accounts.unblock")
    assert (found.verdict, found.done) == (verdict, False), found.reason
    # One that was there before is not lifted.
    server.say(
        {
            "account_id": "acct_1",
            "blocks": {"1": {**LOGIN, "created": zoned(-DAY)}, "2": {**LOGIN, "created": zoned(seconds)}},
        }
    )
    assert (await told(server, "accounts.unblock")).verdict is NOT_SEEN


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"tags": None},
        {"tags": "none"},
        {"tags": [{"tag": "merged_to", "resource_id": ""}]},
        {"tags": ["merged_to acct_2"]},
        {"tags": [], "is_blocked": True},
    ],
)
async def test_an_account_that_does_not_tell_its_tags_may_be_merged(server: Liar, fields: dict[str, object]) -> None:
    server.say({"account_id": "acct_1", **fields})
    found = await told(server, "accounts.merge")
    assert (found.verdict, len(found.candidates), found.done) == (CANNOT, 1, False)
    assert "again" in found.reason
