"""The integration into Celery.

Errors after which a task may run again, and a client for all tasks of a process.

::

    @app.task(autoretry_for=RETRYABLE, retry_backoff=True, max_retries=8)
    def block(account_id: str) -> None:
        get_client().accounts.block(account_id, reason="fraud")

A task that runs again does all of it again, so let it write once. What tries longer than a call's own attempts belongs
here; ``took_effect`` None belongs to ``reconcile``, not to a retry.
"""

from __future__ import annotations

from typing import Final

from celery.signals import worker_process_shutdown, worker_shutdown

from tilia_async.errors import ApiError, ConnectError, DeadlineExceededError, TiliaError, TokenError
from tilia_sync.client import TiliaClient
from tilia_sync.integrations.per_process import PerProcess

__all__ = ["RETRYABLE", "get_client", "may_run_again"]

RETRYABLE: Final[tuple[type[TiliaError], ...]] = (ConnectError, DeadlineExceededError, TokenError)
"""Errors whose request had no effect, whatever it was.

For ``autoretry_for``. They are classes, so errors that had none only this time are not among them: see
``may_run_again``.
"""

_GRACE: Final = 5.0
"""Seconds that calls under way have when a worker ends."""

_client: Final = PerProcess(TiliaClient.from_env, lambda client: client.close(_GRACE))


def get_client() -> TiliaClient:
    """Return the client of this process, made from the environment.

    It is made with the first use, works in prefork workers, threads and green threads alike, and is closed when the
    worker ends.

    Raises:
        ConfigurationError: a variable is not set, or wrong; the message names it.
    """
    return _client.get()


def may_run_again(error: Exception) -> bool:
    """Return True if nothing can be done twice.

    A task can run again after an error of ``RETRYABLE``, and after an answer such as 429 that says so for this very
    call:

    ::

        @app.task(bind=True, max_retries=8)
        def pay(self, invoice_id):
            try:
                get_client().invoices.pay(invoice_id)
            except TiliaError as error:
                if not may_run_again(error):
                    raise
                raise self.retry(exc=error, countdown=getattr(error, "retry_after", None) or 5)
    """
    if isinstance(error, RETRYABLE):
        return True
    return isinstance(error, ApiError) and error.retryable and error.took_effect is False


def _close(**_details: object) -> None:
    _client.close()


worker_process_shutdown.connect(_close)
worker_shutdown.connect(_close)
