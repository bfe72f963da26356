"""The token cache.

The tokens of each identity, shared by whatever uses it.
"""

from __future__ import annotations

import itertools
import time
import weakref
from collections.abc import Callable
from typing import Final

from tilia_async.os_threads import ProcessLock
from tilia_async.tokens.bounded import put
from tilia_async.tokens.identity_tokens import IdentityTokens
from tilia_async.tokens.store import TokenStore
from tilia_async.tokens.token import Identity


class TokenCache:
    """Cache of tokens, shared in a process.

    By everything that has the same identity.

    Clients that are given none share one per process. A token whose scopes are a superset of those needed serves.

    Args:
        store: where tokens are kept beyond the memory of this cache, to share them with other processes.
        clock: seconds that only rise.
    """

    def __init__(self, store: TokenStore | None = None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self._store = store
        self._lock = ProcessLock()
        # A service that makes clients for many publishers does not keep the tokens of all of them for ever: of those
        # that no client uses, the latest stay.
        self._by_identity: weakref.WeakValueDictionary[Identity, IdentityTokens] = weakref.WeakValueDictionary()
        self._latest: dict[Identity, IdentityTokens] = {}
        self._generations = itertools.count(1)

    def _tokens_of(self, identity: Identity) -> IdentityTokens:
        with self._lock:
            found = self._by_identity.get(identity)
            if found is None:
                found = IdentityTokens(identity, self._store, self.clock, self._generations)
                self._by_identity[identity] = found
            put(self._latest, identity, found)
            return found

    def __repr__(self) -> str:
        return f"<TokenCache: {len(self._by_identity)} identities>"


def tokens_of(cache: TokenCache, identity: Identity) -> IdentityTokens:
    """Return the tokens that a cache has of one identity."""
    return cache._tokens_of(identity)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - of this module


def store_of(cache: TokenCache) -> TokenStore | None:
    """Return the store of a cache.

    None: it keeps tokens in memory alone.
    """
    return cache._store  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - of this module


class _Shared:
    """The cache of the clients that are given none."""

    def __init__(self) -> None:
        self.lock = ProcessLock()
        self.cache: TokenCache | None = None


_shared: Final = _Shared()


def shared_cache() -> TokenCache:
    """Return the one cache of this process."""
    with _shared.lock:
        if _shared.cache is None:
            _shared.cache = TokenCache()
        return _shared.cache
