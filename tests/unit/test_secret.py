"""Text that may be used but not shown."""

import logging
import pickle
import traceback

import pytest

from tilia_async.secret import Secret

CANARY = "canary-7f3a"


def test_it_is_masked_wherever_text_is_made_of_it(caplog: pytest.LogCaptureFixture) -> None:
    secret = Secret(CANARY)
    with caplog.at_level(logging.INFO):
        logging.getLogger("x").info("%s %r", secret, secret)
    shown = [str(secret), repr(secret), f"{secret}", f"{secret:>40}", f"{secret!r}", f"{[secret]}", caplog.text]
    assert not [text for text in shown if CANARY in text]


def test_it_is_masked_in_printed_frames() -> None:
    def frame(secret: Secret) -> None:
        raise RuntimeError

    try:
        frame(Secret(CANARY))
    except RuntimeError as error:
        text = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    assert "secret = " in text
    assert CANARY not in text.replace(f'Secret("{CANARY}")', "")


def test_it_can_be_revealed_even_when_wrapped_twice() -> None:
    revealed = Secret(Secret(CANARY)).reveal()
    assert revealed == CANARY
    assert type(revealed) is str


def test_it_is_not_pickled() -> None:
    with pytest.raises(TypeError):
        pickle.dumps(Secret(CANARY))
