"""Answer queries in one space: terms become one vector, the index ranks contents, the catalog names photos."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from indexer.embedders.base import Embedder
from indexer.errors import QueryError
from indexer.pictures.decoding import load_picture
from indexer.pictures.limits import Limits
from indexer.pictures.preprocessing import edge_needed, preprocess
from indexer.query import ImageSource, PhotoOfLibrary, Picture, Query, Term, Text
from indexer.results import Answer, Hit, Photo
from indexer.spaces import require_text
from storage.catalog import View
from storage.filters import Filter
from storage.lookup import allowed_contents, count_photos, get_photo, photos_of_contents
from storage.records import SpaceRecord
from storage.vectors import VectorIndex

__all__ = ["SearchOptions", "Searcher"]

Vector = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class SearchOptions:
    """How much of an answer is wanted."""

    k: int = 20
    """Results at most."""
    offset: int = 0
    """Results to leave out at the start, for paging."""
    threshold: float | None = None
    """The least score."""
    include_self: bool = False
    """Also the very pictures that were asked with."""


class Searcher:
    """One question asked of one space, within one view of the catalog."""

    def __init__(
        self,
        view: View,
        space: SpaceRecord,
        index: VectorIndex,
        embedder: Callable[[], Embedder],
        limits: Limits,
    ) -> None:
        self._view = view
        self._space = space
        self._index = index
        self._embedder = embedder
        self._limits = limits
        self._asked_with: set[int] = set()
        self._notices: list[str] = []

    def answer(self, query: Query, where: Filter, options: SearchOptions) -> Answer:
        """Rank the photos that pass the filter by the cosine of their vector and the query's."""
        if options.k < 1 or options.offset < 0:
            raise QueryError(
                f"{options.k} results from {options.offset} were asked for; the least is 1 from 0"
            )
        vector = self._vector(query)
        left_out = set() if options.include_self else self._asked_with
        wanted = options.k + options.offset + len(left_out)
        if options.threshold is not None:
            wanted = max(len(self._index), 1)
        allowed = allowed_contents(self._view, where)
        ids, scores = self._index.search(vector[None], wanted, allowed)
        ranked = [
            (int(id), float(score))
            for id, score in zip(ids[0], scores[0], strict=True)
            if id >= 0 and id not in left_out
        ]
        if options.threshold is not None:
            ranked = [(id, score) for id, score in ranked if score >= options.threshold]
        hits, found = self._hits(ranked, where, options)
        total = found if options.threshold is not None else self._total(where, left_out)
        return Answer(str(query), self._space.name, total, tuple(hits), tuple(self._notices))

    def _hits(
        self, ranked: list[tuple[int, float]], where: Filter, options: SearchOptions
    ) -> tuple[list[Hit], int]:
        """The page of hits that is wanted, and how many photos the ranked contents have."""
        photos = photos_of_contents(self._view, [id for id, _ in ranked], where)
        pairs = [(score, photo) for id, score in ranked for photo in photos[id]]
        page = pairs[options.offset : options.offset + options.k]
        hits = [
            Hit(rank, score, Photo.from_record(photo))
            for rank, (score, photo) in enumerate(page, start=options.offset + 1)
        ]
        return hits, len(pairs)

    def _total(self, where: Filter, left_out: set[int]) -> int:
        same = photos_of_contents(self._view, sorted(left_out), where)
        return count_photos(self._view, where, self._space.id) - sum(map(len, same.values()))

    def _vector(self, query: Query) -> Vector:
        """The query as one unit vector (dim,): the weighted sum of its terms' unit vectors."""
        if not query.terms:
            raise QueryError(
                'there is nothing in the query; try: glimpse search "a dog on a beach"'
            )
        total = sum(term.weight * self._embed(term) for term in query.terms)
        length = float(np.linalg.norm(total))
        if length < 1e-6:
            raise QueryError(f"the terms of {str(query)!r} cancel each other out; change a weight")
        return np.asarray(total / length, np.float32)

    def _embed(self, term: Term) -> Vector:
        match term.what:
            case Text(words):
                return self._embed_text(words)
            case Picture(source):
                return self._embed_picture(source, term.weight > 0)
            case PhotoOfLibrary(photo_id):
                return self._embed_photo(photo_id)

    def _embed_text(self, words: str) -> Vector:
        require_text(self._view, self._space)
        embedder = self._embedder()
        if embedder.cuts(words):
            self._notices.append(
                f"{words[:40]!r}… is longer than {self._space.model} reads; its end was left out"
            )
        vector: Vector = embedder.embed_texts([words])[0]
        return vector

    def _embed_photo(self, photo_id: int) -> Vector:
        record = get_photo(self._view, photo_id)
        if record is None or record.content_id is None:
            raise QueryError(f"no photo {photo_id} in this library, or it could not be read")
        vector = self._known_vector(record.content_id)
        if vector is None:
            raise QueryError(
                f"photo {photo_id} has no vector in space {self._space.name}; build that space for it first"
            )
        self._asked_with.add(record.content_id)
        return vector

    def _embed_picture(self, source: ImageSource, wants_more: bool) -> Vector:
        """The picture's vector; bytes that the library knows need neither decoding nor a model."""
        data = _read(source)
        if isinstance(data, bytes):
            content_id = self._view.content_id(hashlib.sha256(data).digest())
            if content_id is not None and wants_more:
                self._asked_with.add(content_id)
            vector = self._known_vector(content_id)
            if vector is not None:
                return vector
        embedder = self._embedder()
        image = load_picture(data, self._limits, at_least=edge_needed(embedder.preprocessing))
        pixels = preprocess(image, embedder.preprocessing)
        embedded: Vector = embedder.embed_images(pixels[None])[0]
        return embedded

    def _known_vector(self, content_id: int | None) -> Vector | None:
        ids = np.array([content_id or 0], np.int64)
        if not np.isin(ids, self._index.ids()).all():
            return None
        vector: Vector = self._index.vectors(ids)[0]
        return vector


def _read(source: ImageSource) -> bytes | Image.Image:
    if isinstance(source, bytes | Image.Image):
        return source
    if not isinstance(source, str | Path):
        return source.read()
    path = Path(source).expanduser()
    try:
        if not path.is_file():
            raise QueryError(
                f"{path} is not a picture that is there; a picture is named by its path"
            )
        return path.read_bytes()
    except OSError as error:
        raise QueryError(f"{path} cannot be read: {error.strerror}") from error
