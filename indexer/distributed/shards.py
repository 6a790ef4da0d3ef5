"""What became of a page, as one Parquet file; and the place where such files are kept."""

import hashlib
import io
import json
import os
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from indexer.distributed.remote import filesystem, reason_of
from indexer.embedding import Vector
from indexer.errors import GlimpseError
from indexer.pictures.metadata import Metadata
from indexer.urls import folder_of, is_url
from storage.records import VECTOR_DTYPE, Signature, SpaceRecord

__all__ = ["KIND", "VERSION", "Row", "Shard", "Store", "pack", "unpack"]

KIND, VERSION = "glimpse shard", 1
ABOUT = b"glimpse"
MANIFEST = "_manifest.json"
NAME, SUFFIX, ASIDE = "shard-", ".parquet", ".tmp-"
BINARY = ("root", "folder", "name", "sha256", "phash")
NUMBERS = ("size", "mtime_ns", "ctime_ns", "device", "read_at_ns")
SEEN = ("width", "height")
DESCRIBED: dict[str, pa.DataType] = {
    "taken_at": pa.string(),
    "taken_offset_minutes": pa.int64(),
    "camera": pa.string(),
    "lens": pa.string(),
    "latitude": pa.float64(),
    "longitude": pa.float64(),
    "altitude_m": pa.float64(),
    "rating": pa.int64(),
}


THUMBNAIL = pa.struct([("edge", pa.int32()), ("jpeg", pa.binary())])


@dataclass(frozen=True, slots=True)
class Row:
    """What became of a file: its picture with a vector, bytes that were embedded already, or a reason."""

    root: bytes
    folder: bytes
    name: bytes
    is_new: bool
    read_at_ns: int
    signature: Signature
    sha256: bytes | None = None
    known: bool = False
    """The bytes were embedded already, and nothing more was read of them."""
    reason: str | None = None
    """Why it cannot be read."""
    width: int = 0
    height: int = 0
    format: str = ""
    phash: bytes = b""
    metadata: Metadata | None = None
    vector: Vector | None = None
    """(dim,), of length 1; None for a picture that the model cannot do."""
    thumbnails: Mapping[int, bytes] = field(default_factory=dict)
    """JPEGs by edge."""


@dataclass(frozen=True, slots=True)
class Shard:
    """A file that is there, whole."""

    key: str
    rows: int
    bytes: int
    sha256: str

    @property
    def name(self) -> str:
        """The file's."""
        return name_of(self.key)


def name_of(key: str) -> str:
    """The name of the file of a page; the same page has the same, whoever embeds it, however often."""
    return f"{NAME}{key}{SUFFIX}"


def _schema(space: SpaceRecord) -> pa.Schema:
    about = {"kind": KIND, "version": VERSION, "fingerprint": space.fingerprint, "dim": space.dim}
    columns = [
        ("url", pa.string()),
        *((name, pa.binary()) for name in BINARY),
        *((name, pa.int64()) for name in NUMBERS),
        ("is_new", pa.bool_()),
        ("known", pa.bool_()),
        ("reason", pa.string()),
        *((name, pa.int64()) for name in SEEN),
        ("format", pa.string()),
        *DESCRIBED.items(),
        ("thumbnails", pa.list_(THUMBNAIL)),
        ("vector", pa.list_(pa.from_numpy_dtype(VECTOR_DTYPE), space.dim)),
    ]
    return pa.schema(columns, metadata={ABOUT: json.dumps(about)})


def pack(rows: Sequence[Row], space: SpaceRecord) -> bytes:
    """The file of these rows."""
    schema = _schema(space)
    told = [_told(row) for row in rows]
    columns = [
        pa.array([row[field.name] for row in told], field.type)
        for field in schema
        if field.name != "vector"
    ]
    columns.append(_vectors([row.vector for row in rows], space.dim))
    out = io.BytesIO()
    pq.write_table(pa.Table.from_arrays(columns, schema=schema), out, compression="zstd")
    return out.getvalue()


def _told(row: Row) -> dict[str, Any]:
    path = b"/".join(part for part in (row.root.rstrip(b"/"), row.folder, row.name) if part)
    own = {n: getattr(row, n) for n in (*BINARY, *SEEN, "is_new", "known", "reason", "format")}
    described = asdict(row.metadata) if row.metadata else dict.fromkeys(DESCRIBED)
    url = path.decode("utf-8", "backslashreplace")
    thumbnails = [{"edge": edge, "jpeg": jpeg} for edge, jpeg in row.thumbnails.items()]
    own |= {"url": url, "read_at_ns": row.read_at_ns, "thumbnails": thumbnails}
    return {**own, **asdict(row.signature), **described}


def _vectors(vectors: Sequence[Vector | None], dim: int) -> pa.Array:
    nothing = np.zeros(dim, VECTOR_DTYPE)
    rows = np.stack([nothing if v is None else v.astype(VECTOR_DTYPE) for v in vectors])
    missing = pa.array([vector is None for vector in vectors])
    return pa.FixedSizeListArray.from_arrays(pa.array(rows.reshape(-1)), dim, mask=missing)


