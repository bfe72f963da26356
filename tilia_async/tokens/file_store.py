"""Tokens in a file, for processes that share them (extra ``store``)."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from tilia_async.secret import Secret, hide
from tilia_async.tokens.cipher import checked_key
from tilia_async.tokens.store import Claim
from tilia_async.tokens.token import AccessToken, Identity
from tilia_async.tokens.token_file import TokenFile

T = TypeVar("T")


class FileTokenStore:
    """Token store that a machine's processes share.

    gunicorn workers, Celery, cron jobs.

    The file holds the tokens encrypted, with a key made from the client's secret, or from yours. It is the user's alone
    (mode 0600), is replaced as a whole, and a lock next to it (in a directory of its name with ``.locks``) keeps
    writers apart. One process at a time asks for a token, the others wait for what it gets; the system takes that right
    from a process that ends, however it does. Event loops wait for none of it: it is done in threads.

    ::

        cache = TokenCache(FileTokenStore("/var/lib/game/tilia-tokens"))
        async with TiliaClient(client_id, client_secret, "production", token_cache=cache) as tilia: ...

    Several identities may share a file. A damaged file is set aside as ``….corrupt``. Nothing is read or written before
    the first token is needed.

    Args:
        path: the file; its directory is made if it is not there. On a local disk, because locks of a network's may not
            hold.
        key: a random text of at least 16 characters, instead of the client's secret. Processes with different keys do
            not see each other's tokens, and do each other no harm.

    Raises:
        ConfigurationError: the key is too short.
    """

    def __init__(self, path: str | os.PathLike[str], *, key: str | Secret | None = None) -> None:
        key = None if key is None else hide(key)
        self._file = TokenFile(Path(path).expanduser().absolute(), checked_key(key))

    def __repr__(self) -> str:
        # A crash reporter may print a store whose key was refused.
        return (
            f"<FileTokenStore at {self._file.path}>" if hasattr(self, "_file") else "<FileTokenStore, not configured>"
        )

    async def load(self, identity: Identity) -> Sequence[AccessToken]:
        """Return the tokens of an identity.

        Raises:
            ConfigurationError: the file is a symbolic link, of another user, or open to others.
            OSError: it cannot be read.
        """
        return await _in_thread(lambda: self._file.load(identity))

    async def save(self, identity: Identity, token: AccessToken) -> None:
        """Keep a token, unless a newer one is there.

        One with the same scopes that was issued later.

        Raises:
            ConfigurationError, OSError: as ``load``; a lock that others hold too long is an ``OSError``.
        """
        await _in_thread(lambda: self._file.save(identity, token))

    async def discard(self, identity: Identity, token: AccessToken) -> None:
        """Forget that token, and no other.

        Raises:
            ConfigurationError, OSError: as ``save``.
        """
        await _in_thread(lambda: self._file.discard(identity, token))

    async def claim(self, identity: Identity, scopes: frozenset[str]) -> Claim | None:
        """Return the right to ask for these scopes.

        None while another process, or another cache of this one, has it.

        Raises:
            ConfigurationError, OSError: the lock cannot be had.
        """
        claim = await _in_thread(lambda: self._file.claim(identity, scopes))
        try:
            taken = await _in_thread(claim.take)
        except asyncio.CancelledError:
            # The thread goes on, and nobody is left who would release what it takes.
            claim.give_up()
            raise
        return claim if taken else None


def _in_thread(work: Callable[[], T]) -> asyncio.Future[T]:
    """Do what waits for a disk in a thread."""
    # By the loop itself: where greenlets replace threads, that of tilia_sync has others.
    return asyncio.get_running_loop().run_in_executor(None, work)
