"""The sandbox, embedded or remote, without an event loop."""

from tilia_sync.sandbox.embedded import Sandbox
from tilia_sync.sandbox.remote import RemoteClock, RemoteFaults, RemoteSandbox

__all__ = ["RemoteClock", "RemoteFaults", "RemoteSandbox", "Sandbox"]
