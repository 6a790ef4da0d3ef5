"""A large library without the hours of embedding it: real files and a real catalog, vectors that are made up.

    python -m benchmarks.large FOLDER --photos 100000 [--pictures examples/photos] [--no-files]

Lays small JPEGs, each of other bytes, under FOLDER/photos, and a library over them in the space `starter` under
FOLDER/library. A few are embedded; the others stand near those, in scenes of photos that are alike. Dates, cameras,
places, tags and thumbnails are there, so that filters, counts and the page have their work. What is there already
is kept: ask for more photos, and they are added. With --no-files the catalog alone is laid: a million photos that can
be searched, and not opened.
"""

import argparse
import hashlib
import io
import os
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from rich.progress import track
from sqlalchemy import insert, select

from indexer import BuildOptions, Library
from indexer.pictures.jpegs import EDGES, thumbnail_path, unsealed
from indexer.pictures.thumbnails import THUMBNAILS
from indexer.search.background_words import BACKGROUND_WORDS
from indexer.tagging.labels import default_labels
from storage import snapshots
from storage.batch import Batch
from storage.catalog import Catalog
from storage.records import VECTOR_DTYPE, SpaceRecord, State
from storage.tables import contents, embeddings, photos, tags

__all__ = ["clustered", "make_library"]

Vectors = NDArray[np.float32]

EDGE = 160
"""Pixels of the files, of some 5 kB."""
IN_FOLDER = 1000
AT_ONCE = 10_000
CAMERAS = ("Canon EOS R6", "NIKON Z 6", "Pixel 8", "iPhone 15", "X-T5", "ILCE-7M4", None)
FIRST_DAY = datetime(2010, 1, 1)
SCENE, PHOTO = 0.8, 0.6
"""How far scenes lie from what was embedded, and photos from their scene, in lengths of a vector."""


