"""FiftyOne's own layout of a dataset, `fiftyone.types.FiftyOneDataset`, as its exporter writes it.

    metadata.json   the dataset: its fields and their types
    samples.json    {"samples": [one object a photo, …]}, in MongoDB's extended JSON

The photos stay where they are, and are named by their whole paths.
"""

import base64
import hashlib
import io
import json
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from indexer.exchange.fiftyone_fields import sample_fields
from indexer.exchange.manifest import Origin, flushed
from indexer.exchange.names import exact, readable
from indexer.exchange.options import ExportOptions
from indexer.exchange.vectors import unit
from storage.exchange import Departing
from storage.records import UNSEEN, PhotoRecord
from storage.tagging import Tag

__all__ = ["METADATA", "NAMES", "SAMPLES", "VERSION", "Writer", "packed"]

METADATA, SAMPLES = "metadata.json", "samples.json"
VERSION = "1.0.0"
"""Of FiftyOne, whose documents these are; a newer one brings them up to its own as it reads them."""
NAMES = (METADATA, SAMPLES)
"""Patterns of what is written."""


class Writer:
    """Writes one dataset."""

    def __init__(self, folder: Path, origin: Origin, options: ExportOptions, total: int) -> None:
        self._folder, self._origin, self._total = folder, origin, total
        self._places = not options.no_places

    def shards(self) -> Sequence[int]:
        """FiftyOne reads one file, however many photos there are."""
        return [self._total]

    @contextmanager
    def shard(self, number: int, of: int, rows: int) -> Iterator[Any]:
        """The samples."""
        with flushed(self._folder / SAMPLES) as path, path.open("w", encoding="utf-8") as file:
            file.write('{"samples": [')
            between = ""

            def put(part: Departing) -> None:
                nonlocal between
                for photo, vector in zip(part.photos, unit(part.vectors), strict=True):
                    tags = part.tags.get(photo.id, [])
                    file.write(between + json.dumps(self._sample(photo, vector, tags)))
                    between = ",\n"

            yield put
            file.write("]}\n")

    def finish(self) -> None:
        """The dataset."""
        said = {
            "name": "glimpse",
            "version": VERSION,
            "media_type": "image",
            "persistent": False,
            "tags": [],
            "info": {"glimpse_space": self._origin.space, "glimpse_model": self._origin.model},
            "classes": {},
            "default_classes": [],
            "mask_targets": {},
            "default_mask_targets": {},
            "skeletons": {},
            "group_media_types": {},
            "sample_fields": sample_fields(places=self._places),
            "frame_fields": [],
            "saved_views": [],
            "workspaces": [],
            "annotation_runs": {},
            "brain_methods": {},
            "evaluations": {},
            "runs": {},
        }
        with flushed(self._folder / METADATA) as path:
            path.write_text(json.dumps(said), encoding="utf-8")

    def files(self) -> Sequence[Path]:
        """Every file that was written."""
        return [self._folder / SAMPLES, self._folder / METADATA]

    def _sample(
        self, photo: PhotoRecord, vector: NDArray[np.float32], tags: Sequence[Tag]
    ) -> dict[str, Any]:
        content = photo.content
        assert content is not None  # it has a vector
        undecodable, seen = exact(photo.path), content.format != UNSEEN
        sample: dict[str, Any] = {
            "_id": _id(photo, "sample"),
            "_media_type": "image",
            "_rand": int(_digest(photo, "random")[:13], 16) / 16**13,
            "filepath": readable(photo.path),
            "tags": [tag.label for tag in tags if tag.by_hand],
            "embedding": packed(vector),
            "labels": {
                "_cls": "Classifications",
                "classifications": [
                    {
                        "_id": _id(photo, tag.label),
                        "_cls": "Classification",
                        "tags": [],
                        "label": tag.label,
                        "confidence": tag.confidence,
                    }
                    for tag in tags
                ],
            },
            "camera": content.camera,
            "lens": content.lens,
            "rating": content.rating,
            "taken": {"$date": f"{content.taken_at}Z"} if content.taken_at else None,
            "path_hex": undecodable.hex() if undecodable else None,
            "sha256": content.sha256.hex() if seen else None,
            "format": content.format if seen else None,
        }
        if content.width:
            size = {"size_bytes": photo.size, "width": content.width, "height": content.height}
            sample["metadata"] = {"_cls": "ImageMetadata", **size}
        if self._places and content.latitude is not None:
            sample["location"] = {
                "_id": _id(photo, "location"),
                "_cls": "GeoLocation",
                "tags": [],
                "point": {"type": "Point", "coordinates": [content.longitude, content.latitude]},
            }
        return sample


def packed(vector: NDArray[np.floating]) -> dict[str, Any]:
    """An array as FiftyOne keeps it: NumPy's format, compressed, in MongoDB's binary."""
    buffer = io.BytesIO()
    np.save(buffer, vector, allow_pickle=False)
    data = base64.b64encode(zlib.compress(buffer.getvalue())).decode()
    return {"$binary": {"base64": data, "subType": "00"}}


def _digest(photo: PhotoRecord, what: str) -> str:
    return hashlib.sha256(b"%d %s %s" % (photo.id, photo.path, what.encode())).hexdigest()


def _id(photo: PhotoRecord, what: str) -> dict[str, str]:
    """An id as MongoDB has them, the same in every export."""
    return {"$oid": _digest(photo, what)[:24]}
