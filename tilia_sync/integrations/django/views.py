"""The view that takes notifications in."""

from __future__ import annotations

from time import monotonic

from django.http import HttpRequest, HttpResponse, UnreadablePostError
from django.views.decorators.csrf import csrf_exempt

from tilia_async.secret import Secret
from tilia_async.webhooks.gate import headers_of, read_length
from tilia_sync.integrations.django.parts import get_receiver
from tilia_sync.webhooks import WebhookReceiver, read_body


@csrf_exempt
def webhook_view(request: HttpRequest, secret: str = "") -> HttpResponse:  # noqa: ARG001 - it is the path's last segment
    """Take a notification in, and send it as ``event_received``.

    It works in synchronous and asynchronous servers, and is mounted by ``tilia_sync.integrations.django.urls``. The
    answers are those of ``WebhookReceiver``.

    Raises:
        ConfigurationError: the settings have no ``WEBHOOK``, or a wrong one.
    """
    status = _status(get_receiver(), request)
    return HttpResponse(status=status, headers=headers_of(status))


def _status(receiver: WebhookReceiver, request: HttpRequest) -> int:
    # Django shows the variables of frames where DEBUG is on.
    path, authorization = Secret(request.path), Secret(request.headers.get("Authorization", ""))
    stated = request.META.get("CONTENT_LENGTH") or ""
    length = read_length(stated)
    refused = receiver.refusal(str(request.method), path.reveal(), authorization.reveal() or None, length)
    if refused is not None:
        return refused
    if stated and length is None:
        return 400
    try:
        body = read_body(
            request, receiver.max_body + 1 if length is None else length, monotonic() + receiver.body_timeout
        )
    except UnreadablePostError:
        return 400
    if body is None:
        return 408
    return receiver.handle(body, path=path.reveal(), authorization=authorization.reveal() or None)
