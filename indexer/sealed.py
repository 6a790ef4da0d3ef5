"""Files that are kept to save time, and that tell when they are not what was written.

    what is kept, then a SHA-256 over that and over what it is about

What is about something else, such as another model or another library, is not taken for it.
"""

import hashlib
import os
import threading
from pathlib import Path

__all__ = ["read", "write"]

SIZE = hashlib.sha256().digest_size


def write(path: Path, data: bytes, about: str = "") -> None:
    """Keep data, whole or not at all; whoever reads meanwhile has what was there before. Raises OSError.

    `about` says what it is of, besides its name and that of its folder.
    """
    aside = path.with_name(f"{path.name}.{os.getpid()}-{threading.get_ident()}.tmp")
    try:
        aside.write_bytes(data + _seal(path, data, about))
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)


def read(path: Path, about: str = "") -> bytes:
    """What was kept. Raises OSError, and ValueError where that is not what was written, or about another thing."""
    whole = path.read_bytes()
    data, seal = whole[:-SIZE], whole[-SIZE:]
    if seal != _seal(path, data, about):
        raise ValueError("not what was written")
    return data


def _seal(path: Path, data: bytes, about: str) -> bytes:
    of = "\0".join((path.parent.name, path.name, about))
    return hashlib.sha256(
        hashlib.sha256(data).digest() + of.encode(errors="surrogateescape")
    ).digest()
