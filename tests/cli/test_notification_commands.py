"""``tilia listen`` and ``tilia trigger``: notifications, seen and made."""

import json
import re
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from support.commands import TILIA, environment, run

import tilia_sync
from tilia_async import event_names
from tilia_async.webhooks import UnknownEvent, parse_event
from tilia_async.webhooks.events import DOCUMENTED
from tilia_async.webhooks.samples import SAMPLES


class Receiver(HTTPServer):
    """A server of yours: it keeps what comes, and answers as it is told."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Keep)
        self.bodies: list[bytes] = []
        self.proofs: list[str | None] = []
        self.status = 200

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/tilia"


class _Keep(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        self.server.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.proofs.append(self.headers["Authorization"])
        self.send_response(self.server.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_there_is_a_sample_of_every_event() -> None:
    assert SAMPLES.keys() == event_names.ALL
    assert len(SAMPLES) == len(DOCUMENTED) == 13


@pytest.mark.parametrize("name", SAMPLES)
def test_each_event_arrives_as_its_class(receiver: Receiver, name: str) -> None:
    done = run({}, "trigger", name, "--to", receiver.url, "--json")
    assert (done.exit_code, done.stderr) == (0, "")
    event = parse_event(receiver.bodies[0])
    assert event.event_name == name
    assert not isinstance(event, UnknownEvent)
    assert event.entity
    assert event.sent_at is not None
    told = json.loads(done.stdout)
    assert (told["status"], told["message"]) == (200, dict(event.message))
    run({}, "trigger", name, "--to", receiver.url)
    assert parse_event(receiver.bodies[1]).entity != event.entity, "it is another event, and no repetition"
    run({}, "trigger", name, "--to", receiver.url, "--same-ids")
    assert parse_event(receiver.bodies[2]).message == SAMPLES[name]


def test_fields_replace_those_of_the_sample(receiver: Receiver) -> None:
    block = ("trigger", "account-block-unblock-webhook", "--to", receiver.url)
    run({}, *block, "account_id=acct_1", "is_blocked:=false")
    message = parse_event(receiver.bodies[0]).message
    assert (message["account_id"], message["is_blocked"]) == ("acct_1", False)
    assert run({}, *block, "is_blocked").exit_code == 2


def test_what_is_not_taken_is_shown(receiver: Receiver) -> None:
    receiver.status = 500
    done = run({}, "trigger", "kyc-webhook", "--to", receiver.url)
    assert (done.exit_code, "Tilia would send it again after a 500" in done.stderr) == (1, True)
    receiver.status = 307
    done = run({}, "trigger", "kyc-webhook", "--to", receiver.url)
    assert (done.exit_code, "with a slash at its end" in done.stderr) == (1, True)
    gone = run({}, "trigger", "kyc-webhook", "--to", "http://127.0.0.1:1/")
    assert (gone.exit_code, "gives no answer" in gone.stderr) == (5, True)
    unknown = run({}, "trigger", "kyc")
    assert (unknown.exit_code, "kyc-webhook" in unknown.stderr) == (2, True)


def test_credentials_come_from_the_variable(receiver: Receiver) -> None:
    done = run({"TILIA_WEBHOOK_AUTH": "tilia:geheim"}, "trigger", "kyc-webhook", "--to", receiver.url)
    assert receiver.proofs == ["Basic dGlsaWE6Z2VoZWlt"]
    assert "geheim" not in done.output


def test_what_comes_is_shown_and_handed_on(receiver: Receiver) -> None:
    settings = environment({"TILIA_WEBHOOK_AUTH": "tilia:geheim"})
    listen = [*TILIA, "listen", "--port", "0", "--forward-to", receiver.url, "--events", "kyc-webhook", "--no-sandbox"]
    with subprocess.Popen(
        listen, env=settings, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8"
    ) as served:
        assert served.stderr is not None
        assert served.stdout is not None
        began = re.fullmatch(r"Listening at (\S+), forwarding to (\S+); Ctrl-C ends.\n", served.stderr.readline())
        assert began is not None
        url, target = began.groups()
        assert target == receiver.url
        with_login = {"TILIA_WEBHOOK_AUTH": "tilia:geheim"}
        assert run({}, "trigger", "kyc-webhook", "--to", url).exit_code == 1, "401"
        assert run(with_login, "trigger", "kyc-webhook", "--to", url).exit_code == 0
        assert run(with_login, "trigger", "refund-completed", "--to", url).exit_code == 0
        receiver.status = 503
        assert '"status": 503' in run(with_login, "trigger", "kyc-webhook", "--to", url, "--json").stdout
        lines = [served.stdout.readline() for _ in range(3)]
        served.send_signal(signal.SIGINT)
        _, rest = served.communicate(timeout=20)
    assert (served.returncode, rest) == (0, "")
    assert [re.sub(r"^\S+|\S+ ms", "", line).split() for line in lines] == [
        ["kyc-webhook", parse_event(receiver.bodies[0]).entity[1], "200", "handed", "on,"],
        ["refund-completed", lines[1].split()[2], "200", "not", "handed", "on,"],
        ["kyc-webhook", parse_event(receiver.bodies[1]).entity[1], "503", "handed", "on,"],
    ]
    assert receiver.proofs == ["Basic dGlsaWE6Z2VoZWlt"] * 2


def test_it_ends_when_nobody_reads_any_more() -> None:
    with subprocess.Popen(
        [*TILIA, "listen", "--port", "0", "--no-sandbox"],
        env=environment({}),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as served:
        assert served.stderr is not None
        assert served.stdout is not None
        url = served.stderr.readline().split()[2].rstrip(",;")
        served.stdout.close()
        assert run({}, "trigger", "kyc-webhook", "--to", url).exit_code == 0
        assert served.wait(timeout=20) == 141
        assert "Traceback" not in served.stderr.read()


def test_lines_of_json_and_a_server_that_is_away() -> None:
    listen = [*TILIA, "listen", "--port", "0", "--forward-to", "http://127.0.0.1:1/", "--json", "--no-sandbox"]
    with subprocess.Popen(
        listen, env=environment({}), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8"
    ) as served:
        assert served.stderr is not None
        assert served.stdout is not None
        url = served.stderr.readline().split()[2].rstrip(",;")
        assert "Any program on this machine may post here" in served.stderr.readline()
        assert run({}, "trigger", "kyc-webhook", "--to", url).exit_code == 1
        told = json.loads(served.stdout.readline())
        assert (told["type"], told["status"], told["outcome"]) == ("KycStateChanged", 502, "could not be handed on")
        taken = subprocess.run(
            [*TILIA, "listen", "--port", url.rstrip("/").rpartition(":")[2]],
            capture_output=True, text=True, timeout=20, check=False,
        )  # fmt: skip
        assert (taken.returncode, "cannot listen at port" in taken.stderr) == (1, True)
        served.send_signal(signal.SIGTERM)
        assert served.wait(timeout=20) == 0


@contextmanager
def listening(sandbox: tilia_sync.Sandbox, **settings: str) -> Iterator[subprocess.Popen[str]]:
    listen = [*TILIA, "listen", "--port", "0", "--sandbox", sandbox.url]
    with subprocess.Popen(
        listen, env=environment(settings), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8"
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def test_a_sandbox_posts_to_it_as_long_as_it_listens() -> None:
    with tilia_sync.Sandbox() as sandbox:
        with listening(sandbox, TILIA_WEBHOOK_AUTH="tilia:geheim") as process:
            assert process.stderr is not None
            assert process.stdout is not None
            assert process.stderr.readline().startswith("Listening at http://127.0.0.1:")
            assert process.stderr.readline() == f"The sandbox at {sandbox.url} posts its notifications here.\n"
            sandbox.block_as_tilia(sandbox.add_account("nyx"))
            names = [process.stdout.readline().split()[1] for _ in range(2)]
            assert names == ["register-account-completed", "account-block-unblock-webhook"]
            sandbox.notified()
            assert all(sent.taken for sent in sandbox.notifications), "it knows the credentials"
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=20) == 0
        sandbox.trigger("kyc-webhook")
        assert len(sandbox.notifications) == 2, "nobody is registered any more"


def test_a_sandbox_that_is_away_is_reported() -> None:
    url = "http://127.0.0.1:1"
    wanted = run({}, "listen", "--port", "0", "--sandbox", url)
    assert (wanted.exit_code, f"no sandbox answers at {url}" in wanted.stderr) == (5, True)
    assert run({"TILIA_SANDBOX_URL": url}, "listen", "--port", "0").exit_code == 5
    assert run({}, "listen", "--port", "0", "--sandbox", "ftp://x").exit_code == 2
