"""A file of tokens, as a disk has it (extra ``store``)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

import orjson
from filelock import FileLock, Timeout

from tilia_async.errors import ConfigurationError
from tilia_async.json_value import JsonValue
from tilia_async.os_threads import allocate_lock, are_greenlets
from tilia_async.secret import Secret
from tilia_async.tokens import private_file
from tilia_async.tokens.cipher import TokenCipher
from tilia_async.tokens.token import AccessToken, Identity

_LOCK_SECONDS: Final = 1.0
_LOCK_POLL_SECONDS: Final = 0.001

_log = logging.getLogger("tilia_async.tokens")


class _Section(NamedTuple):
    """The encrypted tokens of one identity.

    It says when the last of them ends, in seconds since 1970, for all to see.
    """

    until: float
    closed: str


class FileClaim:
    """The right to ask: a lock of the system.

    The system takes it from a process that ends, however that happens.
    """

    def __init__(self, lock: FileLock) -> None:
        self._lock = lock
        # One thread takes the lock while another may have stopped waiting for that. Held for no longer than a decision:
        # an event loop gives up, and must not wait for a disk.
        self._deciding = allocate_lock()
        self._is_given_up = False
        self._is_taken = False

    def take(self) -> bool:
        """Take the lock, if it is wanted and free."""
        if self._is_given_up:
            return False
        try:
            self._lock.acquire()
        except Timeout:
            return False
        with self._deciding:
            self._is_taken = not self._is_given_up
        if not self._is_taken:
            self._lock.release()
        return self._is_taken

    def give_up(self) -> None:
        """Let others have the lock.

        Now, and also if a thread was about to take it.
        """
        with self._deciding:
            self._is_given_up = True
        if self._is_taken:
            self._lock.release()

    async def release(self) -> None:
        """Let the next one ask."""
        # Without a thread: a descriptor is closed at once, and a cancelled call must not leave that to be done.
        self.give_up()


class TokenFile:
    """A file of encrypted tokens, and its locks.

    What it does waits for the disk, and for other processes. The file is the user's alone (mode 0600), is replaced as a
    whole, and a lock next to it (in a directory of its name with ``.locks``) keeps writers apart. A damaged file is set
    aside as ``….corrupt``.

    Args:
        path: the file; its directory is made if it is not there.
        key: encrypts; None: the client's secret does.
    """

    def __init__(self, path: Path, key: Secret | None) -> None:
        self._key = key
        self.path = path
        self._locks = path.with_name(f"{path.name}.locks")

    def load(self, identity: Identity) -> Sequence[AccessToken]:
        """Return the tokens of an identity.

        Raises:
            ConfigurationError: the file is a symbolic link, of another user, or open to others.
            OSError: it cannot be read.
        """
        cipher = TokenCipher(identity, self._key)
        try:
            sections = self._sections()
        except ValueError:
            self._set_aside()
            return ()
        return _tokens(sections, cipher)

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

    def claim(self, identity: Identity, scopes: frozenset[str]) -> FileClaim:
        """Return the claim for these scopes, not yet taken.

        Raises:
            ConfigurationError, OSError: there can be no lock.
        """
        return FileClaim(self._lock(TokenCipher(identity, self._key).name_of(scopes), seconds=0))

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
        cipher = TokenCipher(identity, self._key)
        with self._lock("change", seconds=_LOCK_SECONDS):
            try:
                sections = self._sections()
            except ValueError:
                self._move_away()
                sections = {}
            now = datetime.now(UTC)
            kept = [token for token in change(_tokens(sections, cipher)) if token.expires_at > now]
            sections.pop(cipher.name, None)
            sections = {name: section for name, section in sections.items() if section.until > now.timestamp()}
            if kept:
                until = max(token.expires_at.timestamp() for token in kept)
                sections[cipher.name] = _Section(until, cipher.encrypt(kept))
            private_file.replace(self.path, orjson.dumps({name: tuple(section) for name, section in sections.items()}))

    def _sections(self) -> dict[str, _Section]:
        """Return the file's sections.

        By the names that the ciphers gave.

        Raises:
            ValueError: nothing that can be read.
            ConfigurationError, OSError: as ``load``.
        """
        content = private_file.read(self.path)
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
        aside = self.path.with_name(f"{self.path.name}.corrupt")
        self.path.replace(aside)
        _log.warning("the token store %s is damaged; it was set aside as %s", self.path, aside.name)


def _section(row: JsonValue) -> _Section:
    match row:
        case [int() | float() as until, str(closed)]:
            return _Section(until, closed)
        case _:
            raise ValueError("no section")


def _tokens(sections: Mapping[str, _Section], cipher: TokenCipher) -> Sequence[AccessToken]:
    section = sections.get(cipher.name)
    return () if section is None else cipher.decrypt(section.closed)
