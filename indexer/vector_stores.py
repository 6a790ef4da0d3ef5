"""Where a library's vectors are searched, as the configuration says."""

from pathlib import Path

from indexer.config import Config
from storage.stores import SnapshotStore, VectorStore

__all__ = ["vector_store"]


def vector_store(folder: Path, config: Config) -> VectorStore:
    """The store of the library in `folder`. Nothing is opened yet."""
    match config.library.vectors:
        case "faiss":
            return SnapshotStore(folder)
        case "milvus":
            # Deferred: most libraries never ask for it.
            from storage.milvus.store import MilvusStore

            return MilvusStore(config.milvus.address(folder))
