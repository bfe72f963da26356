"""On what it was measured."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchmarks.contenders.peers import PEERS

LIBRARIES = ("tilia-sdk", "aiohttp", "uvloop", "orjson", "cattrs", *PEERS)


def described() -> Sequence[str]:
    """Processor, system, Python, libraries, and how busy the machine is already."""
    told = [
        f"{processor()}, {os.cpu_count()} cores, {platform.system()} {platform.release()}",
        f"{platform.python_implementation()} {platform.python_version()}; "
        + ", ".join(f"{library} {installed(library)}" for library in LIBRARIES),
    ]
    if hasattr(os, "getloadavg"):
        told.append(f"load of the last minute when it began: {os.getloadavg()[0]:.2f}")
    return told


def installed(library: str) -> str:
    """Return a library's version, or say that it is not there."""
    try:
        return version(library)
    except PackageNotFoundError:
        return "(not installed)"


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
