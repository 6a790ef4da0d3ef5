"""Setting the page's password, on the terminal."""

import getpass
import sys
from pathlib import Path

from indexer.errors import UsageError
from search_ui.access.password import remove_password, set_password

__all__ = ["ask_password"]


def ask_password(library: Path) -> None:
    """Ask for a password twice; an empty one takes it away. Where there is no terminal, a line is read.

    Raises UsageError where the two differ, and for one that is too short.
    """
    password = _typed() if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
    if password:
        set_password(library, password)
        sys.stderr.write("the page asks for this password from its next start on\n")
    else:
        remove_password(library)
        sys.stderr.write("the page asks for no password from its next start on\n")


def _typed() -> str:
    password = getpass.getpass("Password for the page (empty for none): ")
    if password and getpass.getpass("Again: ") != password:
        raise UsageError("the two are not the same; nothing was changed")
    return password
