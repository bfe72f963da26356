"""Scripts in processes patched by gevent or eventlet."""

import subprocess
import sys
import textwrap
from importlib.util import find_spec

import pytest

from support.scripts import PRELUDE
from tilia_sync import Sandbox

PATCH = {
    "gevent": "import gevent.monkey; gevent.monkey.patch_all()\n",
    "eventlet": "import eventlet; eventlet.monkey_patch()\n",
}


def needs(library: str) -> None:
    """Skip a test whose library is not installed.

    Not by importing it: eventlet warns in every fork from then on.
    """
    if find_spec(library) is None:
        pytest.skip(f"{library} is not installed")


def greenlets(sandbox: Sandbox, script: str, library: str, *, late: bool = False, loop: str = "uvloop") -> str:
    """Return what a script prints in a patched process.

    It is patched before or after all imports, and ends within its time.
    """
    needs(library)
    slow = "" if loop == "uvloop" else "import sys; sys.modules['uvloop'] = None\n"
    patch, settings = PATCH[library], (sandbox.client_id, sandbox.client_secret, sandbox.port)
    known = textwrap.dedent(f"""
        ID, SECRET, PORT = {settings!r}

        def client(**settings):
            return TiliaClient(ID, SECRET, f"http://127.0.0.1:{{PORT}}/{{{{service}}}}", **settings)
        warnings.filterwarnings("error", module="tilia")
    """)
    # eventlet says that it is deprecated, and gevent that it comes late.
    patch = f"import warnings\nwith warnings.catch_warnings():\n  warnings.simplefilter('ignore'); {patch}"
    whole = slow + ("" if late else patch) + PRELUDE + (patch if late else "") + known + textwrap.dedent(script)
    done = subprocess.run([sys.executable, "-c", whole], capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout
