"""The vectors of labels, kept beside the model, so that a build that tags a new photo embeds no words for it."""

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from indexer.embedders.base import Embedder
from indexer.progress import OnStep
from indexer.prompts import class_vectors
from indexer.search.background import keep, read_kept
from indexer.tagging.labels import Label

__all__ = ["LABELS", "label_vectors"]

Vectors = NDArray[np.float32]

BATCH = 256
LABELS = "labels-"
"""How the files in a model's folder begin."""


def label_vectors(
    labels: Sequence[Label],
    templates: Sequence[str],
    folder: Path,
    embedder: Callable[[], Embedder],
    on_step: OnStep,
) -> Vectors:
    """Unit vectors of the labels (c, dim); those of the last list are kept in the model's `folder`."""
    told = json.dumps([list(templates), [label.phrases for label in labels]])
    kept = folder / f"{LABELS}{hashlib.sha256(told.encode()).hexdigest()[:16]}.npy"
    try:
        found = read_kept(kept)
        if len(found) == len(labels):
            return found
    except (OSError, ValueError):
        pass  # not there yet, or damaged: it is derived, and made anew
    made = _embed(labels, templates, embedder(), on_step)
    for old in folder.glob(f"{LABELS}*.npy"):
        old.unlink(missing_ok=True)
    keep(made, kept)
    return made


def _embed(
    labels: Sequence[Label], templates: Sequence[str], embedder: Embedder, on_step: OnStep
) -> Vectors:
    total = len(templates) * -(-sum(len(label.phrases) for label in labels) // BATCH)
    done = 0

    def embed(texts: list[str]) -> Vectors:
        nonlocal done
        rows = []
        for start in range(0, len(texts), BATCH):
            on_step("batches of labels", done, total)
            rows.append(embedder.embed_texts(texts[start : start + BATCH]))
            done += 1
        return np.concatenate(rows)

    return class_vectors([label.phrases for label in labels], templates, embed)
