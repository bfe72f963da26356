"""``tilia sandbox``: as it is asked for, and what is asked of one that runs."""

import asyncio
import json
import re
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest
from aiohttp import test_utils, web
from support.commands import TILIA, environment, run

import tilia_sync
from tilia_async import errors
from tilia_async.cli import sandbox_server
from tilia_async.cli.sandbox_control import seconds_of
from tilia_async.sandbox import Fault, RecordedRequest, RemoteSandbox
from tilia_async.webhooks import AccountBlockChanged, WebhookReceiver


@attrs.frozen
class Running:
    """A ``tilia sandbox`` in a process of its own."""

    process: subprocess.Popen[str]
    settings: dict[str, str]

    @property
    def url(self) -> str:
        return self.settings["TILIA_ENVIRONMENT"].removesuffix("/{service}")

    def client(self) -> tilia_sync.TiliaClient:
        return tilia_sync.TiliaClient(*self.settings.values())

    def lines(self, number: int) -> list[str]:
        return [self.process.stderr.readline().rstrip("\n") for _ in range(number)]

    def end(self, number: int = signal.SIGINT) -> int:
        self.process.send_signal(number)
        self.process.communicate(timeout=20)
        return self.process.returncode


@pytest.fixture
def begin() -> Iterator[object]:
    begun: list[subprocess.Popen[str]] = []

    def start(*arguments: str, **variables: str) -> Running:
        process = subprocess.Popen(
            [*TILIA, "sandbox", "--port", "0", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env=environment(variables),
        )  # fmt: skip
        begun.append(process)
        told = [re.fullmatch(r"export (\w+)='?([^'\n]+)'?\n", process.stdout.readline()) for _ in range(3)]
        running = Running(process, dict(each.groups() for each in told))
        assert running.lines(2)[1] == f"A browser shows it at {running.url}/_sandbox/"
        return running

    yield start
    for process in begun:
        if process.poll() is None:
            process.kill()
        process.communicate()


def test_it_is_as_it_was_asked_for(begin, tmp_path: Path) -> None:
    state = str(tmp_path / "state.json")
    first = begin(
        "--accounts",
        "3",
        "--state",
        state,
        "--fault",
        "accounts.get=drop_before_commit:2",
        "--fault",
        "accounts.find=rate_limited:always",
    )
    with first.client() as tilia, tilia_sync.RemoteSandbox(first.url) as remote:
        accounts = remote.accounts()
        assert [each.username for each in accounts.values()] == ["user-1", "user-2", "user-3"]
        assert [(each.operation, each.left) for each in remote.faults.scheduled()] == [
            ("accounts.get", 2),
            ("accounts.find", None),
        ]
        tilia.accounts.block(next(iter(accounts)))
        tilia.accounts.get(next(iter(accounts)))
        lines = first.lines(5)
    assert re.fullmatch(r"\d\d:\d\d:\d\d\.\d{3}  200      +\d+\.\d ms  auth\.token +POST /auth/token", lines[0])
    assert re.search(r"  dropped +\d+\.\d ms  accounts\.get .*/user-info  \[drop_before_commit\]$", lines[3])
    assert "canary" not in "".join(lines)
    assert first.end() == 0
    second = begin("--accounts", "1", "--state", state)
    assert {**second.settings, "TILIA_ENVIRONMENT": ""} == {**first.settings, "TILIA_ENVIRONMENT": ""}
    with tilia_sync.RemoteSandbox(second.url) as remote:
        assert [each.is_blocked for each in remote.accounts().values()] == [True, False, False]
    assert second.end(signal.SIGTERM) == 0


@pytest.mark.asyncio
async def test_a_receiver_that_asks_for_credentials_gets_them(begin) -> None:
    taken: asyncio.Queue[AccountBlockChanged] = asyncio.Queue()
    receiver = WebhookReceiver(basic_auth=("tilia", "a long:word"))
    receiver.on(AccountBlockChanged)(taken.put)
    app = web.Application()
    app.router.add_post("/tilia", receiver.aiohttp_handler)
    async with test_utils.TestServer(app) as server:
        url = str(server.make_url("/tilia"))
        running = await asyncio.to_thread(begin, "--webhook", url, TILIA_WEBHOOK_AUTH="tilia:a long:word")
        async with RemoteSandbox(running.url) as remote:
            account_id = await remote.add_account("nyx")
            await remote.block_as_tilia(account_id)
            await remote.notified()
        assert taken.get_nowait().account_id == account_id


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--fault", "accounts.block=drop_after_comit"), "did you mean drop_after_commit"),
        (("--fault", "accounts.block"), "there is no fault ''"),
        (("--fault", "accounts.block=latency:x"), "neither a number of requests nor 'always'"),
        (("--fault", "accounts.block=latency:0"), "is at least 1"),
        (("--webhook", "http://evil.example/"), "is not loopback"),
        (("--allowed-host", "a b"), "allowed_hosts"),
        (("--accounts", "-1"), "--accounts"),
        (("--state", "pyproject.toml"), "holds no state"),
        (("--state", "tests"), "cannot read tests"),
    ],
)
def test_mistakes_are_refused_in_words(arguments: tuple[str, ...], words: str) -> None:
    done = run({}, "sandbox", "--port", "0", *arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    assert words in " ".join(re.sub("[│╭╮╰╯─]", "", done.output).split())


def test_a_browser_is_opened_if_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr(sandbox_server.webbrowser, "open", opened.append)

    async def at_once() -> None:
        """End as if Ctrl-C came right away."""

    monkeypatch.setattr(sandbox_server, "until_signal", at_once)
    assert run({}, "sandbox", "--port", "0", "--open").exit_code == 0
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/_sandbox/", opened[0])


def ask(served: tilia_sync.Sandbox, *arguments: str, code: int = 0) -> str:
    done = run({"TILIA_SANDBOX_URL": served.url}, "sandbox", *arguments)
    assert done.exit_code == code, done.output
    return done.stdout if code == 0 else done.output


def test_one_that_runs_is_asked_and_steered(served: tilia_sync.Sandbox) -> None:
    account_id = served.add_account("nyx")
    assert "USD 12.50" in ask(served, "fund", account_id, "1250")
    assert served._sandbox._world.wallets_of(account_id)[0].balance == 1250
    ask(served, "fund", account_id, "7", "TOK", "--wallet", "convertible")
    assert json.loads(ask(served, "kyc", account_id, "DENY", "--json")) == {
        "account_id": account_id,
        "state": "DENY",
        "pii_level": "BASIC",
    }
    ask(served, "advance", "2h")
    assert served.clock.ahead == 7_200
    ask(served, "fault", "accounts.block", "drop_after_commit", "--times", "2")
    assert "latency" in ask(served, "fault", "*", "latency", "--always", "--seconds", "0")
    listed = json.loads(ask(served, "fault", "--json"))
    assert [(each["operation"], each["fault"], each["times"]) for each in listed] == [
        ("accounts.block", "drop_after_commit", 2),
        ("*", "latency", None),
    ]
    ask(served, "fault", "--clear")
    assert served.faults.pending == 0
    assert json.loads(ask(served, "trigger", "kyc-webhook", "--account", account_id))["state"] == "ACCEPT"
    assert json.loads(ask(served, "trigger", "payout-complete", "--message", '{"payout_status": "FAILED"}')) == {
        "payout_status": "FAILED"
    }
    with tilia_sync.TiliaClient(served.client_id, served.client_secret, served.environment) as tilia:
        tilia.accounts.get(account_id)
        with pytest.raises(errors.NotFoundError):
            tilia.accounts.get("nobody")
    told = ask(served, "requests")
    assert re.search(r"  404 .*  accounts\.get  +GET /accounts/v1/nobody/user-info$", told, re.MULTILINE)
    (chosen,) = json.loads(ask(served, "requests", "--operation", "accounts.get", "--limit", "1", "--json"))
    assert (chosen["status"], chosen["headers"]["Authorization"]) == (404, "***")
    # The operations of a route are one to the server.
    assert json.loads(ask(served, "requests", "--operation", "accounts.is_blocked", "--json"))[-1] == chosen
    none = run({"TILIA_SANDBOX_URL": served.url}, "sandbox", "requests", "--operation", "escrow.pay")
    assert none.stderr == "No request of escrow.pay has arrived yet.\n"
    ask(served, "reset")
    assert dict(served.accounts) == {}
    assert ask(served, "requests") == ""


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("fund", "nobody", "1"), 4, "there is no account 'nobody'"),
        (("requests", "--operation", "accounts.blok"), 2, "did you mean accounts.block"),
        (("kyc", "nobody"), 4, "there is no account 'nobody'"),
        (("advance", "soon"), 2, "a time is like 90, 30min, 1h or 2d"),
        (("advance", "1000000d"), 2, "forward"),
        (("fault", "accounts.block", "latncy"), 2, "did you mean latency"),
        (("fault", "accounts.block"), 2, "an operation and a fault"),
        (("fault", "accounts.block", "latency", "--clear"), 2, "--clear alone"),
        (("trigger", "nothing"), 2, "kyc-webhook"),
        (("trigger", "kyc-webhook", "--message", "[1]"), 2, "a message is a JSON object"),
        (("reset", "--url", "http://127.0.0.1:1"), 5, "no sandbox answers at http://127.0.0.1:1"),
        (("reset", "--url", "nonsense"), 2, "the URL of a sandbox"),
    ],
)
def test_what_it_refuses_is_shown(
    served: tilia_sync.Sandbox, arguments: tuple[str, ...], code: int, words: str
) -> None:
    told = run({"TILIA_SANDBOX_URL": served.url}, "sandbox", *arguments)
    assert told.exit_code == code, told.output
    assert words in " ".join(re.sub("[│╭╮╰╯─]", "", told.output).split())


