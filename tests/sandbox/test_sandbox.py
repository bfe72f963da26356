"""The sandbox by itself, over plain HTTP: it has to be right without the client's help."""

import asyncio
import socket
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import aiohttp
import aiohttp.web
import pytest
from support.plain import Http

from tilia_async import Money, Scope
from tilia_async.api import OPERATIONS
from tilia_async.sandbox import Fault, Sandbox
from tilia_async.sandbox.routing import Match, Router, names_of_route


@pytest.mark.asyncio
async def test_a_token(http: Http) -> None:
    status, answer = await http.token("search_accounts", "user_info")
    assert status == 200
    assert answer.keys() == {"access_token", "token_type", "expires_in", "scope"}
    assert (answer["token_type"], answer["expires_in"], answer["scope"]) == (
        "Bearer",
        3600,
        "search_accounts,user_info",
    )


@pytest.mark.asyncio
async def test_the_token_endpoint_takes_the_query_string_too(http: Http) -> None:
    query = {"client_id": http.sandbox.client_id, "client_secret": http.sandbox.client_secret,
             "grant_type": "client_credentials", "scope": "user_info"}  # fmt: skip
    async with http.session.post(http.url("auth/token"), params=query, json={"headers": {}}) as response:
        assert response.status == 200


@pytest.mark.asyncio
@pytest.mark.parametrize("changes", [{"client_secret": "x"}, {"client_id": "x"}, {"client_secret": ""}])
async def test_a_wrong_client_gets_the_captured_answer(http: Http, changes: Mapping[str, str]) -> None:
    status, answer = await http.token("user_info", **changes)
    assert status == 400
    assert answer == {
        "error": "server_error",
        "error_description": "The authorization server encountered an unexpected condition that prevented it from "
        "fulfilling the request.",
    }


@pytest.mark.asyncio
@pytest.mark.parametrize("changes", [{"grant_type": "password"}, {"scope": "no_such_scope"}])
async def test_a_grant_or_scope_that_is_not_given(http: Http, changes: Mapping[str, str]) -> None:
    status, _ = await http.token("user_info", **changes)
    assert status == 400


@pytest.mark.asyncio
async def test_scopes_are_enforced_and_tokens_expire(http: Http) -> None:
    account_id = await http.register("nyx")
    path = f"accounts/v1/{account_id}/user-info"
    assert (await http.call("GET", path, scopes=("block_accounts",)))[0] == 401
    assert (await http.call("GET", path, scopes=("search_accounts",)))[0] == 200
    _, granted = await http.token("search_accounts")
    headers = {"Authorization": f"Bearer {granted['access_token']}"}
    http.sandbox.clock.advance(3599)
    async with http.session.get(http.url(path), headers=headers) as response:
        assert response.status == 200
    http.sandbox.clock.advance(1)
    async with http.session.get(http.url(path), headers=headers) as response:
        assert response.status == 401
        assert (await response.json())["payload"] == {"error": "token is expired"}
    async with http.session.get(http.url(path)) as response:
        assert response.status == 401


@pytest.mark.asyncio
async def test_a_name_is_taken_once_whichever_way_it_is_registered(http: Http) -> None:
    name = "rook@mail.example"
    start = {"username": name, "password": "abcde1", "email": name}
    for _ in range(2):
        status, answer = await http.call("POST", "registration/v2/register", start)
        assert (status, answer["message"], answer["codes"]) == (201, None, None)
    first = answer["payload"]["registration_id"]
    status, answer = await http.call("PUT", f"registration/v2/register/{first}", {})
    assert status == 200
    account_id = answer["payload"]["account_id"]
    assert (await http.call("PUT", f"registration/v2/register/{first}", {}))[0] == 404
    assert (await http.call("POST", "registration/v2/register", start))[0] == 400
    status, answer = await http.call("POST", "accounts/register", {"username": name, "email": {"address": name}})
    assert (status, answer["status"], answer["payload"]["account_id"]) == (409, "Failure", account_id)
    assert answer["payload"]["email"]["address"] == name


