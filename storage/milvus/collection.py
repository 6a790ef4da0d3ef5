"""A collection of Milvus: vectors by their contents' ids, and a mark of the change up to which it is the catalog's.

The mark is a row of its own, with an id that no content has. It is moved before anything else is changed: a
collection whose mark is not the recorded change was left half-changed, or belongs to another catalog.
"""

import time
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from storage.errors import StorageError
from storage.milvus.serving import Server
from storage.rows import Ids, Vectors

__all__ = ["EXACT", "MOST", "Collection", "Tuned", "listed"]

MARK = 0
"""The id of the mark's row; contents have ids from 1."""
MOST = 16_384
"""Milvus gives no more results than that."""
BATCH_BYTES = 4 * 2**20
"""Of vectors written at once; a server takes messages of some ten megabytes."""
READ_AT_ONCE = 4096
"""Rows read at once."""
LONG_S = 7200.0
"""For what takes as long as there are vectors: to flush them, to build an index, to load it."""
EXACT = "FLAT"
BUILT: dict[str, dict[str, int]] = {
    "HNSW": {"M": 24, "efConstruction": 200},
    "IVF_FLAT": {},
    EXACT: {},
}
"""By index, how it is built."""
WIDTH = {"HNSW": "ef", "IVF_FLAT": "nprobe"}
"""By index, what says how much of it a query looks at."""
NAMED = "Milvus "


class Tuned(NamedTuple):
    """An index of Milvus, and how it is asked."""

    name: str
    width: int = 0

    def __str__(self) -> str:
        return f"{NAMED}{self.name}" + (f" {WIDTH[self.name]}={self.width}" if self.width else "")

    @classmethod
    def parse(cls, text: str) -> "Tuned":
        """What `str` gave. Raises StorageError."""
        index, _, width = text.removeprefix(NAMED).partition(" ")
        number = width.rpartition("=")[2] or "0"
        if not text.startswith(NAMED) or index not in BUILT or not number.isdecimal():
            raise StorageError(f"index {text!r} is not known")
        return cls(index, int(number))

    def asked(self, count: int) -> dict[str, Any]:
        """The parameters of a search for so many."""
        if not self.width:
            return {}
        width = max(self.width, count) if self.name == "HNSW" else self.width
        return {"params": {WIDTH[self.name]: width}}


