"""Ctrl-C in the middle of a call shows no secret."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.scripts import run, unix

INTERRUPTED = r"""
    sys.path[:0] = {path!r}
    import socket
    from support.shown_frames import PASSWORD, SECRET, TOKEN, USER, assert_nothing_is_shown
    from tilia_async import TiliaClient as AsyncClient

    # What it says of a write that was cut off has a test of its own.
    logging.getLogger("tilia_async.calls").setLevel(logging.ERROR)
    listening = socket.create_server(("127.0.0.1", 0))

    def serve():
        while True:
            connection = listening.accept()[0]
            while (read := connection.recv(65536)):
                if b"/token" in read:
                    body = b'{{"access_token":"%b","expires_in":3600}}' % TOKEN.encode()
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
                elif PASSWORD.encode() in read:
                    os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=serve, daemon=True).start()
    there = f"http://127.0.0.1:{{listening.getsockname()[1]}}/{{{{service}}}}"

    async def asynchronous():
        async with AsyncClient("id", SECRET, there) as tilia:
            await tilia.registration.start(USER, PASSWORD, USER)

    def synchronous():
        with TiliaClient("id", SECRET, there) as tilia:
            tilia.registration.start(USER, PASSWORD, USER)

    def in_a_loop_of_its_own():
        loop = asyncio.new_event_loop()
        try:
            loop.run_until_complete(asynchronous())
        finally:
            warnings.simplefilter("ignore")
            for task in asyncio.all_tasks(loop):
                task.cancel()
                loop.run_until_complete(asyncio.wait([task]))
            loop.close()

    try:
        {call}
    except KeyboardInterrupt as error:
        assert_nothing_is_shown(error, skip=("__main__",))
        print("interrupted")
"""


@unix
@pytest.mark.parametrize(
    ("call", "stderr"),
    # A loop that is interrupted in the middle of a task says so.
    [("asyncio.run(asynchronous())", ""), ("synchronous()", ""), ("in_a_loop_of_its_own()", None)],
)
def test_ctrl_c_shows_no_secret(call: str, stderr: str | None) -> None:
    here = [str(Path(__file__).parent), str(Path(__file__).parents[1])]
    assert run(INTERRUPTED.format(path=here, call=call), stderr=stderr) == "interrupted\n"
