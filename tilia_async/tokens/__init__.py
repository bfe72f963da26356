"""Access tokens, shared and kept by scope.

Fetched once for many; shared by tasks, threads, loops and clients.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from tilia_async.tokens.cache import TokenCache
from tilia_async.tokens.store import MemoryTokenStore, SharedTokenStore, TokenStore
from tilia_async.tokens.token import AccessToken, Identity

if TYPE_CHECKING:
    from tilia_async.tokens.file_store import FileTokenStore
    from tilia_async.tokens.postgres_store import PostgresTokenStore
    from tilia_async.tokens.redis_store import RedisTokenStore

__all__ = [
    "AccessToken",
    "FileTokenStore",
    "Identity",
    "MemoryTokenStore",
    "PostgresTokenStore",
    "RedisTokenStore",
    "SharedTokenStore",
    "TokenCache",
    "TokenStore",
]

_STORES = {
    "FileTokenStore": ("file_store", {"cryptography": "store", "filelock": "store"}),
    "PostgresTokenStore": ("postgres_store", {"psycopg": "postgres", "cryptography": "store"}),
    "RedisTokenStore": ("redis_store", {"cryptography": "redis", "redis": "redis"}),
}
"""Modules of the stores that need extras.

Each with the extra that brings each of its libraries.
"""


def __getattr__(name: str) -> object:
    if name not in _STORES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, needs = _STORES[name]
    try:
        # Only who wants it needs the extra.
        return getattr(import_module(f"{__name__}.{module}"), name)
    except ModuleNotFoundError as error:
        if error.name not in needs:
            raise
        raise ModuleNotFoundError(
            f"{name} needs {error.name}, which is not installed: pip install 'tilia-sdk[{needs[error.name]}]'",
            name=error.name,
        ) from None
