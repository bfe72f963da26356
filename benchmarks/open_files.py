"""A thousand connections are more than most systems allow a process unasked."""

from __future__ import annotations

import resource


def allow_many_open_files() -> None:
    """Allow this process as many as it may have."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    # The system's own ceiling may lie below what it calls infinite.
    wanted = 65_536 if most == resource.RLIM_INFINITY else min(most, 65_536)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))
