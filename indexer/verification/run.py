"""The catalog first, for all else is held against it; then, part by part, what was made from it.

A first look changes nothing. Where it finds something, the parts in which it did are looked at again, by the one
writer of the library, and repaired as they are: so a sound library is only read, and what another process did
meanwhile is not taken for damage.
"""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from indexer.atlas.kept import MAPS
from indexer.config import Config, LibraryConfig
from indexer.embedders.base import Notify
from indexer.errors import LibraryLockedError
from indexer.progress import OnStep
from indexer.spaces import Spaces
from indexer.verification.backups import check_backups
from indexer.verification.findings import Damage, Finding, Ledger, VerifyReport
from indexer.verification.maps import check_maps
from indexer.verification.models import check_models
from indexer.verification.snapshots import check_snapshots
from indexer.verification.thumbnails import check_thumbnails
from storage import counting, perceptual
from storage.catalog import Catalog
from storage.diagnosis import diagnose
from storage.snapshots import SNAPSHOTS
from storage.stores import SnapshotStore, VectorStore

__all__ = ["find_damage", "verify"]

UNSETTLED = (
    "another process is writing to the library, so files that belong to nothing were not looked for"
)

NO_BACKUPS = (
    "Glimpse makes no copies of a catalog on PostgreSQL, so none were checked; pg_dump makes them"
)

Check = Callable[[Ledger, bool], object]
"""Looks at one part, and repairs it where the ledger says so; the second says whether nobody else writes."""


def find_damage(folder: Path, settings: LibraryConfig, on_step: OnStep) -> Damage | None:
    """What is wrong with the catalog of the library in `folder`, which is not opened for it; None for nothing.

    Raises StorageError for one that cannot be read, and LibraryVersionError.
    """
    found, remedy = diagnose(
        folder, settings.catalog, settings.busy_timeout_s, (SNAPSHOTS, MAPS), on_step
    )
    if not found:
        return None
    passed_over = {str(path): reason for path, reason in remedy.passed_over}
    return Damage(tuple(found), remedy.backup, passed_over, remedy.commands)


def verify(
    catalog: Catalog,
    store: VectorStore,
    config: Config,
    spaces: Spaces,
    *,
    dry_run: bool,
    on_step: OnStep,
    notify: Notify,
) -> VerifyReport:
    """Check what was made from a catalog that is sound, and repair it unless `dry_run`.

    Raises LibraryLockedError where it would repair and another process writes.
    """
    began = time.monotonic()
    settled = not catalog.is_being_written()
    if not settled and not dry_run:
        with catalog.writer():  # which says who writes
            raise LibraryLockedError(f"{catalog.name} was locked just now; try again")
    parts = _parts(catalog, store, config, spaces, on_step, notify)
    checked, found = _counts(catalog), list[Finding]()
    faulty = list[Check]()
    for part in parts:
        ledger = Ledger(catalog.folder, repairing=False)
        part(ledger, settled)
        checked |= ledger.checked
        found += ledger.findings()
        faulty += [part] if ledger.findings() else []
    if faulty and not dry_run:
        found = _repair(catalog, faulty)
    notes = (*(() if settled else (UNSETTLED,)), *((NO_BACKUPS,) if catalog.is_shared else ()))
    return VerifyReport(checked, tuple(found), None, notes, time.monotonic() - began)


def _repair(catalog: Catalog, parts: list[Check]) -> list[Finding]:
    ledger = Ledger(catalog.folder, repairing=True)
    with catalog.writer():
        for part in parts:
            part(ledger, True)
    return ledger.findings()


def _parts(
    catalog: Catalog,
    store: VectorStore,
    config: Config,
    spaces: Spaces,
    on_step: OnStep,
    notify: Notify,
) -> list[Check]:
    folder = catalog.folder

    def models(ledger: Ledger, settled: bool) -> None:
        on_step("models", 0, 0)
        with catalog.view() as view:  # at each look: a space may have come since the first
            records = view.spaces()
        check_models(folder, records, spaces, ledger, notify)

    def vectors(ledger: Ledger, settled: bool) -> None:
        if isinstance(store, SnapshotStore):
            on_step("snapshots", 0, 0)
            check_snapshots(catalog, store, spaces, ledger, settled=settled)
            return
        # Deferred: most libraries never ask for it.
        from indexer.verification.collections import check_collections

        on_step("collections", 0, 0)
        check_collections(catalog, store, spaces, ledger, settled=settled)

    def maps(ledger: Ledger, settled: bool) -> None:
        with catalog.view() as view:
            library_id, records = view.library_id(), view.spaces()
        check_maps(folder, library_id, records, ledger)

    def thumbnails(ledger: Ledger, settled: bool) -> None:
        check_thumbnails(catalog, config.build, ledger, on_step, settled=settled)

    def backups(ledger: Ledger, settled: bool) -> None:
        check_backups(catalog, config.library, ledger, on_step, settled=settled)

    found: list[Check] = [models, vectors, maps, partial(_check_hashes, catalog), thumbnails]
    return found if catalog.is_shared else [*found, backups]


def _check_hashes(catalog: Catalog, ledger: Ledger, settled: bool) -> None:
    """Perceptual hashes are in the catalog, and made from the photos."""
    with catalog.view() as view:
        odd = perceptual.odd_hashes(view)
    if odd and ledger.repairing:
        with catalog.batch() as batch:
            perceptual.drop_hashes(batch, odd)
    for id in odd:
        done = "deleted, and computed again by `dedupe`"
        ledger.note("hashes", f"content {id}", "no perceptual hash, by its length", done)


def _counts(catalog: Catalog) -> dict[str, int]:
    with catalog.view() as view:
        photos = sum(counting.count_by_state(view).values())
        vectors = sum(counting.count_vectors(view, space.id) for space in view.spaces())
    return {"photos": photos, "vectors": vectors}
