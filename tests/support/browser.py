"""A headless Chromium, driven by the DevTools protocol.

One for a whole run of tests; each test has pages of its own in it.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import re
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import aiohttp
import attrs
import pytest

COMMANDS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_KEYS = {
    "Enter": {"code": "Enter", "windowsVirtualKeyCode": 13, "text": "\r"},
    "Tab": {"code": "Tab", "windowsVirtualKeyCode": 9},
    "ArrowDown": {"code": "ArrowDown", "windowsVirtualKeyCode": 40},
    "ArrowUp": {"code": "ArrowUp", "windowsVirtualKeyCode": 38},
    "ArrowRight": {"code": "ArrowRight", "windowsVirtualKeyCode": 39},
    "ArrowLeft": {"code": "ArrowLeft", "windowsVirtualKeyCode": 37},
    "/": {"code": "Slash", "windowsVirtualKeyCode": 191, "text": "/"},
}


def chromium() -> str:
    """Return the path of Chromium.

    Where there is none, the test is skipped, or fails under ``TILIA_REQUIRE_SERVICES=1``.
    """
    found = next(filter(None, map(shutil.which, COMMANDS)), None)
    if found is not None:
        return found
    why = "there is no Chromium: apt-get install chromium"
    if os.environ.get("TILIA_REQUIRE_SERVICES") == "1":
        pytest.fail(f"{why}, and TILIA_REQUIRE_SERVICES=1 asks for it", pytrace=False)
    pytest.skip(why)


@contextmanager
def browser(profile: Path) -> Iterator[str]:
    """Run Chromium, and give the address of its DevTools."""
    command = [
        chromium(), "--headless=new", "--remote-debugging-port=0", f"--user-data-dir={profile}", "--disable-gpu",
        "--no-first-run", "--hide-scrollbars", "--no-sandbox", "--disable-dev-shm-usage", "--disable-background-networking",
        "--disable-component-update", "--no-proxy-server", "about:blank",
    ]  # fmt: skip
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as process:
        try:
            for line in process.stderr or ():
                if found := re.search(r"DevTools listening on (ws://\S+)", line):
                    break
            else:
                pytest.fail("Chromium does not start")
            yield found[1]
        finally:
            process.terminate()
            process.communicate(timeout=20)


@attrs.define(eq=False)
class Page:
    """A page of the browser.

    Attributes:
        complaints: errors and warnings of its console, and exceptions.
    """

    _socket: aiohttp.ClientWebSocketResponse
    _session_id: str = ""
    _number: int = 0
    _waiting: dict[int, asyncio.Future[dict[str, object]]] = attrs.field(factory=dict)
    complaints: list[str] = attrs.field(factory=list)

    async def send(self, method: str, **parameters: object) -> dict[str, object]:
        """Send a command of the protocol, and return its result."""
        self._number += 1
        told = {"id": self._number, "method": method, "params": parameters}
        if self._session_id:
            told["sessionId"] = self._session_id
        answer = asyncio.get_running_loop().create_future()
        self._waiting[self._number] = answer
        await self._socket.send_str(json.dumps(told))
        return await answer

    async def read(self) -> None:
        """Take in what the browser says, until it has ended."""
        async for message in self._socket:
            told = json.loads(message.data)
            if "id" in told:
                answer = self._waiting.pop(told["id"])
                if "error" in told:
                    answer.set_exception(RuntimeError(str(told["error"])))
                else:
                    answer.set_result(told["result"])
                continue
            parameters = told.get("params", {})
            match told["method"]:
                case "Log.entryAdded" if parameters["entry"]["level"] in {"error", "warning"}:
                    self.complaints.append(f"{parameters['entry']['text']} {parameters['entry'].get('url', '')}")
                case "Runtime.exceptionThrown":
                    self.complaints.append(str(parameters["exceptionDetails"]))
                case "Runtime.consoleAPICalled" if parameters["type"] in {"error", "warning", "assert"}:
                    self.complaints.append(str(parameters["args"]))

    async def open(self, url: str) -> None:
        for domain in ("Page", "Runtime", "Log"):
            await self.send(f"{domain}.enable")
        await self.send("Page.navigate", url=url)

    async def look(self, width: int, height: int = 900, *, scheme: str = "light") -> None:
        """Choose the size of the window, and light or dark."""
        await self.send(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False
        )
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        await self.send("Emulation.setEmulatedMedia", features=features)

    async def tell(self, expression: str) -> object:
        """Return the value of an expression of JavaScript."""
        result = await self.send("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    async def until(self, expression: str) -> object:
        """Wait until an expression is true, and return it."""
        while not (value := await self.tell(expression)):  # noqa: ASYNC110 - a page has no event for everything
            await asyncio.sleep(0.02)
        return value

    async def press(self, *keys: str) -> None:
        """Press keys; any other text is typed."""
        for key in keys:
            if key not in _KEYS:
                await self.send("Input.insertText", text=key)
                continue
            for kind in ("keyDown", "keyUp"):
                await self.send("Input.dispatchKeyEvent", type=kind, key=key, **_KEYS[key])

    async def click(self, selector: str) -> None:
        await self.until(f"document.querySelector({json.dumps(selector)}) !== null")
        await self.tell(f"document.querySelector({json.dumps(selector)}).click()")

    async def screenshot(self) -> bytes:
        """Return the whole page as PNG."""
        return base64.b64decode(str((await self.send("Page.captureScreenshot", captureBeyondViewport=True))["data"]))


@asynccontextmanager
async def opened(address: str, url: str) -> AsyncIterator[Page]:
    """Open a page in a context of its own."""
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(address, max_msg_size=0) as socket,
    ):
        page = Page(socket)
        reader = asyncio.create_task(page.read())
        context = await page.send("Target.createBrowserContext")
        target = await page.send("Target.createTarget", url="about:blank", browserContextId=context["browserContextId"])
        attached = await page.send("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        page._session_id = str(attached["sessionId"])
        await page.open(url)
        try:
            yield page
        finally:
            page._session_id = ""
            await page.send("Target.disposeBrowserContext", browserContextId=context["browserContextId"])
            reader.cancel()
            await asyncio.gather(reader, return_exceptions=True)
