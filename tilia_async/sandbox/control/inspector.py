"""The inspector, a page that shows and steers the sandbox."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Final

from aiohttp import web

from tilia_async.sandbox.request_handler import CONTROL

_FILES: Final = {
    "index.html": "text/html",
    "inspector.css": "text/css",
    "icon.svg": "image/svg+xml",
}
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
)
_HEADERS: Final = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-cache",
}


def page(method: str, path: str) -> web.Response:
    """Answer a request for a file of the page."""
    if path == f"/{CONTROL}":
        return web.Response(status=308, headers={"Location": f"/{CONTROL}/"})
    name = path.removeprefix(f"/{CONTROL}/") or "index.html"
    if name not in _FILES and not (name.endswith(".js") and name in _modules()):
        return web.Response(status=404)
    if method not in {"GET", "HEAD"}:
        return web.Response(status=405, headers={"Allow": "GET, HEAD"})
    kind = _FILES.get(name, "text/javascript")
    return web.Response(body=_content(name), content_type=kind, charset="utf-8", headers=_HEADERS)


@cache
def _modules() -> frozenset[str]:
    return frozenset(each.name for each in files("tilia_async.sandbox").joinpath("inspector").iterdir())


@cache
def _content(name: str) -> bytes:
    return files("tilia_async.sandbox").joinpath("inspector", name).read_bytes()
