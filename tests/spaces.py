"""Spaces of made-up vectors, in a catalog of their own, and what was published of them."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from storage import embedded, snapshots
from storage.catalog import Catalog
from storage.records import ContentRecord, EmbeddingRecord, FileRecord, Signature, SpaceRecord
from storage.vectors import VectorIndex

DIM = 16
COUNT = 3000
Vectors = NDArray[np.float32]


def empty(catalog: Catalog) -> SpaceRecord:
    """A root, and a space without vectors."""
    with catalog.batch() as batch:
        batch.add_root(b"/photos")
        batch.add_space("test", "test", "f" * 64, DIM, True)
        (space,) = batch.spaces()
    return space


def lay(catalog: Catalog) -> SpaceRecord:
    """A root, and a space of `COUNT` vectors of which nothing is published."""
    space = empty(catalog)
    add(catalog, space, range(COUNT))
    return space


def made(count: int, seed: int) -> Vectors:
    """Unit vectors in scenes of 20."""
    rng = np.random.default_rng(seed)
    rows = np.repeat(rng.normal(size=(-(-count // 20), DIM)), 20, axis=0)[:count]
    rows = rows + rng.normal(scale=0.4, size=rows.shape)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def add(catalog: Catalog, space: SpaceRecord, names: range, seed: int = 0) -> list[int]:
    """Put files with vectors, also where they are already; the ids of their contents."""
    with catalog.batch() as batch:
        records = [ContentRecord(b"%032d" % i, 1, 1, 1, "PNG") for i in names]
        known = batch.add_contents(records)
        ids = [known[record.sha256] for record in records]
        files = [
            FileRecord(1, b"", b"%d" % i, Signature(1, 1, 1, 1), 1, id)
            for i, id in zip(names, ids, strict=True)
        ]
        batch.put_files(files, batch.contents_at(files))
        rows = zip(ids, made(len(names), seed), strict=True)
        batch.put_embeddings(EmbeddingRecord(space.id, id, vector) for id, vector in rows)
    return ids


def remove(catalog: Catalog, names: Iterable[int]) -> None:
    """Take files out."""
    with catalog.batch() as batch:
        known = batch.known_files(1, b"", None)
        batch.remove_files([known[b"%d" % name].id for name in names])


def load(catalog: Catalog, space: SpaceRecord) -> VectorIndex:
    with catalog.view() as view:
        return snapshots.load(view, catalog.folder, space)


def files(catalog: Catalog) -> dict[str, int]:
    """The snapshots, with when each was written."""
    return {path.name: path.stat().st_mtime_ns for path in (catalog.folder / "snapshots").iterdir()}


def assert_equals_catalog(catalog: Catalog, space: SpaceRecord, index: VectorIndex) -> None:
    with catalog.view() as view:
        ids, vectors = embedded.rows(view, space, after=0)
    assert index.ids().tolist() == ids.tolist()
    assert len(index) == len(ids)
    assert np.allclose(index.vectors(ids), vectors, atol=1e-6)
    assert index.has(ids).all()
