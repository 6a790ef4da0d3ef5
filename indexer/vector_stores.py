"""Where a library's vectors are searched, as the configuration says."""

from pathlib import Path

from indexer.config import Config
from storage.ondisk.making import OnDisk
from storage.ondisk.shards import Workers
from storage.stores import SnapshotStore, VectorStore

__all__ = ["vector_store"]


def vector_store(folder: Path, config: Config, workers: Workers | None = None) -> VectorStore:
    """The store of the library in `folder`. Nothing is opened yet.

    What can be written by several at once is given to `workers`; without them it is all done here.
    """
    match config.library.vectors:
        case "faiss":
            return SnapshotStore(folder)
        case "ondisk":
            return SnapshotStore(folder, OnDisk(workers))
        case "milvus":
            # Deferred: most libraries never ask for it.
            from storage.milvus.store import MilvusStore

            return MilvusStore(config.milvus.address(folder))
