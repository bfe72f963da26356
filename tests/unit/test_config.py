"""The settings."""

import traceback

import attrs
import pytest

from tilia_async import Environment, Limits, RequestOptions, RetryPolicy, Service, TiliaClient
from tilia_async.errors import ConfigurationError


def test_tilias_own_hosts() -> None:
    assert Environment.PRODUCTION.url(Service.ACCOUNTS) == "https://accounts.tilia-inc.com"
    assert Environment.STAGING.url(Service.AUTH) == "https://auth.staging.tilia-inc.com"
    assert Environment.of("production") is Environment.PRODUCTION
    assert Environment.of("staging") is Environment.STAGING


def test_single_hosts_can_be_elsewhere() -> None:
    there = Environment.at("http://[::1]:8411/{service}/", services={Service.BALANCES: "https://b.example/api/"})
    assert there.url(Service.BALANCES) == "https://b.example/api"
    assert there.url(Service.WALLETS) == "http://[::1]:8411/wallets"


@pytest.mark.parametrize(
    "template",
    [
        "http://{service}.tilia-inc.com",
        "http://10.0.0.1/{service}",
        "http://localhost.evil.example/{service}",
        "https://x.example/",
        "ftp://127.0.0.1/{service}",
        "https://user:{service}@x.example/",
        "https://x.example/{service}?a=b",
        "http://127.0.0.1:99999/{service}",
        "{service}",
        "prod",
        "",
    ],
)
def test_an_environment_that_cannot_be_meant_is_refused(template: str) -> None:
    with pytest.raises(ConfigurationError, match="environment"):
        Environment.of(template)


def test_credentials_in_a_url_are_refused_without_quoting_them() -> None:
    with pytest.raises(ConfigurationError) as caught:
        Environment.at("https://user:hunter2@x.example/{service}")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "localhost", "[::1]"])
def test_plain_http_is_for_loopback(host: str) -> None:
    assert Environment.at(f"http://{host}:1/{{service}}").url(Service.PII).endswith("/pii")


