"""The one table that says whether a write took effect.

=====================================================  =============
what happened                                          took_effect
=====================================================  =============
refused here, or nothing was sent                      False
a reading call, whatever happened                      False
4xx                                                    False
5xx, 3xx, or a 2xx whose envelope says failure         None
a 2xx that is cut off or cannot be read                None
sent, and no answer                                    None
a 2xx that says success                                True
any of these but success, after an attempt with None   None
=====================================================  =============
"""

from enum import Enum

from tilia_async.wire.operation import Operation


class Happened(Enum):
    """What became of one attempt."""

    NOT_SENT = "not sent"
    NO_ANSWER = "no answer"
    REFUSED = "refused"
    UNCLEAR = "unclear"
    UNREADABLE = "unreadable"
    SUCCEEDED = "succeeded"


_TABLE: dict[Happened, bool | None] = {
    Happened.NOT_SENT: False,
    Happened.NO_ANSWER: None,
    Happened.REFUSED: False,
    Happened.UNCLEAR: None,
    Happened.UNREADABLE: None,
    Happened.SUCCEEDED: True,
}


def took_effect(operation: Operation[object], happened: Happened, *, doubtful: bool = False) -> bool | None:
    """True, False, or None where nobody can know.

    Args:
        doubtful: an earlier attempt of the same call may have taken effect.
    """
    if operation.reads:
        return False
    effect = _TABLE[happened]
    return None if effect is False and doubtful else effect


def answered(status: int, *, success: bool) -> Happened:
    """The row of the table for an answer that could be read."""
    if 200 <= status < 300:
        return Happened.SUCCEEDED if success else Happened.UNCLEAR
    return Happened.REFUSED if 400 <= status < 500 else Happened.UNCLEAR
