"""Secrets that no reporter may show."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from support.canaries import places, search
from support.quick import QUICK
from support.reporters import reported
from tilia_async import RequestOptions, TiliaClient
from tilia_async.tokens import TokenCache

TOKEN = "canary-token-4f1+/="
SECRET = "canary-client-secret-77"
PASSWORD = "canary-Pw-5!"
HEADER = "canary-header-9000"
LEDGER = "canary-ledger-pw"
KEY = "canary-key-16-characters-and-more"
PATH, USER, BASIC = "canary-path-segment", "user", "canary-basic-password"
HTTP_BASIC = base64.b64encode(f"{USER}:{BASIC}".encode()).decode()
CANARIES = (TOKEN, SECRET, PASSWORD, HEADER, LEDGER, KEY, PATH, BASIC, HTTP_BASIC)
HEADERS = RequestOptions(headers={"X-Api-Key": HEADER})


def examine(error: BaseException) -> None:
    search(CANARIES, places(error))
    search(CANARIES, reported(error))


async def start(tilia: TiliaClient) -> None:
    await tilia.registration.start("nyx@mail.example", PASSWORD, "nyx@mail.example", options=HEADERS)


@asynccontextmanager
async def client(template: str, **settings: object) -> AsyncIterator[TiliaClient]:
    async with TiliaClient("id", SECRET, template, retry=QUICK, token_cache=TokenCache(), **settings) as tilia:
        yield tilia
