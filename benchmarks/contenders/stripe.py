"""Stripe's SDK for Python: its asynchronous client, which is built on httpx, as it comes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import stripe

from benchmarks.contenders.load import Load, in_lanes


@asynccontextmanager
async def contender(url: str) -> AsyncIterator[Load]:
    http = stripe.HTTPXClient()
    client = stripe.StripeClient("sk_test_benchmark", http_client=http, base_addresses={"api": url})
    try:
        yield in_lanes(lambda: client.v1.customers.retrieve_async("cus_benchmark"))
    finally:
        await http.close_async()  # type: ignore[no-untyped-call]  # stripe has not typed it