def test_requests_are_followed_until_ctrl_c(served: tilia_sync.Sandbox) -> None:
    command = [*TILIA, "sandbox", "requests", "--follow", "--json", "--url", served.url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as following:
        while not served._sandbox._feed.watchers:
            threading.Event().wait(0.02)
        with tilia_sync.TiliaClient(served.client_id, served.client_secret, served.environment) as tilia:
            tilia.accounts.is_blocked(served.add_account("nyx"))
        told = [json.loads(following.stdout.readline()) for _ in range(2)]
        following.send_signal(signal.SIGINT)
        _, stderr = following.communicate(timeout=20)
    assert [each["operation"] for each in told] == ["auth.token", "accounts.get"]
    assert (following.returncode, stderr) == (0, "")


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("1.5h", 5_400), ("30 min", 1_800), ("2d", 172_800), ("5m", 300), ("7s", 7)]
)
def test_times_have_units(text: str, seconds: float) -> None:
    assert seconds_of(text) == seconds


def test_what_it_did_outlives_its_death(begin, tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    first = begin("--state", str(state))
    with first.client() as tilia:
        account_id = tilia.accounts.register("nyx", email="nyx@mail.example").account_id
    until = time.monotonic() + 20
    while account_id not in (state.read_text() if state.exists() else ""):
        assert time.monotonic() < until
        time.sleep(0.02)
    assert first.end(signal.SIGKILL) == -signal.SIGKILL
    with begin("--state", str(state)).client() as tilia:
        assert tilia.accounts.get(account_id).username == "nyx"


@pytest.mark.parametrize("width", [40, 80, 120, 200, None])
def test_no_id_of_a_request_is_folded(width: int | None) -> None:
    path = "/v1/acct_2zkoZveOEZ6tOQU2i7bYAVnRrgM/user-info/block"
    request = RecordedRequest(
        "accounts.block", "POST", "accounts", path, "", {}, b"", status=200, elapsed=1, fault=Fault.LATENCY
    )
    lines = sandbox_server.lines_of(request, width)
    assert f"  POST /accounts{path}" in lines[-1]
    assert "[latency]" in lines[0]
    if width is None or width > 150:
        assert len(lines) == 1
    elif width >= 80:
        assert max(map(len, lines)) <= width


@pytest.mark.parametrize(
    ("amount", "told"),
    [
        ("12.50", "'12.50' is no whole number of the smallest unit: 12.50 USD are 1250"),
        ("12,5", "'12,5' is no whole number of the smallest unit: 12.5 USD are 1250"),
        ("ten", "'ten' is no whole number of the smallest unit"),
        ("-1", "No such option"),
    ],
)
def test_a_decimal_amount_is_no_amount(amount: str, told: str) -> None:
    done = run({}, "sandbox", "fund", "acct_1", amount)
    assert (done.exit_code, told in done.stderr) == (2, True)
