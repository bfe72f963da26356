"""Access tokens: fetched once for many, kept by scope, shared by tasks, threads, loops and clients."""

from tilia_async.tokens.cache import TokenCache
from tilia_async.tokens.store import MemoryTokenStore, TokenStore
from tilia_async.tokens.token import AccessToken, Identity

__all__ = ["AccessToken", "Identity", "MemoryTokenStore", "TokenCache", "TokenStore"]
