"""Libraries that others call Tilia with, and whether they are here."""

from __future__ import annotations

import importlib
import importlib.util

PEERS = ("httpx", "niquests", "primp", "pycurl", "pyreqwest", "requests", "rnet", "stripe", "urllib3")
"""Contenders that are named as the library that they use."""
ON_URLLIB3 = {"requests", "urllib3"}
_FIRST_OF_THE_FORK = 900


def lack(contender: str) -> str | None:
    """Say why a contender cannot take part; None if it can."""
    if contender in PEERS and importlib.util.find_spec(contender) is None:
        return "not installed"
    if (
        contender in ON_URLLIB3
        and int(importlib.import_module("urllib3").__version__.split(".")[2]) >= _FIRST_OF_THE_FORK
    ):
        return "urllib3 is that of urllib3-future, which niquests brings unless it is told not to"
    return None


def about(contender: str) -> str:
    """Say in a line how a contender is written."""
    opening = (importlib.import_module(f"benchmarks.contenders.{contender}").__doc__ or "").partition("\n")[0]
    return opening.partition(": ")[2].rstrip(".") or opening
