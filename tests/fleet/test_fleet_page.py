"""The page about fleets is true: its programs run as printed, one after the other, and its unit says what there is."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from pathlib import Path

import pytest
from support.fleet_worker import Scene
from support.redis_server import SERVER, new_prefix

from tilia_async.sandbox import Sandbox

PAGE = Path(__file__).resolve().parents[2] / "docs" / "fleet.md"

pytestmark = [
    pytest.mark.asyncio,
    pytest.mark.skipif(not PAGE.exists(), reason="only the repository has the pages"),
]


async def test_the_programs_run_as_printed(fleet: Scene, tmp_path: Path) -> None:
    programs = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert len(programs) == 2
    # What is made at the first use is told, on the standard error.
    await fleet.tilia.fleet.install()
    # The second finds nothing left to do, and so leaves nothing in Redis.
    async with new_prefix(), Sandbox() as sandbox:
        settings = {
            "TILIA_CLIENT_ID": sandbox.client_id,
            "TILIA_CLIENT_SECRET": sandbox.client_secret,
            "TILIA_ENVIRONMENT": sandbox.environment.template,
            "TILIA_LEDGER": fleet.url,
            "TILIA_BUDGET": SERVER,
        }
        for program in programs:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-X", "dev", "-W", "error", "-c", program),
                cwd=tmp_path,
                env={**os.environ, **settings},
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
            said, complaints = await process.communicate()
            told = [line for line in complaints.decode().splitlines() if not line.startswith("Executing <")]
            assert (process.returncode, told) == (0, [])
            if program is programs[0]:
                assert said.decode().strip() == "finished 20 of 20"
