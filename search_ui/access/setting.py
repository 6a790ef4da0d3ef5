"""Setting the page's password, on the terminal."""

import getpass
import sys
from pathlib import Path

from indexer.errors import UsageError
from search_ui.access.password import remove_password, set_password

__all__ = ["ask_password"]

NONE_CAME = "no password came; nothing was changed (an empty line takes the password away)"


def ask_password(library: Path) -> None:
    """Ask for a password twice; an empty one takes it away. Where there is no terminal, a line is read.

    Raises UsageError where the two differ, and for one that is too short.
    """
    password = _typed() if sys.stdin.isatty() else _piped()
    if password:
        set_password(library, password)
        sys.stderr.write("the page asks for this password from its next start on\n")
    else:
        remove_password(library)
        sys.stderr.write("the page asks for no password from its next start on\n")


def _typed() -> str:
    try:
        password = getpass.getpass("Password for the page (empty for none): ")
        again = password and getpass.getpass("Again: ")
    except (EOFError, KeyboardInterrupt):
        raise UsageError(NONE_CAME) from None
    if again != password:
        raise UsageError("the two are not the same; nothing was changed")
    return password


def _piped() -> str:
    line = sys.stdin.readline()
    if not line:  # the end, and no empty line
        raise UsageError(NONE_CAME)
    return line.rstrip("\n")
