"""A FiftyOne dataset on the disk, as FiftyOne or Glimpse wrote it."""

import base64
import io
import json
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import ijson
import numpy as np
from numpy.typing import NDArray

from indexer.errors import GlimpseError, UsageError
from indexer.exchange.arriving import Arriving, Chunk, Whereabouts, content_of, tags_of
from indexer.exchange.fiftyone import METADATA, SAMPLES
from indexer.exchange.manifest import Origin

__all__ = ["FiftyOneSource", "is_fiftyone"]

LARGEST = 1 << 20
"""Bytes of one vector, unpacked."""
SIZES = ("width", "height")


def is_fiftyone(folder: Path) -> bool:
    """Whether a dataset lies in the folder."""
    return (folder / METADATA).is_file() and (folder / SAMPLES).is_file()


class FiftyOneSource:
    """The samples that have a vector in one of their fields."""

    def __init__(self, folder: Path, origin: Origin | None, field: str | None) -> None:
        self.origin = origin
        self._samples = folder / SAMPLES
        self._field = field or _vector_field(folder / METADATA)
        self.count, self.dim = 0, origin.dim if origin else 0
        for sample in self._read():
            self.count += 1
            if not self.dim:
                vector = _vector(sample.get(self._field))
                self.dim = 0 if vector is None else len(vector)
        if not self.dim:
            raise UsageError(
                f"no sample in {self._samples} has a vector in the field {self._field!r}; name it with --vectors"
            )

    def whereabouts(self) -> Iterator[Whereabouts]:
        """Where every picture lies."""
        return (_whereabouts(sample) for sample in self._read())

    def chunks(self, at_once: int) -> Iterator[Chunk]:
        """The rows, so many at a time at most."""
        rows = list[Arriving]()
        vectors = np.zeros((at_once, self.dim), np.float32)
        for number, sample in enumerate(self._read()):
            vector = _vector(sample.get(self._field))
            fault = self._fault(vector)
            if fault is None:
                vectors[len(rows)] = vector
            rows.append(self._arriving(number, sample, fault))
            if len(rows) == at_once:
                yield Chunk(rows, vectors)
                rows, vectors = [], np.zeros((at_once, self.dim), np.float32)
        if rows:
            yield Chunk(rows, vectors[: len(rows)])

    def _fault(self, vector: NDArray[np.floating] | None) -> str | None:
        if vector is None:
            return f"no vector in {self._field!r}"
        if vector.shape != (self.dim,):
            return f"a vector of {vector.size} numbers, not {self.dim}"
        return None

    def _arriving(self, number: int, sample: dict[str, Any], fault: str | None) -> Arriving:
        content, wrong = content_of(_told(sample, trusted=self.origin is not None))
        given = [tag for tag in _list(sample.get("tags")) if isinstance(tag, str)]
        by_hand = [{"label": label, "confidence": 1, "by_hand": True} for label in given]
        labels = _object(sample.get("labels")) if self.origin else {}
        by_model = _list(labels.get("classifications"))
        return Arriving(
            f"{SAMPLES}, sample {number}",
            _whereabouts(sample),
            content,
            tags=tags_of([*by_hand, *by_model]),
            fault=fault or wrong,
        )

    def _read(self) -> Iterator[dict[str, Any]]:
        try:
            with self._samples.open("rb") as file:
                for sample in ijson.items(file, "samples.item", use_float=True):
                    if not isinstance(sample, dict) or not isinstance(sample.get("filepath"), str):
                        raise GlimpseError(f"{self._samples} has a sample without a filepath")
                    yield sample
        except OSError as error:
            raise GlimpseError(f"{self._samples} cannot be read: {error.strerror}") from error
        except ijson.JSONError as error:
            raise GlimpseError(f"{self._samples} is damaged ({error}); export it again") from error


def _vector_field(path: Path) -> str:
    """The one field that holds arrays. Raises UsageError where there are several, or none."""
    try:
        fields: Any = json.loads(path.read_text(encoding="utf-8"))["sample_fields"]
        kinds = (
            {field["name"]: field["ftype"] for field in fields}
            if isinstance(fields, list)
            else fields
        )
        found = [str(name) for name, kind in kinds.items() if str(kind).endswith("VectorField")]
    except OSError as error:
        raise GlimpseError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise GlimpseError(f"{path} describes no FiftyOne dataset ({error!r})") from error
    if len(found) != 1:
        there = (
            f"these hold vectors: {', '.join(found)}" if found else "none is said to hold vectors"
        )
        raise UsageError(f"{path.parent}: say which field to take with --vectors FIELD; {there}")
    return found[0]


def _vector(value: Any) -> NDArray[np.floating] | None:
    """An array as FiftyOne packs it, or a list of numbers; None for what is neither."""
    try:
        if isinstance(value, list):
            return np.array(value, np.float32).reshape(-1)
        data = base64.b64decode(value["$binary"]["base64"])
        unpacked = zlib.decompressobj().decompress(data, LARGEST)
        return np.asarray(np.load(io.BytesIO(unpacked), allow_pickle=False), np.float32).reshape(-1)
    except (TypeError, KeyError, ValueError, zlib.error, EOFError):
        return None


def _whereabouts(sample: dict[str, Any]) -> Whereabouts:
    path = sample["filepath"].encode("utf-8", "surrogatepass")
    with suppress(TypeError, ValueError):
        path = bytes.fromhex(sample.get("path_hex") or "") or path
    return Whereabouts(path)


def _told(sample: dict[str, Any], *, trusted: bool) -> dict[str, Any]:
    """What a sample says of its picture; a hash only where we know whose it is."""
    size = _object(sample.get("metadata"))
    told = {name: size.get(name) for name in SIZES} | {"size": size.get("size_bytes")}
    point = _object(_object(sample.get("location")).get("point"))
    match point.get("coordinates"):
        case [int() | float() as east, int() | float() as north]:
            told |= {"longitude": float(east), "latitude": float(north)}
    if trusted:
        names = ("sha256", "format", "camera", "lens", "rating")
        told |= {name: sample.get(name) for name in names}
        taken = _object(sample.get("taken")).get("$date")
        told["taken_at"] = taken[:19] if isinstance(taken, str) else None
    return told


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