def clustered(centres: Vectors, count: int, seed: int = 0) -> Vectors:
    """Unit vectors (count, dim) in scenes about the centres (n, dim), a scene for each 20 of them or so."""
    rng = np.random.default_rng(seed)
    scenes = _near(centres[rng.integers(len(centres), size=max(1, count // 20))], SCENE, rng)
    return _near(scenes[rng.integers(len(scenes), size=count)], PHOTO, rng)


def make_library(
    folder: Path, count: int, pictures: Path, model: str = "starter", *, files: bool = True
) -> Path:
    """A library of `count` photos, besides those embedded; where it lies."""
    root, library = folder / "photos", folder / "library"
    seeds = _lay_seeds(root / "seeds", pictures)
    with Library.open(library, create=True) as opened:
        if files or not Catalog.exists(library):  # or a build would look for what was never there
            opened.build([root], BuildOptions(model=model), confirm=lambda question: False)
        there = opened.count() - len(seeds)
        if there >= count:
            return library
        centres = opened.vectors()[1][: len(seeds)]
        words = opened.embedder().embed_texts(BACKGROUND_WORDS)
    catalog = Catalog.open(library)
    with catalog.writer():
        steps = range(there, count, AT_ONCE)
        for start in track(steps, "laying photos"):
            numbers = range(start, min(start + AT_ONCE, count))
            _add(catalog, root, seeds, centres, numbers, files=files)
        with catalog.view() as view:
            space = view.spaces()[0]
        snapshots.publish(catalog, space, words=lambda: words)
    catalog.close()
    return library


def _near(centres: Vectors, distance: float, rng: np.random.Generator) -> Vectors:
    noise = rng.standard_normal(centres.shape, np.float32) * distance / centres.shape[1] ** 0.5
    near = centres + noise
    return np.asarray(near / np.linalg.norm(near, axis=1, keepdims=True), np.float32)


def _lay_seeds(folder: Path, pictures: Path) -> list[bytes]:
    """Small JPEGs of these pictures, in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    if not any(folder.iterdir()):
        for path in sorted(pictures.rglob("*.jpg")):
            image = Image.open(path).convert("RGB")
            image.thumbnail((EDGE, EDGE))
            image.save(folder / path.name, quality=70)
    return [path.read_bytes() for path in sorted(folder.iterdir())]


@dataclass(frozen=True, slots=True)
class _File:
    """A file that was laid."""

    number: int
    path: Path
    sha256: bytes
    seed: bytes
    status: os.stat_result


def _lay(
    root: Path, seeds: Sequence[bytes], numbers: Sequence[int], *, files: bool
) -> Iterator[_File]:
    for number in numbers:
        seed = seeds[number % len(seeds)]
        remark = f"{number:012}".encode()
        # A remark after the first marker makes a file of its own of the same picture.
        data = seed[:2] + b"\xff\xfe" + struct.pack(">H", len(remark) + 2) + remark + seed[2:]
        path = root / f"{number // IN_FOLDER:05}" / f"{number:08}.jpg"
        if files:
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(data)
        status = (path if files else root).stat()
        yield _File(number, path, hashlib.sha256(data).digest(), seed, status)


def _add(
    catalog: Catalog,
    root: Path,
    seeds: Sequence[bytes],
    centres: Vectors,
    numbers: Sequence[int],
    *,
    files: bool,
) -> None:
    laid = list(_lay(root, seeds, numbers, files=files))
    shapes = {seed: Image.open(io.BytesIO(seed)).size for seed in seeds}
    vectors = clustered(centres, len(laid), numbers[0])
    with catalog.batch() as batch:
        space, root_id = batch.spaces()[0], batch.roots()[0].id
        rows = [_content(file, shapes[file.seed]) for file in laid]
        batch.connection.execute(insert(contents), rows)
        newest = select(contents.c.id).order_by(contents.c.id.desc()).limit(len(rows))
        ids = sorted(batch.connection.scalars(newest))
        batch.connection.execute(
            insert(photos),
            [_photo(file, id, root_id) for file, id in zip(laid, ids, strict=True)],
        )
        _embed(batch, space, ids, vectors)
        _tag(batch, ids, numbers[0])
    if files:
        _link_thumbnails(catalog.folder / THUMBNAILS, laid)


def _content(file: _File, shape: tuple[int, int]) -> dict[str, Any]:
    rng = np.random.default_rng(file.number)
    taken = FIRST_DAY + timedelta(minutes=int(rng.integers(8_000_000)))
    has_place = file.number % 3 == 0
    return {
        "sha256": file.sha256,
        "size": file.status.st_size,
        "width": shape[0],
        "height": shape[1],
        "format": "JPEG",
        "taken_at": taken.isoformat(),
        "camera": CAMERAS[int(rng.integers(len(CAMERAS)))],
        "latitude": float(rng.uniform(-60, 70)) if has_place else None,
        "longitude": float(rng.uniform(-180, 180)) if has_place else None,
        "phash": rng.bytes(8),
    }


def _photo(file: _File, content_id: int, root_id: int) -> dict[str, Any]:
    return {
        "root_id": root_id,
        "folder": os.fsencode(file.path.parent.name),
        "name": os.fsencode(file.path.name),
        "size": file.status.st_size,
        "mtime_ns": file.status.st_mtime_ns,
        "ctime_ns": file.status.st_ctime_ns,
        "device": file.status.st_dev,
        "read_at_ns": file.status.st_ctime_ns + 10**10,  # long after, or it would be read again
        "content_id": content_id,
        "state": State.PRESENT,
    }


def _embed(batch: Batch, space: SpaceRecord, ids: Sequence[int], vectors: Vectors) -> None:
    rows = [
        {
            "space_id": space.id,
            "content_id": id,
            "vector": vector.astype(VECTOR_DTYPE).tobytes(),
            "change_seq": batch.seq,
        }
        for id, vector in zip(ids, vectors, strict=True)
    ]
    batch.connection.execute(insert(embeddings), rows)


def _tag(batch: Batch, ids: Sequence[int], seed: int) -> None:
    """Two tags each; some are frequent, most are rare."""
    labels = [label.name for label in default_labels()]
    chosen = np.random.default_rng(seed).zipf(1.5, (len(ids), 2)) % len(labels)
    rows = [
        {"content_id": id, "label": labels[number], "confidence": 0.8, "by_hand": False}
        for id, numbers in zip(ids, chosen, strict=True)
        for number in set(numbers.tolist())
    ]
    batch.connection.execute(insert(tags), rows)


def _link_thumbnails(folder: Path, files: Sequence[_File]) -> None:
    """One file for all copies of a seed, so without the seal, which names a file's hash."""
    plain = folder.with_name("thumbnails-of-seeds")
    plain.mkdir(exist_ok=True)
    for file in files:
        for edge in EDGES:
            made = thumbnail_path(folder, hashlib.sha256(file.seed).digest(), edge)
            shared = plain / made.name
            kept = thumbnail_path(folder, file.sha256, edge)
            kept.parent.mkdir(parents=True, exist_ok=True)
            if made.exists() and not shared.exists():
                shared.write_bytes(unsealed(made.read_bytes()))
            if shared.exists() and not kept.exists():
                os.link(shared, kept)


def main() -> None:
    """Make one."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--photos", type=int, required=True)
    parser.add_argument("--pictures", type=Path, default=Path("examples/photos"))
    parser.add_argument("--no-files", action="store_true")
    arguments = parser.parse_args()
    print(
        make_library(
            arguments.folder, arguments.photos, arguments.pictures, files=not arguments.no_files
        )
    )


if __name__ == "__main__":
    main()
