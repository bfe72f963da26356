"""uvloop's event loop for the loop thread.

The extra ``speed`` brings it.
"""

from __future__ import annotations

import uvloop

from tilia_sync.daemon_executor import DaemonThreads


class FastLoop(DaemonThreads, uvloop.Loop):  # type: ignore[misc] # uvloop describes the same addresses otherwise
    """Resolves names as asyncio's loop does.

    uvloop has threads of libuv's do that, even for an IP address. When a forked child exits, libuv joins them; but they
    are its parent's only, and the child crashes (https://github.com/libuv/libuv/issues/4443).
    """
