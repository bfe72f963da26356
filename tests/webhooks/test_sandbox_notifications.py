"""The sandbox notifies: what, whom, how often, and what is left when it ends."""

import asyncio
import socket
import threading
from collections.abc import AsyncIterator

import attrs
import orjson
import pytest
import pytest_asyncio
from aiohttp import web
from support.deliveries import basic

from tilia_async import TiliaClient
from tilia_async.errors import ConfigurationError
from tilia_async.sandbox import Fault, Sandbox
from tilia_async.sandbox.notifications import PAUSES
from tilia_async.webhooks import (
    AccountBlockChanged,
    Event,
    RegistrationCompleted,
    WebhookReceiver,
    parse_event,
)


@attrs.define
class Inbox:
    """A server that takes notifications, or answers as it is told."""

    url: str = ""
    answers: list[int] = attrs.field(factory=list)
    bodies: list[bytes] = attrs.field(factory=list)
    headers: list[dict[str, str]] = attrs.field(factory=list)
    arrived: asyncio.Event = attrs.field(factory=asyncio.Event)

    async def take(self, request: web.BaseRequest) -> web.StreamResponse:
        self.bodies.append(await request.read())
        self.headers.append(dict(request.headers))
        self.arrived.set()
        status = self.answers.pop(0) if self.answers else 204
        if status == 0:
            assert request.transport is not None
            request.transport.abort()
        return web.Response(status=status or 500, headers={"Location": "/elsewhere"} if status == 302 else {})

    @property
    def events(self) -> list[Event]:
        return [parse_event(body) for body in self.bodies]


async def listening(handler: object) -> tuple[web.ServerRunner, str]:
    runner = web.ServerRunner(web.Server(handler, access_log=None), shutdown_timeout=0.05)  # type: ignore[arg-type] - loosely typed for the test
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return runner, f"http://127.0.0.1:{runner.addresses[0][1]}/hook-canary"


@pytest_asyncio.fixture
async def inbox() -> AsyncIterator[Inbox]:
    box = Inbox()
    runner, box.url = await listening(box.take)
    yield box
    await runner.cleanup()


async def register(tilia: TiliaClient, name: str = "nyx") -> str:
    return (await tilia.accounts.register(name, email=f"{name}@mail.example")).account_id


@pytest.mark.asyncio
async def test_a_block_is_notified_in_the_documented_envelope(
    sandbox: Sandbox, tilia: TiliaClient, inbox: Inbox
) -> None:
    sandbox.register_webhook(inbox.url)
    account_id = await register(tilia)
    await tilia.accounts.block(account_id)
    await tilia.accounts.block(account_id)
    await tilia.accounts.unblock(account_id)
    await tilia.accounts.unblock(account_id)
    await sandbox.notified()
    envelope = orjson.loads(inbox.bodies[1])
    assert envelope.keys() == {"event_name", "bucket_key", "sent_at", "message"}
    assert envelope["event_name"] == "account-block-unblock-webhook"
    assert envelope["message"].keys() == {"account_id", "blocks", "is_blocked"}
    assert envelope["message"]["blocks"].keys() == {"account_id", "block_id", "capability", "issuer", "reason"}
    assert inbox.headers[1]["Content-Type"] == "application/json"
    registered, blocked, unblocked = inbox.events
    assert isinstance(registered, RegistrationCompleted)
    assert isinstance(blocked, AccountBlockChanged)
    assert isinstance(unblocked, AccountBlockChanged)
    assert [event.is_blocked for event in (blocked, unblocked)] == [True, False]
    assert {event.account_id for event in (registered, blocked, unblocked)} == {account_id}
    assert blocked.blocks == unblocked.blocks
    assert blocked.blocks[0].issuer == "publisher"
    assert blocked.blocks[0].block_id is not None
    assert blocked.blocks[0].block_id.startswith("blk_")
    assert blocked.sent_at is not None


@pytest.mark.asyncio
async def test_both_ways_of_registering_are_notified(sandbox: Sandbox, tilia: TiliaClient, inbox: Inbox) -> None:
    sandbox.register_webhook(inbox.url, events=["register-account-completed"])
    by_platform = await tilia.accounts.register("rook", external_platforms={"steam": "765"})
    name = "nyx@mail.example"
    started = await tilia.registration.start(name, "abcde1", name)
    await sandbox.notified()
    assert len(inbox.bodies) == 1, "a registration that is only started is not complete"
    in_two_steps = await tilia.registration.complete(started.registration_id)
    await sandbox.notified()
    first, second = inbox.events
    assert isinstance(first, RegistrationCompleted)
    assert isinstance(second, RegistrationCompleted)
    assert (first.account_id, second.account_id) == (by_platform.account_id, in_two_steps.account_id)
    assert first.external_platforms is not None
    assert first.external_platforms["steam"].user_id == "765"
    assert second.username == name
    assert second.email is not None
    assert second.email.address == name


