"""The door of a page that has a password: to whoever is not known nothing is served, and no socket opened."""

import re
import time
from collections import OrderedDict
from pathlib import Path
from urllib.parse import parse_qs, quote

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import URL
from starlette.requests import HTTPConnection, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from search_ui.access.password import VALID_S, Lock

__all__ = ["COOKIE", "LEAVE", "Door", "refuse"]

COOKIE = "glimpse_pass"
ENTER, LEAVE = "/enter", "/leave"
PAGE = Path(__file__).with_name("door.html").read_text(encoding="utf-8")
OWN = re.compile(r"/(?![/\\])[!-~]*")
"""A second slash, of either kind, would begin another machine's name; browsers pass over blanks before it."""
MOST_BYTES = 4096
"""Of what is sent with a password."""
TRIES, FORGIVEN_S = 5, 60.0
"""So many wrong passwords from one address in so many seconds, and no further one is tried."""
REMEMBERED = 1000
"""Addresses of whoever was wrong."""
FRESH = {"Cache-Control": "no-store"}


class Door:
    """Middleware that asks for the password, and knows a browser that gave it by a cookie."""

    def __init__(self, app: ASGIApp, lock: Lock) -> None:
        self._app = app
        self._lock = lock
        self._wrong: OrderedDict[str, list[float]] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let through, or answer at the door."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        shown = HTTPConnection(scope).cookies.get(COOKIE, "")
        known = self._lock.knows(shown)
        if scope["type"] == "websocket":
            await (
                self._app(scope, receive, send) if known else refuse(receive, send, "no password")
            )
        elif scope["path"] == ENTER and scope["method"] == "POST":
            await (await self._enter(Request(scope, receive)))(scope, receive, send)
        elif scope["path"] == LEAVE:
            await _leave(scope)(scope, receive, send)
        elif known:
            await self._app(scope, receive, send)
        else:
            await _ask(401, back=_asked_for(scope))(scope, receive, send)

    async def _enter(self, request: Request) -> Response:
        if request.headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
            return _ask(403, "Only this page may send a password here.")
        address = request.client.host if request.client else ""
        back = _own(request.query_params.get("back", ""))
        if self._is_barred(address):
            return _ask(
                429, "Too many wrong passwords; wait a minute.", {"Retry-After": "60"}, back
            )
        password = await _password(request)
        if password is None:
            return _ask(413, "That is too long for a password.", back=back)
        # Counted before it is tried: those that come at once are no way round the limit.
        self._count(address)
        if not await run_in_threadpool(self._lock.fits, password):
            return _ask(401, "This is not the password.", back=back)
        self._wrong.pop(address, None)
        return self._let_in(request, back)

    def _let_in(self, request: Request, back: str) -> Response:
        answer = RedirectResponse(back, 303, FRESH)
        answer.set_cookie(
            COOKIE,
            self._lock.pass_for(),
            max_age=VALID_S,
            secure=request.url.scheme == "https",
            httponly=True,
            samesite="strict",
        )
        return answer

    def _is_barred(self, address: str) -> bool:
        recent = [at for at in self._wrong.get(address, ()) if at > time.monotonic() - FORGIVEN_S]
        return len(recent) >= TRIES

    def _count(self, address: str) -> None:
        self._wrong.setdefault(address, []).append(time.monotonic())
        self._wrong[address] = self._wrong[address][-TRIES:]
        self._wrong.move_to_end(address)
        while len(self._wrong) > REMEMBERED:
            self._wrong.popitem(last=False)


async def _password(request: Request) -> str | None:
    """What was typed; None where far more came."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_BYTES:
            return None
    return parse_qs(body.decode("utf-8", "replace"), max_num_fields=5).get("password", [""])[0]


def _ask(
    status: int, message: str = "", headers: dict[str, str] | None = None, back: str = "/"
) -> Response:
    wrong = f'<p role="alert">{message}</p>' if message else ""
    page = PAGE.replace("{message}", wrong).replace("{back}", quote(back, safe=""))
    return HTMLResponse(page, status, FRESH | (headers or {}))


def _asked_for(scope: Scope) -> str:
    """Where the door stands in the way, so that one comes there in the end."""
    if scope["path"] == ENTER:
        return "/"
    return _own(str(URL(scope=scope).replace(scheme="", netloc="")))


def _own(address: str) -> str:
    """An address, if it is one of this page and of no other; else the first page's."""
    return address if OWN.fullmatch(address) else "/"


def _leave(scope: Scope) -> Response:
    """Forget this browser; only the page's own link does that."""
    if Request(scope).headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
        return _ask(403)
    answer = RedirectResponse("/", 303, FRESH)
    answer.delete_cookie(COOKIE, httponly=True, samesite="strict")
    return answer


async def refuse(receive: Receive, send: Send, reason: str) -> None:
    """Open no socket."""
    await receive()
    await send({"type": "websocket.close", "code": 1008, "reason": reason})
