"""Arguments that are refused before anything is sent."""

from __future__ import annotations

import string
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tilia_async import Environment, TiliaClient, errors

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from support.recorder import Recorder

    Call = Callable[[TiliaClient, str], Awaitable[Any]]

CLIENT = "3f2bfe5b-19b8-41c1-88d7-70a1586bce94"
MAIL = "david_gaimer@mail.io"
PHRASE = "J5Ks+%ML-Tx_/}Eb"
STEAM = {"steam": "76561197960287930"}
ODD_IDS = ["", "a/b", "/", "../block", ".", ".."]
LONG_ID = "a" * 37

BY_ID: dict[str, tuple[Call, str]] = {
    "create_redirect": (lambda t, key: t.auth.create_redirect(key), "account_id"),
    "create_user_token": (lambda t, key: t.auth.create_user_token(key), "account_id"),
    "get": (lambda t, key: t.accounts.get(key), "account_id"),
    "block": (lambda t, key: t.accounts.block(key), "account_id"),
    "unblock": (lambda t, key: t.accounts.unblock(key), "account_id"),
    "is_blocked": (lambda t, key: t.accounts.is_blocked(key), "account_id"),
    "wallet": (lambda t, key: t.wallets.get(key), "wallet_id"),
    "wallets": (lambda t, key: t.wallets.list(key), "account_id"),
    "balances": (lambda t, key: t.wallets.balances(key), "account_id"),
    "payment_methods": (lambda t, key: t.payment_methods.list(key), "account_id"),
    "complete": (lambda t, key: t.registration.complete(key), "registration_id"),
}


async def refused(api: Recorder, call: Awaitable[Any]) -> errors.InvalidRequestError:
    """Expect a call to be refused with nothing sent at all."""
    with pytest.raises(errors.InvalidRequestError) as caught:
        await call
    assert api.requests == []
    assert isinstance(caught.value, ValueError)
    assert caught.value.took_effect is False
    assert all(why for why in caught.value.problems.values())
    return caught.value


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("name", "key"),
    [(name, key) for name in BY_ID for key in [*ODD_IDS, LONG_ID] if (name, key) != ("complete", LONG_ID)],
)
async def test_id(api: Recorder, tilia: TiliaClient, name: str, key: str) -> None:
    """An id that could not be one is refused by name."""
    call, field = BY_ID[name]
    assert field in (await refused(api, call(tilia, key))).problems


@pytest.mark.asyncio
async def test_longest_id(api: Recorder, tilia: TiliaClient) -> None:
    """An id of 36 characters is no problem."""
    api.succeed({"is_blocked": True})
    await tilia.accounts.block("a" * 36)
    assert api.call.path == f"/accounts/v1/{'a' * 36}/user-info/block"


LONG_MAIL = f"{'a' * 60}@{'b' * 60}.{'c' * 60}.{'d' * 60}.example.org"  # 255 characters
START: dict[str, Any] = {"username": MAIL, "password": PHRASE, "email": MAIL}
START_REFUSED = [
    ("username", ""),
    ("username", "david"),
    ("username", "a" * 255),
    ("username", LONG_MAIL),
    ("email", ""),
    ("email", "david"),
    ("email", "david@"),
    ("email", "@mail.io"),
    ("email", LONG_MAIL),
    ("password", ""),
    ("password", "ab1de"),
    ("password", "abcdefghijklmnop1"),
    ("password", "abcdefgh"),
    ("password", "12345678"),
    ("password", "!?12345+"),
    ("tracking_id", "not-a-uuid"),
    ("tracking_id", "454471c2-e4c6-11ea-87d0"),
]


@pytest.mark.asyncio
@pytest.mark.parametrize(("field", "value"), START_REFUSED)
async def test_start_is_refused(api: Recorder, tilia: TiliaClient, field: str, value: str) -> None:
    """The rules of a registration are checked before it is sent."""
    error = await refused(api, tilia.registration.start(**{**START, field: value}))
    assert set(error.problems) == {field}
    assert PHRASE not in f"{error} {error!r} {error.args}"


@pytest.mark.asyncio
@pytest.mark.parametrize("change", [{"username": "a@b.co"}, {"email": "a@b.co"}], ids=["username", "email"])
@pytest.mark.parametrize("phrase", ["1a@b.coX", "a@b.co99", "xx1a@b.co"])
async def test_start_password_with_name(api: Recorder, tilia: TiliaClient, change: dict[str, Any], phrase: str) -> None:
    """A password must contain neither the username nor the address."""
    error = await refused(api, tilia.registration.start(**{**START, **change, "password": phrase}))
    assert set(error.problems) == {"password"}
    assert phrase not in f"{error} {error!r} {error.args}"


@pytest.mark.asyncio
async def test_start_all_problems(api: Recorder, tilia: TiliaClient) -> None:
    """All problems are told at once."""
    error = await refused(api, tilia.registration.start("david", "short", "nowhere"))
    assert set(error.problems) == {"username", "password", "email"}


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "change",
    [
        {"tracking_id": "454471c2-e4c6-11ea-87d0-0242ac100000"},
        {"tracking_id": "3f2bfe5b-19b8-41c1-88d7-70a1586bce94"},
        {"password": "abcde1"},
        {"password": "abcde+"},
        {"password": "12345a"},
        {"password": "abcdefghijklmno1"},
        {"metadata": "eyJhbGciOiJub25lIn0.e30."},
        {"email": "someone.else+tilia@sub.example.org"},
    ],
)
async def test_start_is_sent(api: Recorder, tilia: TiliaClient, change: dict[str, Any]) -> None:
    """A value that the rules allow is sent unchanged."""
    api.succeed({"registration_id": "reg"}, status=201)
    await tilia.registration.start(**{**START, **change})
    assert api.call.json == {**START, **change}


