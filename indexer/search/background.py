"""What a model says of anything: the distribution that a query's scores are held against.

A photo that every text likes a little, as some do in every joint space, is no answer to one of them. So a score
is measured in standard deviations above what unrelated queries give the very same photo.
"""

import hashlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from pathlib import Path
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from indexer import sealed
from indexer.embedders.base import Embedder, Notify
from indexer.search.background_words import BACKGROUND_WORDS
from indexer.spaces import Spaces
from storage.records import SpaceRecord
from storage.vectors import VectorIndex

__all__ = [
    "BACKGROUND",
    "Background",
    "Backgrounds",
    "asked_words",
    "background_words",
    "keep",
    "read_kept",
]

log = logging.getLogger(__name__)

Vectors = NDArray[np.float32]
BACKGROUND = (
    f"background-{hashlib.sha256(chr(10).join(BACKGROUND_WORDS).encode()).hexdigest()[:12]}.npy"
)
"""The file in a model's folder; another list of words has another."""
SAMPLE = 256
"""Photos of the library that stand for all of it."""
LEAST = 8
"""With fewer photos nothing can be said of their spread."""
SAME = 1e-3
"""A model to which all words are the same says nothing by them."""


@dataclass(frozen=True)
class Background:
    """Unrelated queries of a space, as L2-normalised rows (n, dim): words, and photos of the library."""

    words: Vectors
    """Empty where the space reads none."""
    photos: Vectors

    def of_words(self, vectors: Vectors) -> tuple[Vectors, Vectors]:
        """Mean and standard deviation (n,) of the scores that unrelated words give to these vectors."""
        return _moments(self.words, vectors, self._spread_of_words)

    def of_photos(self, vectors: Vectors) -> tuple[Vectors, Vectors]:
        """The same for unrelated pictures."""
        return _moments(self.photos, vectors, self._spread_of_photos)

    def spread(self, direction: Vectors) -> float:
        """Standard deviation of the scores that a direction (dim,) gives to the library's photos; 0 if unknown."""
        return float((self.photos @ direction).std()) if len(self.photos) else 0.0

    def level(self, direction: Vectors) -> float:
        """Mean of those scores."""
        return float((self.photos @ direction).mean()) if len(self.photos) else 0.0

    @cached_property
    def spread_by_words(self) -> float:
        """How far words spread the scores of the library's photos, as a rule; 0 if unknown."""
        return _usual_spread(self.words, self.photos, over_photos=True)

    @cached_property
    def spread_by_photos(self) -> float:
        """The same of pictures."""
        return _usual_spread(self.photos, self.photos, over_photos=True)

    @cached_property
    def _spread_of_words(self) -> float:
        return _usual_spread(self.words, self.photos, over_photos=False)

    @cached_property
    def _spread_of_photos(self) -> float:
        return _usual_spread(self.photos, self.photos, over_photos=False)


def _moments(queries: Vectors, vectors: Vectors, usual: float) -> tuple[Vectors, Vectors]:
    """A single photo's spread is a rough estimate, so it is drawn half-way to that of all."""
    if not len(queries):
        zeros = np.zeros(len(vectors), np.float32)
        return zeros, zeros
    scores = vectors @ queries.T
    own = scores.std(axis=1)
    return scores.mean(axis=1), (own + np.float32(usual)) / 2 if usual else own


def _usual_spread(queries: Vectors, photos: Vectors, *, over_photos: bool) -> float:
    """The mean standard deviation of scores: of a query over photos, or of a photo over queries."""
    if not len(queries) or not len(photos):
        return 0.0
    return float((photos @ queries.T).std(axis=0 if over_photos else 1).mean())


class Backgrounds:
    """The backgrounds of a library's spaces."""

    def __init__(self) -> None:
        self._words: dict[str, Vectors] = {}
        self._held: WeakKeyDictionary[VectorIndex, Background] = WeakKeyDictionary()

    def of(
        self,
        space: SpaceRecord,
        index: VectorIndex,
        folder: Path,
        embedder: Callable[[], Embedder],
    ) -> Background:
        """A space's background as of its vectors; words are embedded once and kept in the model's `folder`."""
        held = self._held.get(index)
        if held is None:
            held = self._held[index] = self._make(space, index, folder, embedder)
        return held

    def without_words(self, index: VectorIndex) -> Background:
        """A background of photos alone, for a space whose model is not here to read words."""
        return Background(np.empty((0, index.dim), np.float32), _sample(index))

    def _make(
        self,
        space: SpaceRecord,
        index: VectorIndex,
        folder: Path,
        embedder: Callable[[], Embedder],
    ) -> Background:
        if space.fingerprint not in self._words:
            self._words[space.fingerprint] = (
                background_words(folder, space.dim, embedder)
                if space.reads_text
                else np.empty((0, space.dim), np.float32)
            )
        words = self._words[space.fingerprint]
        knows_words = len(words) and float(words.std(axis=0).max()) > SAME
        return Background(words if knows_words else words[:0], _sample(index))


def background_words(folder: Path, dim: int, embedder: Callable[[], Embedder]) -> Vectors:
    """What a model makes of unrelated words, L2-normalised (n, dim); kept in its `folder`."""
    kept = folder / BACKGROUND
    try:
        found = read_kept(kept)
        if found.shape == (len(BACKGROUND_WORDS), dim):
            return found
    except (OSError, ValueError):
        pass  # not there yet, or damaged: it is derived, and made anew
    made = embedder().embed_texts(BACKGROUND_WORDS)
    keep(made, kept)
    return made


def asked_words(spaces: Spaces, space: SpaceRecord, notify: Notify) -> Vectors:
    """Words as they may be asked of a space, L2-normalised (n, dim); none if its model reads none or is not here."""
    if not (space.reads_text and spaces.is_ready(space)):
        return np.empty((0, space.dim), np.float32)
    return background_words(spaces.folder(space), space.dim, lambda: spaces.embedder(space, notify))


def keep(vectors: Vectors, path: Path) -> None:
    """Write vectors that can be made again; whoever reads meanwhile sees all of them or none."""
    data = BytesIO()
    np.save(data, vectors)
    try:
        sealed.write(path, data.getvalue())
    except OSError as error:  # a library that cannot be written to can still be asked
        log.info("%s cannot be kept: %s", path, error)


def read_kept(path: Path) -> Vectors:
    """What `keep` wrote. Raises OSError, and ValueError where it is damaged or another model's."""
    found: Vectors = np.load(BytesIO(sealed.read(path)), allow_pickle=False)
    return found


def _sample(index: VectorIndex) -> Vectors:
    """Vectors (n, dim) of some photos of the library, the same at each call; none where it has too few."""
    ids = index.ids()
    if len(ids) < LEAST:
        return np.empty((0, index.dim), np.float32)
    chosen = np.random.default_rng(0).choice(ids, min(SAMPLE, len(ids)), replace=False)
    return index.vectors(np.sort(chosen))
