"""What an export holds, in a file that is written last: without it, the export is not whole."""

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path, PurePath
from typing import Any

from indexer.errors import GlimpseError, UsageError
from indexer.exchange.options import Layout
from storage.disk import flush
from storage.records import SpaceRecord

__all__ = ["MANIFEST", "Manifest", "Origin", "begin", "finish", "flushed", "read"]

MANIFEST = "_manifest.json"
BEGUN = "_manifest.json.part"
"""What reads a folder of Parquet files leaves those alone whose names begin so."""
KIND = "glimpse export"
VERSION = 1


@dataclass(frozen=True, slots=True)
class Origin:
    """The space that vectors come from."""

    space: str
    model: str
    fingerprint: str
    dim: int
    reads_text: bool

    @classmethod
    def of(cls, space: SpaceRecord) -> "Origin":
        """A space of the library."""
        return cls(space.name, space.model, space.fingerprint, space.dim, space.reads_text)


@dataclass(frozen=True, slots=True)
class Manifest:
    """What an export holds."""

    layout: Layout
    origin: Origin
    photos: int
    places: bool
    files: dict[str, int]
    """Bytes by name, relative to the folder."""


def begin(folder: Path, names: Iterable[str]) -> None:
    """Make room for an export: a folder that is new, empty, or holds what is left of one that was interrupted.

    `names` are patterns of the files that an export writes. Raises UsageError.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / MANIFEST).exists():
            raise UsageError(f"{folder} holds an export already; name another folder")
        if not (folder / BEGUN).exists() and any(folder.iterdir()):
            raise UsageError(f"{folder} is not empty; name a new folder to export to")
        (folder / BEGUN).touch()
        for name in names:
            for leftover in folder.glob(name):
                leftover.unlink()
    except OSError as error:
        raise UsageError(f"{folder} cannot be written to ({error.strerror})") from error


def finish(folder: Path, manifest: Manifest) -> None:
    """Say that the export is whole; all its files are on the disk by now."""
    said = {"kind": KIND, "version": VERSION, **asdict(manifest)}
    with flushed(folder / BEGUN) as path:
        path.write_text(json.dumps(said, indent=2) + "\n", encoding="utf-8")
    os.replace(folder / BEGUN, folder / MANIFEST)
    flush(folder)


@contextmanager
def flushed(path: Path) -> Iterator[Path]:
    """Write a file, and have it on the disk; a failure is a GlimpseError that names it."""
    try:
        yield path
        flush(path)
    except OSError as error:
        raise GlimpseError(
            f"{path} cannot be written ({error.strerror or error}); the export is not whole: make room, try again"
        ) from error


def read(folder: Path) -> Manifest | None:
    """What an export in the folder holds, its files looked at; None where another program wrote it.

    Raises GlimpseError for an export that is not whole, or of a newer version.
    """
    path = folder / MANIFEST
    if (folder / BEGUN).exists():
        raise GlimpseError(f"the export in {folder} was interrupted; make it again")
    if not path.exists():
        return None
    try:
        said: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if said.pop("kind", None) != KIND:
            return None
        if said.pop("version") > VERSION:
            raise GlimpseError(f"{path} was written by a newer Glimpse; import it with that one")
        manifest = Manifest(**{**said, "origin": Origin(**said["origin"])})
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise GlimpseError(f"{path} is damaged ({error}); make the export again") from error
    for name, size in manifest.files.items():
        file = folder / name
        if ".." in PurePath(name).parts or PurePath(name).is_absolute():
            raise GlimpseError(f"{path} names {name}, which is not in that folder")
        if not file.is_file():
            raise GlimpseError(f"{file} is missing; the export is not whole")
        if file.stat().st_size != size:
            raise GlimpseError(
                f"{file} has {file.stat().st_size} bytes, and had {size}; copy it again"
            )
    return manifest
