"""Tools for tests of your own code, beside the sandbox.

The fixtures and markers are in ``pytest_tilia``, which pytest loads wherever this package is installed.
"""

from tilia_async.testing.calls import SandboxCalls
from tilia_async.testing.cassettes import VcrConfig, vcr_config

__all__ = ["SandboxCalls", "VcrConfig", "vcr_config"]
