"""Learning from vectors that the library has: CLIP's heads, with no decoding."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from indexer.embedders.base import Embedder
from indexer.errors import UsageError
from indexer.learning.gathering import FEWEST, hold_out, labels
from indexer.learning.heldout import HeldOut
from indexer.learning.lessons import Asking, Lesson, Measured
from indexer.learning.options import TrainOptions
from indexer.learning.pairs import Over, heads_learner
from indexer.progress import OnStep, Watch
from indexer.roots import covers
from indexer.train.batches import VectorPairs
from indexer.train.captions import SOURCES, TEMPLATES, gather

if TYPE_CHECKING:
    from indexer.library import Library

__all__ = ["vector_lesson"]

TEXTS = 512
"""Embedded between two steps of progress."""


def vector_lesson(options: TrainOptions, folders: Sequence[bytes], asking: Asking) -> Lesson:
    """CLIP's heads over the vectors that a space of the library has."""
    library, space = asking.library, asking.library.space(asking.space)
    embedder = library.embedder(space.name, notify=asking.notify)
    if not embedder.reads_text:
        raise UsageError(
            f"space {space.name} reads no words, which heads need; name another with --space"
        )
    rows = _captioned(library, space.name, folders, options, asking.on_step)
    learning, held = hold_out(len(rows), options.hold_out, options.seed)
    texts = _embedded(embedder, [rows[i].captions for i in learning], asking.on_step)
    pictures = np.stack([rows[i].vector for i in learning])
    over = Over(space.model, pictures.shape[1], texts[0].shape[1], embedder.preprocessing)
    learner = heads_learner(options, over)
    unseen = (
        np.stack([rows[i].vector for i in held]) if held else np.empty((0, space.dim), np.float32)
    )
    known = HeldOut(labels([rows[i].path for i in held], folders), [rows[i].captions for i in held])

    def against(name: str) -> Measured:
        other = library.embedder(name, notify=asking.notify)
        vectors = dict(zip(*library.vectors(name), strict=True))
        if not held or not all(rows[i].id in vectors for i in held):
            return []  # nothing to ask, or that space has not seen it all
        return known.measure(
            np.stack([vectors[rows[i].id] for i in held]),
            other.embed_texts if other.reads_text else None,
        )

    return Lesson(
        learner,
        VectorPairs(torch.from_numpy(pictures), texts, options.seed),
        len(held),
        0,
        before=lambda: known.measure(unseen, embedder.embed_texts),
        after=lambda _: known.measure(
            learner.images(unseen), lambda said: learner.texts(embedder.embed_texts(said))
        ),
        against=against,
    )


@dataclass(frozen=True)
class _Row:
    id: int
    path: bytes
    vector: NDArray[np.float32]
    captions: list[str]


def _captioned(
    library: "Library", space: str, folders: Sequence[bytes], options: TrainOptions, on_step: OnStep
) -> list[_Row]:
    """The library's photos below the folders that have captions, each content once."""
    photos = {photo.id: photo for photo in library.photos()}
    found: dict[bytes, tuple[int, bytes, NDArray[np.float32]]] = {}
    for id, vector in zip(*library.vectors(space), strict=True):
        path = os.fsencode(photos[int(id)].path)
        if any(covers(folder, path) for folder in folders):
            found.setdefault(vector.tobytes(), (int(id), path, vector))
    paths = [path for _, path, _ in found.values()]
    given = gather(
        paths,
        options.captions or SOURCES,
        folders,
        templates=options.template or TEMPLATES,
        on_step=on_step,
    )
    rows = [
        _Row(*photo, captions)
        for photo, captions in zip(found.values(), given, strict=True)
        if captions
    ]
    if len(rows) < FEWEST:
        raise UsageError(
            f"{len(rows)} photos of space {space} in these folders have captions, which are too few; "
            "build the folders first, and name the captions with --captions"
        )
    return sorted(rows, key=lambda row: row.path)


def _embedded(
    embedder: Embedder, captions: Sequence[Sequence[str]], on_step: OnStep
) -> list[Tensor]:
    """For each picture the vectors of its captions (captions, dim); each text embedded once."""
    unique = list(dict.fromkeys(text for said in captions for text in said))
    rows = [
        embedder.embed_texts(unique[start : start + TEXTS])
        for start in Watch(on_step).over(
            range(0, len(unique), TEXTS), -(-len(unique) // TEXTS), "embedding captions"
        )
    ]
    vectors = torch.from_numpy(np.concatenate(rows))
    place = {text: i for i, text in enumerate(unique)}
    return [vectors[[place[text] for text in said]] for said in captions]
