"""The page."""

import subprocess
import sys
from typing import Annotated

import typer

from indexer import Config
from indexer.cli.command import INTERRUPTED, Common

__all__ = ["ui"]


def ui(
    common: Common,
    port: Annotated[int | None, typer.Option(help="The port on 127.0.0.1.")] = None,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Open no browser.")] = False,
) -> int:
    """Open the page, on this machine alone."""
    config = Config.load(common.config)
    command = [sys.executable, "-m", "search_ui", "--port", str(port or config.ui.port)]
    command += ["--library", str(common.library)] if common.library else []
    command += ["--config", str(common.config)] if common.config else []
    command += ["--space", common.space] if common.space is not None else []
    command += ["--no-browser"] if no_browser else []
    try:
        return subprocess.call(command)
    except KeyboardInterrupt:  # the page has ended by the same key
        return INTERRUPTED
