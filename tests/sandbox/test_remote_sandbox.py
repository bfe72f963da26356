"""A sandbox in another process, steered as if it were in this one."""

import asyncio
import inspect
import socket
import threading
from collections.abc import AsyncIterator, Iterator

import aiohttp
import attrs
import pytest
import pytest_asyncio
from aiohttp import web

import tilia_async.sandbox
import tilia_sync
from tilia_async import Money, Secret, TiliaClient
from tilia_async.errors import ConfigurationError, InvalidRequestError
from tilia_async.sandbox import Fault, RemoteSandbox
from tilia_async.tokens import TokenCache

PAIRS = [(tilia_async.sandbox.Sandbox, RemoteSandbox), (tilia_sync.Sandbox, tilia_sync.RemoteSandbox)]
ONLY_WHERE_IT_RUNS = {"port"}


@pytest.fixture
def running() -> Iterator[tilia_sync.Sandbox]:
    with tilia_sync.Sandbox(wallet_delay=0) as sandbox:
        yield sandbox


@pytest_asyncio.fixture
async def remote(running: tilia_sync.Sandbox) -> AsyncIterator[RemoteSandbox]:
    async with RemoteSandbox(f"{running.url}/") as sandbox:
        yield sandbox


def names(owner: type) -> set[str]:
    return {name for name in dir(owner) if not name.startswith("_")}


@pytest.mark.parametrize(("local", "remote"), PAIRS)
def test_it_has_the_methods_of_a_sandbox(local: type, remote: type) -> None:
    assert names(local) - ONLY_WHERE_IT_RUNS <= names(remote) | vars(remote()).keys()
    for name in names(local) & names(remote):
        ours, theirs = getattr(local, name), getattr(remote, name)
        if inspect.isfunction(ours) and inspect.isfunction(theirs):
            assert inspect.signature(theirs).parameters == inspect.signature(ours).parameters, name


@pytest.mark.asyncio
async def test_what_is_done_from_afar_is_done(remote: RemoteSandbox, running: tilia_sync.Sandbox) -> None:
    client = TiliaClient(remote.client_id, remote.client_secret, remote.environment, token_cache=TokenCache())
    async with client as tilia:
        account_id = await remote.add_account("nyx", "nyx@mail.example")
        await remote.fund(account_id, Money(500, "USD"))
        await remote.set_kyc(account_id)
        await remote.sign_tos(account_id)
        paypal = await remote.add_payment_method(account_id, "paypal")
        source = (await tilia.wallets.list(account_id))[0]
        payout = await tilia.payouts.request(account_id, source.id, paypal, Money(500, "USD"))
        await remote.hold_payout(payout.payout_status_id)
        await remote.faults.add("accounts.get", Fault.LATENCY, seconds=0)
        assert await remote.faults.pending() == 1
        await tilia.accounts.get(account_id)
        before = await remote.clock.now()
        await remote.clock.advance(100_000)
        assert await remote.clock.now() - before >= 100_000
        assert (await tilia.payouts.get(account_id, payout.payout_status_id)).status == "FUNDS-IN-ESCROW-ON-HOLD"
        await remote.revoke_tokens()
        await tilia.accounts.get(account_id)
        await remote.block_as_tilia(account_id)
        accounts = await remote.accounts()
        assert accounts[account_id].kyc == running.accounts[account_id].kyc
        assert (accounts[account_id].blocks, accounts[account_id].is_blocked) == (
            running.accounts[account_id].blocks,
            True,
        )
        assert {each: wallet.balance for each, wallet in (await remote.publisher_wallets()).items()} == {
            each: wallet.balance for each, wallet in running.publisher_wallets.items()
        }
        told, true = await remote.requests(), running.requests
        shown = ("number", "operation", "method", "path", "template", "status", "fault", "lies", "dropped")
        assert [[getattr(each, name) for name in shown] for each in told] == [
            [getattr(each, name) for name in shown] for each in true
        ]
        assert [each for each in told if each.fault] == [
            next(each for each in told if each.operation == "accounts.get")
        ]
        assert next(each for each in told if each.operation == "payouts.request").json["amount"] == 500
        assert client_secret_is_hidden(told, running)
        await remote.forget_requests()
        assert await remote.requests() == running.requests == []
        await remote.reset()
        assert await remote.accounts() == {}


