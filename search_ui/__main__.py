"""Start the page: what `glimpse ui` runs."""

import argparse
import errno
import socket
import sys
from pathlib import Path

from indexer import Config, Library
from indexer.errors import GlimpseError, UsageError
from search_ui.access.address import check_address
from search_ui.access.password import read_lock
from search_ui.access.setting import ask_password

__all__ = ["main"]

INTERRUPTED = 130


def main() -> int:
    """Look whether all is there, then serve until a signal ends it; returns the exit code."""
    options = _options()
    try:
        with Library.open(options.library, config=Config.load(options.config)) as library:
            if options.space is not None:
                library.space(options.space)
        if options.set_password:
            ask_password(library.folder)
            return 0
        lock = read_lock(library.folder)
        check_address(options.host, has_password=lock is not None)
        _try_port(options.host, options.port)
    except GlimpseError as error:
        sys.stderr.write(f"glimpse: {error}\n")
        return error.exit_code
    # Imported only now: Streamlit takes a second, which an error need not wait for.
    from search_ui.opened import choose
    from search_ui.server import serve

    choose(options.library, options.config, options.space)
    try:
        serve(options.host, options.port, lock, open_browser=not options.no_browser)
    except KeyboardInterrupt:
        return INTERRUPTED
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m search_ui", description=__doc__)
    parser.add_argument("--host", required=True, help="the address to listen at")
    parser.add_argument("--port", type=int, required=True, help="the port at that address")
    parser.add_argument("--library", type=Path, metavar="DIR", help="the library's folder")
    parser.add_argument("--config", type=Path, metavar="FILE", help="settings, as TOML")
    parser.add_argument("--space", metavar="NAME", help="the embedding space that is asked first")
    parser.add_argument("--no-browser", action="store_true", help="open no browser")
    parser.add_argument("--set-password", action="store_true", help="ask for one, and end")
    return parser.parse_args()


def _try_port(host: str, port: int) -> None:
    """Raise UsageError for a port that cannot be had."""
    if not 0 < port < 65536:
        raise UsageError(f"port {port} does not exist; ports go from 1 to 65535")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        # As the server will: a port that was given up a moment ago can be had again.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            taken = error.errno == errno.EADDRINUSE
            reason = "taken, perhaps by a page that runs already" if taken else error.strerror
            raise UsageError(
                f"port {port} cannot be had ({reason}); name another with: glimpse ui --port PORT"
            ) from error


if __name__ == "__main__":
    sys.exit(main())
