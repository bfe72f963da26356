"""Tokens in a file, for processes that share them (extra ``store``)."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

import orjson
from filelock import FileLock, Timeout

from tilia_async.errors import ConfigurationError
from tilia_async.json_value import JsonValue
from tilia_async.os_threads import are_greenlets
from tilia_async.secret import Secret, hide
from tilia_async.tokens import private_file
from tilia_async.tokens.cipher import TokenCipher
from tilia_async.tokens.store import Claim
from tilia_async.tokens.token import AccessToken, Identity

_LOCK_SECONDS: Final = 0.1
_LOCK_POLL_SECONDS: Final = 0.001
_SHORTEST_KEY: Final = 16

_log = logging.getLogger("tilia_async")


class _Section(NamedTuple):
    """The encrypted tokens of one identity.

    It says when the last of them ends, in seconds since 1970, for all to see.
    """

    until: float
    closed: str


class FileTokenStore:
    """Token store that a machine's processes share.

    gunicorn workers, Celery, cron jobs.

    The file holds the tokens encrypted, with a key made from the client's secret, or from yours. It is the user's alone
    (mode 0600), is replaced as a whole, and a lock next to it (in a directory of its name with ``.locks``) keeps
    writers apart. One process at a time asks for a token, the others wait for what it gets.

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
        if key is not None and not key.is_text:
            raise ConfigurationError(f"key is str or None, not {key.kind}")
        if key is not None and (length := len(key.reveal())) < _SHORTEST_KEY:
            raise ConfigurationError(f"key: at least {_SHORTEST_KEY} random characters are wanted, not {length}")
        self._key = key
        self._path = Path(path).expanduser().absolute()
        self._locks = self._path.with_name(f"{self._path.name}.locks")

    def __repr__(self) -> str:
        # A crash reporter may print a store whose key was refused.
        return f"<FileTokenStore at {self._path}>" if hasattr(self, "_path") else "<FileTokenStore, not configured>"

    def load(self, identity: Identity) -> Sequence[AccessToken]:
        """Return the tokens of an identity.

        Raises:
            ConfigurationError: the file is a symbolic link, of another user, or open to others.
            OSError: it cannot be read.
        """
        seal = TokenCipher(identity, self._key)
        try:
            sections = self._sections()
        except ValueError:
            self._set_aside()
            return ()
        return _tokens(sections, seal)

    def save(self, identity: Identity, token: AccessToken) -> None:
        """Keep a token, unless a newer one is there.

        One with the same scopes that was issued later.

        Raises:
            ConfigurationError, OSError: as ``load``; a lock that others hold too long is an ``OSError``.
        """

        def add(kept: Sequence[AccessToken]) -> Sequence[AccessToken]:
            others = [other for other in kept if other.scopes != token.scopes]
            known = [other for other in kept if other.scopes == token.scopes]
            return kept if any(not token.replaces(other) for other in known) else [*others, token]

        self._change(identity, add)

    def discard(self, identity: Identity, token: AccessToken) -> None:
        """Forget that token, and no other.

        Raises:
            ConfigurationError, OSError: as ``save``.
        """
        # Most often another process was here first, or has a newer one: no reason to stand in line.
        if any(other.value == token.value for other in self.load(identity)):
            self._change(identity, lambda kept: [other for other in kept if other.value != token.value])

    def claim(self, identity: Identity, scopes: frozenset[str]) -> Claim | None:
        """Return the right to ask for these scopes.

        None while another process, or another cache of this one, has it.

        The system takes it from a process that ends, however that happens.

        Raises:
            ConfigurationError, OSError: the lock cannot be had.
        """
        lock = self._lock(TokenCipher(identity, self._key).name_of(scopes), seconds=0)
        try:
            lock.acquire()
        except Timeout:
            return None
        return lock

    def _lock(self, name: str, *, seconds: float) -> FileLock:
        private_file.make_directory(self._locks)
        try:
            return FileLock(
                self._locks / name, timeout=seconds, mode=0o600, thread_local=False, poll_interval=_LOCK_POLL_SECONDS
            )
        except RuntimeError:
            if not are_greenlets():
                raise
            # eventlet has replaced one half of a lock of the library's, and it cannot be used any more.
            raise ConfigurationError(
                "its locks were made before eventlet.monkey_patch(): call that before anything else is imported"
            ) from None

    def _change(self, identity: Identity, change: Callable[[Sequence[AccessToken]], Sequence[AccessToken]]) -> None:
        seal = TokenCipher(identity, self._key)
        with self._lock("change", seconds=_LOCK_SECONDS):
            try:
                sections = self._sections()
            except ValueError:
                self._move_away()
                sections = {}
            now = datetime.now(UTC)
            kept = [token for token in change(_tokens(sections, seal)) if token.expires_at > now]
            sections.pop(seal.name, None)
            sections = {name: section for name, section in sections.items() if section.until > now.timestamp()}
            if kept:
                until = max(token.expires_at.timestamp() for token in kept)
                sections[seal.name] = _Section(until, seal.close(kept))
            private_file.replace(self._path, orjson.dumps({name: tuple(section) for name, section in sections.items()}))

    def _sections(self) -> dict[str, _Section]:
        """Return the file's sections.

        By the names that the ciphers gave.

        Raises:
            ValueError: nothing that can be read.
            ConfigurationError, OSError: as ``load``.
        """
        content = private_file.read(self._path)
        if not content:
            return {}
        # orjson.JSONDecodeError is a ValueError.
        rows: JsonValue = orjson.loads(content)
        match rows:
            case dict():
                return {name: _section(row) for name, row in rows.items()}
            case _:
                raise ValueError("no sections")

    def _set_aside(self) -> None:
        with self._lock("change", seconds=_LOCK_SECONDS):
            # Another process may have done it meanwhile, and written a new one.
            try:
                self._sections()
            except ValueError:
                self._move_away()

    def _move_away(self) -> None:
        aside = self._path.with_name(f"{self._path.name}.corrupt")
        self._path.replace(aside)
        _log.warning("the token store %s is damaged; it was set aside as %s", self._path, aside.name)


def _section(row: JsonValue) -> _Section:
    match row:
        case [int() | float() as until, str(closed)]:
            return _Section(until, closed)
        case _:
            raise ValueError("no section")


def _tokens(sections: Mapping[str, _Section], seal: TokenCipher) -> Sequence[AccessToken]:
    section = sections.get(seal.name)
    return () if section is None else seal.open(section.closed)
