"""Pictures decoded once, reduced, and kept in one file, from which every epoch and every process reads.

The file is mapped into memory: it is read from disk once where it fits there, and the workers that draw views share
it. It outlives an interruption, so that a run goes on with the pictures that it began with.

    pictures.bin    JPEGs one after another, or small pictures as they are (PPM)
    pictures.json   where each begins, the path of its file, and the hash of that
"""

import io
import json
import mmap
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

__all__ = ["PictureStore", "edge_to_keep"]

PICTURES, CONTENTS = "pictures.bin", "pictures.json"
QUALITY = 95
"""Of the JPEGs; what it takes away is far below what the augmentations do."""
SMALL = 64
"""Edge in pixels up to which a picture is kept as it is: to decode a JPEG would take as long as to draw a view."""
WIDEST = 1.5
"""Aspect ratio up to which a kept picture's shortest edge is at least the view's."""


class Decoded(Protocol):
    """A picture in a square, its longest edge filled, as the decoder gives it."""

    @property
    def pixels(self) -> NDArray[np.uint8]:
        """(edge, edge, 3)."""

    @property
    def sha256(self) -> bytes:
        """Of the file's bytes."""

    @property
    def width(self) -> int:
        """Of the file's picture."""

    @property
    def height(self) -> int:
        """Of the file's picture."""


def edge_to_keep(size: int) -> int:
    """The longest edge, in pixels, at which a picture is kept for views of `size` pixels."""
    return size if size <= SMALL else round(size * WIDEST)


class PictureStore:
    """Pictures by number; it can be pickled, and each process maps the file for itself."""

    def __init__(self, folder: Path) -> None:
        """Open what `write` made."""
        self._path = folder / PICTURES
        contents = json.loads((folder / CONTENTS).read_text(encoding="utf-8"))
        self._starts = np.array(contents["starts"], np.int64)
        self.paths = [os.fsencode(path) for path in contents["paths"]]
        self.sha256: list[str] = contents["sha256"]
        self._map: mmap.mmap | None = None

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, number: int) -> Image.Image:
        """RGB, whole, its longest edge at most what was kept."""
        start, end = self._starts[number : number + 2]
        return Image.open(io.BytesIO(self._mapped()[start:end])).convert("RGB")

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_map": None}

    def _mapped(self) -> mmap.mmap:
        if self._map is None:
            with self._path.open("rb") as file:
                self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        return self._map

    @classmethod
    def write(cls, folder: Path, pictures: Iterable[tuple[bytes, Decoded]]) -> "PictureStore":
        """Keep pictures with the paths of their files, in the order of the paths; of exact copies the first."""
        folder.mkdir(exist_ok=True)
        places: dict[bytes, _Place] = {}
        aside = folder / f".{PICTURES}.tmp"
        with aside.open("w+b") as file:
            for path, picture in pictures:
                places[path] = _Place(picture.sha256, file.tell(), file.write(_encoded(picture)))
            file.flush()
            places = _without_copies(places)
            _rewrite(file.fileno(), places.values(), folder / PICTURES)
        aside.unlink()
        starts = [0, *np.cumsum([place.size for place in places.values()]).tolist()]
        described = {
            "starts": starts,
            "paths": [os.fsdecode(path) for path in places],
            "sha256": [place.sha256.hex() for place in places.values()],
        }
        aside = folder / f".{CONTENTS}.tmp"
        aside.write_text(json.dumps(described), encoding="utf-8")
        os.replace(aside, folder / CONTENTS)
        return cls(folder)


class _Place(NamedTuple):
    sha256: bytes
    start: int
    size: int


def _without_copies(places: Mapping[bytes, _Place]) -> dict[bytes, _Place]:
    """By path in order, since decoders answer as they get done, and nothing learned may depend on that."""
    seen: dict[bytes, bytes] = {}
    for path in sorted(places):
        seen.setdefault(places[path].sha256, path)
    return {path: places[path] for path in seen.values()}


def _rewrite(source: int, places: Iterable[_Place], target: Path) -> None:
    with target.open("wb") as file:
        for place in places:
            file.write(os.pread(source, place.size, place.start))


def _encoded(picture: Decoded) -> bytes:
    out, image = io.BytesIO(), _whole(picture)
    if max(image.size) <= SMALL:
        image.save(out, "PPM")
    else:
        image.save(out, "JPEG", quality=QUALITY, subsampling=0)
    return out.getvalue()


def _whole(picture: Decoded) -> Image.Image:
    """The picture without the border that fills the square; rounded as `preprocess` does."""
    edge = len(picture.pixels)
    ratio = max(picture.width, picture.height) / edge
    width = max(1, round(picture.width / ratio))
    height = max(1, round(picture.height / ratio))
    left, top = (edge - width) // 2, (edge - height) // 2
    return Image.fromarray(picture.pixels[top : top + height, left : left + width])