def unpack(data: bytes, space: SpaceRecord, where: str) -> list[Row]:
    """The rows of a file. Raises GlimpseError for one that is damaged, or of another space or version."""
    try:
        table = pq.read_table(io.BytesIO(data))
        about = json.loads((table.schema.metadata or {}).get(ABOUT, b"{}"))
    except (OSError, ValueError, pa.ArrowException) as error:
        raise GlimpseError(f"{where} is damaged ({reason_of(error)}); delete it") from error
    if about.get("kind") != KIND or about.get("version", 0) > VERSION:
        raise GlimpseError(f"{where} is no shard that this Glimpse reads; move it elsewhere")
    if (about.get("fingerprint"), about.get("dim")) != (space.fingerprint, space.dim):
        raise GlimpseError(f"{where} was made by another model than that of space {space.name}")
    column = table.column("vector").combine_chunks()
    flat = column.fill_null([0] * space.dim) if column.null_count else column
    numbers = flat.flatten().to_numpy(zero_copy_only=False).reshape(-1, space.dim)
    there = column.is_valid().to_pylist()
    rows = table.drop_columns(["vector"]).to_pylist()
    return [
        _row(row, numbers[i].astype(np.float32) if there[i] else None) for i, row in enumerate(rows)
    ]


def _row(told: dict[str, Any], vector: Vector | None) -> Row:
    del told["url"]
    stamps = {name: told.pop(name) for name in NUMBERS if name != "read_at_ns"}
    described = {name: told.pop(name) for name in DESCRIBED}
    metadata = Metadata(**described) if told["sha256"] and not told["known"] else None
    made = {each["edge"]: each["jpeg"] for each in told.pop("thumbnails")}
    return Row(
        **told, signature=Signature(**stamps), metadata=metadata, vector=vector, thumbnails=made
    )


class Store:
    """A folder or a URL with the shards of one space. Raises GlimpseError for what cannot be done there."""

    def __init__(self, place: str, fingerprint: str) -> None:
        base = os.fsdecode(folder_of(place)) if is_url(place) else os.path.abspath(place)
        self.place = f"{base}/{fingerprint[:16]}"
        self._is_local = not is_url(base)
        self._fs: Any = None
        self._path = self.place
        if not self._is_local:
            self._fs, self._path = filesystem(self.place)

    def where(self, name: str) -> str:
        """A file's whole name."""
        return f"{self.place}/{name}"

    def names(self) -> Iterator[str]:
        """The keys of the shards that are there."""
        try:
            found = os.listdir(self._path) if self._fs is None else self._fs.ls(self._path, False)
        except FileNotFoundError:
            return
        except Exception as error:  # each file system has errors of its own
            raise GlimpseError(f"{self.place} cannot be listed ({reason_of(error)})") from error
        for path in sorted(found):
            name = str(path).rpartition("/")[2]
            if name.startswith(NAME) and name.endswith(SUFFIX):
                yield name.removeprefix(NAME).removesuffix(SUFFIX)

    def read(self, name: str) -> bytes | None:
        """A file, if it is there."""
        path = f"{self._path}/{name}"
        try:
            return Path(path).read_bytes() if self._fs is None else bytes(self._fs.cat_file(path))
        except FileNotFoundError:
            return None
        except Exception as error:
            raise GlimpseError(f"{self.where(name)} cannot be read ({reason_of(error)})") from error

    def put(self, name: str, data: bytes) -> None:
        """Write a file, whole or not at all."""
        try:
            if self._fs is None:
                self._put_here(name, data)
            else:  # an object is there when all of it is
                self._fs.pipe_file(f"{self._path}/{name}", data)
        except Exception as error:
            raise GlimpseError(
                f"{self.where(name)} cannot be written ({reason_of(error)})"
            ) from error

    def _put_here(self, name: str, data: bytes) -> None:
        folder = Path(self._path)
        folder.mkdir(parents=True, exist_ok=True)
        aside = folder / f"{ASIDE}{uuid.uuid4().hex}"
        try:
            with aside.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(aside, folder / name)
        except OSError:
            aside.unlink(missing_ok=True)
            raise

    def drop(self, name: str) -> None:
        """Delete a file, if it is there."""
        with suppress(OSError):
            if self._fs is None:
                Path(self._path, name).unlink(missing_ok=True)
            else:
                self._fs.rm_file(f"{self._path}/{name}")

    def tidy(self) -> None:
        """Delete what was left half-written here."""
        for path in Path(self._path).glob(f"{ASIDE}*") if self._is_local else ():
            path.unlink(missing_ok=True)

    def shard(self, key: str) -> Shard | None:
        """The shard of a page, if it is there."""
        data = self.read(name_of(key))
        if data is None:
            return None
        rows = pq.ParquetFile(io.BytesIO(data)).metadata.num_rows
        return Shard(key, rows, len(data), hashlib.sha256(data).hexdigest())

    def publish(self, space: SpaceRecord, known: Callable[[str], Shard | None]) -> int:
        """Write the manifest of the shards that are there; how many. Those that are not `known` are read for it."""
        shards = [shard for key in self.names() if (shard := known(key) or self.shard(key))]
        said = {
            "kind": KIND,
            "version": VERSION,
            "model": space.model,
            "fingerprint": space.fingerprint,
            "dim": space.dim,
            "shards": [asdict(shard) | {"file": shard.name} for shard in shards],
        }
        self.put(MANIFEST, (json.dumps(said, indent=2) + "\n").encode())
        return len(shards)
