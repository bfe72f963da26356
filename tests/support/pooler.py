"""A real PgBouncer in transaction mode before the tests' PostgreSQL."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

from support.postgres import SERVER, connected, unavailable

SETTINGS = """
[databases]
* = host={host} port={server} user={user} {password}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 3
# Each transaction gets the connection that was unused the longest: hardly ever the same as the one before.
server_round_robin = 1
"""


def program() -> str | None:
    """Debian keeps it where only root looks."""
    return shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


@asynccontextmanager
async def pooled(url: str, directory: Path) -> AsyncIterator[str]:
    """Return the database's URL through the pooler.

    Without a pooler the test is skipped, or fails under ``TILIA_REQUIRE_SERVICES=1``.
    """
    pgbouncer = program()
    if pgbouncer is None:
        unavailable("there is no pgbouncer on this machine (Debian: apt-get install pgbouncer)")
    server = urlsplit(SERVER)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = directory / "pgbouncer.ini"
    settings.write_text(
        SETTINGS.format(
            host=server.hostname,
            server=server.port or 5432,
            user=server.username,
            password=f"password={server.password}" if server.password else "",
            port=port,
        )
    )
    settings.chmod(0o644)
    # It does not run as root, and nobody else may look into the directories of tests.
    as_user = ["-u", "nobody"] if os.geteuid() == 0 else []
    process = subprocess.Popen(  # noqa: ASYNC220 - it begins at once
        [pgbouncer, "-q", *as_user, settings], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    try:
        await answering(port, process)
        through = f"postgresql://{server.username}@127.0.0.1:{port}{urlsplit(url).path}"
        await fill(through)
        yield through
    finally:
        process.terminate()
        process.communicate()


async def fill(through: str) -> None:
    """Fill the pooler with connections to the server.

    Only then it hands on another each time.
    """
    async with AsyncExitStack() as opened:
        clients = [await opened.enter_async_context(connected(through)) for _ in range(3)]
        for client in clients:
            await client.execute("BEGIN")
        for client in clients:
            await client.execute("COMMIT")


async def answering(port: int, process: subprocess.Popen[bytes]) -> None:
    async with asyncio.timeout(20):
        while True:
            if process.poll() is not None:
                assert process.stdout is not None
                raise AssertionError(process.stdout.read().decode())
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except ConnectionRefusedError:
                await asyncio.sleep(0.02)
                continue
            writer.close()
            await writer.wait_closed()
            return