@dataclass(frozen=True)
class Collection:
    """One of them, whether it is there or not; every method raises StorageError where it cannot be asked."""

    server: Server
    name: str

    def create(self, dim: int, index_name: str, cells: int) -> None:
        """Make it, empty; `cells` are those of an inverted file."""
        from pymilvus import DataType, MilvusClient

        schema = MilvusClient.create_schema(auto_id=False, enable_dynamic_field=False)
        schema.add_field("id", DataType.INT64, is_primary=True)
        schema.add_field("change_seq", DataType.INT64)
        schema.add_field("vector", DataType.FLOAT_VECTOR, dim=dim)
        index = MilvusClient.prepare_index_params()
        built = {"nlist": cells} if index_name == "IVF_FLAT" else BUILT[index_name]
        index.add_index("vector", index_type=index_name, metric_type="IP", params=built)
        with self.server.client() as client:
            client.create_collection(
                self.name,
                schema=schema,
                index_params=index,
                consistency_level="Strong",  # what was recorded must be seen by whoever asks next
                timeout=LONG_S,
            )

    def put(self, ids: Ids, vectors: Vectors, seq: int, *, new: bool = False) -> None:
        """Put vectors (n, dim), in the place of those that are there; `new` ones are known to be not."""
        size = max(1, BATCH_BYTES // vectors[:1].nbytes) if len(ids) else 1
        with self.server.client(self.name) as client:
            write = client.insert if new else client.upsert
            for start in range(0, len(ids), size):
                part = slice(start, start + size)
                rows = [
                    {"id": int(id), "change_seq": seq, "vector": vector}
                    for id, vector in zip(ids[part], vectors[part], strict=True)
                ]
                write(self.name, rows, timeout=LONG_S)

    def drop_rows(self, ids: Ids) -> None:
        """Delete rows; those that are not there are none."""
        with self.server.client(self.name) as client:
            for start in range(0, len(ids), READ_AT_ONCE):
                part = ids[start : start + READ_AT_ONCE].tolist()
                client.delete(self.name, ids=part, timeout=LONG_S)

    def settle(self) -> None:
        """Write all that was put to disk, and have it indexed and loaded."""
        with self.server.client() as client:
            client.flush(self.name, timeout=LONG_S)
            end = time.monotonic() + LONG_S
            while client.describe_index(self.name, "vector").get("pending_index_rows", 0):
                if time.monotonic() > end:
                    raise StorageError(f"{self.server} has not indexed {self.name} in {LONG_S:g} s")
                time.sleep(0.5)
            client.load_collection(self.name, timeout=LONG_S)

    def compact(self) -> None:
        """Have deleted rows taken out of the files."""
        with self.server.client() as client:
            client.compact(self.name)

    def drop(self) -> None:
        """Delete it, with all its files."""
        with self.server.client() as client:
            client.drop_collection(self.name, timeout=self.server.address.timeout_s)

    def set_mark(self, dim: int, seq: int) -> None:
        """Say up to which change it will be the catalog's."""
        self.put(np.array([MARK]), np.zeros((1, dim), np.float32), seq)

    def mark(self) -> int:
        """Up to which change it is the catalog's, or is being brought. Raises StorageError where it has none."""
        rows = self._query(f"id == {MARK}", ["change_seq"])
        if len(rows) != 1:
            raise StorageError("it has no mark")
        return int(rows[0]["change_seq"])

    def __len__(self) -> int:
        return int(self._query("", ["count(*)"])[0]["count(*)"]) - 1

    def require(self) -> None:
        """Make sure that it is there, and loaded. Raises StorageError."""
        with self.server.client() as client:
            timeout = self.server.address.timeout_s
            if not client.has_collection(self.name, timeout=timeout):
                raise StorageError("it is missing")
            client.load_collection(self.name, timeout=LONG_S)

    def read(self, first: int, last: int) -> tuple[Ids, Vectors]:
        """Ids from `first` to `last`, ascending, with their vectors (n, dim)."""
        rows = self._query(f"id >= {max(first, MARK + 1)} and id <= {last}", ["id", "vector"])
        rows.sort(key=lambda row: row["id"])
        ids = np.array([row["id"] for row in rows], np.int64)
        return ids, np.array([row["vector"] for row in rows], np.float32)

    def search(
        self, query: Vectors, count: int, tuned: Tuned, among: str = ""
    ) -> tuple[Ids, Vectors]:
        """Up to `count` ids near a vector (dim,), of those that pass an expression, with their inner products."""
        with self.server.client(self.name) as client:
            (found,) = client.search(
                self.name,
                data=[query],
                limit=min(count + 1, MOST),  # the mark may be one of them
                filter=among,
                output_fields=["id"],
                search_params={"metric_type": "IP", **tuned.asked(count + 1)},
                timeout=self.server.address.timeout_s,
            )
        ids = np.array([hit["id"] for hit in found], np.int64)
        scores = np.array([hit["distance"] for hit in found], np.float32)
        real = ids != MARK
        return ids[real][:count], scores[real][:count]

    def _query(self, among: str, fields: list[str]) -> list[dict[str, Any]]:
        with self.server.client(self.name) as client:
            timeout = self.server.address.timeout_s
            return list(
                client.query(self.name, filter=among, output_fields=fields, timeout=timeout)
            )


def listed(server: Server, prefix: str) -> list[Collection]:
    """The collections whose names begin so."""
    with server.client() as client:
        names = client.list_collections(timeout=server.address.timeout_s)
    return [Collection(server, name) for name in names if name.startswith(prefix)]
