"""Names of files where only text is taken: Parquet's and JSON's strings are UTF-8, names need not be."""

__all__ = ["exact", "readable"]


def readable(path: bytes) -> str:
    r"""The path as text; bytes that are not UTF-8 are escaped, as in `caf\xe9.jpg`."""
    return path.decode("utf-8", "backslashreplace")


def exact(path: bytes) -> bytes | None:
    """The path's bytes where text does not give them back; else None."""
    try:
        path.decode()
    except UnicodeDecodeError:
        return path
    return None
