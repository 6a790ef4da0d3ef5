"""The terms of a query as unit vectors of one space."""

import hashlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from indexer.embedders.base import Embedder
from indexer.errors import PictureError, QueryError
from indexer.pictures.decoding import load_pixels
from indexer.pictures.regions import Region
from indexer.pictures.thumbnails import read_inside
from indexer.pictures.viewer import Viewer
from indexer.search.direction import Kind, Part
from indexer.spaces import require_text
from indexer.terms import ImageSource, PhotoOfLibrary, Picture, Seen, Term, Text
from storage.lookup import get_photo
from storage.records import PhotoRecord, SpaceRecord
from storage.vectors import VectorIndex
from storage.view import View

__all__ = ["TermEmbedder"]

Vector = NDArray[np.float32]


class TermEmbedder:
    """Embeds the terms of one query in one space; vectors that the library has need no model."""

    def __init__(
        self,
        view: View,
        space: SpaceRecord,
        index: VectorIndex,
        embedder: Callable[[], Embedder],
        viewer: Viewer,
        fetched: Mapping[str, bytes],
    ) -> None:
        self._view = view
        self._space = space
        self._index = index
        self._embedder = embedder
        self._viewer = viewer
        self._fetched = fetched
        self.asked_with: set[int] = set()
        """Contents that the query shows, and wants more of."""
        self.notices: list[str] = []

    def embed(self, term: Term) -> Part:
        """A term's vector. Raises QueryError, NoTextError or PictureError."""
        match term.what:
            case Text(words):
                return Part(self._embed_text(words), term.weight, Kind.WORDS)
            case Picture(source, region):
                vector = self._embed_picture(source, region, term.weight > 0)
            case Seen() as seen:
                known = self._known(seen.sha256, term.weight > 0)
                vector = self._remembered(seen) if known is None else known
            case PhotoOfLibrary(photo_id, region):
                vector = self._embed_photo(photo_id, region, term.weight > 0)
        return Part(vector, term.weight, Kind.PICTURE)

    def seen(self, picture: Picture) -> Seen | None:
        """What stands for a whole picture of bytes from now on, in this space; None for any other."""
        data = picture.source
        if not isinstance(data, bytes) or picture.region is not None:
            return None
        vector = self._embed_picture(data, None, wants_more=False)
        return Seen(hashlib.sha256(data).digest(), {self._space.id: vector})

    def photos(self, photo_ids: tuple[int, ...]) -> Vector:
        """The vectors (n, dim) of photos of the library. Raises QueryError for one that has none."""
        found = [self._vector_of(self._record(id)) for id in photo_ids]
        return np.array(found, np.float32).reshape(-1, self._index.dim)

    def _embed_text(self, words: str) -> Vector:
        require_text(self._view, self._space)
        embedder = self._embedder()
        if embedder.cuts(words):
            self.notices.append(
                f"{words[:40]!r}… is longer than {self._space.model} reads; its end was left out"
            )
        vector: Vector = embedder.embed_texts([words])[0]
        return vector

    def _embed_photo(self, photo_id: int, region: Region | None, wants_more: bool) -> Vector:
        record = self._record(photo_id)
        if wants_more and record.content_id is not None:
            self.asked_with.add(record.content_id)
        if region is None:
            return self._vector_of(record)
        suffix = os.path.splitext(record.name)[1].lower()
        return self._embed_pixels(read_inside(record, self._viewer.limits), region, suffix)

    def _embed_picture(
        self, source: ImageSource, region: Region | None, wants_more: bool
    ) -> Vector:
        """The picture's vector; bytes that the library knows need neither decoding nor a model."""
        fetched = self._fetched.get(source) if isinstance(source, str) else None
        data = _read(source) if fetched is None else fetched
        if isinstance(data, bytes):
            vector = self._known(hashlib.sha256(data).digest(), wants_more)
            if vector is not None and region is None:
                return vector
        try:
            return self._embed_pixels(data, region)
        except PictureError as error:
            if fetched is not None or not isinstance(source, str | Path):
                raise  # whoever gave it knows which it is
            raise PictureError(f"{source}: {error}; ask with another picture") from error

    def _known(self, sha256: bytes, wants_more: bool) -> Vector | None:
        """The vector that the library has for these bytes."""
        content_id = self._view.content_id(sha256)
        if content_id is not None and wants_more:
            self.asked_with.add(content_id)
        return self._known_vector(content_id)

    def _remembered(self, seen: Seen) -> Vector:
        vector = seen.vectors.get(self._space.id)
        if vector is None:
            raise QueryError(
                f"the picture was not looked at for space {self._space.name}; ask with it once more"
            )
        return vector

    def _embed_pixels(
        self, data: bytes | Image.Image, region: Region | None, suffix: bytes = b""
    ) -> Vector:
        if isinstance(data, Image.Image):
            embedder = self._embedder()
            pixels = load_pixels(data, embedder.preprocessing, self._viewer.limits, region)
        else:
            self._viewer.ahead()  # it starts while a model is loaded
            embedder = self._embedder()
            pixels = self._viewer.pixels(data, embedder.preprocessing, region, suffix)
        embedded: Vector = embedder.embed_images(pixels[None])[0]
        return embedded

    def _record(self, photo_id: int) -> PhotoRecord:
        record = get_photo(self._view, photo_id)
        if record is None or record.content_id is None:
            raise QueryError(f"no photo {photo_id} in this library, or it could not be read")
        return record

    def _vector_of(self, record: PhotoRecord) -> Vector:
        vector = self._known_vector(record.content_id)
        if vector is None:
            raise QueryError(
                f"photo {record.id} has no vector in space {self._space.name}; build that space for it first"
            )
        return vector

    def _known_vector(self, content_id: int | None) -> Vector | None:
        ids = np.array([content_id or 0], np.int64)
        if not self._index.has(ids).all():
            return None
        vector: Vector = self._index.vectors(ids)[0]
        return vector


def _read(source: ImageSource) -> bytes | Image.Image:
    if isinstance(source, bytes | Image.Image):
        return source
    if not isinstance(source, str | Path):
        return source.read()
    path = Path(os.path.expanduser(source))  # leaves a name such as ~draft.jpg alone
    try:
        if not path.is_file():
            raise QueryError(
                f"{path} is not a picture that is there; a picture is named by its path"
            )
        return path.read_bytes()
    except OSError as error:
        raise QueryError(f"{path} cannot be read: {error.strerror}") from error
