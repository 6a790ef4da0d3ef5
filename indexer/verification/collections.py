"""Collections of Milvus: as recorded, row by row the catalog's; mended, or written anew, without a model."""

from functools import partial

from indexer.errors import StorageError
from indexer.spaces import Spaces
from indexer.verification.findings import Ledger
from indexer.verification.snapshots import ANEW, kept_words
from storage.catalog import Catalog
from storage.milvus import auditing
from storage.milvus.store import MilvusStore
from storage.milvus.writing import recorded_collection
from storage.records import SnapshotRecord, SpaceRecord
from storage.stores import VectorStore
from storage.view import View

__all__ = ["check_collections"]

MENDED = "put again from the catalog"


def check_collections(
    catalog: Catalog, store: VectorStore, spaces: Spaces, ledger: Ledger, *, settled: bool
) -> None:
    """Check every row of every collection; strays are looked for only while nobody else writes (`settled`).

    Raises StorageError where Milvus cannot be reached.
    """
    assert isinstance(store, MilvusStore)
    with catalog.view() as view:
        for collection in store.strays(view) if settled else ():
            if ledger.repairing:
                collection.drop()
            ledger.note("collections", collection.name, "recorded nowhere", "deleted")
        records = {space: recorded_collection(view, space) for space in view.spaces()}
        unusable = dict[SpaceRecord, tuple[SnapshotRecord, str]]()
        for space, record in records.items():
            if record is None:
                continue
            ledger.count("collections")
            why = auditing.why_unusable(store, view, space, record, settled=settled)
            if why:
                unusable[space] = record, why
            else:
                _compare(view, store, space, record, ledger)
    for space, (record, why) in unusable.items():
        _write_anew(catalog, store, space, record, why, spaces, ledger)


def _compare(
    view: View, store: MilvusStore, space: SpaceRecord, record: SnapshotRecord, ledger: Ledger
) -> None:
    collection = store.collection(record)
    found = auditing.compare(view, space, record, collection)
    if found and ledger.repairing:
        auditing.mend(view, space, record, collection, found)
    for ids, what, done in (
        (found.missing, "vectors missing", MENDED),
        (found.other, "vectors not the catalog's", MENDED),
        (found.extra, "vectors of nothing in the catalog", "deleted"),
    ):
        for id in ids.tolist():
            ledger.note("collections", f"{record.file}: content {id}", what, done)


def _write_anew(
    catalog: Catalog,
    store: MilvusStore,
    space: SpaceRecord,
    record: SnapshotRecord,
    why: str,
    spaces: Spaces,
    ledger: Ledger,
) -> None:
    done, repaired = ANEW, True
    if ledger.repairing:
        try:
            words = partial(kept_words, spaces.folder(space), space.dim)
            store.publish(catalog, space, everything=True, words=words)
        except StorageError as error:
            done, repaired = f"left: {error}", False
    ledger.note("collections", record.file, why, done, repaired=repaired)
