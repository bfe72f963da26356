"""Files that a command writes, whole or not.

Whole or not at all, and nowhere but where they were meant to be.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import Final, TextIO

from tilia_async.cli.failure import CommandError, ExitStatus
from tilia_async.cli.terminal import ShownText

STANDARD_OUTPUT: Final = "-"

_DESCRIPTOR: Final = re.compile(r"/dev/stdout|/dev/stderr|/dev/fd/(\d+)|/proc/self/fd/(\d+)")
_STANDARD: Final = {"/dev/stdout": 1, "/dev/stderr": 2}

_SYSTEM: Final = ("/dev/", "/proc/")
_MOST_LINKS: Final = 40


@contextmanager
def text_file(name: str) -> Generator[TextIO, None, None]:
    """Open a file that takes another's place when whole.

    It is for text; it replaces another only when it is whole and on the disk.

    A new file is its owner's alone, another keeps its mode. A symbolic link is followed, unless somebody else put it in
    a directory where everybody may. Devices, pipes and descriptors (``/dev/stdout``) are written as they are.

    Raises:
        OSError: it cannot be written; the file that was there is as it was.
    """
    path = _target(Path(name))
    if name == STANDARD_OUTPUT and sys.stdout.isatty():
        yield ShownText()
    elif name == STANDARD_OUTPUT:
        wrapped = TextIOWrapper(sys.stdout.buffer, encoding="utf-8", newline="")
        try:
            yield wrapped
        finally:
            wrapped.detach()
    elif (number := _descriptor(path)) is not None:
        # To open its name would begin at the start of a file that something else has written to.
        with os.fdopen(os.dup(number), "w", encoding="utf-8", newline="") as out:
            yield out
    elif _is_special(path):
        # It has no other to take its place.
        with path.open("w", encoding="utf-8", newline="") as out:
            yield out
    else:
        with _replacing(path) as out:
            yield out


@contextmanager
def wanted_file(name: str) -> Generator[TextIO, None, None]:
    """Open the file that a command was told to write.

    Entered before anything is sent, so that what is learned does not get lost for a wrong name.

    Raises:
        CommandError: it cannot be opened.
        OSError: it cannot be written to its end; the file that was there is as it was.
    """
    with contextlib.ExitStack() as stack:
        try:
            out = stack.enter_context(text_file(name))
        except OSError as error:
            raise CommandError(f"{name} cannot be written: {error.strerror}", ExitStatus.USAGE) from None
        yield out


def _target(path: Path) -> Path:
    """Follow links to the target.

    To a file or to what the system keeps as one.

    Raises:
        OSError: it is a link that somebody else may have laid, or they go round in a circle.
    """
    for _ in range(_MOST_LINKS):
        if not path.is_symlink() or str(path.absolute()).startswith(_SYSTEM):
            return path
        if _is_foreign(path):
            raise OSError(errno.EACCES, "it is somebody else's symbolic link, where everybody may lay one")
        path = path.parent / path.readlink()
    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))


def _is_foreign(link: Path) -> bool:
    """Return True for a link that is not ours.

    It is what Linux's ``protected_symlinks`` asks of one that is opened.
    """
    directory = link.parent.stat()
    open_to_all = stat.S_ISVTX | stat.S_IWOTH
    if directory.st_mode & open_to_all != open_to_all or not hasattr(os, "geteuid"):
        return False
    return link.lstat().st_uid not in {os.geteuid(), directory.st_uid}


def _descriptor(path: Path) -> int | None:
    """Return the descriptor that a name stands for.

    A descriptor of this process.
    """
    found = _DESCRIPTOR.fullmatch(str(path))
    return None if found is None else _STANDARD.get(found[0]) or int(found[1] or found[2])


def _is_special(path: Path) -> bool:
    return path.exists() and not path.is_file()


@contextmanager
def _replacing(path: Path) -> Generator[TextIO, None, None]:
    handle, part = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:100]}.", suffix=".part")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as out:
            with contextlib.suppress(FileNotFoundError):
                os.fchmod(handle, stat.S_IMODE(path.stat().st_mode))
            yield out
            out.flush()
            os.fsync(handle)
        Path(part).replace(path)
    except BaseException:  # whatever it is, no part of a file stays; it is raised again
        Path(part).unlink(missing_ok=True)
        raise
    _keep(path.parent)


def _keep(directory: Path) -> None:
    """Write a directory to the disk.

    Where the system has that.
    """
    with contextlib.suppress(OSError):
        handle = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
