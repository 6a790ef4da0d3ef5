"""Copies of the catalog: sound in themselves, else they are no help when they are needed."""

from indexer.config import LibraryConfig
from indexer.errors import GlimpseError
from indexer.progress import OnStep
from indexer.verification.findings import Ledger
from indexer.verification.folders import take_away
from storage import truth
from storage.backups import ENDING, backups
from storage.catalog import Catalog
from storage.engine import CATALOG

__all__ = ["check_backups"]


def check_backups(
    catalog: Catalog, config: LibraryConfig, ledger: Ledger, on_step: OnStep, *, settled: bool
) -> None:
    """Check the copies of a catalog that is sound itself; a damaged one is replaced by a new one, if any are made."""
    file, bad = catalog.folder / CATALOG, 0
    done = "deleted, and a new one made" if config.backup_days else "deleted"
    for copy in backups(file):
        ledger.count("backups")
        try:
            found = truth.damage(copy, on_step, is_copy=True)
        except GlimpseError:  # of a newer Glimpse, or not to be read now
            continue
        if found:
            bad += take_away(copy, "backups", found[0], ledger, done)
    if bad and ledger.repairing and config.backup_days:
        catalog.back_up(config.backups)
    for aside in file.parent.glob(f"{file.name}.*{ENDING}.tmp") if settled else ():
        take_away(aside, "backups", "left by a process that was stopped", ledger)
