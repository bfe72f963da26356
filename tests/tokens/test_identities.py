"""Identities of a cache: whose tokens it holds, for how long, and that it shows none."""

import asyncio
import gc
import os
import subprocess
import sys

import pytest
from support.cache_bench import READ, Bench, bench

from tilia_async.config import Credentials
from tilia_async.secret import Secret
from tilia_async.tokens import Identity, TokenCache
from tilia_async.tokens.provider import TokenProvider

__all__ = ["bench"]


def test_nothing_of_it_shows_a_token(bench: Bench) -> None:
    token = asyncio.run(bench.acquire(READ))
    shown = repr([token, bench.cache, bench.held, bench.identity, TokenProvider(bench.held, bench.endpoint)])
    assert "token-1" not in shown
    assert "secret" not in shown.replace("secret_digest", "")


def test_a_cache_does_not_keep_the_identities_of_a_whole_life() -> None:
    cache = TokenCache()
    for number in range(1000):
        cache._tokens_of(Identity.of("https://auth.example/token", Credentials(f"id-{number}", Secret("secret"))))
    gc.collect()
    assert len(cache._by_identity) == len(cache._latest) == 256


def test_a_shelf_that_a_client_uses_is_the_one_of_its_identity_however_many_come_and_go() -> None:
    cache = TokenCache()
    identity = Identity.of("https://auth.example/token", Credentials("id", Secret("secret")))
    used = cache._tokens_of(identity)
    for number in range(1000):
        cache._tokens_of(Identity.of("https://auth.example/token", Credentials(f"id-{number}", Secret("secret"))))
    assert cache._tokens_of(identity) is used


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_fork_while_the_process_makes_a_client_does_not_lock_the_child_out() -> None:
    script = """
import os, threading
from tilia_async.config import Credentials
from tilia_async.secret import Secret
from tilia_async.tokens import Identity
from tilia_async.tokens.cache import shared_cache, _shared
identity = Identity.of("https://auth.example/token", Credentials("id", Secret("secret")))
held = shared_cache()._tokens_of(identity)
with _shared.lock, _shared.cache._lock, held._lock:
    child = os.fork()
    if child == 0:
        # A lock that stayed taken would keep the child here.
        found = shared_cache()._tokens_of(identity) is held and held.usable(frozenset({"read"})) is None
        os._exit(0 if found else 2)
raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    assert subprocess.run([sys.executable, "-c", script], timeout=20, check=False).returncode == 0
