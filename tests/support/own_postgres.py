"""A PostgreSQL server that one test may kill."""

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import attrs

from support.postgres import unavailable


@attrs.frozen
class OwnServer:
    """A server that a test has to itself.

    Attributes:
        url: of its one database.
    """

    url: str
    _programs: Path
    _folder: Path

    async def restart(self) -> None:
        """Let it crash, and start it again.

        It returns once connections are taken again.
        """
        await self._control("restart", "-m", "immediate")

    async def _control(self, *order: str) -> None:
        log = str(self._folder / "log")
        await _run(self._programs / "pg_ctl", "-D", str(self._folder / "data"), "-l", log, "-w", *order)


@asynccontextmanager
async def own_server() -> AsyncIterator[OwnServer]:
    """Start a server, and stop it.

    Where its programs are not installed, the test is skipped, or fails under ``TILIA_REQUIRE_SERVICES=1``.
    """
    programs = _programs()
    # Not among the files of pytest, which only their owner may see.
    with tempfile.TemporaryDirectory(prefix="tilia-postgres-") as folder:
        if os.geteuid() == 0:
            shutil.chown(folder, "postgres")
        async with _started(programs, Path(folder)) as server:
            yield server


@asynccontextmanager
async def _started(programs: Path, place: Path) -> AsyncIterator[OwnServer]:
    await _run(programs / "initdb", "-D", str(place / "data"), "-A", "trust", "-U", "postgres")
    port = _free_port()
    settings = f"port = {port}\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = '{place}'\n"
    with (place / "data" / "postgresql.conf").open("a") as file:
        file.write(settings)
    server = OwnServer(f"postgresql://postgres@127.0.0.1:{port}/postgres", programs, place)
    await server._control("start")
    try:
        yield server
    finally:
        await server._control("stop", "-m", "immediate")


def _programs() -> Path:
    found = shutil.which("pg_ctl")
    folders = [Path(found).parent] if found else sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    for folder in folders:
        if (folder / "initdb").exists():
            return folder
    unavailable("the programs of a PostgreSQL server are not installed")
    raise AssertionError


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


async def _run(program: Path, *arguments: str) -> None:
    """Run one of its programs, which refuse root."""
    user = pwd.getpwnam("postgres").pw_uid if os.geteuid() == 0 else None
    process = await asyncio.create_subprocess_exec(
        program,
        *arguments,
        user=user,
        cwd="/",
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    if await process.wait() != 0:
        raise RuntimeError(f"{program.name} {' '.join(arguments)} failed with {process.returncode}")