def client_secret_is_hidden(told: list[object], running: tilia_sync.Sandbox) -> bool:
    return not any(running.client_secret.encode() in each.body or "Bearer" in str(each.headers) for each in told)


def test_the_synchronous_one_does_the_same(running: tilia_sync.Sandbox) -> None:
    with tilia_sync.RemoteSandbox(running.url) as remote:
        for sandbox in (running, remote):
            account_id = sandbox.add_account(type(sandbox).__name__)
            sandbox.fund(account_id, Money(500, "USD"))
            sandbox.set_kyc(account_id)
            sandbox.sign_tos(account_id)
            assert sandbox.add_payment_method(account_id).startswith("pm_")
            sandbox.block_as_tilia(account_id)
            sandbox.faults.add("accounts.block", "drop_after_commit")
            assert remote.faults.pending() == running.faults.pending == 1
            (theirs,), (ours,) = remote.faults.scheduled(), running.faults.scheduled
            assert attrs.asdict(theirs) == attrs.asdict(ours)
            sandbox.faults.clear()
            sandbox.clock.advance(10)
            sandbox.revoke_tokens()
            assert remote.accounts()[account_id].is_blocked
            sandbox.register_webhook("http://127.0.0.1:9/secret-path", events=["kyc-webhook"])
            assert sandbox.trigger("kyc-webhook", account_id)["state"] == "ACCEPT"
            sandbox.notified()
            assert remote.notifications()[-1].answers == running.notifications[-1].answers == [None] * 6
            assert "/secret-path" not in str([each.url for each in remote.notifications()])
            credentials = (sandbox.client_id, sandbox.client_secret, sandbox.environment)
            with tilia_sync.TiliaClient(*credentials, token_cache=TokenCache()) as tilia:
                tilia.accounts.get(account_id)
            assert remote.requests()[-1].operation == "accounts.get"
            assert sandbox.publisher_account_id
            assert set(remote.publisher_wallets()) == {"USD", "TOK"}
            with pytest.raises(KeyError, match="nobody"):
                sandbox.sign_tos("nobody")
            with pytest.raises(LookupError):
                sandbox.hold_payout("nothing")
            with pytest.raises(InvalidRequestError, match="did you mean latency") as refused:
                sandbox.faults.add("*", "latncy")
            assert list(refused.value.problems) == ["fault"]
            with pytest.raises(ConfigurationError, match="loopback"):
                sandbox.register_webhook("http://evil.example/canary")
            sandbox.reset()
            assert (remote.accounts(), remote.requests(), remote.notifications()) == ({}, [], [])
            assert remote.clock.now() == pytest.approx(running.clock.now(), abs=5)


@pytest.mark.asyncio
async def test_requests_can_be_followed(remote: RemoteSandbox, running: tilia_sync.Sandbox) -> None:
    seen = remote.follow()
    first = asyncio.ensure_future(anext(seen))
    while not running._sandbox._feed.watchers:  # noqa: ASYNC110 - a server tells nobody that it has a client
        await asyncio.sleep(0.001)
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{running.url}/accounts/v1/nobody/user-info") as answer:
            assert answer.status == 401
    request = await first
    assert (request.operation, request.status, request.headers) == ("accounts.get", 401, {})
    following = asyncio.ensure_future(anext(seen))
    await asyncio.to_thread(running.close)
    with pytest.raises(ConnectionError, match=r"has ended|no sandbox answers"):
        await following
    await seen.aclose()


def test_requests_can_be_followed_without_a_loop(running: tilia_sync.Sandbox) -> None:
    with tilia_sync.RemoteSandbox(running.url) as remote:
        seen = remote.follow()
        found: list[object] = []
        reader = threading.Thread(target=lambda: found.append(next(seen)))
        reader.start()
        with tilia_sync.TiliaClient(remote.client_id, remote.client_secret, remote.environment) as tilia:
            while reader.is_alive():
                tilia.accounts.is_blocked(running.add_account(f"nyx-{len(running.accounts)}"))
        reader.join()
        assert found[0].status == 200
        seen.close()