@pytest.mark.parametrize(
    ("client_id", "client_secret", "setting"),
    [(None, "s", "client_id"), ("i", "", "client_secret"), ("i", None, "client_secret"), (" ", "s", "client_id")],
)
def test_missing_credentials_are_named(client_id: str, client_secret: str, setting: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{setting} is missing.*TILIA_{setting.upper()}"):
        TiliaClient(client_id, client_secret, "staging")


@pytest.mark.parametrize("missing", ["TILIA_CLIENT_ID", "TILIA_CLIENT_SECRET", "TILIA_ENVIRONMENT"])
def test_from_env_names_the_variable_that_is_missing(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"TILIA_CLIENT_ID": "i", "TILIA_CLIENT_SECRET": "s", "TILIA_ENVIRONMENT": "staging"}.items():
        monkeypatch.setenv(name, value)
    assert repr(TiliaClient.from_env()) == "<TiliaClient i at staging>"
    monkeypatch.delenv(missing)
    with pytest.raises(ConfigurationError, match=missing):
        TiliaClient.from_env()


def test_from_env_takes_what_it_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TILIA_CLIENT_ID", "TILIA_CLIENT_SECRET", "TILIA_ENVIRONMENT"):
        monkeypatch.delenv(name, raising=False)
    client = TiliaClient.from_env(client_id="i", client_secret="s", environment="production", timeout=5)
    assert repr(client) == "<TiliaClient i at production>"


def test_a_wrong_environment_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TILIA_ENVIRONMENT", "prodction")
    with pytest.raises(ConfigurationError, match=r"TILIA_ENVIRONMENT.*prodction"):
        TiliaClient.from_env(client_id="i", client_secret="s")


@pytest.mark.parametrize(
    "make",
    [
        lambda: RetryPolicy(attempts=0),
        lambda: RetryPolicy(attempts=True),
        lambda: RetryPolicy(initial=-1),
        lambda: RetryPolicy(maximum=float("nan")),
        lambda: Limits(connections=0),
        lambda: Limits(per_host=1.5),
        lambda: RequestOptions(timeout=0),
        lambda: RequestOptions(headers={"Authorization": "x"}),
        lambda: RequestOptions(headers={"X-A": "a\r\nX-B: b"}),
        lambda: TiliaClient("i", "s", "staging", timeout=-1),
        lambda: TiliaClient("i", "s", "staging", timeout=float("inf")),
        lambda: TiliaClient("i", "s", "staging", scopes="search_accounts"),
        lambda: TiliaClient("i", "s", "staging", scopes=["a,b"]),
        lambda: TiliaClient("i", "s", "staging", operations={"accounts.gte": None}),
    ],
)
def test_a_setting_that_cannot_be_meant_is_refused(make: object) -> None:
    with pytest.raises(ConfigurationError):
        make()


def test_the_client_is_not_for_a_plain_with() -> None:
    with pytest.raises(TypeError, match="tilia_sync"), TiliaClient("i", "s", "staging"):
        pass


def test_an_environment_is_checked_however_it_is_made() -> None:
    with pytest.raises(ConfigurationError, match="plain http"):
        Environment("mine", "http://example.com/{service}")
    with pytest.raises(ConfigurationError, match="plain http"):
        attrs.evolve(Environment.STAGING, template="http://{service}.example.com")


@pytest.mark.parametrize(
    "settings",
    [
        {"environment": None},
        {"environment": 7},
        {"environment": "http://127.0.0.1:1/{service}\n"},
        {"client_secret": b"secret"},
        {"client_secret": "sec\nret"},
        {"client_secret": "sec\udc80ret"},
        {"retry": 3},
        {"retry": None},
        {"limits": 5},
        {"limits": None},
        {"token_cache": {}},
        {"session": 5},
        {"operations": []},
        {"operations": {"accounts.get": 5}},
        {"scopes": 5},
        {"scopes": [None]},
        {"timeout": 10**400},
        {"timeout": None},
    ],
    ids=str,
)
def test_a_setting_of_the_wrong_type_is_refused_at_once(settings: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        TiliaClient(**{"client_id": "i", "client_secret": "s", "environment": "staging", **settings})
    assert "sec" not in str(caught.value).replace("client_secret", "").replace("SECRET", "").replace("seconds", "")


@pytest.mark.parametrize(
    "make",
    [
        lambda: Environment.at(None),
        lambda: Environment.at("http://127.0.0.1:1/{service}", services={"foo": "https://x.example"}),
        lambda: Environment.at("http://127.0.0.1:1/{service}", services={Service.PII: None}),
        lambda: RequestOptions(retry=3),
        lambda: RequestOptions(headers=["X"]),
        lambda: RequestOptions(headers={"X": 5}),
        lambda: RequestOptions(headers={"a b": "c"}),
        lambda: RequestOptions(headers={"": "c"}),
    ],
)
def test_other_settings_of_the_wrong_type(make: object) -> None:
    with pytest.raises(ConfigurationError):
        make()


@pytest.mark.parametrize("environment", ["S3CR3T-0b4fd0f4", "https://user:S3CR3T@host/", "S3CR3T@{service}"])
def test_a_secret_in_the_wrong_place_is_not_quoted(environment: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        TiliaClient("i", "staging", environment)
    assert "S3CR3T" not in str(caught.value)


def test_a_client_that_was_refused_can_be_printed() -> None:
    with pytest.raises(ConfigurationError) as caught:
        TiliaClient("i", "s", "nowhere")
    text = "".join(traceback.TracebackException.from_exception(caught.value, capture_locals=True).format())
    assert "not configured" in text


def test_headers_are_those_that_were_checked() -> None:
    """A request is written as it is, so a line break that came later would begin another header, or another request."""
    headers = {"X-Request": "one"}
    options = RequestOptions(headers=headers)
    headers["X-Request"] = "one\r\nX-Other: two"
    headers["Authorization"] = "Bearer x"
    assert options.headers == {"X-Request": "one"}
    with pytest.raises(TypeError):
        options.headers["X-Request"] = "two"  # type: ignore[index]  # for callers without a checker
