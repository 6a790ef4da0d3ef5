"""Exact vectors by row number, float16 as the catalog has them: in memory, or mapped from a file.

A mapped file is checked as it is read, a block at a time: hashing a gigabyte before the first answer would take
longer than the answer, and FAISS reads flipped bits without a word. Where a block is not what was written, the
vectors are taken from the catalog.
"""

import hashlib
import logging
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import faiss
import numpy as np
from numpy.typing import NDArray

from storage.chosen import Chosen
from storage.errors import StorageError
from storage.mapping import MAPPED, Mapping
from storage.records import VECTOR_DTYPE

__all__ = [
    "BLOCK",
    "Halves",
    "Ids",
    "MappedRows",
    "Rows",
    "Vectors",
    "digests_of",
    "flat_index",
    "map_flat",
    "unit",
]

log = logging.getLogger(__name__)

Ids = NDArray[np.int64]
Vectors = NDArray[np.float32]
Halves = NDArray[np.float16]

BLOCK = 16
"""Rows hashed together: a search reads single rows, so a block must be cheap to check."""
DIGEST = hashlib.sha256().digest_size
AT_ONCE = 8192
"""Rows decoded at a time."""
SPARSE = 200
"""Where fewer than one row in so many may answer, they are taken one by one: to ask every row costs more."""
TINY = np.float32(1e-12)


class Rows:
    """Unit vectors (n, dim) by row number, 0 to n - 1."""

    def __init__(self, flat: faiss.IndexScalarQuantizer) -> None:
        self._flat = flat

    @classmethod
    def of(cls, halves: Halves) -> "Rows":
        """Rows in memory, copied from float16 (n, dim)."""
        flat = flat_index(halves.shape[1])
        if len(halves):
            flat.add_sa_codes(np.ascontiguousarray(halves, VECTOR_DTYPE).view(np.uint8))
        return cls(flat)

    def __len__(self) -> int:
        return int(self._flat.ntotal)

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return int(self._flat.d)

    def take(self, rows: Ids) -> Vectors:
        """These vectors, float32 (m, dim), L2-normalised: float16 has rounded their length off 1."""
        if len(rows) <= AT_ONCE:
            return self._decoded(rows)
        found = np.empty((len(rows), self.dim), np.float32)
        for start in range(0, len(rows), AT_ONCE):
            found[start : start + AT_ONCE] = self._decoded(rows[start : start + AT_ONCE])
        return found

    def _decoded(self, rows: Ids) -> Vectors:
        if not len(rows):
            return np.empty((0, self.dim), np.float32)
        flat = self._checked(rows)
        found: Vectors = flat.sq.decode(
            _bytes_of(flat)[rows]
        )  # twice as quick as `reconstruct_batch`
        return unit(found)

    def halves(self, rows: Ids) -> Halves:
        """The same as they are stored, float16 (m, dim)."""
        if not len(rows):
            return np.empty((0, self.dim), VECTOR_DTYPE)
        return _bytes_of(self._checked(rows))[rows].view(VECTOR_DTYPE)

    def cosines(self, query: Vectors, rows: Ids) -> Vectors:
        """Cosines (m,) of a unit vector (dim,) with these rows."""
        parts = (rows[start : start + AT_ONCE] for start in range(0, len(rows), AT_ONCE))
        # Not `@`: BLAS would share out so little work among threads that other queries need.
        found = (np.einsum("rd,d->r", self.take(part), query) for part in parts)  # row, dimension
        return np.concatenate([np.empty(0, np.float32), *found])

    def are_few(self, count: int) -> bool:
        """Whether so many rows are read one by one sooner than every row is asked whether it may answer."""
        return count * SPARSE < len(self)

    def nearest(self, query: Vectors, k: int, chosen: Chosen | None = None) -> Ids:
        """The k rows nearest to a vector (dim,) of all or of those chosen, best first, by looking at every one."""
        among = chosen.selector() if chosen else None
        parameters = faiss.SearchParameters(sel=among) if among else None  # type: ignore[call-arg]
        _, rows = self._checked(None).search(query[None], min(k, len(self)), params=parameters)
        found: Ids = rows[0][rows[0] >= 0]
        return found

    def check(self) -> None:
        """Make sure that all of them are whole; those in memory are."""

    def _checked(self, rows: Ids | None) -> faiss.IndexScalarQuantizer:
        """What holds the vectors, once these rows, or all, are known to be whole."""
        return self._flat