@pytest.mark.asyncio
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], database=None)
@given(phrase=st.text(string.ascii_letters + string.digits + string.punctuation, max_size=20))
@example(phrase="abcdef")
@example(phrase="123456")
@example(phrase="abcde~")
async def test_start_password(api: Recorder, tilia: TiliaClient, phrase: str) -> None:
    """A password is sent if it keeps the rules, and refused if it does not."""
    letter = any(character.isalpha() for character in phrase)
    other = any(not character.isalpha() for character in phrase)
    api.requests.clear()
    if 6 <= len(phrase) <= 16 and letter and other:
        api.succeed({"registration_id": "reg"}, status=201)
        await tilia.registration.start(MAIL, phrase, MAIL)
        assert api.call.json["password"] == phrase
    else:
        assert set((await refused(api, tilia.registration.start(MAIL, phrase, MAIL))).problems) == {"password"}


REGISTER_REFUSED = {
    "no-username": ({"username": "", "email": MAIL}, {"username"}),
    "long-username": ({"username": "u" * 65, "email": MAIL}, {"username"}),
    "both": ({"username": "david", "email": MAIL, "external_platforms": STEAM}, {"email", "external_platforms"}),
    "neither": ({"username": "david"}, {"email", "external_platforms"}),
    "state-alone": ({"username": "david", "email": MAIL, "state_province": "CA"}, {"state_province", "country_iso"}),
    "country-alone": ({"username": "david", "email": MAIL, "country_iso": "US"}, {"state_province", "country_iso"}),
}


@pytest.mark.asyncio
@pytest.mark.parametrize(("profile", "fields"), [pytest.param(*row, id=name) for name, row in REGISTER_REFUSED.items()])
async def test_register_is_refused(
    api: Recorder, tilia: TiliaClient, profile: dict[str, Any], fields: set[str]
) -> None:
    """The rules of an account are checked before it is sent."""
    error = await refused(api, tilia.accounts.register(**profile))
    assert error.problems.keys() & fields
    assert set(error.problems) <= fields


@pytest.mark.asyncio
async def test_register_longest_username(api: Recorder, tilia: TiliaClient) -> None:
    """A username of 64 characters is no problem, and need not be an address."""
    api.succeed({"account_id": "acct", "username": "u" * 64})
    await tilia.accounts.register("u" * 64, email=MAIL, state_province="CA", country_iso="US")
    assert api.call.json["username"] == "u" * 64


@pytest.mark.parametrize(
    ("client_id", "phrase"), [(None, "secret"), ("", "secret"), (CLIENT, None), (CLIENT, "")], ids=repr
)
def test_missing_credentials(client_id: str | None, phrase: str | None) -> None:
    """Without credentials there is no client."""
    with pytest.raises(errors.ConfigurationError) as caught:
        TiliaClient(client_id, phrase, "staging")  # type: ignore[arg-type] - on purpose
    assert caught.value.took_effect is False


@pytest.mark.parametrize(
    "template",
    ["http://tilia.example/{service}", "http://{service}.staging.tilia-inc.com", "http://10.0.0.1:8080/{service}"],
)
def test_plain_http(template: str) -> None:
    """Credentials do not travel in the clear."""
    with pytest.raises(errors.ConfigurationError):
        TiliaClient(CLIENT, "secret", Environment.at(template))
    with pytest.raises(errors.ConfigurationError):
        TiliaClient(CLIENT, "secret", template)


@pytest.mark.parametrize(
    "template", ["http://127.0.0.1:9/{service}", "http://localhost:9/{service}", "https://{service}.tilia.example"]
)
def test_loopback_and_https(template: str) -> None:
    """Loopback needs no encryption; a template may be given as it is."""
    assert TiliaClient(CLIENT, "secret", Environment.at(template))
    assert TiliaClient(CLIENT, "secret", template)


VARIABLES = {"TILIA_CLIENT_ID": CLIENT, "TILIA_CLIENT_SECRET": "s3cr3t-value", "TILIA_ENVIRONMENT": "staging"}


@pytest.mark.parametrize("empty", [False, True], ids=["unset", "empty"])
@pytest.mark.parametrize("missing", VARIABLES)
def test_from_env_without(monkeypatch: pytest.MonkeyPatch, missing: str, empty: object) -> None:
    """A missing variable is named."""
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)
    if empty:
        monkeypatch.setenv(missing, "")
    else:
        monkeypatch.delenv(missing)
    with pytest.raises(errors.ConfigurationError) as caught:
        TiliaClient.from_env()
    assert missing in str(caught.value)
    assert "s3cr3t-value" not in f"{caught.value} {caught.value!r} {caught.value.args}"


def test_from_env(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three variables are enough, and what is in them does not show."""
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)
    assert "s3cr3t-value" not in repr(TiliaClient.from_env())
