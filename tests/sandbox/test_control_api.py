"""The sandbox's door for other processes: JSON under /_sandbox/v1, for whoever may command it."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import attrs
import pytest
import pytest_asyncio
from support.plain import Http

from tilia_async import TiliaClient
from tilia_async.openapi import document
from tilia_async.sandbox import Fault, Sandbox, event_feed, server
from tilia_async.sandbox.control import api

BASE = "_sandbox/v1"


@attrs.define
class Control:
    """Plain requests to the control API."""

    http: Http

    async def ask(
        self, method: str, path: str, body: object = None, **options: object
    ) -> tuple[int, dict[str, object]]:
        url = self.http.url(f"{BASE}{path}")
        async with self.http.session.request(method, url, json=body, **options) as answer:
            return answer.status, await answer.json()

    async def told(self, method: str, path: str, body: object = None) -> dict[str, object]:
        status, answer = await self.ask(method, path, body)
        assert status == 200, answer
        return answer


@pytest_asyncio.fixture
async def control(http: Http) -> AsyncIterator[Control]:
    yield Control(http)


@pytest.mark.asyncio
async def test_a_program_learns_where_it_is_and_who_it_is(sandbox: Sandbox, control: Control) -> None:
    about = await control.told("GET", "")
    assert about["environment"] == sandbox.environment.template
    assert about["client_id"] == sandbox.client_id
    assert "drop_after_commit" in about["faults"]
    assert len(about["event_names"]) == 13
    assert sandbox.client_secret not in json.dumps(about)
    assert (await control.told("GET", "/credentials"))["client_secret"] == sandbox.client_secret


@pytest.mark.asyncio
async def test_requests_are_listed_without_their_secrets(
    sandbox: Sandbox, control: Control, tilia: TiliaClient
) -> None:
    await tilia.registration.start("nyx@mail.example", "canary-pw1", "nyx@mail.example")
    account_id = sandbox.add_account("nyx")
    token = await tilia.auth.create_user_token(account_id)
    redirect = await tilia.auth.create_redirect(account_id)
    told = await control.told("GET", "/requests")
    text = json.dumps(told)
    issued = list(sandbox._tokens._tokens)
    secrets = [
        sandbox.client_secret,
        "canary-pw1",
        token.access_token,
        redirect.redirect,
        *issued,
        *sandbox._world.nonces,
    ]
    assert not [secret for secret in secrets if secret in text]
    start = next(each for each in told["requests"] if each["operation"] == "registration.start")
    assert start["body"]["username"] == "nyx@mail.example"
    assert start["body"]["password"] == "***"
    assert start["headers"]["Authorization"] == "***"
    assert (start["method"], start["template"], start["status"]) == ("POST", "/auth/v1/register/start", 201) or start[
        "status"
    ] == 201
    assert start["ms"] >= 0
    assert await control.told("GET", f"/requests/{start['number']}") == start


@pytest.mark.asyncio
async def test_any_request_can_be_shown(sandbox: Sandbox, control: Control) -> None:
    deep = "[" * 500 + "]" * 500
    bodies = [
        b"",
        b"\xff\xfe",
        deep.encode(),
        b'{"a":"\\ud800"}',
        b"7",
        b"grant_type=x&client_secret=canary&password=canary",
    ]
    for body in bodies:
        url = control.http.url("accounts/v1/%ff/x?q=%ff&client_secret=canary")
        async with control.http.session.post(url, data=body, headers={"X-Odd": "\udcff", "Cookie": "canary"}) as answer:
            assert answer.status == 404
    told = (await control.told("GET", "/requests"))["requests"]
    assert [each["body"] for each in told] == [
        "", "\ufffd\ufffd", deep, '{"a":"\\ud800"}', 7, "grant_type=x&client_secret=***&password=***"
    ]  # fmt: skip
    assert "canary" not in json.dumps(told)


@pytest.mark.asyncio
async def test_requests_are_listed_in_parts(sandbox: Sandbox, control: Control, tilia: TiliaClient) -> None:
    account_id = sandbox.add_account("nyx")
    for _ in range(5):
        await tilia.accounts.get(account_id)
    first = (await control.told("GET", "/requests?after=0&limit=2"))["requests"]
    assert [each["number"] for each in first] == [1, 2]
    assert [each["number"] for each in (await control.told("GET", "/requests?after=4"))["requests"]] == [5, 6]
    assert [each["number"] for each in (await control.told("GET", "/requests?limit=2"))["requests"]] == [5, 6]
    chosen = (await control.told("GET", "/requests?operation=auth.token"))["requests"]
    assert [each["number"] for each in chosen] == [1]
    await control.told("DELETE", "/requests")
    assert sandbox.requests == []
    assert (await control.ask("GET", "/requests/1"))[0] == 404
    assert (await control.ask("GET", "/requests?limit=-1"))[0] == 400


@pytest.mark.asyncio
async def test_the_api_itself_is_outside_of_everything(sandbox: Sandbox, control: Control) -> None:
    sandbox.faults.add("*", Fault.SERVER_ERROR_EMPTY, None)
    await control.told("GET", "/accounts")
    assert sandbox.requests == []
    async with control.http.session.get(control.http.url("accounts/v1/x/user-info")) as answer:
        assert answer.status == 401
    assert len(sandbox.requests) == 1


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
    ],
)
@pytest.mark.parametrize("path", ["/_sandbox/", f"/{BASE}/requests", f"/{BASE}/events", f"/{BASE}/credentials"])
async def test_foreign_pages_and_names_are_refused(control: Control, headers: dict[str, str], path: str) -> None:
    async with control.http.session.get(control.http.url(path[1:]), headers=headers) as answer:
        assert answer.status == 403
    async with control.http.session.post(
        control.http.url(f"{BASE}/clock"), json={"seconds": 1}, headers=headers
    ) as answer:
        assert answer.status == 403


@pytest.mark.asyncio
@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
@pytest.mark.parametrize("path", ["/clock", "/reset", "/notified", "/faults"])
async def test_what_a_form_could_send_is_refused(sandbox: Sandbox, control: Control, kind: str, path: str) -> None:
    status, answer = await control.ask("POST", path, {"seconds": 7}, headers={"Content-Type": kind})
    assert status == 415
    assert "application/json" in answer["error"]["message"]
    assert sandbox.clock.ahead == 0


@pytest.mark.asyncio
async def test_accounts_are_made_funded_checked_and_blocked(sandbox: Sandbox, control: Control) -> None:
    made = await control.told("POST", "/accounts", {"username": "nyx", "email": "nyx@mail.example"})
    account_id = made["account_id"]
    await control.told("POST", "/fund", {"account_id": account_id, "amount": 250, "currency": "USD"})
    await control.told(
        "POST", "/fund", {"account_id": account_id, "amount": 9, "currency": "TOK", "wallet": "convertible"}
    )
    await control.told("POST", "/kyc", {"account_id": account_id})
    await control.told("POST", "/tos", {"account_id": account_id})
    method = await control.told("POST", "/payment-methods", {"account_id": account_id, "kind": "paypal"})
    await control.told("POST", f"/accounts/{account_id}/block", {})
    told = await control.told("GET", f"/accounts/{account_id}")
    assert [(each["kind"], each["balance"]) for each in told["wallets"]] == [
        ("registration", 250),
        ("standard", 0),
        ("convertible", 9),
    ]
    assert [each["id"] for each in told["payment_methods"]] == [method["id"]]
    assert (told["kyc"]["state"], told["signed_tos"], told["is_blocked"]) == ("ACCEPT", True, True)
    assert told["blocks"][0]["issuer"] == "tilia"
    sandbox.add_account("vex")
    listed = await control.told("GET", "/accounts?limit=1")
    assert (listed["total"], [each["username"] for each in listed["accounts"]]) == (2, ["vex"])
    assert (await control.told("GET", "/accounts?search=NYX@"))["total"] == 1


@pytest.mark.asyncio
async def test_faults_come_and_go(sandbox: Sandbox, control: Control) -> None:
    await control.told("POST", "/faults", {"operation": "accounts.block", "fault": "DROP_AFTER_COMMIT", "times": 2})
    told = await control.told("POST", "/faults", {"operation": "*", "fault": "latency", "times": None, "seconds": 0.5})
    assert [(each["fault"], each["times"], each["seconds"]) for each in told["faults"]] == [
        ("drop_after_commit", 2, 1.0),
        ("latency", None, 0.5),
    ]
    assert sandbox.faults.pending == 2
    assert await control.told("DELETE", "/faults") == {"faults": []}
    assert sandbox.faults.pending == 0


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("path", "body", "status", "kind", "words"),
    [
        ("/faults", {"operation": "accounts.block", "fault": "drop_after_comit"}, 400, "InvalidRequestError", "did you mean drop_after_commit"),
        ("/faults", {"operation": "accounts.blck", "fault": "latency"}, 400, "InvalidRequestError", "accounts.block"),
        ("/faults", {"operation": "accounts.block", "fault": "latency", "time": 3}, 400, "InvalidRequestError", "time: is not known"),
        ("/faults", {}, 400, "InvalidRequestError", "operation: is required"),
        ("/fund", {"account_id": "nobody", "amount": 1, "currency": "USD"}, 404, "KeyError", "there is no account"),
        ("/fund", {"account_id": "nobody", "amount": 1.5, "currency": "USD"}, 400, "InvalidRequestError", "amount"),
        ("/fund", {"account_id": "nobody", "amount": True, "currency": "USD"}, 400, "InvalidRequestError", "amount"),
        ("/fund", {"account_id": "nobody", "amount": 2**63, "currency": "USD"}, 400, "ValueError", "nobody has more"),
        ("/trigger", {"event_name": "kyc-webhook", "message": {"deep": json.loads("[" * 150 + "]" * 150)}}, 400, "ValueError", "nested too deeply"),
        ("/kyc", {"account_id": "nobody"}, 404, "KeyError", "no account 'nobody'"),
        ("/payment-methods", {"account_id": "nobody", "kind": "cheque"}, 400, "ValueError", "cheque"),
        ("/accounts/nobody/block", {}, 404, "KeyError", "nobody"),
        ("/payouts/nothing/hold", {}, 404, "KeyError", "nothing"),
        ("/clock", {"seconds": -1}, 400, "ValueError", "forward"),
        ("/clock", {"seconds": 1e300}, 400, "ValueError", "forward"),
        ("/clock", [1], 400, "ValueError", "JSON object"),
        ("/webhooks", {"url": "http://evil.example/"}, 400, "ConfigurationError", "loopback"),
        ("/webhooks", {"url": "http://127.0.0.1:1/", "events": ["nothing"]}, 400, "ConfigurationError", "nothing"),
        ("/webhooks", {"url": "http://127.0.0.1:1/", "basic_auth": "x"}, 400, "InvalidRequestError", "basic_auth"),
        ("/trigger", {"event_name": "nothing"}, 400, "ValueError", "kyc-webhook"),
        ("/trigger", {"event_name": "kyc-webhook", "account_id": "nobody"}, 404, "KeyError", "nobody"),
        ("/accounts", {"username": ""}, 400, "ValueError", "1 to 64"),
        ("/nothing", {}, 404, "LookupError", "nothing"),
        ("/requests", {}, 405, "LookupError", "POST"),
        ("/events", {}, 405, "LookupError", "POST"),
    ],
)  # fmt: skip
async def test_mistakes_are_refused_in_words(
    control: Control, path: str, body: object, status: int, kind: str, words: str
) -> None:
    found, answer = await control.ask("POST", path, body)
    assert (found, answer["error"]["type"]) == (status, kind)
    assert words in answer["error"]["message"]


@pytest.mark.asyncio
async def test_the_clock_goes_on(sandbox: Sandbox, control: Control, tilia: TiliaClient) -> None:
    account_id = sandbox.add_account("nyx")
    await tilia.accounts.get(account_id)
    told = await control.told("POST", "/clock", {"seconds": 7200})
    assert told["ahead"] == 7200
    await tilia.accounts.get(account_id)
    assert [request.status for request in sandbox.requests] == [200, 200, 401, 200, 200]


async def events_of(stream: aiohttp.ClientResponse, number: int) -> list[tuple[int, str, object]]:
    found: list[tuple[int, str, object]] = []
    fields: dict[str, str] = {}
    while len(found) < number:
        line = (await stream.content.readline()).decode().rstrip("\n")
        if line:
            name, _, value = line.partition(": ")
            fields[name] = value
        elif "data" in fields:
            found.append((int(fields["id"]), fields["event"], json.loads(fields["data"])))
            fields = {}
    return found


@pytest.mark.asyncio
async def test_events_come_as_they_happen_and_after_the_last_that_was_seen(
    sandbox: Sandbox, control: Control, tilia: TiliaClient
) -> None:
    account_id = sandbox.add_account("nyx")
    sandbox.faults.add("accounts.get", Fault.LATENCY, seconds=0)
    session, url = control.http.session, control.http.url(f"{BASE}/events")
    async with session.get(url) as live:
        assert live.content_type == "text/event-stream"
        await live.content.readline()
        await tilia.accounts.get(account_id)
        await control.told("POST", "/clock", {"seconds": 1})
        seen = await events_of(live, 4)
    assert [name for _, name, _ in seen] == ["request"] * 3 + ["state"]
    # One that waits is told twice.
    arrived, answered = seen[1][2], seen[2][2]
    assert (seen[0][2]["operation"], seen[0][2]["status"]) == ("auth.token", 200)
    assert (arrived["operation"], arrived["status"], arrived["fault"]) == ("accounts.get", None, "latency")
    assert (answered["number"], answered["status"]) == (arrived["number"], 200)
    async with session.get(url, headers={"Last-Event-ID": str(seen[1][0])}) as again:
        assert await events_of(again, 2) == seen[2:]
    async with session.get(f"{url}?after=0") as everything:
        assert (await events_of(everything, 6))[2:] == seen


@pytest.mark.asyncio
async def test_what_is_changed_in_the_process_itself_is_published(sandbox: Sandbox) -> None:
    seen = sandbox._feed.last
    account_id = sandbox.add_account("nyx")
    sandbox.clock.advance(1)
    sandbox.faults.add("*", Fault.LATENCY)
    sandbox.faults.clear()
    sandbox.sign_tos(account_id)
    await asyncio.to_thread(sandbox.block_as_tilia, account_id)
    assert [event.name for event in sandbox._feed.after(seen)] == ["state"] * 6


@pytest.mark.asyncio
async def test_who_comes_back_too_late_has_to_load_anew(
    sandbox: Sandbox, control: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed = sandbox._feed
    for number in range(event_feed.MOST_EVENTS + 10):
        feed.publish("state", {"number": number})
    assert [(each.number, each.name) for each in feed.after(3)][:2] == [(10, "reset"), (11, "state")]
    assert len(feed.after(3)) == event_feed.MOST_EVENTS + 1
    assert feed.after(feed.last) == []
    # A number from before the sandbox was started anew.
    assert feed.after(10**9)[0].name == "reset"
    async with control.http.session.get(control.http.url(f"{BASE}/events"), headers={"Last-Event-ID": "x"}) as stream:
        assert (await events_of(stream, 1))[0][1] == "reset"
    monkeypatch.setattr(api, "MOST_WATCHERS", 0)
    assert (await control.ask("GET", "/events"))[0] == 503


async def nobody_watches(sandbox: Sandbox) -> None:
    while sandbox._feed.watchers:  # noqa: ASYNC110 - a server tells nobody that its client has gone
        await asyncio.sleep(0.001)


@pytest.mark.asyncio
async def test_a_stream_ends_with_its_client_and_with_the_sandbox(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "_HEARTBEAT", 0.01)
    async with aiohttp.ClientSession() as session, Sandbox() as sandbox:
        url = f"{sandbox.url}/{BASE}/events"
        async with session.get(url) as gone:
            await gone.content.readline()
            assert sandbox._feed.watchers == 1
        await nobody_watches(sandbox)
        stays = await session.get(url)
        await stays.content.readline()
        await sandbox.aclose()
        await nobody_watches(sandbox)
        stays.close()


def test_the_page_for_people_names_each_request() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "sandbox.md").read_text("utf-8")
    named = set(re.findall(r"^\| `(\w+) (/[^`]*)`", page, re.MULTILINE))
    waiting = {("GET", "/events"), ("POST", "/reset"), ("POST", "/notified")}
    assert named == {(route.method, route.path or "/_sandbox/v1") for route in api.ROUTES} | waiting


def test_no_page_is_shown_where_it_could_be_framed() -> None:
    from tilia_async.sandbox.control.inspector import page

    assert page("GET", "/_sandbox").headers["Location"] == "/_sandbox/"
    assert page("POST", "/_sandbox/").status == 405
    for path in ("/_sandbox/../server.py", "/_sandbox/%2e%2e/server.py", "/_sandbox/nothing.js", "/_sandbox/v2"):
        assert page("GET", path).status == 404
    assert "frame-ancestors 'none'" in page("GET", "/_sandbox/").headers["Content-Security-Policy"]
    assert server.Sandbox is Sandbox


@pytest.mark.asyncio
async def test_the_api_is_described_with_this_sandbox_as_its_server(sandbox: Sandbox, control: Control) -> None:
    assert await control.told("GET", "/openapi.json") == document(sandbox.environment)