@pytest.mark.asyncio
async def test_only_what_was_asked_for_is_notified(sandbox: Sandbox, tilia: TiliaClient, inbox: Inbox) -> None:
    sandbox.register_webhook(inbox.url, events=["account-block-unblock-webhook"], basic_auth=("tilia", "pässword"))
    sandbox.register_webhook(f"{inbox.url}/registrations", events=["register-account-completed"])
    account_id = await register(tilia)
    await tilia.accounts.block(account_id)
    await sandbox.notified()
    by_name = {event.event_name: headers for event, headers in zip(inbox.events, inbox.headers, strict=True)}
    assert by_name["account-block-unblock-webhook"]["Authorization"] == basic("tilia", "pässword")
    assert "Authorization" not in by_name["register-account-completed"]
    shown = repr([sandbox, sandbox.notifications, vars(sandbox._notifier)])
    assert basic("tilia", "pässword")[6:] not in shown
    assert "canary" not in shown


@pytest.mark.asyncio
async def test_what_did_not_happen_is_not_notified(sandbox: Sandbox, tilia: TiliaClient, inbox: Inbox) -> None:
    account_id = await register(tilia)
    sandbox.register_webhook(inbox.url)
    sandbox.faults.add("accounts.block", Fault.DROP_BEFORE_COMMIT)
    await tilia.accounts.block(account_id)
    await sandbox.notified()
    assert len(inbox.bodies) == 1
    sandbox.faults.add("accounts.unblock", Fault.DROP_AFTER_COMMIT)
    await tilia.accounts.unblock(account_id)
    await sandbox.notified()
    assert [event.is_blocked for event in inbox.events] == [True, False]  # type: ignore[attr-defined] - loosely typed for the test


@pytest.mark.asyncio
async def test_it_is_repeated_byte_for_byte_until_it_is_taken(
    sandbox: Sandbox, tilia: TiliaClient, inbox: Inbox
) -> None:
    sandbox.register_webhook(inbox.url)
    inbox.answers += [500, 400, 0]
    await register(tilia)
    await sandbox.notified()
    assert [each.answers for each in sandbox.notifications] == [[500, 400, None, 204]]
    assert sandbox.notifications[0].taken
    assert len(set(inbox.bodies)) == 1
    assert inbox.bodies == [sandbox.notifications[0].body] * 4


@pytest.mark.asyncio
async def test_a_redirect_is_neither_followed_nor_repeated(sandbox: Sandbox, tilia: TiliaClient, inbox: Inbox) -> None:
    sandbox.register_webhook(inbox.url)
    inbox.answers += [302]
    await register(tilia)
    await sandbox.notified()
    assert [each.answers for each in sandbox.notifications] == [[302]]


