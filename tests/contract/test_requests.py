"""Requests of each method."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote

import pytest

from tilia_async import Scope
from tilia_async.api import OPERATIONS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from support.recorder import Recorder

    from tilia_async import TiliaClient

ACCOUNT = "acct_2TiDFXHVFMlAuyy7ovvz3YPKv9b"
OLD_ACCOUNT = "09c9e3ee-8af5-4206-aaa4-1a913ea855d2"
WALLET = "wal_2V2cKKqYoaj018K0EXBauwcurbd"
REGISTRATION = "6a1a4d2e-1c4c-4f2f-9d2a-0b8a3c5d7e9f"
MAIL = "david_gaimer@mail.io"
PHRASE = "J5Ks+%ML-Tx_/}Eb"
TRACKING = "454471c2-e4c6-11ea-87d0-0242ac100000"

PROFILE = {"account_id": ACCOUNT, "username": MAIL, "email": MAIL, "is_blocked": False, "integrator": "acme"}
DAVID = {**PROFILE, "username": "david"}
OF_OLD = {**PROFILE, "account_id": OLD_ACCOUNT}
REGISTERED = {"account_id": ACCOUNT, "username": "david"}
BALANCES = {"account_id": ACCOUNT, "balances": {"USD": {"spendable": {"balance": "0", "display": "$0.00"}}}}
WALLET_BODY = {"wallet_id": WALLET, "account_id": ACCOUNT, "currency": "USD", "current_balance": 100, "active": 1}
LOGIN: dict[str, Any] = {"username": MAIL, "password": PHRASE, "email": MAIL}
STEAM = {"steam": {"user_id": "76561197960287930"}}
ADDRESS: dict[str, Any] = {
    "full_name": "David Gaimer",
    "street_address_1": "1 Main Street",
    "street_address_2": "Floor 2",
    "street_address_3": "Room 3",
    "city": "San Francisco",
    "state_province": "CA",
    "country_iso": "US",
    "zip_postal_code": "94104",
}
NOTHING = object()


class Case(NamedTuple):
    """A call, the request it must become and an answer that lets it end well."""

    call: Callable[[TiliaClient], Awaitable[Any]]
    method: str
    path: str
    body: Any
    scope: str
    payload: Any


def user_info(path: str, account_id: str = ACCOUNT) -> str:
    """Fill the path of the guides."""
    return f"/accounts/v1/{account_id}/user-info{path}"


def hosted(flow: str) -> Callable[[TiliaClient], Awaitable[Any]]:
    """Make a redirect to one of the hosted flows."""
    return lambda t: t.auth.create_redirect(ACCOUNT, flow=flow, hosted=True)


REDIRECT = {"redirect": "https://web.tilia-inc.com/ui/appauth/ed8ff1e9"}
USER_TOKEN = {"token": {"access_token": "USER", "token_type": "Bearer"}}
AUTHORIZE = ("POST", "/auth/authorize/user")
START = ("POST", "/registration/v2/register")
REGISTER = ("POST", "/accounts/register")
METHODS = ("GET", f"/payments/v1/{ACCOUNT}/payment_methods")
BALANCE_PATH = f"/wallets/balances/{ACCOUNT}"
HOSTED = {"account_id": ACCOUNT, "mechanism": "tilia_hosted"}

CASES = {
    "redirect": Case(
        lambda t: t.auth.create_redirect(ACCOUNT), *AUTHORIZE, {"account_id": ACCOUNT}, "write_user_tokens", REDIRECT
    ),
    "redirect-hosted": Case(
        lambda t: t.auth.create_redirect(ACCOUNT, hosted=True), *AUTHORIZE, HOSTED, "write_user_tokens", REDIRECT
    ),
    **{
        f"redirect-hosted-{flow}": Case(
            hosted(flow),
            *AUTHORIZE,
            {**HOSTED, "flow": flow},
            "write_user_tokens",
            REDIRECT,
        )
        for flow in ("kyc", "payout", "txnhistory", "addcard")
    },
    "user-token": Case(
        lambda t: t.auth.create_user_token(ACCOUNT),
        *AUTHORIZE,
        {"account_id": ACCOUNT, "return_token": True},
        "write_user_tokens",
        USER_TOKEN,
    ),
    "start": Case(
        lambda t: t.registration.start(**LOGIN), *START, LOGIN, "write_registrations", {"registration_id": REGISTRATION}
    ),
    "start-positional": Case(
        lambda t: t.registration.start(MAIL, PHRASE, MAIL),
        *START,
        LOGIN,
        "write_registrations",
        {"registration_id": REGISTRATION},
    ),
    "start-everything": Case(
        lambda t: t.registration.start(**LOGIN, tos=True, tracking_id=TRACKING, metadata='{"a": "ä"}'),
        *START,
        {**LOGIN, "tos": True, "tracking_id": TRACKING, "metadata": '{"a": "ä"}'},
        "write_registrations",
        {"registration_id": REGISTRATION},
    ),
    "start-tos-refused": Case(
        lambda t: t.registration.start(**LOGIN, tos=False),
        *START,
        {**LOGIN, "tos": False},
        "write_registrations",
        {"registration_id": REGISTRATION},
    ),
    "complete": Case(
        lambda t: t.registration.complete(REGISTRATION),
        "PUT",
        f"/registration/v2/register/{REGISTRATION}",
        NOTHING,
        "write_registrations",
        {"account_id": ACCOUNT, "autologin_id": "", "metadata": "", "tracking_id": ""},
    ),
    "register-email": Case(
        lambda t: t.accounts.register("david", email=MAIL),
        *REGISTER,
        {"username": "david", "email": {"address": MAIL}},
        "write_registrations",
        REGISTERED,
    ),
    "register-platform": Case(
        lambda t: t.accounts.register("david", external_platforms={"steam": STEAM["steam"]["user_id"]}, **ADDRESS),
        *REGISTER,
        {"username": "david", "external_platforms": STEAM, **ADDRESS},
        "write_registrations",
        REGISTERED,
    ),
    "get": Case(lambda t: t.accounts.get(ACCOUNT), "GET", user_info(""), None, "search_accounts", PROFILE),
    "get-uuid": Case(
        lambda t: t.accounts.get(OLD_ACCOUNT), "GET", user_info("", OLD_ACCOUNT), None, "search_accounts", OF_OLD
    ),
    "is-blocked": Case(
        lambda t: t.accounts.is_blocked(ACCOUNT), "GET", user_info(""), None, "search_accounts", PROFILE
    ),
    "find": Case(
        lambda t: t.accounts.find("david"),
        "GET",
        "/accounts/v1/user-info/search?username=david",
        None,
        "search_accounts",
        DAVID,
    ),
    "block": Case(
        lambda t: t.accounts.block(ACCOUNT), "POST", user_info("/block"), None, "block_accounts", {"is_blocked": True}
    ),
    "block-with-reason": Case(
        lambda t: t.accounts.block(ACCOUNT, reason="chargeback fraud", actor="ops@acme.example"),
        "POST",
        user_info("/block"),
        None,
        "block_accounts",
        {"is_blocked": True},
    ),
    "unblock": Case(
        lambda t: t.accounts.unblock(ACCOUNT),
        "POST",
        user_info("/unblock"),
        None,
        "unblock_accounts",
        {"is_blocked": False},
    ),
    "wallet": Case(
        lambda t: t.wallets.get(WALLET), "GET", f"/wallets/v2/wallet/{WALLET}", None, "read_wallets", WALLET_BODY
    ),
    "wallets": Case(lambda t: t.wallets.list(ACCOUNT), *METHODS, None, "read_payment_methods", []),
    "balances": Case(lambda t: t.wallets.balances(ACCOUNT), "GET", BALANCE_PATH, None, "read_wallets", BALANCES),
    "balances-currency": Case(
        lambda t: t.wallets.balances(ACCOUNT, currency="USD"),
        "GET",
        f"{BALANCE_PATH}?currency=USD",
        None,
        "read_wallets",
        BALANCES,
    ),
    "payment-methods": Case(lambda t: t.payment_methods.list(ACCOUNT), *METHODS, None, "read_payment_methods", []),
}


def drop_defaults(body: dict[str, Any]) -> dict[str, Any]:
    """Leave out what means the same when it is absent."""
    if body.get("return_token") is False:
        del body["return_token"]
    if isinstance(body.get("email"), dict):
        body["email"].pop("requires_verification", None)
    return body


@pytest.mark.asyncio
@pytest.mark.parametrize("case", [pytest.param(case, id=name) for name, case in CASES.items()])
async def test_request(api: Recorder, tilia: TiliaClient, case: Case) -> None:
    """Each method sends one request, and it is the documented one."""
    api.succeed(case.payload, status=201 if case.path == START[1] else 200)
    await case.call(tilia)
    sent = api.call
    assert (sent.method, sent.path) == (case.method, case.path)
    assert sent.headers["Authorization"] == "Bearer token-1"
    if case.body is None:
        assert sent.body == b""
    elif case.body is NOTHING:
        assert sent.body in {b"", b"{}"}
    else:
        assert drop_defaults(sent.json) == case.body
        assert sent.headers["Content-Type"].startswith("application/json")


@pytest.mark.asyncio
@pytest.mark.parametrize("case", [pytest.param(case, id=name) for name, case in CASES.items()])
async def test_token_request(api: Recorder, tilia: TiliaClient, case: Case) -> None:
    """The token is asked for first, with the scope of the operation, in the form body and nowhere else."""
    api.succeed(case.payload, status=201 if case.path == START[1] else 200)
    await case.call(tilia)
    token = api.requests[0]
    assert api.tokens == [token]
    assert (token.method, token.path) == ("POST", "/auth/token")
    assert token.headers["Content-Type"].startswith("application/x-www-form-urlencoded")
    assert "Authorization" not in token.headers
    assert token.form == {
        "client_id": ["3f2bfe5b-19b8-41c1-88d7-70a1586bce94"],
        "client_secret": ["secret"],
        "grant_type": ["client_credentials"],
        "scope": [case.scope],
    }


@pytest.mark.asyncio
async def test_user_token_lifetime(api: Recorder, tilia: TiliaClient) -> None:
    """The wished lifetime travels in seconds."""
    api.succeed(USER_TOKEN)
    await tilia.auth.create_user_token(ACCOUNT, expires_in=30)
    body = api.call.json
    assert int(body.pop("token_expiration_seconds")) == 30
    assert body == {"account_id": ACCOUNT, "return_token": True}


@pytest.mark.asyncio
async def test_search_is_percent_encoded(api: Recorder, tilia: TiliaClient) -> None:
    """A plus sign in a username does not arrive as a space."""
    api.succeed({**PROFILE, "username": "user+1@test.com"})
    await tilia.accounts.find("user+1@test.com")
    path, _, query = api.call.path.partition("?")
    assert path == "/accounts/v1/user-info/search"
    assert query.replace("%2E", ".") == "username=user%2B1%40test.com"


@pytest.mark.asyncio
@pytest.mark.parametrize("username", ["a b", "a&username=b", "a=b#c", "50%", "Ωmega", "a%2Bb"])
async def test_search_arrives_whole(api: Recorder, tilia: TiliaClient, username: str) -> None:
    """The server reads all that stands in a username."""
    api.succeed({**PROFILE, "username": username})
    await tilia.accounts.find(username)
    assert api.call.query == {"username": [username]}


@pytest.mark.asyncio
@pytest.mark.parametrize("account_id", ["a?b", "a#b", "a%2Fb", "a b", "ä"])
async def test_segments_are_quoted(api: Recorder, tilia: TiliaClient, account_id: str) -> None:
    """An id is one segment of the path whatever characters it has."""
    api.succeed({**PROFILE, "account_id": account_id})
    await tilia.accounts.get(account_id)
    head, version, segment, tail = api.call.path.strip("/").split("/")
    assert (head, version, unquote(segment), tail) == ("accounts", "v1", account_id, "user-info")
    assert "?" not in api.call.path


@pytest.mark.asyncio
async def test_one_token_serves_a_scope(api: Recorder, tilia: TiliaClient) -> None:
    """Calls of one scope share a token; another scope asks for its own."""
    api.succeed(DAVID, times=2)
    api.succeed({"is_blocked": True})
    await tilia.accounts.get(ACCOUNT)
    await tilia.accounts.find("david")
    assert len(api.tokens) == 1
    await tilia.accounts.block(ACCOUNT)
    assert "block_accounts" in api.tokens[-1].form["scope"][0].split(",")
    assert len(api.tokens) == 2


@pytest.mark.asyncio
async def test_scopes_of_the_client(api: Recorder) -> None:
    """Scopes given to the client are asked for together, comma-separated, from the start."""
    async with api.client(scopes=[Scope.SEARCH_ACCOUNTS, Scope.BLOCK_ACCOUNTS]) as tilia:
        api.succeed(PROFILE)
        api.succeed({"is_blocked": True})
        await tilia.accounts.get(ACCOUNT)
        await tilia.accounts.block(ACCOUNT)
    (token,) = api.tokens
    assert sorted(token.form["scope"][0].split(",")) == ["block_accounts", "search_accounts"]


@pytest.mark.asyncio
async def test_access_token(api: Recorder, tilia: TiliaClient) -> None:
    """A token that was asked for by hand serves the calls that need no more than its scopes."""
    await tilia.access_token([Scope.SEARCH_ACCOUNTS, Scope.BLOCK_ACCOUNTS])
    assert [request.path for request in api.requests] == ["/auth/token"]
    assert sorted(api.tokens[0].form["scope"][0].split(",")) == ["block_accounts", "search_accounts"]
    api.succeed(PROFILE)
    await tilia.accounts.get(ACCOUNT)
    await tilia.access_token([Scope.BLOCK_ACCOUNTS])
    assert len(api.tokens) == 1
    assert api.call.headers["Authorization"] == "Bearer token-1"


@pytest.mark.asyncio
async def test_send(api: Recorder, tilia: TiliaClient) -> None:
    """Any operation can be sent by its declaration."""
    body: dict[str, Any] = {"username": "david", "email": {"address": MAIL, "requires_verification": True}}
    api.succeed(REGISTERED)
    api.succeed({**PROFILE, "username": "a+b"})
    api.succeed(BALANCES)
    await tilia.send(OPERATIONS["accounts.register"], body=body)
    await tilia.send(OPERATIONS["accounts.find"], query={"username": "a+b"})
    await tilia.send(OPERATIONS["wallets.balances"], path={"account_id": ACCOUNT}, query={"currency": "USD"})
    assert [(sent.method, sent.path) for sent in api.calls] == [
        ("POST", "/accounts/register"),
        ("GET", "/accounts/v1/user-info/search?username=a%2Bb"),
        ("GET", f"{BALANCE_PATH}?currency=USD"),
    ]
    assert [sent.body for sent in api.calls[1:]] == [b"", b""]
    assert api.calls[0].json == body


def word(value: Any) -> str:
    """Read a member of an enumeration, or a plain word, as text."""
    return str(getattr(value, "value", value))


TABLE = [
    ("auth.create_redirect", "POST", "auth", "/authorize/user", {"write_user_tokens"}, None, 200),
    ("auth.create_user_token", "POST", "auth", "/authorize/user", {"write_user_tokens"}, None, 200),
    ("registration.start", "POST", "registration", "/v2/register", {"write_registrations"}, "NEVER", 201),
    (
        "registration.complete",
        "PUT",
        "registration",
        "/v2/register/{registration_id}",
        {"write_registrations"},
        "NEVER",
        None,
    ),
    ("accounts.register", "POST", "accounts", "/register", {"write_registrations"}, "NEVER", 200),
    ("accounts.get", "GET", "accounts", "/v1/{account_id}/user-info", {"search_accounts"}, "SAFE", 200),
    ("accounts.find", "GET", "accounts", "/v1/user-info/search", {"search_accounts"}, "SAFE", 200),
    ("accounts.block", "POST", "accounts", "/v1/{account_id}/user-info/block", {"block_accounts"}, "SAFE", 200),
    ("accounts.unblock", "POST", "accounts", "/v1/{account_id}/user-info/unblock", {"unblock_accounts"}, "SAFE", 200),
    ("wallets.get", "GET", "wallets", "/v2/wallet/{wallet_id}", {"read_wallets"}, "SAFE", 200),
    ("wallets.balances", "GET", "wallets", "/balances/{account_id}", {"read_wallets"}, "SAFE", 200),
    (
        "payment_methods.list",
        "GET",
        "payments",
        "/v1/{account_id}/payment_methods",
        {"read_payment_methods"},
        "SAFE",
        200,
    ),
]


@pytest.mark.parametrize("row", [pytest.param(row, id=row[0]) for row in TABLE])
def test_declaration(row: tuple[str, str, str, str, set[str], str | None, int | None]) -> None:
    """The declarations say what the sheets say."""
    name, method, service, path, scopes, repeat, success = row
    operation = OPERATIONS[name]
    assert (operation.method, word(operation.service), operation.path) == (method, service, path)
    assert {word(scope) for scope in operation.scopes} == scopes
    if repeat is not None:
        assert operation.repeat.name == repeat
    if success is not None:
        assert success in operation.success
