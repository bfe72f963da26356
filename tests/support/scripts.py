"""Scripts in processes of their own.

What ends, splits or interrupts a process is tested there.
"""

import subprocess
import sys
import textwrap

import pytest

PRELUDE = """
import atexit, asyncio, contextvars, gc, logging, os, signal, sys, threading, time, traceback, warnings
from tilia_sync import BlockLedger, LineItem, Money, RequestOptions, Sandbox, TiliaClient, errors
from tilia_async.sandbox import Fault

# asyncio tells, in its debug mode, that something took longer than 0.1 s; its errors are still shown.
logging.getLogger("asyncio").setLevel(logging.ERROR)
warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)

def connect(sandbox, **settings):
    return TiliaClient(sandbox.client_id, sandbox.client_secret, sandbox.environment, **settings)

def count(sandbox, operation):
    return sum(request.operation == operation for request in sandbox.requests)

def once_it_arrives(sandbox, action):
    "Do something as soon as the sandbox got one more request."
    seen = len(sandbox.requests)
    def wait():
        while len(sandbox.requests) == seen:
            time.sleep(0.005)
        action()
    thread = threading.Thread(target=wait)
    thread.start()
    return thread

def interrupt():
    os.kill(os.getpid(), signal.SIGINT)
"""

unix = pytest.mark.skipif(sys.platform == "win32", reason="no fork and no signals to oneself here")


def run(script: str, *, expect: int = 0, stderr: str | None = "", timeout: float = 30) -> str:
    """Run a script, and return its output.

    After it ended as expected; with all warnings as errors and, by default, not a word on stderr.
    """
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", PRELUDE + textwrap.dedent(script)],
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert done.returncode == expect, done.stderr
    assert stderr is None or done.stderr == stderr, done.stderr
    return done.stdout
