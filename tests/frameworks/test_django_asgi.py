"""Django in a server of ASGI: the view for notifications, and a receiver beside Django."""

from pathlib import Path

import pytest
from support.deliveries import BLOCK, delivery
from support.serving import served

for _needed in ("django", "uvicorn", "hypercorn"):
    pytest.importorskip(_needed)

SERVERS = {
    "uvicorn": ["-m", "uvicorn", "django_asgi:application", "--fd", "{fd}", "--timeout-graceful-shutdown", "1"],
    "hypercorn": ["-m", "hypercorn", "django_asgi:application", "--bind", "fd://{fd}", "--graceful-timeout", "1"],
}


@pytest.mark.parametrize("name", ["uvicorn", pytest.param("hypercorn", marks=pytest.mark.nightly)])
def test_notifications_in_a_project_under_asgi(name: str, tmp_path: Path) -> None:
    with served(SERVERS[name], tmp_path) as server:
        for place, where in {"/tilia": "inside", "/notifications": "beside"}.items():
            for secret, status in {"guess": 404, "a-long-random-word": 204}.items():
                answer = server.send("POST", f"{place}/{secret}", delivery(BLOCK), content_type="application/json")
                assert answer[0] == status, (tmp_path / "log.txt").read_text()
            assert server.lines().pop() == f"{where} {BLOCK['account_id']}"
            assert server.send("GET", f"{place}/a-long-random-word")[0] == 405
        assert len(server.lines()) == 2
        assert server.send("GET", "/elsewhere")[0] == 404
        log = (tmp_path / "log.txt").read_text()
    assert "Traceback" not in log, log
