"""The integration into Flask.

One client for the application, answers to errors of its calls, and notifications.

::

    app = Flask(__name__)
    tilia = Tilia(app)

    @app.post("/players/<name>")
    def register(name: str): return tilia.client.accounts.register(name, email=…).to_dict()

    app.add_url_rule("/tilia", view_func=webhook_view(receiver), methods=["POST"])
"""

from __future__ import annotations

from collections.abc import Callable

import flask
from werkzeug.wrappers import Response

from tilia_async.errors import TiliaError
from tilia_async.integrations.http_errors import answer_to
from tilia_sync.client import TiliaClient
from tilia_sync.integrations.per_process import PerProcess
from tilia_sync.webhooks import WebhookReceiver

__all__ = ["Tilia", "error_response", "webhook_view"]


class Tilia:
    """Extension that gives an application its client.

    The client is made with the first use and serves all threads, before and after a fork. Errors of calls are answered
    by ``error_response``, unless the application has a handler of its own for ``TiliaError``.

    Args:
        app: None: call ``init_app`` later.
        connect: makes the client.
    """

    def __init__(
        self, app: flask.Flask | None = None, *, connect: Callable[[], TiliaClient] = TiliaClient.from_env
    ) -> None:
        self._client = PerProcess(connect, TiliaClient.close)
        if app is not None:
            self.init_app(app)

    def init_app(self, app: flask.Flask) -> None:
        """Add it to an application, as ``app.extensions["tilia"]``."""
        app.extensions["tilia"] = self
        handlers = app.error_handler_spec[None][None]
        if TiliaError not in handlers:
            app.register_error_handler(TiliaError, error_response)

    @property
    def client(self) -> TiliaClient:
        """The application's client.

        Raises:
            ConfigurationError: a setting is missing or wrong.
        """
        return self._client.get()

    def close(self) -> None:
        """Close the client; the next use makes another.

        The end of a process closes it, too.
        """
        self._client.close()


def error_response(error: TiliaError) -> flask.Response:
    """Answer a request whose call to Tilia failed.

    What is wrong with the request is 404, 409 or 422, a blocked account 403, a Tilia that is away or too slow 503 or
    504, and what only you can mend 500 or 502. The body says the operation and whether it took effect, and nothing that
    Tilia said. What is 500 or more is logged as an error.
    """
    answer = answer_to(error)
    response = flask.jsonify(answer.body)
    response.status_code = answer.status
    response.headers.update(answer.headers)
    return response


def webhook_view(receiver: WebhookReceiver) -> Callable[..., Response]:
    """Return a view that takes notifications in.

    With a ``path_secret`` let the rule end in a parameter: ``/tilia/<secret>``.
    """

    def tilia_webhook(**_segments: str) -> Response:
        return flask.Response.from_app(receiver.wsgi, flask.request.environ)

    return tilia_webhook
