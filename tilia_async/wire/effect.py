"""The one table that says whether a write took effect.

=====================================================  =============
what happened                                          took_effect
=====================================================  =============
refused here, or nothing was sent                      False
a reading call, whatever happened                      False
a 4xx that means a refusal                             False
any other 4xx, e.g. 408 or 499 of a gateway            None
5xx, 3xx, or a 2xx that says failure                   None
a 2xx that is cut off or cannot be read                None
a 2xx that neither says Success nor carries a result   None
a 2xx that contradicts itself or its request           None
sent, and no answer                                    None
a 2xx that says success                                True
any of these but success, after an attempt with None   None
=====================================================  =============
"""

from enum import Enum
from typing import Final

from tilia_async.wire.operation import Operation


class AttemptResult(Enum):
    """The result of one attempt."""

    NOT_SENT = "not sent"
    NO_ANSWER = "no answer"
    REFUSED = "refused"
    UNCLEAR = "unclear"
    UNREADABLE = "unreadable"
    SUCCEEDED = "succeeded"


_TABLE: dict[AttemptResult, bool | None] = {
    AttemptResult.NOT_SENT: False,
    AttemptResult.NO_ANSWER: None,
    AttemptResult.REFUSED: False,
    AttemptResult.UNCLEAR: None,
    AttemptResult.UNREADABLE: None,
    AttemptResult.SUCCEEDED: True,
}


REFUSALS: Final = frozenset(
    {400, 401, 403, 404, 405, 407, 409, 410, 411, 412, 413, 414, 415, 417, 421, 422, 425, 426, 428, 429, 431, 451}
)
"""The statuses that say: this was not done.

Of the others some are sent when somebody gave up waiting for an answer (408, 444, 460, 499), some when the answer could
not be written (406), and some mean to each server what it likes.
"""


def took_effect(operation: Operation[object], happened: AttemptResult, *, doubtful: bool = False) -> bool | None:
    """Return the effect: True, False, or None for unknown.

    None where nobody can know.

    Args:
        doubtful: an earlier attempt of the same call may have taken effect.
    """
    if operation.reads:
        return False
    effect = _TABLE[happened]
    return None if effect is False and doubtful else effect


def answered(status: int, *, success: bool) -> AttemptResult:
    """Return the table's row for a readable answer."""
    if 200 <= status < 300:
        return AttemptResult.SUCCEEDED if success else AttemptResult.UNCLEAR
    return AttemptResult.REFUSED if status in REFUSALS else AttemptResult.UNCLEAR
