"""What is wrong with the catalog of a library, and what can be done about it, in whatever database it lies."""

from pathlib import Path

from storage.backend import Backend, choose_backend
from storage.checks import CHECKS, Look, OnStep, findings
from storage.homes import CATALOG
from storage.sqlite.integrity import damage
from storage.sqlite.restoring import Remedy, find_remedy
from storage.view import View

__all__ = ["diagnose"]


def diagnose(
    folder: Path, url: str, busy_timeout_s: float, derived: tuple[str, ...], on_step: OnStep
) -> tuple[list[str], Remedy]:
    """What is wrong with a catalog that is not opened for it, in words, and the way back; nothing where it is sound.

    `derived` are the names of folders whose files know what a copy does not. Raises StorageError for a catalog that
    cannot be read, and LibraryVersionError.
    """
    if url:
        return _damage_elsewhere(choose_backend(folder, url, busy_timeout_s), on_step), Remedy()
    found = damage(folder / CATALOG, on_step)
    return found, find_remedy(folder / CATALOG, derived, on_step) if found else Remedy()


def _damage_elsewhere(backend: Backend, on_step: OnStep) -> list[str]:
    """By what must hold between rows; the database looks after its own files."""
    try:
        backend.connect()
        with backend.reads.connect() as connection, connection.begin():
            view = View(connection, backend.home)
            return findings(Look(view, backend.name, backend.folder, on_step), CHECKS)
    finally:
        backend.close()