@pytest.mark.asyncio
async def test_two_registrations_of_one_name_make_one_account(http: Http) -> None:
    name = "rook@mail.example"
    start = {"username": name, "password": "abcde1", "email": name}
    ids = [(await http.call("POST", "registration/v2/register", start))[1]["payload"]["registration_id"] for _ in "ab"]
    statuses = [(await http.call("PUT", f"registration/v2/register/{each}", {}))[0] for each in ids]
    assert statuses == [200, 400]
    assert len(http.sandbox.accounts) == 1


@pytest.mark.asyncio
async def test_wallets_appear_a_moment_after_the_registration() -> None:
    async with Sandbox(wallet_delay=30) as sandbox, aiohttp.ClientSession() as session:
        http = Http(sandbox, session)
        account_id = await http.register("nyx")
        path = f"payments/v1/{account_id}/payment_methods"
        assert (await http.call("GET", path))[1]["payload"] == []
        assert (await http.call("GET", f"wallets/balances/{account_id}"))[1]["payload"]["balances"] == {}
        sandbox.clock.advance(30)
        methods = (await http.call("GET", path))[1]["payload"]
        assert [(each["provider"], each["method_class"]) for each in methods] == [
            ("wallet", "registration"), ("wallet", "standard"), ("wallet", "convertible"),
        ]  # fmt: skip
        assert {each["payment_method_id"] for each in methods} == {""}
        assert methods[0]["psp_reference"] == methods[0]["provider_data"]["wallet_id"]


@pytest.mark.asyncio
async def test_balances_by_currency(http: Http) -> None:
    account_id = await http.register("nyx")
    http.sandbox.fund(account_id, Money(1234, "USD"))
    http.sandbox.fund(account_id, Money(500, "TOK"))
    http.sandbox.fund(account_id, Money(70, "TOK"), "convertible")
    balances = (await http.call("GET", f"wallets/balances/{account_id}"))[1]["payload"]["balances"]
    assert balances["USD"]["spendable"] == {"balance": "1234", "display": "$12.34"}
    assert "convertible" not in balances["USD"]
    assert balances["TOK"]["spendable"]["balance"] == "570"
    assert balances["TOK"]["convertible"]["balance"] == "70"
    only = (await http.call("GET", f"wallets/balances/{account_id}?currency=TOK"))[1]["payload"]["balances"]
    assert set(only) == {"TOK"}
    with pytest.raises(LookupError):
        http.sandbox.fund(account_id, Money(1, "EUR"))


@pytest.mark.asyncio
async def test_a_block_and_its_ends(http: Http) -> None:
    account_id = await http.register("nyx")
    user_info = f"accounts/v1/{account_id}/user-info"
    assert (await http.call("POST", f"{user_info}/block"))[1]["payload"] == {"is_blocked": True}
    assert (await http.call("GET", user_info))[1]["payload"]["is_blocked"] is True
    status, answer = await http.call("POST", "auth/authorize/user", {"account_id": account_id})
    assert (status, answer["payload"]) == (403, f"account is blocked ({account_id})")
    assert (await http.call("POST", f"{user_info}/unblock"))[1]["payload"] == {"is_blocked": False}
    http.sandbox.block_as_tilia(account_id)
    assert (await http.call("POST", f"{user_info}/block"))[0] == 200
    assert (await http.call("POST", f"{user_info}/unblock"))[0] == 403
    assert http.sandbox.accounts[account_id].is_blocked


@pytest.mark.asyncio
async def test_both_orders_of_the_path_lead_to_the_same(http: Http) -> None:
    account_id = await http.register("nyx")
    assert (await http.call("POST", f"accounts/v1/user-info/{account_id}/block"))[0] == 200
    assert (await http.call("GET", f"accounts/v1/user-info/{account_id}"))[1]["payload"]["is_blocked"] is True
    assert (await http.call("GET", "accounts/v1/user-info/search?username=nyx"))[1]["payload"]["username"] == "nyx"
    assert (await http.call("GET", f"payments/{account_id}/payment_methods"))[0] == 200


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "accounts/v1/nobody/user-info", 404),
        ("POST", "accounts/v1/nobody/user-info/block", 404),
        ("GET", "accounts/v1/user-info/search?username=nobody", 404),
        ("GET", "wallets/balances/nobody", 404),
        ("GET", "wallets/v2/wallet/nothing", 404),
        ("GET", "payments/v1/nobody/payment_methods", 200),
    ],
)
async def test_what_is_not_there(http: Http, method: str, path: str, status: int) -> None:
    found, answer = await http.call(method, path)
    assert found == status
    assert answer["status"] == ("Success" if status == 200 else "Failure")


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("path", "status"), [("accounts/nowhere", 404), ("nowhere", 404), ("", 404), ("accounts/register", 405)]
)
async def test_routes_that_are_none(http: Http, path: str, status: int) -> None:
    async with http.session.get(http.url(path)) as response:
        assert response.status == status