class MappedRows(Rows):
    """Rows in a file; safe for many readers at once."""

    def __init__(
        self, path: Path, digests: NDArray[np.uint8], recover: Callable[[], Halves]
    ) -> None:
        """`digests` (blocks, 32) are what `digests_of` gave; `recover` reads all rows from the catalog."""
        super().__init__(map_flat(path))
        self._path = path
        self._file = self._flat
        self._bytes = _bytes_of(self._file).reshape(-1)
        self._mapping = Mapping(self._bytes)
        self._digests = digests
        self._recover = recover
        self._known = np.zeros(len(digests), np.bool_)
        self._all_known = False

    def check(self) -> None:
        """As `Rows`: read all of it, and turn to the catalog where it is not what was written."""
        if hasattr(os, "posix_fadvise"):  # the mapping is read here and there, and nothing ahead
            # The writer may have replaced the file; what is mapped stays.
            with suppress(FileNotFoundError), open(self._path, "rb") as file:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_WILLNEED)
        for start in range(0, len(self), AT_ONCE):
            self._checked(np.arange(start, min(start + AT_ONCE, len(self))))
            self._let_go()

    def _decoded(self, rows: Ids) -> Vectors:
        found = super()._decoded(rows)
        self._let_go()
        return found

    def nearest(self, query: Vectors, k: int, chosen: Chosen | None = None) -> Ids:
        """As `Rows`."""
        found = super().nearest(query, k, chosen)
        self._let_go()
        return found

    def _checked(self, rows: Ids | None) -> faiss.IndexScalarQuantizer:
        if not self._all_known:
            blocks = slice(None) if rows is None else rows // BLOCK
            unknown = np.zeros_like(self._known)
            unknown[blocks] = True
            unknown &= ~self._known
            self._check(np.flatnonzero(unknown))
        return self._flat

    def _check(self, blocks: Ids) -> None:
        for block in blocks.tolist():
            if (
                digest_of(self._bytes.data, block, self._file.code_size)
                != self._digests[block].tobytes()
            ):
                self._flat = Rows.of(self._recover())._flat
                log.warning(
                    "snapshot %s is damaged; its vectors are read from the catalog", self._path.name
                )
                self._known[:] = self._all_known = True
                return
            self._known[block] = True
        self._all_known = bool(self._known.all())

    def _let_go(self) -> None:
        if len(self._bytes) > MAPPED:
            self._mapping.let_go()


def unit(vectors: Vectors) -> Vectors:
    """The same vectors (n, dim), in their place, L2-normalised; zeros stay zeros."""
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), TINY)
    return vectors


def flat_index(dim: int) -> faiss.IndexScalarQuantizer:
    """An empty exact index over float16."""
    kind = faiss.ScalarQuantizer.QT_fp16
    return faiss.IndexScalarQuantizer(dim, kind, faiss.METRIC_INNER_PRODUCT)


def map_flat(path: Path) -> faiss.IndexScalarQuantizer:
    """The exact index at the start of a file, whose vectors stay in it. Raises StorageError where there is none."""
    try:
        index = faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC)
    except (RuntimeError, MemoryError) as error:  # gone meanwhile, or no index to FAISS
        raise StorageError("no vectors that can be mapped") from error
    if not isinstance(index, faiss.IndexScalarQuantizer):
        raise StorageError("another kind of index")
    return index


def digests_of(data: bytes, dim: int) -> bytes:
    """SHA-256 of each block of these rows, one after the other."""
    size = dim * VECTOR_DTYPE.itemsize
    view = memoryview(data)
    blocks = range(-(-len(data) // (BLOCK * size)))
    return b"".join(digest_of(view, block, size) for block in blocks)


def digest_of(data: "memoryview[int]", block: int, row_size: int) -> bytes:
    """SHA-256 of a block of rows."""
    start = block * BLOCK * row_size
    return hashlib.sha256(data[start : start + BLOCK * row_size]).digest()


def _bytes_of(flat: faiss.IndexScalarQuantizer) -> NDArray[np.uint8]:
    """The rows (n, 2 dim) of an index, where they lie; to be used no longer than the index."""
    if not flat.ntotal:
        return np.empty((0, flat.code_size), np.uint8)
    codes: NDArray[np.uint8] = faiss.rev_swig_ptr(flat.codes.data(), flat.codes.size())
    return codes.reshape(flat.ntotal, flat.code_size)
