"""Access tokens, shared and kept by scope.

Fetched once for many; shared by tasks, threads, loops and clients.
"""

from typing import TYPE_CHECKING

from tilia_async.tokens.cache import TokenCache
from tilia_async.tokens.store import MemoryTokenStore, SharedTokenStore, TokenStore
from tilia_async.tokens.token import AccessToken, Identity

if TYPE_CHECKING:
    from tilia_async.tokens.file_store import FileTokenStore

__all__ = [
    "AccessToken",
    "FileTokenStore",
    "Identity",
    "MemoryTokenStore",
    "SharedTokenStore",
    "TokenCache",
    "TokenStore",
]


def __getattr__(name: str) -> object:
    if name != "FileTokenStore":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        from tilia_async.tokens.file_store import FileTokenStore  # noqa: PLC0415 - only who wants it needs the extra
    except ModuleNotFoundError as error:
        if error.name not in {"cryptography", "filelock"}:
            raise
        raise ModuleNotFoundError(
            f"FileTokenStore needs {error.name}, which is not installed: pip install 'tilia-sdk[store]'",
            name=error.name,
        ) from None
    return FileTokenStore
