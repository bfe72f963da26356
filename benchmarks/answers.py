"""Answers of the server of the benchmarks, and their paths."""

from __future__ import annotations

import json

TOKEN_TEXT = "t" * 36
ACCOUNT = {
    "account_id": "0b1c3f5a-8d3e-4c55-9a51-2f1f7c1d2e3f",
    "username": "nyx",
    "email": "nyx@mail.example",
    "is_blocked": False,
    "integrator": "benchmark",
    "tags": [],
    "created": "2026-01-02T03:04:05Z",
}
ACCOUNT_ID = str(ACCOUNT["account_id"])
ACCOUNT_PATH = f"/accounts/v1/{ACCOUNT_ID}/user-info"
HELD_ID = "held"
"""The account whose answer never comes."""
HELD_PATH = f"/accounts/v1/{HELD_ID}/user-info"
REGISTRATION = {"username": "nyx", "email": {"address": "nyx@mail.example"}}
"""Body of a registration."""
REGISTER_PATH = "/accounts/register"

LATE = "/late"
"""A path that begins so is answered after ``LATENCY``."""
LATENCY = 0.05
"""Seconds."""
DISTANT = "/distant"
"""A path that begins so is answered after ``DISTANT_LATENCY``."""
DISTANT_LATENCY = 0.2
"""Seconds."""


def envelope(payload: object) -> bytes:
    """A JSON as Tilia wraps its answers."""
    return json.dumps(
        {"status": "Success", "message": [], "codes": [], "payload": payload}, separators=(",", ":")
    ).encode()


BODY = envelope(ACCOUNT)
REGISTERED_BODY = envelope({"account_id": ACCOUNT_ID, **REGISTRATION})


def whole(body: bytes) -> bytes:
    """An answer with its head."""
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


ANSWER = whole(BODY)
REGISTERED = whole(REGISTERED_BODY)
BLOCKED = whole(envelope({"is_blocked": True}))
TOKEN = whole(json.dumps({"access_token": TOKEN_TEXT, "token_type": "Bearer", "expires_in": 3600}).encode())
