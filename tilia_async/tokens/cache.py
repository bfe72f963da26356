"""The token cache: one shelf for each identity, shared by whatever uses it."""

from __future__ import annotations

import itertools
import os
import threading
import time
import weakref
from collections.abc import Callable
from typing import Final

from tilia_async.tokens.bounded import put
from tilia_async.tokens.shelf import Shelf
from tilia_async.tokens.store import TokenStore
from tilia_async.tokens.token import Identity


class TokenCache:
    """Tokens shared by everything in a process that has the same identity.

    Clients that are given none share one per process. A token whose scopes are a superset of those needed serves.

    Args:
        store: where tokens are kept beyond the memory of this cache, to share them with other processes.
        clock: seconds that only rise.
    """

    def __init__(self, store: TokenStore | None = None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self._store = store
        self._lock = threading.Lock()
        # A service that makes clients for many publishers does not keep the tokens of all of them for ever: of those
        # that no client uses, the latest stay.
        self._shelves: weakref.WeakValueDictionary[Identity, Shelf] = weakref.WeakValueDictionary()
        self._latest: dict[Identity, Shelf] = {}
        self._generations = itertools.count(1)
        _caches.add(self)

    def shelf(self, identity: Identity) -> Shelf:
        """The tokens of one identity."""
        with self._lock:
            shelf = self._shelves.get(identity)
            if shelf is None:
                shelf = Shelf(identity, self._store, self.clock, self._generations)
                self._shelves[identity] = shelf
            put(self._latest, identity, shelf)
            return shelf

    def __repr__(self) -> str:
        return f"<TokenCache: {len(self._shelves)} identities>"

    def forget_flights(self) -> None:
        """In the child of a fork: nothing of the parent's flies here, and its locks may have been taken."""
        self._lock = threading.Lock()
        for shelf in list(self._shelves.values()):
            shelf.forget_flights()


class _Shared:
    """The cache of the clients that are given none."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.cache: TokenCache | None = None


_caches: Final[weakref.WeakSet[TokenCache]] = weakref.WeakSet()
_shared: Final = _Shared()


def _after_fork() -> None:
    _shared.lock = threading.Lock()
    for cache in list(_caches):
        cache.forget_flights()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def shared_cache() -> TokenCache:
    """The one cache of this process."""
    with _shared.lock:
        if _shared.cache is None:
            _shared.cache = TokenCache()
        return _shared.cache
