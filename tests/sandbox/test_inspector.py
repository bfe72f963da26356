"""The inspector in a real browser: what happens is seen, the switches work, by keyboard too, and nothing complains."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from support.browser import Page, browser, opened

from tilia_async import Money, TiliaClient, errors
from tilia_async.sandbox import Fault, Sandbox

WIDTHS = (380, 1000, 1600)


@pytest.fixture(scope="session")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with browser(tmp_path_factory.mktemp("browser")) as devtools:
        yield devtools


@pytest_asyncio.fixture
async def page(address: str, sandbox: Sandbox) -> AsyncIterator[Page]:
    async with opened(address, f"{sandbox.url}/_sandbox/") as shown:
        await shown.look(1600)
        await shown.until("document.querySelector('#live')?.dataset.state === 'live'")
        yield shown
        assert shown.complaints == []
        assert not [request for request in sandbox.requests if request.operation is None]


def text(selector: str) -> str:
    return f"document.querySelector({json.dumps(selector)})?.textContent"


def texts(selector: str) -> str:
    return f"[...document.querySelectorAll({json.dumps(selector)})].map((each) => each.textContent)"


async def see(page: Page, selector: str, *words: str) -> None:
    """Wait until an element that is shown has these words."""
    for word in words:
        await page.until(
            f"[...document.querySelectorAll({json.dumps(selector)})]"
            f".some((each) => each.checkVisibility() && each.textContent.includes({json.dumps(word)}))"
        )


@pytest.mark.asyncio
async def test_requests_are_seen_as_they_happen(page: Page, sandbox: Sandbox, tilia: TiliaClient) -> None:
    account_id = sandbox.add_account("nyx")
    sandbox.faults.add("accounts.block", Fault.DROP_AFTER_COMMIT)
    await tilia.accounts.get(account_id)
    await tilia.accounts.block(account_id)
    await see(page, "#log", "accounts.get", "accounts.block", "drop_after_commit", "dropped")
    sandbox.faults.add("accounts.get", Fault.HANG_BEFORE_COMMIT)
    hanging = asyncio.create_task(tilia.accounts.get(account_id))
    await see(page, "#log tbody:first-of-type", "waiting")
    hanging.cancel()
    await see(page, "#log tbody:first-of-type", "dropped")
    await page.click("#log tbody:last-of-type button.open")
    await see(page, "#log tbody:last-of-type .details", "client_secret=***", "access_token", "***")
    assert sandbox.client_secret not in await page.tell("document.documentElement.outerHTML")

    await page.tell("document.querySelector('#filter').focus()")
    await page.press("block 2xx")
    await page.until("document.querySelectorAll('#log tbody:not([hidden])').length === 1")
    await page.tell(
        "document.querySelector('#filter').value = ''; document.querySelector('#filter').dispatchEvent(new Event('input'))"
    )
    await page.click("#pause")
    before = len(sandbox.requests)
    await tilia.accounts.get(account_id)
    await see(page, "#pause", "Go on (1)")
    await page.click("#pause")
    await see(page, "#requests-count", str(before + 1))
    await page.click("#forget")
    await see(page, "#log-empty", "Nothing has arrived yet")
    assert sandbox.requests == []


@pytest.mark.asyncio
async def test_accounts_and_money_are_seen_and_changed(page: Page, sandbox: Sandbox) -> None:
    account_id = sandbox.add_account("nyx", "nyx@mail.example")
    sandbox.fund(account_id, Money(1250, "USD"))
    await see(page, "#account-list", "nyx", "USD 12.50")
    await page.click("#account-list summary")
    await page.tell("document.querySelector('#account-list [name=amount]').value = '250'")
    await page.click("#account-list form button")
    await see(page, "#account-list .money", "USD 15.00")
    for deed in ("Add PayPal", "Accept KYC", "Sign terms", "Block as Tilia"):
        await page.tell(
            f"[...document.querySelectorAll('#account-list button')].find((each) => each.textContent === '{deed}').click()"
        )
    await see(page, "#account-list", "blocked by tilia", "ACCEPT, FULL", "signed", "Paypal Account nyx@mail.example")
    assert sandbox.accounts[account_id].is_blocked
    other = sandbox.add_account("vex")
    sandbox.trigger("invoice-completed", other)
    sandbox.trigger("escrow-transaction-update", other)
    sandbox.trigger("payout-complete", other)
    for view, words in {"invoices": "SUCCESS", "escrows": "ESCROWED", "payouts": "SUCCESS"}.items():
        await page.click(f"#tab-{view}")
        await see(page, f"#{view}", words, other)
    await page.click("#tab-accounts")
    await page.tell("document.querySelector('#add-account').username.value = 'nyx'")
    await page.click("#add-account button")
    await see(page, "#problem", "there is an account 'nyx' already")
    # The refusal is on the console as the browser itself tells every 400.
    assert [each for each in page.complaints if "400" not in each] == []
    page.complaints.clear()


@pytest.mark.asyncio
async def test_faults_clock_events_and_reset(page: Page, sandbox: Sandbox) -> None:
    await page.click("#tab-faults")
    await page.tell(
        "const form = document.querySelector('#add-fault'); form.operation.value = 'accounts.block';"
        "form.fault.value = 'drop_after_commit'; form.times.value = ''"
    )
    await page.click("#add-fault button")
    await see(page, "#fault-list", "accounts.block", "drop_after_commit", "always")
    assert [each.fault for each in sandbox.faults.scheduled] == [Fault.DROP_AFTER_COMMIT]
    assert await page.tell("document.querySelector('#tab-faults').dataset.count") == "1"
    await page.click("#clear-faults")
    await see(page, "#fault-list", "No fault waits")
    await page.click("#clock button[data-seconds='3600']")
    await see(page, "#now", "+1 h")
    assert sandbox.clock.ahead == 3600
    await page.click("#tab-notifications")
    await see(page, "#webhook-list", "nothing is notified")
    sandbox.register_webhook("http://127.0.0.1:9/secret-path")
    await page.tell("document.querySelector('#trigger').event_name.value = 'kyc-webhook'")
    await page.click("#trigger button")
    await sandbox.notified()
    await see(page, "#notification-list", "kyc-webhook", "no answer")
    assert "secret-path" not in await page.tell("document.documentElement.outerHTML")
    await page.click("#reset")
    assert sandbox.accounts
    await page.click("#reset")
    await page.until("document.querySelector('#notifications-count').textContent === '0'")
    assert (dict(sandbox.accounts), sandbox.clock.ahead) == ({}, 0)


@pytest.mark.asyncio
async def test_it_can_be_used_by_keyboard(page: Page, sandbox: Sandbox, tilia: TiliaClient) -> None:
    account_id = sandbox.add_account("nyx")
    await tilia.accounts.get(account_id)
    await see(page, "#log", "accounts.get", "auth.token")
    await page.look(380)
    await page.press("/")
    assert await page.tell("document.activeElement.id") == "filter"
    await page.press("accounts")
    await page.until("document.querySelectorAll('#log tbody:not([hidden])').length === 1")
    await page.press("Tab", "Tab", "Tab", "Enter")
    await see(page, "#log .details", "user-info")
    assert await page.tell("document.activeElement.getAttribute('aria-expanded')") == "true"
    await page.tell(
        "document.querySelector('#filter').value = ''; document.querySelector('#filter').dispatchEvent(new Event('input'))"
    )
    await page.press("ArrowDown")
    assert await page.tell("document.activeElement.textContent") == "auth.token"
    await page.tell("document.querySelector('#tab-requests').focus()")
    await page.press("ArrowRight", "ArrowRight")
    assert await page.tell("document.activeElement.id") == "tab-invoices"
    await see(page, "#invoices", "There are no invoices yet")
    assert await page.tell("location.hash") == "#invoices"


@pytest.mark.asyncio
async def test_it_finds_a_sandbox_that_comes_back(page: Page, sandbox: Sandbox, tilia: TiliaClient) -> None:
    """At the same port, with nothing of what was there before."""
    account_id = sandbox.add_account("nyx")
    await tilia.accounts.get(account_id)
    await see(page, "#log", "accounts.get")
    port = sandbox.port
    await sandbox.aclose()
    await page.until("document.querySelector('#live').dataset.state === 'gone'")
    await page.click("#clear-faults")
    await see(page, "#problem", "The sandbox does not answer")
    async with Sandbox(port) as other:
        await page.until("document.querySelector('#live').dataset.state === 'live'")
        await see(page, "#log-empty", "Nothing has arrived yet")
        other.add_account("vex")
        await see(page, "#account-list", "vex")
        assert not await page.tell("document.querySelector('#problem').checkVisibility()")
        await page.open("about:blank")
    # The browser itself complains of a server that has gone.
    page.complaints.clear()


@pytest.mark.asyncio
async def test_a_page_that_nobody_sees_gives_its_connection_back(page: Page, sandbox: Sandbox) -> None:
    hidden = "Object.defineProperty(document, 'hidden', {value: %s, configurable: true}); document.dispatchEvent(new Event('visibilitychange'))"
    await page.tell(hidden % "true")
    while sandbox._feed.watchers:
        # A stream learns that its client has gone when it writes.
        sandbox.sign_tos(sandbox.add_account(f"nyx-{len(sandbox.accounts)}"))
        await asyncio.sleep(0.05)
    sandbox.add_account("nyx")
    await page.tell(hidden % "false")
    await see(page, "#account-list", "nyx")
    sandbox.add_account("vex")
    await see(page, "#account-list", "vex")


READABLE = """
(() => {
  const light = (colour) => {
    const [r, g, b] = colour.match(/[\\d.]+/g).map((part) => part / 255).map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (node) => {
    for (; node; node = node.parentElement) {
      const colour = getComputedStyle(node).backgroundColor;
      if (!colour.endsWith(", 0)")) return colour;
    }
    return "rgb(255, 255, 255)";
  };
  const bad = [];
  for (const node of document.querySelectorAll("body *")) {
    if (!node.checkVisibility() || ![...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim())) continue;
    const [one, other] = [light(getComputedStyle(node).color), light(behind(node))].sort((a, b) => b - a);
    if ((one + 0.05) / (other + 0.05) < 4.5) bad.push(`${node.tagName}.${node.className}: ${node.textContent.slice(0, 30)}`);
  }
  return bad;
})()
"""


@pytest.mark.asyncio
async def test_it_fits_and_is_readable_in_every_width_and_light(
    page: Page, sandbox: Sandbox, tilia: TiliaClient
) -> None:
    account_id = sandbox.add_account(
        "a-rather-long-name-of-somebody-who-likes-them-so-very-much-12345", "nyx@mail.example"
    )
    sandbox.block_as_tilia(account_id)
    sandbox.faults.add("accounts.get", Fault.SERVER_ERROR_EMPTY)
    sandbox.faults.add("accounts.find", Fault.LATENCY)
    await tilia.accounts.get(account_id)
    with pytest.raises(errors.NotFoundError):
        await tilia.accounts.get("nobody")
    for event in ("escrow-transaction-update", "payout-complete"):
        sandbox.trigger(event)
    await see(page, "#log", "404", "500", "auth.token")
    await page.click("#log tbody button.open")
    await page.click("#account-list summary")
    for view in ("requests", "accounts", "invoices", "escrows", "payouts", "notifications", "faults"):
        await page.tell(f"location.hash = '{view}'")
        await page.until(f"document.body.dataset.view === '{view}'")
        for width in WIDTHS:
            for scheme in ("light", "dark"):
                await page.look(width, scheme=scheme)
                assert await page.tell("document.documentElement.scrollWidth - innerWidth") <= 0, (view, width)
                assert await page.tell(READABLE) == [], (view, width, scheme)
