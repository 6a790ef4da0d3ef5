"""Copies of the catalog: sound in themselves, else they are no help when they are needed."""

import os
from collections.abc import Mapping
from pathlib import Path

from indexer.config import LibraryConfig
from indexer.errors import LibraryVersionError, StorageError
from indexer.progress import OnStep
from indexer.verification.findings import Ledger
from indexer.verification.folders import take_away
from storage.catalog import Catalog
from storage.homes import CATALOG
from storage.sqlite import integrity
from storage.sqlite.backups import ENDING, backups

__all__ = ["check_backups"]


def check_backups(
    catalog: Catalog, config: LibraryConfig, ledger: Ledger, on_step: OnStep, *, settled: bool
) -> None:
    """Check the copies of a catalog that is sound itself; a damaged one is replaced by a new one, if any are made."""
    file = catalog.folder / CATALOG
    copies = backups(file)
    ledger.count("backups", len(copies))
    unsound = {copy: reason for copy in copies if (reason := _why_unsound(copy, on_step))}
    # Another program that forgets a root deletes every copy.
    bad = {copy: reason for copy, reason in unsound.items() if os.path.lexists(copy)}
    _replace(catalog, bad, config, ledger)
    for aside in file.parent.glob(f"{file.name}.*{ENDING}.tmp") if settled else ():
        take_away(aside, "backups", "left by a process that was stopped", ledger)


def _why_unsound(copy: Path, on_step: OnStep) -> str | None:
    try:
        return next(iter(integrity.damage(copy, on_step, is_copy=True)), None)
    except LibraryVersionError:  # a newer Glimpse made it
        return None
    except StorageError:
        return "not to be read"


def _replace(
    catalog: Catalog, bad: Mapping[Path, str], config: LibraryConfig, ledger: Ledger
) -> None:
    done = "deleted"
    if bad and config.backup_days:
        done = "deleted, and a new one made"
        try:
            if ledger.repairing:
                catalog.back_up(config.backups)
        except StorageError as error:
            for copy, reason in bad.items():
                ledger.note("backups", copy, reason, f"left: {error}", repaired=False)
            return
    for copy, reason in bad.items():
        take_away(copy, "backups", reason, ledger, done)