@pytest.mark.asyncio
async def test_who_follows_hears_of_the_end() -> None:
    async with tilia_async.sandbox.Sandbox() as sandbox:
        seen = sandbox.follow()
        following = asyncio.ensure_future(anext(seen, None))
        await asyncio.sleep(0)
    assert await following is None
    async with sandbox, aiohttp.ClientSession() as session:
        following = asyncio.ensure_future(anext(sandbox.follow()))
        async with session.get(f"{sandbox.url}/accounts/v1/nobody/user-info"):
            assert (await following).status == 401


def test_who_follows_in_another_thread_hears_of_the_end() -> None:
    with tilia_sync.Sandbox() as sandbox:
        seen: list[object] = []
        following = threading.Thread(target=lambda: seen.extend(sandbox.follow()))
        following.start()
        while not sandbox._sandbox._feed.watchers:
            threading.Event().wait(0.01)
    following.join()
    assert seen == []


@pytest.mark.asyncio
async def test_where_no_sandbox_is_a_sentence_says_so() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(
        ConnectionError,
        match=rf"no sandbox answers at http://127.0.0.1:{port}: Connection refused\. Start one with 'tilia sandbox'",
    ):
        await RemoteSandbox(f"http://127.0.0.1:{port}").start()

    async def other(_request: web.BaseRequest) -> web.Response:
        return web.Response(status=404, text="nothing here")

    runner = web.ServerRunner(web.Server(other, access_log=None), shutdown_timeout=0.05)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    with pytest.raises(ConnectionError, match="answers 404, and not as a sandbox"):
        await RemoteSandbox(f"http://127.0.0.1:{runner.addresses[0][1]}").start()
    await runner.cleanup()


@pytest.mark.parametrize(
    "url", ["", "127.0.0.1:8411", "https://127.0.0.1:8411", "http://127.0.0.1:8411/x", "http://", "http://a:b", "http://u@h", "http://h?x", "http://[::1"]
)  # fmt: skip
def test_what_is_no_url_of_a_sandbox_is_refused(url: str) -> None:
    for package in (RemoteSandbox, tilia_sync.RemoteSandbox):
        with pytest.raises(ValueError, match="the URL of a sandbox"):
            package(url)


@pytest.mark.asyncio
async def test_what_is_not_known_before_the_start_is_an_error() -> None:
    remote = RemoteSandbox()
    for name in ("client_id", "client_secret", "publisher_account_id"):
        with pytest.raises(RuntimeError, match="async with"):
            getattr(remote, name)
    with pytest.raises(RuntimeError, match="not open"):
        await remote.requests()
    with pytest.raises(RuntimeError, match="in tilia_sync 'with'"):
        await asyncio.to_thread(tilia_sync.RemoteSandbox().requests)
    await remote.aclose()


def test_an_amount_without_a_currency_is_refused(running: tilia_sync.Sandbox) -> None:
    with tilia_sync.RemoteSandbox(running.url) as remote:
        for sandbox in (running, remote):
            account_id = sandbox.add_account(type(sandbox).__name__)
            with pytest.raises(TypeError, match=r"such as Money\(1250, 'USD'\) for USD 12.50, not 500"):
                sandbox.fund(account_id, 500)
            with pytest.raises(LookupError, match="there is no account 'nobody'"):
                sandbox.fund("nobody", Money(500, "USD"))


@pytest.mark.asyncio
async def test_a_refused_webhook_leaves_no_secret_in_frames(remote: RemoteSandbox) -> None:
    with pytest.raises(ConfigurationError) as refused:
        await remote.register_webhook(Secret("http://evil.example/canary-path"), basic_auth=("user", "canary-word"))
    frame = refused.value.__traceback__
    while frame is not None:
        if "/tilia_" in frame.tb_frame.f_code.co_filename:
            assert "canary" not in repr(frame.tb_frame.f_locals)
        frame = frame.tb_next