@pytest.mark.asyncio
async def test_a_body_that_is_no_json(http: Http) -> None:
    _, granted = await http.token("write_registrations")
    headers = {"Authorization": f"Bearer {granted['access_token']}"}
    async with http.session.post(http.url("accounts/register"), data=b"{", headers=headers) as response:
        answer = await response.json()
        assert (response.status, answer["codes"], answer["message"]) == (400, ["INPUT_ERROR"], ["input is invalid"])


@pytest.mark.asyncio
async def test_message_and_codes_are_missing_in_each_way_that_tilia_has(http: Http) -> None:
    account_id = await http.register("nyx")
    seen = [(await http.call("GET", f"accounts/v1/{account_id}/user-info"))[1] for _ in range(60)]
    for way in ({"message": []}, {"message": None}, {"message": [None]}, {}):
        wanted = {"status": "Success", **way, **({"codes": way["message"]} if way else {})}
        assert wanted in [{name: value for name, value in each.items() if name != "payload"} for each in seen]


@pytest.mark.asyncio
async def test_one_seed_makes_the_same_ids() -> None:
    async def ids(seed: int) -> list[str]:
        async with Sandbox(seed=seed) as sandbox, aiohttp.ClientSession() as session:
            http = Http(sandbox, session)
            return [sandbox.client_id, await http.register("nyx"), await http.register("rook")]

    assert await ids(1) == await ids(1)
    assert set(await ids(1)).isdisjoint(await ids(2))


FAULTS = {
    Fault.DROP_BEFORE_COMMIT: (None, 0),
    Fault.DROP_AFTER_COMMIT: (None, 1),
    Fault.HANG_BEFORE_COMMIT: (None, 0),
    Fault.HANG_AFTER_COMMIT: (None, 1),
    Fault.SLOW_BODY: (200, 1),
    Fault.BAD_GATEWAY: (502, 1),
    Fault.RATE_LIMITED: (429, 0),
    Fault.SERVER_ERROR_EMPTY: (500, 0),
    Fault.SERVER_ERROR_HTML: (500, 0),
    Fault.TRUNCATED_JSON: (200, 1),
    Fault.WRONG_CONTENT_TYPE: (200, 1),
    Fault.GATEWAY_BEFORE_COMMIT: (408, 0),
    Fault.GATEWAY_AFTER_COMMIT: (408, 1),
    Fault.PROXY_NOT_FOUND: (404, 0),
    Fault.OTHER_BODY_BEFORE_COMMIT: (200, 0),
    Fault.OTHER_BODY_AFTER_COMMIT: (200, 1),
    Fault.LATENCY: (200, 1),
    Fault.TOKEN_REVOKED: (401, 0),
    Fault.TOKEN_OUTAGE: (503, 0),
}


@pytest.mark.asyncio
@pytest.mark.parametrize("fault", FAULTS)
async def test_each_fault_does_what_its_name_says(http: Http, fault: Fault) -> None:
    expected_status, effects = FAULTS[fault]
    http.sandbox.faults.add("accounts.register", fault, seconds=0.05, retry_after=7)
    _, granted = await http.token(*Scope)
    headers = {"Authorization": f"Bearer {granted['access_token']}"}
    body = {"username": "nyx", "email": {"address": "nyx@mail.example"}}
    timeout = aiohttp.ClientTimeout(total=0.3 if "hang" in fault.value else 30)
    try:
        async with http.session.post(
            http.url("accounts/register"), json=body, headers=headers, timeout=timeout
        ) as response:
            status: int | None = response.status
            assert fault is not Fault.RATE_LIMITED or response.headers["Retry-After"] == "7"
            await response.read()
    except (aiohttp.ServerDisconnectedError, TimeoutError):
        status = None
    assert (status, len(http.sandbox.accounts)) == (expected_status, effects)
    assert http.sandbox.faults.pending == 0


