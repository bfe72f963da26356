"""The event loop of a call.

It has to be asyncio's.
"""

from __future__ import annotations

import asyncio


def running_loop() -> asyncio.AbstractEventLoop:
    """Return the running event loop.

    Raises:
        RuntimeError: there is none, or another library's; it says what to do.
    """
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        pass
    other = _other_library()
    if other is not None:
        raise RuntimeError(
            f"tilia_async needs asyncio, and this runs under {other}: run it with asyncio.run(...), or anyio's asyncio "
            "backend; or call tilia_sync in a thread"
        )
    raise RuntimeError(
        "tilia_async needs a running event loop of asyncio: await it in what asyncio.run(...) runs; "
        "code without an event loop uses tilia_sync"
    )


def _other_library() -> str | None:
    """Return another asynchronous library's name.

    The one that runs here, if it is another than asyncio.
    """
    try:
        import sniffio  # noqa: PLC0415 - whoever runs trio has it
    except ImportError:
        return None
    try:
        return sniffio.current_async_library()
    except sniffio.AsyncLibraryNotFoundError:
        return None
