"""Advice on failures of the operating system."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from typing import Final

_DESCRIPTORS: Final = (
    "the process has no file descriptor left: close what it leaves open, or raise its limit (ulimit -n, LimitNOFILE)"
)
DISK_FULL: Final = "the disk is full: make room"

_BY_ERRNO: Final[Mapping[int, str]] = {
    errno.EMFILE: _DESCRIPTORS,
    errno.ENFILE: _DESCRIPTORS,
    errno.ENOSPC: DISK_FULL,
    errno.EDQUOT: "the disk quota is used up: make room",
    errno.EACCES: "this user may not: see to the permissions of the file and of its directory",
    errno.EPERM: "this user may not: see to the permissions of the file and of its directory",
    errno.EROFS: "the file system is read-only",
    errno.ENOENT: "make the directory, or correct the path",
    errno.ENOTDIR: "a part of the path is no directory: correct it",
    errno.EISDIR: "it is a directory: name a file in it",
    errno.ECONNREFUSED: "nothing listens there: is the server running, and are host and port right?",
    errno.EHOSTUNREACH: "the host cannot be reached: see to the network",
    errno.ENETUNREACH: "the network cannot be reached",
    errno.ENOMEM: "the process or the machine has no memory left",
}


def advice(error: BaseException | None) -> str | None:
    """Return what to do about a system's failure.

    None if it is not one, or not known.
    """
    return _BY_ERRNO.get(error.errno or 0) if isinstance(error, OSError) else None
