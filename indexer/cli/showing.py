"""Opening the page, which runs as a program of its own."""

import subprocess
import sys
from typing import Annotated

import typer

from indexer import Config
from indexer.cli import console
from indexer.cli.command import Common

__all__ = ["ui"]


def ui(
    common: Common,
    host: Annotated[
        str | None,
        typer.Option(help="The address to listen at; others than 127.0.0.1 need a password."),
    ] = None,
    port: Annotated[int | None, typer.Option(help="The port at that address.")] = None,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Open no browser.")] = False,
    set_password: Annotated[
        bool,
        typer.Option(
            "--set-password", help="Ask for the page's password, keep it hashed, and end."
        ),
    ] = False,
) -> int:
    """Open the page, on this machine alone, or behind a password."""
    config = Config.load(common.config)
    command = [sys.executable, "-m", "search_ui"]
    command += ["--host", host or config.ui.host, "--port", str(port or config.ui.port)]
    command += ["--library", str(common.library)] if common.library else []
    command += ["--config", str(common.config)] if common.config else []
    command += ["--space", common.space] if common.space is not None else []
    command += ["--no-browser"] if no_browser else []
    command += ["--set-password"] if set_password else []
    try:
        return subprocess.call(command)
    except KeyboardInterrupt:  # the page has ended by the same key
        return console.INTERRUPTED
