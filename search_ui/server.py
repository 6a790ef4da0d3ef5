"""Serve the page, on this machine alone."""

import logging
import sys
import threading
import webbrowser
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import streamlit as st
from streamlit.starlette import App

from search_ui.guard import MIDDLEWARE
from search_ui.pictures import ROUTE

__all__ = ["HOST", "serve"]

HOST = "127.0.0.1"
MAX_UPLOAD_MB = 20


def serve(port: int, *, open_browser: bool) -> None:
    """Serve until a signal ends it."""
    logging.getLogger("uvicorn.error").addFilter(_is_warning)  # uvicorn resets its level, not this

    @asynccontextmanager
    async def announce(_: App) -> AsyncIterator[dict[str, Any]]:
        # The socket listens by now: a browser that comes at once waits for a moment.
        url = f"http://{HOST}:{st.get_option('server.port')}"
        print(f"Glimpse is at {url} (Ctrl-C ends it)", file=sys.stderr, flush=True)
        if open_browser:
            threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()
        yield {}

    script = Path(__file__).with_name("app.py")
    app = App(script, routes=[ROUTE], middleware=MIDDLEWARE, lifespan=announce)
    app.run(config=_settings(port))


def _is_warning(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.WARNING


def _settings(port: int) -> dict[str, Any]:
    """Streamlit's settings; its defaults listen everywhere, send statistics and show tracebacks."""
    return {
        "server.address": HOST,
        "server.port": port,
        "server.headless": True,  # neither its prompt for an e-mail address nor its own browser
        "server.fileWatcherType": "none",
        "server.maxUploadSize": MAX_UPLOAD_MB,
        "server.enableXsrfProtection": True,
        "server.enableCORS": True,
        "runner.magicEnabled": False,  # it would print the docstrings of constants
        "browser.serverAddress": HOST,
        "browser.gatherUsageStats": False,
        "client.showErrorDetails": "none",
        "client.toolbarMode": "minimal",
        "logger.hideWelcomeMessage": True,
    }
