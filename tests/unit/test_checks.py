"""Values that are refused before they are sent."""

import uuid
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tilia_async import checks
from tilia_async.errors import InvalidRequestError
from tilia_async.ledger.filters import RecordFilter, checked
from tilia_async.ledger.record import BlockAction

NAME, EMAIL = "david_gaimer@mail.io", "david@home.example"


@pytest.mark.parametrize("password", ["J5Ks+%ML-Tx_/}Eb", "abcde1", "ab cd!", "pässw1", "x" * 15 + "1"])
def test_a_password_that_keeps_the_rules(password: str) -> None:
    assert checks.password(password, NAME, EMAIL) == []


@pytest.mark.parametrize(
    "password", ["abc1!", "x" * 16 + "1", "abcdefgh", "12345678", "!!!!!!!!", "", "ab cd ef", None, 1234567]
)
def test_a_password_that_breaks_them(password: object) -> None:
    assert checks.password(password, NAME, EMAIL)


@pytest.mark.parametrize("name", ["a@b.co", "A@B.CO"])
def test_a_password_must_not_contain_the_names(name: str) -> None:
    assert checks.password("1a@b.co2", name, EMAIL) == ["contains the username"]
    assert checks.password("1a@b.co2", NAME, name) == ["contains the e-mail address"]


@pytest.mark.parametrize(
    "address",
    [
        "david_gaimer@mail.io",
        "user+1@test.com",
        "a@b.co",
        "ünï@mail.example",
        "o'b@x.io",
        "xxx.yyy.@docomo.ne.jp",
        "a..b@docomo.ne.jp",
        '"john smith"@mail.io',
        '"a@b"@mail.io',
        r'"a\"b\\"@mail.io',
        "a@नी\u200dल.example",
        "a@نامه\u200cای.example",
        "用户@例子。公司",
        "a@my_host.example",
        "a@xn--fsq.example",
        "!#$%&'*/=?^`{|}~-@x.io",
        ".a@ezweb.ne.jp",
        "user@localhost",
        "user@[192.168.0.1]",
        "user@[IPv6:2001:db8::1]",
    ],
)
def test_an_email_address(address: str) -> None:
    assert checks.email_address(address) == []


@pytest.mark.parametrize(
    "address",
    ["", "david", "@mail.io", "david@", "a@[]", "a@[1]2]", "a@[1", "a@[1 2]", "a b@c.de", "a@b@c.de", "a@.de", "a@b..de", "a@-b.de", '"a"b"@c.de',
     '"@c.de', '""@c.de', '"a\\"@c.de', 'a"b@c.de', "a@b c.de", "a\u200b@b.de", "a\x00@b.de", "a@b.de\n", "x" * 65 + "@b.de", "a@" + "b" * 250 + ".de", None, 7],
)  # fmt: skip
def test_what_is_no_email_address(address: object) -> None:
    assert checks.email_address(address)


def test_an_address_of_254_characters_is_the_longest() -> None:
    domain = ".".join(["d" * 62] * 3)
    longest = "a" * (254 - len(domain) - 4) + "@" + domain + ".de"
    assert len(longest) == 254
    assert checks.email_address(longest) == []
    assert checks.email_address("b" + longest)


@pytest.mark.parametrize("make", [uuid.uuid1, uuid.uuid4, lambda: str(uuid.uuid1()), lambda: str(uuid.uuid4()).upper()])
def test_a_tracking_id_is_any_uuid(make: object) -> None:
    assert checks.any_uuid(make()) == []


@pytest.mark.parametrize(
    "value", ["", "x", "{454471c2-e4c6-11ea-87d0-0242ac100000}", "454471c2e4c611ea87d00242ac100000", 7]
)
def test_what_is_no_uuid(value: object) -> None:
    assert checks.any_uuid(value)


async def coming() -> AsyncIterator[str]:
    yield "acct_1"


@pytest.mark.parametrize("value", [[], ("a",), {"a"}, {"a": 1}, iter("ab"), (each for each in "ab"), coming()])
def test_ids_come_in_an_iterable_of_either_kind(value: object) -> None:
    assert checks.iterable(value) == []


@pytest.mark.parametrize(("value", "kind"), [("acct_1", "str"), (b"acct_1", "bytes"), (7, "int"), (None, "NoneType")])
def test_a_text_or_what_cannot_be_iterated_is_no_list_of_ids(value: object, kind: str) -> None:
    assert checks.iterable(value) == [f"is an iterable of ids, of either kind, not {kind}"]


async def to_come() -> list[str]:
    return ["acct_1"]


def test_what_is_nearly_an_iterable_of_ids_is_refused_with_what_to_do() -> None:
    awaitable = to_come()
    for check in (checks.iterable, checks.plain_iterable):
        assert check(awaitable)[0].endswith("not coroutine: give what comes of it when it is awaited")
        assert check(coming)[0].endswith("not function: call it")
    awaitable.close()
    assert checks.plain_iterable(coming()) == [
        "is a plain iterable of ids, not the asynchronous async_generator: tilia_async reads those; or collect its ids"
    ]
    assert checks.plain_iterable("acct_1") == ["is an iterable of ids, not str"]
    assert checks.plain_iterable(iter("ab")) == []


def test_a_function_is_what_can_be_called() -> None:
    assert checks.function(None) == checks.function(print) == []
    assert checks.function("print") == ["is a function or None, not str"]


def test_one_of_names_what_there_is() -> None:
    assert checks.one_of("block", BlockAction) == checks.one_of(BlockAction.BLOCK, BlockAction) == []
    assert checks.one_of("ban", BlockAction) == ["is one of block, unblock, not 'ban'"]
    assert checks.one_of(["block"], BlockAction)


def test_what_a_database_keeps_has_no_zero_character() -> None:
    assert checks.stored_text("wave-7") == []
    assert checks.stored_text("") == checks.text("")
    assert checks.stored_text("a\0b") == ["has a zero character in it, which databases refuse"]
    assert len(checks.stored_text("a\0b", longest=2)) == 2


def test_each_filter_of_a_ledger_is_checked() -> None:
    # What is no filter is told by the table of checks.
    with pytest.raises(InvalidRequestError) as caught:
        checked({name: object() for name in RecordFilter.__optional_keys__})  # type: ignore[arg-type] - on purpose
    assert caught.value.problems.keys() == RecordFilter.__optional_keys__
    with pytest.raises(InvalidRequestError, match="is no filter; known are account_id, action"):
        checked({"colour": "red"})  # type: ignore[typeddict-unknown-key] - on purpose
    assert checked({"action": BlockAction.BLOCK, "job_id": None}) == {"action": "block", "job_id": None}


@given(st.text(max_size=40))
def test_no_text_breaks_a_check(text: str) -> None:
    for check in (checks.identifier, checks.email_address, checks.any_uuid, checks.uuid4, checks.currency, checks.text):
        assert isinstance(check(text), list)
    checks.password(text, text, text)
