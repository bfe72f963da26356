"""Deliveries of the sandbox: taken, posted again, or given up."""

import pytest
from support.taking import taking

from tilia_async.sandbox import RemoteSandbox, Sandbox


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("status", "options", "attempts", "is_taken"),
    [
        (200, {}, 1, True),
        (204, {}, 1, True),
        (307, {}, 1, False),
        (307, {"repeat_redirected": True}, 6, False),
        (302, {"repeat_redirected": True, "repeat_unanswered": False}, 6, False),
        (400, {}, 6, False),
        (500, {"repeat_unanswered": False}, 6, False),
        (None, {}, 6, False),
        (None, {"repeat_unanswered": False}, 1, False),
    ],
)
async def test_only_a_2xx_takes_a_notification(
    status: int | None, options: dict[str, bool], attempts: int, is_taken: bool
) -> None:
    """Documented are 2xx and, by a third party, 400 and above; after anything else Tilia may do either."""

    async with Sandbox() as sandbox, RemoteSandbox(sandbox.url) as remote, taking(status) as (url, _):
        await remote.register_webhook(url, **options)
        sandbox.trigger("kyc-webhook")
        await sandbox.notified()
        (sent,), (told,) = sandbox.notifications, await remote.notifications()
        assert sent.answers == told.answers == [status] * attempts
        assert sent.taken is told.taken is is_taken


@pytest.mark.asyncio
async def test_a_url_that_is_unregistered_gets_nothing_more() -> None:
    sandbox = Sandbox()
    async with taking() as (url, _):
        sandbox.register_webhook(f"{url}/kept")
        async with sandbox, RemoteSandbox(sandbox.url) as remote:
            for _ in range(2):
                await remote.register_webhook(f"{url}/left")
            assert await remote.unregister_webhook(f"{url}/left") == 2
            assert await sandbox.unregister_webhook(f"{url}/left") == 0
            sandbox.trigger("kyc-webhook")
            await sandbox.notified()
            assert [each.url for each in sandbox.notifications] == [f"{url}/kept"]
            assert await remote.unregister_webhook(f"{url}/kept") == 1
            await remote.register_webhook(f"{url}/new")
            await remote.reset()
            sandbox.trigger("kyc-webhook")
            await sandbox.notified()
            assert [each.url for each in sandbox.notifications] == [f"{url}/kept"], "as at the start"