@pytest.mark.asyncio
async def test_what_is_never_taken_is_given_up(
    sandbox: Sandbox, tilia: TiliaClient, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tilia_async.sandbox.notifications.PAUSES", (0, 0, 0))
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        sandbox.register_webhook(f"http://127.0.0.1:{closed.getsockname()[1]}/")
        sandbox.register_webhook(inbox.url)
        inbox.answers += [500] * 4
        await register(tilia)
        await sandbox.notified()
    assert [each.answers for each in sandbox.notifications] == [[None] * 4, [500] * 4]
    assert not any(each.taken for each in sandbox.notifications)
    assert sum(PAUSES) < 1


@pytest.mark.asyncio
async def test_a_block_by_tilia_itself_is_notified_too(sandbox: Sandbox, tilia: TiliaClient, inbox: Inbox) -> None:
    account_id = await register(tilia)
    sandbox.register_webhook(inbox.url)
    sandbox.block_as_tilia(account_id)
    await sandbox.notified()
    (event,) = inbox.events
    assert isinstance(event, AccountBlockChanged)
    assert event.blocks[0].issuer == "tilia"


@pytest.mark.asyncio
async def test_what_is_under_way_ends_with_the_sandbox(inbox: Inbox) -> None:
    never = asyncio.Event()

    async def hang(_: web.BaseRequest) -> web.StreamResponse:
        inbox.arrived.set()
        await never.wait()
        raise AssertionError

    runner, url = await listening(hang)
    try:
        before = asyncio.all_tasks()
        async with Sandbox() as sandbox:
            sandbox.register_webhook(url)
            client = TiliaClient(sandbox.client_id, sandbox.client_secret, sandbox.environment)
            async with client as tilia:
                await register(tilia)
                await register(tilia, "rook")
            await inbox.arrived.wait()
            waiting = asyncio.create_task(sandbox.notified())
        await waiting
        assert [each.answers for each in sandbox.notifications] == [[], []]
        left = [task for task in asyncio.all_tasks() - before if "Notifier" in repr(task)]
        assert left == []
        await sandbox.start()
        sandbox.register_webhook(inbox.url)
        await sandbox.aclose()
    finally:
        await runner.cleanup()


@pytest.mark.parametrize(
    "url",
    ["https://example.com/canary", "http://10.0.0.1/canary", "ftp://127.0.0.1/canary", "canary", "", "http://[canary/",
     "http://user:canary@127.0.0.1/", "http://127.0.0.1:x/canary"],
)  # fmt: skip
def test_only_this_machine_is_notified(url: str) -> None:
    with pytest.raises(ConfigurationError, match="url") as caught:
        Sandbox().register_webhook(url)
    assert "canary" not in str(caught.value).replace("[canary", "")


def test_an_event_of_another_name_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="there is no kyc-changed"):
        Sandbox().register_webhook("http://localhost/", events=["kyc-webhook", "kyc-changed"])


def test_the_sandbox_knows_the_documented_names() -> None:
    from tilia_async import event_names
    from tilia_async.webhooks.events import BY_NAME

    assert BY_NAME.keys() == event_names.DOCUMENTED
    assert len(event_names.ALL) == 13


@pytest.mark.asyncio
async def test_from_a_block_to_its_handler_and_again_after_a_failure(sandbox: Sandbox, tilia: TiliaClient) -> None:
    receiver, told = WebhookReceiver(tilia, path_secret="s3cret", confirm=True), list[bool | None]()

    @receiver.on(AccountBlockChanged)
    async def blocked(event: AccountBlockChanged) -> None:
        told.append(event.is_blocked)
        if len(told) == 1:
            raise RuntimeError("the database is away")

    app = web.Application()
    app.router.add_post("/tilia/{secret}", receiver.aiohttp_handler)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.05)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        sandbox.register_webhook(f"http://127.0.0.1:{runner.addresses[0][1]}/tilia/s3cret")
        account_id = await register(tilia)
        for write in (tilia.accounts.block, tilia.accounts.unblock, tilia.accounts.block):
            await write(account_id)
            await sandbox.notified()
        assert told == [True, True, False, True]
        assert [each.answers for each in sandbox.notifications] == [[204], [500, 204], [204], [204]]
    finally:
        await runner.cleanup()


@pytest.mark.asyncio
async def test_what_another_thread_hands_over_is_waited_for(sandbox: Sandbox, inbox: Inbox) -> None:
    sandbox.register_webhook(inbox.url)
    thread = threading.Thread(target=sandbox._notifier.notify, args=("kyc-webhook", {"kyc_id": "kyc_1"}))
    thread.start()
    thread.join()
    await sandbox.notified()
    assert len(inbox.bodies) == 1


@pytest.mark.asyncio
async def test_what_another_thread_handed_over_starts_nothing_after_the_end(inbox: Inbox) -> None:
    async with Sandbox() as sandbox:
        sandbox.register_webhook(inbox.url)
        notifier = sandbox._notifier
        thread = threading.Thread(target=notifier.notify, args=("kyc-webhook", {"kyc_id": "kyc_1"}))
        thread.start()
        thread.join()
        await notifier.aclose()
        await asyncio.sleep(0.05)
        assert inbox.bodies == []
        assert [each.worker for each in notifier._destinations] == [None]


@pytest.mark.parametrize(
    "wrong", [5, "a:b", ("a",), ("a", 5), ("a:b", "canary"), ("\udcff", "canary"), ("a", "canary\udcff")]
)
def test_credentials_that_cannot_be_sent(wrong: object) -> None:
    with pytest.raises(ConfigurationError, match="basic_auth") as caught:
        Sandbox().register_webhook("http://localhost/", basic_auth=wrong)  # type: ignore[arg-type] - loosely typed for the test
    assert "canary" not in str(caught.value)
    assert caught.value.__context__ is None
