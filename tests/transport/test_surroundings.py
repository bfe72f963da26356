"""Surroundings of the package: without the metadata of an installation, without asyncio, in a loop that must not stop."""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
import textwrap
import zipfile
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest
import trio
from support.hostile import Connection
from support.interruption import elsewhere

import tilia_async
import tilia_sync
from tilia_async import TiliaClient
from tilia_async.tokens import TokenCache

ROOT = Path(tilia_async.__file__).resolve().parents[1]


def python(*options: str, script: str, arguments: tuple[str, ...] = ()) -> str:
    done = subprocess.run(
        [sys.executable, *options, "-c", textwrap.dedent(script), *arguments],
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_the_version_is_one() -> None:
    assert tilia_async.__version__ == tilia_sync.__version__ == importlib.metadata.version("tilia-sdk")


@pytest.mark.parametrize("zipped", [False, True], ids=["copied", "in a zip"])
def test_a_bundle_without_metadata(tmp_path: Path, zipped: bool) -> None:
    """A bundle as serverless functions and frozen programs have it: packages, and no dist-info of any."""
    site = Path(importlib.metadata.distribution("aiohttp").locate_file("")).resolve()
    libraries = tmp_path / "libraries"
    libraries.mkdir()
    for entry in site.iterdir():
        if entry.suffix not in {".dist-info", ".pth", ".egg-info"} and not entry.name.startswith(
            ("tilia", "__editable__")
        ):
            (libraries / entry.name).symlink_to(entry)
    ours = tmp_path / ("ours.zip" if zipped else "ours")
    files = [path for name in ("tilia_async", "tilia_sync") for path in (ROOT / name).rglob("*.py")]
    if zipped:
        with zipfile.ZipFile(ours, "w") as archive:
            for path in files:
                archive.write(path, path.relative_to(ROOT))
    else:
        for path in files:
            copy = ours / path.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(path.read_bytes())
    script = """
        import sys
        sys.path[:0] = sys.argv[1:3]
        from importlib.metadata import PackageNotFoundError, version
        try:
            version("tilia-sdk")
        except PackageNotFoundError:
            pass
        else:
            raise AssertionError("there is metadata")
        import tilia_async, tilia_sync
        assert tilia_async.__file__.startswith(sys.argv[1])
        for package in (tilia_async, tilia_sync):
            print(package.__version__, package.TiliaClient("id", "s3cret", "staging"))
    """
    told = python("-I", "-S", script=script, arguments=(str(ours), str(libraries)))
    assert told.count(tilia_async.__version__) == 2


async def answer(connection: Connection) -> None:
    while await connection.tokens() is not None:
        await connection.answer(b'{"status":"Success","payload":{"account_id":"a","is_blocked":false}}')


def test_nothing_is_loaded_while_a_call_runs_in_the_loop() -> None:
    """Everything that a call needs is imported by its client's constructor, or in a thread."""
    script = """
        import asyncio, sys, threading
        from tilia_async import TiliaClient
        tilia = TiliaClient("id", "s3cret", sys.argv[1])
        main = threading.get_ident()
        on_loop = []

        class Watch:
            def find_spec(self, name, path=None, target=None):
                if threading.get_ident() == main and asyncio._get_running_loop() is not None:
                    on_loop.append(name)
                return None

        async def call():
            sys.meta_path.insert(0, Watch())
            async with tilia:
                assert not await tilia.accounts.is_blocked("a")

        asyncio.run(call())
        assert "cattrs" in sys.modules
        print(*on_loop)
    """
    with elsewhere(answer) as server:
        assert python(script=script, arguments=(server.template.replace("127.0.0.1", "localhost"),)) == "\n"


async def enter(tilia: TiliaClient) -> None:
    async with tilia:
        raise AssertionError("not reached")


async def call(tilia: TiliaClient) -> None:
    await tilia.accounts.get("a")


async def token(tilia: TiliaClient) -> None:
    await tilia.access_token(())


async def close(tilia: TiliaClient) -> None:
    await tilia.aclose()


@pytest.mark.parametrize("use", [enter, call, token, close], ids=lambda use: use.__name__)
def test_another_library_learns_that_asyncio_is_needed(use: Callable[[TiliaClient], object]) -> None:
    tilia = TiliaClient("id", "s3cret", "staging", token_cache=TokenCache())
    for run in (lambda: trio.run(use, tilia), lambda: anyio.run(use, tilia, backend="trio")):
        with pytest.raises(RuntimeError, match=r"needs asyncio, and this runs under trio: .*asyncio\.run"):
            run()


@pytest.mark.parametrize("use", [enter, call, token, close], ids=lambda use: use.__name__)
def test_without_a_loop_the_other_package_is_named(use: Callable[[TiliaClient], object]) -> None:
    coroutine = use(TiliaClient("id", "s3cret", "staging", token_cache=TokenCache()))
    with pytest.raises(RuntimeError, match="code without an event loop uses tilia_sync"):
        coroutine.send(None)
