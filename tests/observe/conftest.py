"""Clients of each package in turn, and observers that keep what they are told."""

from collections.abc import Iterator

import pytest
from support.both_packages import make
from support.observing import Kept, Telemetry, instrumented

import tilia_sync

__all__ = ["make"]


@pytest.fixture
def kept() -> Kept:
    return Kept()


@pytest.fixture
def sandbox_in_thread() -> Iterator[tilia_sync.Sandbox]:
    with tilia_sync.Sandbox(wallet_delay=0) as running:
        yield running


@pytest.fixture
def telemetry() -> Iterator[Telemetry]:
    with instrumented() as kept:
        yield kept
