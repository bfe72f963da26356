"""Assertions on what arrived at a sandbox."""

import pytest

from tilia_async.sandbox import RecordedRequest
from tilia_async.testing import SandboxCalls


def arrived(operation: str | None, method: str, path: str, query: str = "", body: bytes = b"") -> RecordedRequest:
    return RecordedRequest(operation, method, "accounts", path, query, {}, body)


TOKEN = arrived("auth.token", "POST", "/token", body=b"client_id=one&client_secret=c4nary-5ecret")
NYX = arrived("accounts.register", "POST", "/register", body=b'{"username":"nyx","password":"c4nary-5ecret"}')
ADA = arrived("accounts.register", "POST", "/register", body=b'{"username":"ada"}')
FOUND = arrived("accounts.find", "GET", "/v1/user-info/search", "username=nyx")
READ = arrived("accounts.get", "GET", "/v1/acct%5F1/user-info")
BLOCKED = arrived("accounts.block", "POST", "/v1/acct_1/user-info/block")


def calls(*requests: RecordedRequest) -> SandboxCalls:
    return SandboxCalls(list(requests))


def test_fields_are_found_in_path_query_and_body() -> None:
    seen = calls(TOKEN, NYX, ADA, FOUND, BLOCKED, READ)
    assert seen.assert_once("accounts.block", account_id="acct_1") is BLOCKED
    assert seen.assert_once("accounts.get", account_id="acct_1") is READ
    assert seen.assert_once("accounts.find", username="nyx") is FOUND
    assert seen.assert_times("accounts.register", 1, username="ada") == [ADA]
    assert seen.of("accounts.register") == [NYX, ADA]
    seen.assert_never("accounts.unblock")
    seen.assert_never("accounts.block", account_id="acct_2")


def test_a_token_is_no_call_unless_it_is_asked_for() -> None:
    seen = calls(TOKEN, FOUND)
    assert list(seen) == [FOUND]
    assert (len(seen), seen[0], seen[:]) == (1, FOUND, [FOUND])
    assert seen.assert_once("auth.token") is TOKEN
    seen.clear()
    assert not seen


def test_names_that_share_a_route_are_one_request() -> None:
    calls(READ).assert_once("accounts.is_blocked")


@pytest.mark.parametrize(
    ("fails", "why"),
    [
        (lambda seen: seen.assert_once("accounts.unblock"), r"accounts\.unblock arrived 0 times, not once"),
        (lambda seen: seen.assert_once("accounts.register"), r"accounts\.register arrived 2 times, not once"),
        (
            lambda seen: seen.assert_once("accounts.block", account_id="acct_2", note="x"),
            r"account_id was 'acct_1', not 'acct_2' and note was not sent",
        ),
        (
            lambda seen: seen.assert_times("accounts.register", 2, username="nyx"),
            r"accounts\.register with username='nyx' arrived once, not 2 times",
        ),
        (lambda seen: seen.assert_never("accounts.block"), r"accounts\.block arrived once, but never should"),
        (
            lambda seen: seen.assert_order("accounts.block", "accounts.register"),
            r"accounts\.register did not arrive after accounts\.block",
        ),
        (lambda seen: seen.assert_order("accounts.unblock"), r"accounts\.unblock did not arrive\."),
    ],
)
def test_a_failure_says_what_arrived(fails: object, why: str) -> None:
    with pytest.raises(AssertionError, match=why) as caught:
        fails(calls(TOKEN, NYX, ADA, BLOCKED))
    text = str(caught.value)
    assert '{"username":"nyx","password":"***"}' in text
    assert "c4nary" not in text


def test_what_arrived_in_order_may_have_others_between() -> None:
    calls(NYX, FOUND, ADA, BLOCKED).assert_order("accounts.register", "accounts.register", "accounts.block")


def test_an_unknown_operation_is_an_error_and_not_zero_calls() -> None:
    with pytest.raises(ValueError, match="accounts.blok"):
        calls(BLOCKED).assert_never("accounts.blok")


def test_many_requests_are_shown_in_part() -> None:
    lines = str(calls(*[BLOCKED] * 60)).splitlines()
    assert (len(lines), lines[0]) == (51, "(the first 10 are left out)")
    assert lines[-1].split()[:2] == ["60", "accounts.block"]
