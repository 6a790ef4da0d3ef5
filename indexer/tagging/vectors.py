"""The vectors of labels, kept in the library, so that a build that tags a new photo needs no model for it."""

import hashlib
import json
import os
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from indexer.embedders.base import Embedder
from indexer.progress import OnStep
from indexer.prompts import class_vectors
from indexer.tagging.labels import Label, default_labels

__all__ = ["LABEL_VECTORS", "label_vectors"]

Vectors = NDArray[np.float32]

LABEL_VECTORS = "labels.npz"
BATCH = 64


def label_vectors(
    folder: Path,
    fingerprint: str,
    labels: Sequence[Label],
    templates: Sequence[str],
    embedder: Callable[[], Embedder],
    on_step: OnStep,
) -> tuple[Vectors, Vectors]:
    """Unit vectors of the labels (c, dim), and of the everyday words that they are held against (b, dim).

    Those of the last call are kept in the library in `folder`.
    """
    everyday = default_labels()
    phrases = [[label.phrases for label in each] for each in (labels, everyday)]
    told = json.dumps([fingerprint, list(templates), phrases])
    key = hashlib.sha256(told.encode()).hexdigest()
    path = folder / LABEL_VECTORS
    kept = _read(path, key)
    if kept is not None:
        return kept
    both = [*labels, *everyday] if tuple(labels) != everyday else everyday
    vectors = _embed(both, templates, embedder(), on_step)
    found = vectors[: len(labels)], vectors[-len(everyday) :]
    _write(path, key, *found)
    return found


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


def _read(path: Path, key: str) -> tuple[Vectors, Vectors] | None:
    try:
        with np.load(path) as kept:
            if str(kept["key"]) == key:
                return kept["labels"], kept["words"]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        pass  # it can be made again
    return None


def _write(path: Path, key: str, labels: Vectors, words: Vectors) -> None:
    aside = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    with open(aside, "wb") as file:
        np.savez(file, key=np.array(key), labels=labels, words=words)
    os.replace(aside, path)
