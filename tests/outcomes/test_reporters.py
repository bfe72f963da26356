"""The reporters find what is not hidden."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.canaries import places, search
from support.reported import SECRET
from support.reporters import reported


class OldSecret(str):
    """A text that shows a mask, as long as nobody slices it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "***"

    __str__ = __repr__


@pytest.mark.parametrize(
    "hidden",
    [
        OldSecret(SECRET * 20),
        {"password": SECRET},
        [SECRET],
        (b"x" + SECRET.encode(),),
        {SECRET},
        [{"a": OldSecret(SECRET)}],
    ],
)
def test_what_is_not_hidden_is_found(hidden: object, tmp_path: Path) -> None:
    path = tmp_path / "tilia_async_module.py"
    path.write_text("def fail(hidden):\n    raise KeyError\n")
    namespace: dict[str, object] = {"__name__": "tilia_async.module"}
    exec(compile(path.read_text(), str(path), "exec"), namespace)
    with pytest.raises(KeyError) as caught:
        namespace["fail"](hidden)
    with pytest.raises(AssertionError, match="a secret of"):
        search([SECRET], places(caught.value))
    with pytest.raises(AssertionError, match="a secret of"):
        search([SECRET], reported(caught.value))
