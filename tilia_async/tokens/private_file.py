"""A private file, replaced as a whole.

Its owner alone can read it.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

from tilia_async.errors import ConfigurationError

_LARGEST: Final = 4 * 1024 * 1024
# Windows has neither; its files belong to their owner by the rights of their directory. O_NONBLOCK: a pipe in the
# file's place must not stop the reader for ever.
_AS_IT_IS: Final = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


def read(path: Path) -> bytes | None:
    """Return the content.

    None if there is no such file.

    Raises:
        ConfigurationError: it is a symbolic link, of somebody else, open to others, or no file at all.
        OSError: it cannot be read.
    """
    if path.is_symlink():
        raise ConfigurationError(f"the token store {path} is a symbolic link; name the file itself")
    try:
        descriptor = os.open(path, os.O_RDONLY | _AS_IT_IS)
    except FileNotFoundError:
        return None
    except PermissionError:
        raise ConfigurationError(f"the token store {path} may not be read by this user") from None
    with os.fdopen(descriptor, "rb") as file:
        _check(path, os.fstat(descriptor))
        return file.read(_LARGEST)


def replace(path: Path, content: bytes) -> None:
    """Replace the content at once.

    Whoever reads sees the old content or the new one. One writer at a time.

    Raises:
        OSError: it cannot be written.
    """
    draft = path.with_name(f"{path.name}.new")
    # Of a writer that was killed.
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _AS_IT_IS, 0o600), "wb") as file:
        file.write(content)
    # Without fsync, which takes milliseconds: what a power cut takes is fetched anew.
    draft.replace(path)


def make_directory(path: Path) -> None:
    """Make a directory that only its owner changes.

    Nobody else can put or take away files there.

    Raises:
        ConfigurationError: it is there, and others can.
        OSError: it cannot be made.
    """
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or not _is_ours(found) or (os.name == "posix" and found.st_mode & 0o022):
        raise ConfigurationError(f"others can write to {path}, which the token store needs for itself: remove it")


def _check(path: Path, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise ConfigurationError(f"the token store {path} is no file")
    if not _is_ours(found):
        raise ConfigurationError(f"the token store {path} belongs to another user")
    if os.name == "posix" and found.st_mode & 0o077:
        raise ConfigurationError(f"the token store {path} is open to others: chmod 600 {path}")


def _is_ours(found: os.stat_result) -> bool:
    return not hasattr(os, "geteuid") or found.st_uid == os.geteuid()
