"""An embedded Tilia.

A real HTTP server on loopback with state, scopes and faults.

It shares the operations' declarations with the client, so the two agree on paths and scopes, and nothing of the
client's transport, so one cannot hide the other's faults. What no fact sheet tells is decided in one place each and
marked "inferred" there.
"""

from tilia_async.sandbox.clock import SandboxClock
from tilia_async.sandbox.fault_script import FaultScript
from tilia_async.sandbox.faults import Fault
from tilia_async.sandbox.notifications import SentNotification
from tilia_async.sandbox.recorded import RecordedRequest
from tilia_async.sandbox.remote import RemoteClock, RemoteFaults, RemoteSandbox
from tilia_async.sandbox.server import Sandbox
from tilia_async.sandbox.state.accounts import SandboxAccount
from tilia_async.sandbox.state.wallets import SandboxWallet
from tilia_async.sandbox.waiting_faults import ScheduledFault

__all__ = [
    "Fault",
    "FaultScript",
    "RecordedRequest",
    "RemoteClock",
    "RemoteFaults",
    "RemoteSandbox",
    "Sandbox",
    "SandboxAccount",
    "SandboxClock",
    "SandboxWallet",
    "ScheduledFault",
    "SentNotification",
]
