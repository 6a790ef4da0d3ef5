"""The terms of a query as unit vectors of one space."""

import hashlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from indexer.embedders.base import Embedder
from indexer.errors import QueryError
from indexer.pictures.decoding import load_picture
from indexer.pictures.limits import Limits
from indexer.pictures.preprocessing import edge_needed, preprocess
from indexer.pictures.thumbnails import read_inside
from indexer.search.direction import Kind, Part
from indexer.spaces import require_text
from indexer.terms import ImageSource, PhotoOfLibrary, Picture, Region, Term, Text
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
        limits: Limits,
        fetched: Mapping[str, bytes],
    ) -> None:
        self._view = view
        self._space = space
        self._index = index
        self._embedder = embedder
        self._limits = limits
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
            case PhotoOfLibrary(photo_id, region):
                vector = self._embed_photo(photo_id, region, term.weight > 0)
        return Part(vector, term.weight, Kind.PICTURE)

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
        return self._embed_pixels(read_inside(record, self._limits), region, suffix)

    def _embed_picture(
        self, source: ImageSource, region: Region | None, wants_more: bool
    ) -> Vector:
        """The picture's vector; bytes that the library knows need neither decoding nor a model."""
        fetched = self._fetched.get(source) if isinstance(source, str) else None
        data = _read(source) if fetched is None else fetched
        if isinstance(data, bytes):
            content_id = self._view.content_id(hashlib.sha256(data).digest())
            if content_id is not None and wants_more:
                self.asked_with.add(content_id)
            vector = self._known_vector(content_id) if region is None else None
            if vector is not None:
                return vector
        return self._embed_pixels(data, region)

    def _embed_pixels(
        self, data: bytes | Image.Image, region: Region | None, suffix: bytes = b""
    ) -> Vector:
        embedder = self._embedder()
        edge = edge_needed(embedder.preprocessing)
        if region is not None:  # the part that is cut out must have detail enough
            edge = round(edge / min(region.width, region.height))
        image = load_picture(data, self._limits, at_least=edge, suffix=suffix)
        if region is not None:
            image = region.cut(image)
        embedded: Vector = embedder.embed_images(preprocess(image, embedder.preprocessing)[None])[0]
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
