"""Cells in a real kernel, whose event loop is running while they are executed."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.settings import running_sandbox, variables

from tilia_async.sandbox import Fault
from tilia_sync import Sandbox

jupyter_client = pytest.importorskip("jupyter_client")
pytest.importorskip("ipykernel")
# jupyter_client's own; the kernel's warnings are looked at in its output.
pytestmark = [pytest.mark.filterwarnings("default::DeprecationWarning"), pytest.mark.filterwarnings("default:::zmq")]

README = Path(__file__).resolve().parents[2] / "README.md"


class Kernel:
    """Executes cells and returns what they show."""

    def __init__(self, manager: object, client: object) -> None:
        self._manager = manager
        self._client = client

    def cell(self, code: str) -> list[tuple[str, str]]:
        return self.shown(self._client.execute(code))

    def shown(self, message_id: str) -> list[tuple[str, str]]:
        outputs: list[tuple[str, str]] = []
        while True:
            message = self._client.get_iopub_msg(timeout=30)
            if message["parent_header"].get("msg_id") != message_id:
                continue
            content = message["content"]
            match message["msg_type"]:
                case "stream":
                    outputs.append((content["name"], content["text"]))
                case "execute_result":
                    outputs.append(("result", content["data"]["text/plain"]))
                case "error":
                    outputs.append((content["ename"], "\n".join(content["traceback"])))
                case "status" if content["execution_state"] == "idle":
                    return outputs

    def begin(self, code: str) -> str:
        return self._client.execute(code)

    def interrupt(self) -> None:
        self._manager.interrupt_kernel()


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with running_sandbox() as (sandbox, _):
        yield sandbox


@pytest.fixture(scope="module")
def kernel(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    patch = pytest.MonkeyPatch()
    folder = str(tmp_path_factory.mktemp("jupyter"))
    for name, value in {**variables(sandbox), "IPYTHONDIR": folder, "JUPYTER_RUNTIME_DIR": folder}.items():
        patch.setenv(name, value)
    manager, client = jupyter_client.manager.start_new_kernel(kernel_name="python3", startup_timeout=60)
    try:
        kernel = Kernel(manager, client)
        assert kernel.cell("from tilia_sync import TiliaClient\ntilia = TiliaClient.from_env()") == []
        yield kernel
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=False)
        manager.cleanup_resources()
        patch.undo()


def text(outputs: list[tuple[str, str]], name: str) -> str:
    return "".join(shown for kind, shown in outputs if kind == name)


FRESH = "from tilia_sync.loop_thread import LOOP_THREAD; LOOP_THREAD._warned = False"


def test_a_cell_calls_without_a_warning(kernel: Kernel) -> None:
    kernel.cell(FRESH)
    assert text(kernel.cell("import asyncio; asyncio.get_running_loop().is_running()"), "result") == "True"
    assert kernel.cell("tilia.payment_methods.list('a')") == [("result", "[]")]
    assert kernel.cell("def f():\n    return list(tilia.invoices.list('a'))\nf()") == [("result", "[]")]
    assert kernel.cell("await asyncio.sleep(0)\ntilia.payment_methods.list('a')") == [("result", "[]")]


@pytest.mark.parametrize("wait", ["await main()", "await asyncio.create_task(main())"])
def test_a_coroutine_of_a_cell_is_warned_once(kernel: Kernel, wait: str) -> None:
    kernel.cell(FRESH)
    kernel.cell("import asyncio\nasync def main():\n    return tilia.payment_methods.list('a')")
    first = kernel.cell(wait)
    assert text(first, "result") == "[]"
    warning = text(first, "stderr")
    assert "use tilia_async and await" in warning
    # It points at the cell, not at the package.
    assert "tilia_sync/" not in warning
    assert kernel.cell(wait) == [("result", "[]")]


def test_a_programme_of_the_readme_is_awaited(kernel: Kernel) -> None:
    kernel.cell(README.read_text("utf-8").split("```python\n")[1].split("asyncio.run(main())")[0])
    for _ in range(2):
        assert kernel.cell("await main()") == [("stdout", "True\n")]


def test_a_traceback_shows_the_cell_and_no_bridge(kernel: Kernel) -> None:
    ((name, shown),) = [each for each in kernel.cell("tilia.accounts.get('acct_1')") if each[0] != "stderr"]
    assert name == "NotFoundError"
    for file in ("loop_thread.py", "call.py"):
        assert file not in shown
    assert "requestor.py" in shown


def test_interrupting_the_kernel_ends_the_call_and_the_client_goes_on(kernel: Kernel, sandbox: Sandbox) -> None:
    sandbox.faults.add("payment_methods.list", Fault.LATENCY, seconds=30)
    seen = len(sandbox.requests)
    cell = kernel.begin("tilia.payment_methods.list('slow')")
    while not any(request.operation == "payment_methods.list" for request in sandbox.requests[seen:]):
        sandbox.notified()
    kernel.interrupt()
    assert [name for name, _ in kernel.shown(cell) if name != "stderr"] == ["KeyboardInterrupt"]
    assert text(kernel.cell("tilia.payment_methods.list('a')"), "result") == "[]"