@pytest.mark.asyncio
async def test_a_slow_body_takes_its_time_and_comes_whole(http: Http) -> None:
    http.sandbox.faults.add("auth.token", Fault.SLOW_BODY, seconds=0.2)
    started = asyncio.get_running_loop().time()
    status, granted = await http.token(*Scope)
    assert (status, granted["token_type"]) == (200, "Bearer")
    assert asyncio.get_running_loop().time() - started > 0.19


@pytest.mark.asyncio
async def test_the_date_of_an_answer_is_that_of_the_sandboxs_clock(http: Http) -> None:
    http.sandbox.clock.advance(90_000)
    async with http.session.get(http.url("nothing")) as response:
        told = parsedate_to_datetime(response.headers["Date"])
    assert 89_990 < (told - datetime.now(UTC)).total_seconds() <= 90_000


@pytest.mark.asyncio
async def test_faults_meet_as_many_requests_as_they_should(http: Http) -> None:
    faults = http.sandbox.faults
    faults.add("payment_methods.list", Fault.SERVER_ERROR_EMPTY, times=2)
    _, granted = await http.token(*Scope)
    headers = {"Authorization": f"Bearer {granted['access_token']}"}

    async def status() -> int:
        async with http.session.get(http.url("payments/v1/a/payment_methods"), headers=headers) as response:
            return response.status

    assert [await status() for _ in range(3)] == [500, 500, 200]
    faults.add("*", Fault.SERVER_ERROR_HTML, times=None)
    assert [await status() for _ in range(3)] == [500, 500, 500]
    faults.clear()
    faults.add("wallets.list", Fault.SERVER_ERROR_EMPTY)
    assert await status() == 500, "wallets.list shares its route with payment_methods.list"
    for wrong in (("accounts.blok", Fault.LATENCY, 1), ("accounts.block", Fault.LATENCY, 0)):
        with pytest.raises(ValueError, match="accounts.blok|times"):
            faults.add(*wrong)


@pytest.mark.asyncio
async def test_requests_are_remembered_and_not_shown(http: Http) -> None:
    await http.register("nyx")
    token, registration = http.sandbox.requests
    assert (token.operation, registration.operation) == ("auth.token", "accounts.register")
    assert (registration.method, registration.service, registration.path) == ("POST", "accounts", "/register")
    assert registration.json["username"] == "nyx"
    shown = repr([token, registration, http.sandbox])
    assert http.sandbox.client_secret not in shown
    assert registration.headers["Authorization"].split()[1] not in shown


@pytest.mark.asyncio
async def test_it_remembers_the_latest_only() -> None:
    async with Sandbox(record=5) as sandbox, aiohttp.ClientSession() as session:
        for _ in range(23):
            async with session.get(f"http://127.0.0.1:{sandbox.port}/x"):
                pass
        assert 5 <= len(sandbox.requests) < 10


@pytest.mark.asyncio
async def test_it_starts_and_stops() -> None:
    sandbox = Sandbox()
    with pytest.raises(RuntimeError, match="does not run"):
        _ = sandbox.port
    await sandbox.start()
    with pytest.raises(RuntimeError, match="runs already"):
        await sandbox.start()
    with pytest.raises(OSError, match="in use"):
        await Sandbox(sandbox.port).start()
    port = sandbox.port
    await sandbox.aclose()
    await sandbox.aclose()
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0
    assert asyncio.all_tasks() == {asyncio.current_task()}


def test_every_operation_is_served() -> None:
    router = Router()
    for operation in OPERATIONS.values():
        match = router.find(operation.method, operation.service, operation.path)
        assert isinstance(match, Match), operation.name
        assert operation.name in names_of_route(match.route.operation.name)


@pytest.mark.asyncio
async def test_a_client_that_has_gone_before_a_slow_body_begins_disturbs_nobody(
    http: Http, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def gone(*_: object) -> None:
        raise aiohttp.ClientConnectionResetError("Cannot write to closing transport")

    http.sandbox.faults.add("auth.token", Fault.SLOW_BODY)
    monkeypatch.setattr(aiohttp.web.StreamResponse, "prepare", gone)
    with pytest.raises(aiohttp.ClientError):
        await http.token()
    monkeypatch.undo()
    assert caplog.records == []
    assert (await http.token())[0] == 200
