"""Others' words, made fit for reading."""

import os
from pathlib import Path

__all__ = ["printable"]


def printable(text: str | Path) -> str:
    """A name or a line with control characters, and bytes that are not UTF-8, spelled out."""
    readable = os.fsencode(text).decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in readable)
