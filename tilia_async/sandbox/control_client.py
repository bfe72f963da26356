"""A client of the control API of a sandbox."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping
from typing import Final
from urllib.parse import quote, urlsplit

import aiohttp
import orjson

from tilia_async.errors import ConfigurationError, InvalidRequestError
from tilia_async.json_value import JsonObject, JsonValue
from tilia_async.secret import HiddenFields, hide_body

DEFAULT_URL: Final = "http://127.0.0.1:8411"
_BASE: Final = "/_sandbox/v1"
_KINDS: Final[Mapping[str, type[Exception]]] = {
    "ConfigurationError": ConfigurationError,
    "KeyError": KeyError,
    "LookupError": LookupError,
    "ValueError": ValueError,
    "RuntimeError": RuntimeError,
}


class ControlClient:
    """A connection to a sandbox's control API.

    Args:
        url: of the sandbox.
        timeout: in seconds, for a request.

    Raises:
        ValueError: it is no URL of a sandbox.
    """

    def __init__(self, url: str, timeout: float) -> None:
        self.url: str = _checked(url)
        self._timeout = aiohttp.ClientTimeout(total=timeout)
        self._session: aiohttp.ClientSession | None = None

    def open(self) -> None:
        """Open it, in the loop that runs."""
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=self._timeout, cookie_jar=aiohttp.DummyCookieJar())

    async def aclose(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def ask(
        self,
        method: str,
        path: str,
        body: Mapping[str, JsonValue] | HiddenFields[JsonValue] | None = None,
        *,
        operation: str | None = None,
    ) -> JsonObject:
        """Make a request, and return its answer.

        Args:
            operation: what an ``InvalidRequestError`` names.

        Raises:
            ConnectionError: no sandbox answers.
            Exception: whatever the sandbox raised.
        """
        hidden, body = hide_body(body or {}), None
        content, status, unreachable = b"", 0, ""
        try:
            async with self._opened.request(
                method,
                f"{self.url}{_BASE}{path}",
                data=None if method == "GET" else orjson.dumps(hidden.reveal()),
                headers=None if method == "GET" else _JSON,
            ) as answer:
                content, status = await answer.read(), answer.status
        except (aiohttp.ClientError, TimeoutError) as error:
            unreachable = self._unreachable(error)
        if unreachable:
            # Not raised above: the frames of the library hold the body, which may have a secret in it.
            raise ConnectionError(unreachable)
        fields = _object(content)
        if status == 200 and fields is not None:
            return fields
        raise self._failure(status, content, fields, operation)

    async def events(self, after: int | None = None) -> AsyncIterator[tuple[str, JsonObject]]:
        """Yield the events as they come, each with its name.

        Args:
            after: begins with the one that follows this; None: with the next.

        Raises:
            ConnectionError: no sandbox answers, or it has ended.
        """
        query = "" if after is None else f"?after={after}"
        silent = aiohttp.ClientTimeout(total=None, sock_connect=self._timeout.total, sock_read=60.0)
        try:
            async with self._opened.get(f"{self.url}{_BASE}/events{query}", timeout=silent) as stream:
                if stream.status != 200:
                    content = await stream.read()
                    raise self._failure(stream.status, content, _object(content), None)
                name = ""
                async for line in stream.content:
                    field, _, value = line.rstrip(b"\n").partition(b": ")
                    if field == b"event":
                        name = value.decode()
                    elif field == b"data":
                        yield name, _object(value) or {}
        except (aiohttp.ClientError, TimeoutError) as error:
            raise ConnectionError(self._unreachable(error)) from error
        raise ConnectionError(f"the sandbox at {self.url} has ended")

    @property
    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise RuntimeError(
                "it is not open; use 'async with RemoteSandbox(url) as sandbox', and in tilia_sync 'with'"
            )
        return self._session

    def _unreachable(self, error: Exception) -> str:
        why = str(error) or type(error).__name__
        if isinstance(error, aiohttp.ClientConnectorError):
            # aiohttp's own text names the address again, and TLS.
            number = error.os_error.errno or 0
            why = os.strerror(number) if number > 0 else error.os_error.strerror or why
        return f"no sandbox answers at {self.url}: {why}. Start one with 'tilia sandbox', or give the URL of yours"

    def _failure(self, status: int, content: bytes, fields: JsonObject | None, operation: str | None) -> Exception:
        """Return what the sandbox raised."""
        error = None if fields is None else fields.get("error")
        if not isinstance(error, dict):
            text = content[:300].decode(errors="replace").strip()
            return ConnectionError(f"{self.url} answers {status}, and not as a sandbox of this version: {text}")
        problems = error.get("problems")
        if isinstance(problems, dict):
            reasons = {
                field: [str(each) for each in texts] if isinstance(texts, list) else [str(texts)]
                for field, texts in problems.items()
            }
            return InvalidRequestError(reasons, operation=operation)
        return _KINDS.get(str(error.get("type")), RuntimeError)(str(error.get("message")))


_JSON: Final = {"Content-Type": "application/json"}


def segment(text: str) -> str:
    """Return a text as a part of a path."""
    return quote(text, safe="")


def _object(content: bytes) -> JsonObject | None:
    try:
        value: JsonValue = orjson.loads(content)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _checked(url: str) -> str:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host, parts = None, urlsplit("")
    extra = parts.path.strip("/") or parts.query or parts.fragment or parts.username
    if parts.scheme != "http" or not host or extra:
        raise ValueError(f"the URL of a sandbox is like {DEFAULT_URL}, without a path; that is not {url!r}")
    return f"http://{parts.netloc}"
