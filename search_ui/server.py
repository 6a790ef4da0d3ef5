"""Streamlit with the settings, the routes and the guard that the page needs."""

import logging
import socket
import sys
import threading
import webbrowser
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from streamlit.starlette import App

from search_ui import opened
from search_ui.access.address import is_loopback
from search_ui.access.password import Lock
from search_ui.guard import middleware
from search_ui.literal import show_error
from search_ui.routes import ROUTES

__all__ = ["serve"]

MAX_UPLOAD_MB = 20
PLAIN = (
    "what goes over the network is not encrypted, the password included: "
    "on one that you do not trust, put a proxy with TLS in front"
)


def serve(host: str, port: int, lock: Lock | None, *, open_browser: bool) -> None:
    """Serve at an address until a signal ends it; with a `lock`, to those who know the password."""
    # Uvicorn sets the logger's level as it starts, but leaves a filter in place.
    logging.getLogger("uvicorn.error").addFilter(lambda record: record.levelno >= logging.WARNING)

    @asynccontextmanager
    async def announce(_: App) -> AsyncIterator[dict[str, Any]]:
        # The socket listens by now: a browser that comes at once waits for a moment.
        url = f"http://{_named(host)}:{port}"
        sys.stderr.write(f"Glimpse is at {url} (Ctrl-C ends it)\n")
        if not is_loopback(host):
            sys.stderr.write(f"{PLAIN}\n")
        threading.Thread(target=opened.warm_up, daemon=True).start()
        if open_browser:
            threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()
        yield {}

    App(
        Path(__file__).with_name("app.py"),
        routes=ROUTES,
        middleware=middleware(host, lock),
        lifespan=announce,
        on_script_error=_apologise,
    ).run(config=_settings(host, port))


def _named(host: str) -> str:
    """What others call an address that stands for all of this machine's."""
    name = socket.gethostname() if host in ("0.0.0.0", "::") else host
    return f"[{name}]" if ":" in name else name


def _apologise(_: Exception) -> bool:
    """The last line of defence; Streamlit has put the traceback on the terminal."""
    show_error("this is a fault in Glimpse, and the terminal tells more; reload the page to go on")
    return True  # nothing else is to be shown


def _settings(host: str, port: int) -> dict[str, Any]:
    """Streamlit's settings; by default it listens everywhere, sends statistics and shows tracebacks."""
    return {
        "server.address": host,
        "server.port": port,
        "server.headless": True,  # neither its question for an e-mail address nor its own browser
        "server.fileWatcherType": "none",
        "server.maxUploadSize": MAX_UPLOAD_MB,
        "server.enableCORS": True,
        "server.enableXsrfProtection": True,
        "browser.serverAddress": _named(host),
        "browser.gatherUsageStats": False,
        "client.showErrorDetails": "none",
        "theme.light.primaryColor": "#3451c6",
        "theme.dark.primaryColor": "#93a8ff",
        "client.toolbarMode": "minimal",
        "logger.hideWelcomeMessage": True,
        "runner.magicEnabled": False,  # it would show the docstrings of constants on the page
    }
