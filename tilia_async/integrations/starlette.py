"""The integration into Starlette and FastAPI.

One client for the application, and answers to errors of its calls.

::

    app = FastAPI(lifespan=lifespan(), exception_handlers={TiliaError: error_response})

    @app.post("/players/{name}")
    async def register(name: str, tilia: Annotated[TiliaClient, Depends(get_tilia)]) -> RegisteredAccount: ...

Notifications are mounted as they are: ``app.mount("/tilia", receiver.asgi)``.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TypedDict

from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse

from tilia_async.client import TiliaClient
from tilia_async.errors import ConfigurationError, TiliaError
from tilia_async.integrations.http_errors import answer_to

__all__ = ["TiliaState", "error_response", "get_tilia", "lifespan"]


class TiliaState(TypedDict):
    """Part of the lifespan's state; it is ``request.state.tilia``."""

    tilia: TiliaClient


def lifespan(
    connect: Callable[[], TiliaClient] = TiliaClient.from_env, *, grace: float = 10.0
) -> Callable[[object], AbstractAsyncContextManager[TiliaState]]:
    """Return a lifespan that opens and closes a client.

    To have one of your own as well, enter it there: ``async with lifespan()(app) as state: yield {**state, …}``.

    Args:
        connect: makes the client when the application starts.
        grace: seconds that calls under way have when it ends; less than your server waits before it is killed.
    """

    @asynccontextmanager
    async def opened(_app: object) -> AsyncGenerator[TiliaState, None]:
        tilia = connect()
        try:
            yield {"tilia": tilia}
        finally:
            await tilia.aclose(grace)

    return opened


def get_tilia(connection: HTTPConnection) -> TiliaClient:
    """Return the application's client, for a request or a websocket.

    A dependency of FastAPI: ``Annotated[TiliaClient, Depends(get_tilia)]``; a test replaces it by
    ``app.dependency_overrides[get_tilia]``.

    Raises:
        ConfigurationError: the application has no such lifespan, or it was not run.
    """
    tilia = getattr(connection.state, "tilia", None)
    if not isinstance(tilia, TiliaClient):
        raise ConfigurationError(
            "the application has no client: give it lifespan=tilia_async.integrations.starlette.lifespan(), and let "
            "it run; of a test client enter 'with TestClient(app)'"
        )
    return tilia


async def error_response(_request: Request, error: Exception) -> JSONResponse:
    """Answer a request whose call to Tilia failed.

    ``exception_handlers={TiliaError: error_response}``. What is wrong with the request is 404, 409 or 422, a blocked
    account 403, a Tilia that is away or too slow 503 or 504, and what only you can mend 500 or 502. The body says the
    operation and whether it took effect, and nothing that Tilia said. What is 500 or more is logged as an error.

    Raises:
        Exception: it is none of Tilia's.
    """
    if not isinstance(error, TiliaError):
        raise error
    answer = answer_to(error)
    return JSONResponse(answer.body, answer.status, dict(answer.headers))
