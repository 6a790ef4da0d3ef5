"""Start the page: `python -m search_ui --port N [--library DIR] [--config FILE] [--no-browser]`."""

import argparse
import errno
import socket
import sys
from pathlib import Path

from indexer import Config, Library
from indexer.errors import GlimpseError, UsageError

HOST = "127.0.0.1"


def main() -> int:
    """Look before starting; returns the exit code."""
    options = _options()
    try:
        Library.open(options.library, config=Config.load(options.config)).close()
        _claim(options.port)
    except GlimpseError as error:
        print(f"glimpse: {error}", file=sys.stderr)
        return error.exit_code
    # Only now: Streamlit takes a second to import, which an error need not wait for.
    from search_ui.opened import choose
    from search_ui.server import serve

    choose(options.library, options.config)
    try:
        serve(options.port, open_browser=not options.no_browser)
    except KeyboardInterrupt:
        return 130
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m search_ui", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--library", type=Path)
    parser.add_argument("--config", type=Path)
    parser.add_argument("--no-browser", action="store_true")
    return parser.parse_args()


def _claim(port: int) -> None:
    """Raise UsageError for a port that cannot be had, before anything starts."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            what = "is taken" if error.errno == errno.EADDRINUSE else f"cannot be had ({error.strerror})"
            raise UsageError(f"port {port} {what}; take another with: glimpse ui --port {port + 1}") from error


if __name__ == "__main__":
    sys.exit(main())
