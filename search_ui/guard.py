"""Who may ask, and what the browser is told about every answer, so that the page can reach nothing but itself."""

import base64
import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

import streamlit
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from search_ui.access.address import is_loopback
from search_ui.access.door import Door, refuse
from search_ui.access.password import Lock

__all__ = ["middleware"]


def _inline_scripts() -> str:
    """The hashes of the scripts that are written into Streamlit's own page."""
    page = Path(streamlit.__file__).parent / "static" / "index.html"
    scripts = re.findall(rb"<script>(.*?)</script>", page.read_bytes(), re.DOTALL)
    hashes = [base64.b64encode(hashlib.sha256(script).digest()).decode() for script in scripts]
    return " ".join(f"'sha256-{digest}'" for digest in hashes)


POLICY = {
    "default-src": "'self'",
    "script-src": f"'self' blob: {_inline_scripts()}",  # Streamlit loads a component's script from a blob
    "style-src": "'self' 'unsafe-inline'",  # its styles are written into the page
    "img-src": "'self' data: blob:",
    "font-src": "'self' data:",
    "object-src": "'none'",
    "base-uri": "'self'",
    "form-action": "'self'",  # the password
    "frame-ancestors": "'none'",
}
HEADERS = {
    "Content-Security-Policy": "; ".join(f"{kind} {source}" for kind, source in POLICY.items()),
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",  # with none at all, a form would come from nowhere: Origin: null
    "X-Content-Type-Options": "nosniff",
}


class HeadersMiddleware:
    """Adds the headers to every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and the answer back with the headers."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        await self.app(scope, receive, send_with_headers)


class SameOriginMiddleware:
    """Refuses what another page in the same browser asks for.

    Streamlit would ask the web for this machine's own address, to tell whether that page is one of its own.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what comes from here, or from no page."""
        if scope["type"] == "lifespan" or not _is_foreign(Headers(scope=scope)):
            await self.app(scope, receive, send)
        elif scope["type"] == "websocket":
            await refuse(receive, send, "another page asks for it")
        else:
            await PlainTextResponse("another page asks for it", 403)(scope, receive, send)


def _is_foreign(headers: Headers) -> bool:
    """Whether another page asks; no script can say of itself where it is from."""
    origin = headers.get("origin")
    if origin is None or headers.get("sec-fetch-site") == "same-origin":
        return False
    return urlsplit(origin).netloc != headers.get("host")


def middleware(host: str, lock: Lock | None) -> Sequence[Middleware]:
    """Around Streamlit, outermost first; `lock` is that of the page's password."""
    # A name of somebody else's that is made to point at this machine is no way in.
    names = ["127.0.0.1", "localhost"] if is_loopback(host) else ["*"]
    return [
        Middleware(TrustedHostMiddleware, allowed_hosts=names),
        Middleware(HeadersMiddleware),
        Middleware(SameOriginMiddleware),
        *([Middleware(Door, lock=lock)] if lock else []),
    ]
