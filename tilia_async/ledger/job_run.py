"""Runs of jobs, and the processes that they are in."""

from __future__ import annotations

import functools
import os
import socket
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import attrs

from tilia_async.errors import ConfigurationError

_PROCESSES: Final = Path("/proc")
_DEAD: Final = frozenset({"Z", "X"})
"""States of a process that does nothing more."""

RUNNING_HERE: Final = set[str]()
"""Runs of this process that have not ended."""


@attrs.frozen
class JobRun:
    """A run of a job whose lease is not over.

    Attributes:
        expires_at: end of its lease, in seconds since 1970 by the database's clock.
        host: where it runs; None if that is not on record, here and below.
        pid: of its process.
        process: identity of its process, for those who see the same processes: see ``this_process``.
        started_at: seconds since 1970, by the database's clock.
    """

    run_id: str
    job_id: str
    expires_at: float
    host: str | None
    pid: int | None
    process: str | None
    started_at: float | None

    @property
    def place(self) -> str:
        """Place where it runs, for people."""
        if self.host is None or self.started_at is None:
            return "in another process"
        since = datetime.fromtimestamp(self.started_at, UTC)
        return f"at {self.host}, process {self.pid}, since {since:%Y-%m-%d %H:%M:%S}Z"

    @property
    def is_dead(self) -> bool:
        """True if nothing of it goes on.

        False also if that cannot be known from here, as of a process on another host.
        """
        if self.process is None:
            return False
        return self.run_id not in RUNNING_HERE if self.process == this_process() else _is_gone(self.process)

    @property
    def is_seen(self) -> bool:
        """True if its process is seen from here, and lives."""
        return self.process is not None and not self.is_dead and _namespace() == self.process.rpartition("/")[0]

    def refusal(self) -> ConfigurationError:
        """Return the error for a second run of the job."""
        return ConfigurationError(
            f"the job {self.job_id!r} runs {self.place}: wait for its end, or stop it there. One process runs a job; "
            "many share one by tilia.fleet, on PostgreSQL"
        )


def this_process() -> str | None:
    """Return the identity of this process.

    None where the system tells none: then others wait for the end of its lease.
    """
    namespace, pid = _namespace(), os.getpid()
    state = _state(pid)
    return None if namespace is None or state is None else f"{namespace}/{pid}-{state.started_at}"


def this_host() -> str:
    """Return the name of this host.

    No longer than it is stored.
    """
    return socket.gethostname()[:255]


@attrs.frozen
class _State:
    letter: str
    threads: int
    started_at: str


@functools.cache
def _namespace() -> str | None:
    """Return the name of the space of process numbers.

    Containers count their processes each for itself, and a host counts anew after it was started.
    """
    try:
        boot = (_PROCESSES / "sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{(_PROCESSES / 'self/ns/pid').stat().st_ino}"
    except OSError:
        return None


def _state(pid: int) -> _State | None:
    try:
        # The name before may have any characters.
        fields = (_PROCESSES / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()
        return _State(fields[0], int(fields[17]), fields[19])
    except (OSError, IndexError, ValueError):
        return None


def _is_gone(process: str) -> bool:
    namespace, _, one = process.rpartition("/")
    pid, _, started_at = one.partition("-")
    if namespace != _namespace() or not pid.isdecimal():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except OSError:
        # It is another user's, and lives.
        pass
    state = _state(int(pid))
    if state is None:
        return False
    return state.started_at != started_at or (state.letter in _DEAD and state.threads <= 1)
