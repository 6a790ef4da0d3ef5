"""A library's folder: the file of its catalog, or the mark that says which catalog elsewhere it belongs to."""

import json
import os
import uuid
from dataclasses import asdict, dataclass
from pathlib import Path

from storage.disk import flush
from storage.errors import StorageError

__all__ = ["CATALOG", "MARK", "Mark", "mark_folder", "mark_of"]

CATALOG = "catalog.sqlite"
MARK = "catalog.elsewhere"
"""In the folder in place of a catalog."""


@dataclass(frozen=True, slots=True)
class Mark:
    """What a folder says of itself."""

    library: str
    """The id of the library, which its catalog has too."""
    folder: str
    """An id of this folder's own."""
    catalog: str
    """Where the catalog was when the folder came to it, for messages."""


def mark_of(folder: Path) -> Mark | None:
    """The mark of a folder; None for one that has none. Raises StorageError for one that cannot be read."""
    path = folder / MARK
    try:
        return Mark(**json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except NotADirectoryError as error:
        raise StorageError(f"{folder} is a file; a library is a folder") from error
    except (OSError, ValueError, TypeError) as error:
        raise StorageError(
            f"{path} cannot be read ({error}); delete it, and the folder gets a new one"
        ) from error


def mark_folder(folder: Path, library: str, catalog: str) -> Mark:
    """The mark of a folder of this library, made where there is none.

    Raises StorageError for a folder that belongs to another library.
    """
    known = mark_of(folder) or _make(folder, Mark(library, uuid.uuid4().hex, catalog))
    if known.library == library:
        return known
    raise StorageError(
        f"{folder} belongs to another library than the one at {catalog}; name another folder with --library, or "
        f"delete {folder / MARK} to have it used for this one"
    )


def _make(folder: Path, mark: Mark) -> Mark:
    folder.mkdir(parents=True, exist_ok=True)
    aside = folder / f"{MARK}.{uuid.uuid4().hex}.tmp"
    try:
        with aside.open("w", encoding="utf-8") as file:
            json.dump(asdict(mark), file, indent=2)
            file.flush()
            os.fsync(file.fileno())
        os.link(aside, folder / MARK)  # which fails where another process was quicker
        flush(folder)
    except FileExistsError:
        return mark_of(folder) or mark
    except OSError as error:
        raise StorageError(f"{folder} cannot be written ({error.strerror})") from error
    finally:
        aside.unlink(missing_ok=True)
    return mark
