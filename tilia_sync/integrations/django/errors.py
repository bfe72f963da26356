"""Answers to errors of calls that views let pass."""

from __future__ import annotations

from django.http import HttpRequest, JsonResponse
from django.utils.deprecation import MiddlewareMixin

from tilia_async.errors import TiliaError
from tilia_async.integrations.http_errors import answer_to


def error_response(error: TiliaError) -> JsonResponse:
    """Answer a request whose call to Tilia failed.

    What is wrong with the request is 404, 409 or 422, a blocked account 403, a Tilia that is away or too slow 503 or
    504, and what only you can mend 500 or 502. The body says the operation and whether it took effect, and nothing that
    Tilia said. What is 500 or more is logged as an error.
    """
    answer = answer_to(error)
    return JsonResponse(answer.body, status=answer.status, headers=dict(answer.headers))


class ErrorMiddleware(MiddlewareMixin):
    """Middleware that answers by ``error_response``.

    For synchronous and asynchronous views. Add ``"tilia_sync.integrations.django.ErrorMiddleware"`` to ``MIDDLEWARE``;
    a view that catches ``TiliaError`` answers by itself.
    """

    def process_exception(self, request: HttpRequest, exception: Exception) -> JsonResponse | None:  # noqa: ARG002 - Django's form
        """Answer for an error of Tilia's, and no other."""
        return error_response(exception) if isinstance(exception, TiliaError) else None
