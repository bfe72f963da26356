"""Plain HTTP for the tests of the sandbox."""

from collections.abc import AsyncIterator

import aiohttp
import pytest_asyncio
from support.plain import Http

from tilia_async.sandbox import Sandbox


@pytest_asyncio.fixture
async def http(sandbox: Sandbox) -> AsyncIterator[Http]:
    async with aiohttp.ClientSession() as session:
        yield Http(sandbox, session)
