"""Maps: each is of a space of this library, and as it was written; a new one is drawn when it is asked for."""

from collections.abc import Sequence
from pathlib import Path

from indexer import sealed
from indexer.atlas.kept import MAPS, stem_of
from indexer.verification.findings import Ledger
from indexer.verification.folders import entries, is_abandoned, take_away
from storage.disk import reason_of
from storage.records import SpaceRecord

__all__ = ["check_maps"]

AGAIN = "deleted, and drawn again when asked for"


def check_maps(
    folder: Path, library_id: str, spaces: Sequence[SpaceRecord], ledger: Ledger
) -> None:
    """Check the maps of the library in `folder`."""
    stems = {stem_of(space) for space in spaces}
    for path in entries(folder / MAPS, "maps", ledger):
        if path.suffix == ".tmp":
            if is_abandoned(path):
                take_away(path, "maps", "left by a process that was stopped", ledger)
        elif path.name.rpartition("-")[0] in stems:
            _check(path, library_id, ledger)
        else:
            take_away(path, "maps", "of no space of this library", ledger)


def _check(path: Path, library_id: str, ledger: Ledger) -> None:
    ledger.count("maps")
    try:
        sealed.read(path, library_id)
    except (OSError, ValueError) as error:
        take_away(path, "maps", reason_of(error), ledger, AGAIN)
