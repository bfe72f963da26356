"""``Idempotency-Key``, for the operations that take it (fact sheet "money", 0.5)."""

from __future__ import annotations

import sys

import attrs

from tilia_async.checks import uuid4
from tilia_async.sandbox.responses import SandboxResponse, bare, failure


@attrs.define
class _Use:
    """A key in use.

    Without an answer its request is still under way.
    """

    body: bytes = attrs.field(repr=False)
    answer: SandboxResponse | None = None


class IdempotencyStore:
    """The used keys by operation, with their answers.

    How long Tilia keeps a key is not documented; here it is as long as the sandbox runs.
    """

    def __init__(self) -> None:
        self._uses: dict[tuple[str, str], _Use] = {}

    def enter(self, operation: str, key: str, body: bytes) -> SandboxResponse | None:
        """Take a key into use.

        An answer that it returns is to be given at once, without doing anything.

        That the same key with the same body gets the first answer again is inferred: an error is documented for
        everything else.
        """
        if uuid4(key):
            return _refusal(400, "idempotency key is not in a valid format. the request is invalid")
        use = self._uses.get((operation, key))
        if use is None:
            self._uses[operation, key] = _Use(body)
            return None
        if use.body != body:
            return _refusal(422, "idempotency key has different request body. unprocessable")
        return use.answer or _refusal(409, "idempotency key is in use. resource already exists")

    def leave(self, operation: str, key: str, answer: SandboxResponse | None) -> None:
        """Keep the answer of a request that is over.

        It forgets the key if nothing was done.
        """
        if answer is None and isinstance(sys.exception(), Exception):
            # A handler that failed may have moved money before. Doing it once more would be worse than a lasting 500.
            answer = failure(500, None, message=("encountered an unexpected error",), codes=("SERVER_ERROR",))
        if answer is None:
            del self._uses[operation, key]
        else:
            self._uses[operation, key].answer = answer


def _refusal(status: int, why: str) -> SandboxResponse:
    return bare({"payload": {"errors": f"failed to handle request. {why}"}}, status)
