"""Exported models: each file as it was written, each bundle that of its space, and what is kept beside it."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from indexer import sealed
from indexer.embedders.base import Notify
from indexer.errors import GlimpseError
from indexer.runtime import bundle
from indexer.search.background import BACKGROUND
from indexer.spaces import MODELS, Spaces
from indexer.tagging.vectors import LABELS
from indexer.verification.findings import Ledger
from indexer.verification.folders import entries, is_abandoned, take_away
from storage.discarding import discard
from storage.disk import reason_of
from storage.records import SpaceRecord

__all__ = ["check_models"]

LATER = "deleted, and made again when needed"


def check_models(
    folder: Path,
    records: Sequence[SpaceRecord],
    spaces: Spaces,
    ledger: Ledger,
    notify: Notify,
) -> None:
    """Check the models of the library in `folder`; what is damaged is exported again, if its weights are here."""
    known = {spaces.folder(record).name: record for record in records}
    for path in entries(folder / MODELS, "models", ledger):
        if path.name.startswith("."):
            if is_abandoned(path):
                take_away(path, "models", "left by a process that was stopped", ledger)
        elif path.name not in known:
            take_away(path, "models", "of no space of this library", ledger)
    for record in known.values():
        ledger.count("models")
        _check(spaces.folder(record), record, spaces, ledger, notify)


def _check(
    folder: Path, record: SpaceRecord, spaces: Spaces, ledger: Ledger, notify: Notify
) -> None:
    paths = list(entries(folder, "models", ledger))
    faults = dict(_faults(folder, record))
    if faults:
        done, repaired = "exported again", True
        if ledger.repairing:
            done, repaired = _replace(folder, record, spaces, notify)
        for path, what in faults.items():
            ledger.note("models", path, what, done, repaired=repaired)
        return
    own = {bundle.MODEL, *bundle.read(folder).files}
    for path in paths:
        if path.name not in own:
            _check_kept(path, ledger)


def _faults(folder: Path, record: SpaceRecord) -> Iterator[tuple[Path, str]]:
    if not folder.exists():
        yield folder, "missing"
        return
    faults = bundle.verify(folder)
    yield from ((folder / name, what) for name, what in faults.items())
    if not faults and bundle.read(folder).fingerprint != record.fingerprint:
        yield folder, "another model"


def _replace(folder: Path, record: SpaceRecord, spaces: Spaces, notify: Notify) -> tuple[str, bool]:
    """Export a model anew; what was done, and whether that was all."""
    try:
        discard(folder)
        spaces.export_again(record, notify)
    except OSError as error:
        return f"left, since it cannot be deleted ({error.strerror})", False
    except GlimpseError as error:
        return (
            f"deleted; it is exported again when it is needed, which was not possible now: {error}",
            False,
        )
    return "exported again", True


def _check_kept(path: Path, ledger: Ledger) -> None:
    """What is kept beside a bundle, to save time."""
    if path.suffix == ".tmp":
        if is_abandoned(path):
            take_away(path, "models", "left by a process that was stopped", ledger)
    elif path.name in (BACKGROUND, bundle.AGREEMENT) or path.name.startswith(LABELS):
        ledger.count("kept files")
        try:
            sealed.read(path)
        except (OSError, ValueError) as error:
            take_away(path, "models", reason_of(error), ledger, LATER)
    else:
        take_away(path, "models", "of no use to this model", ledger)
