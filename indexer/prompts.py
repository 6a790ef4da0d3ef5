"""Labels as sentences, and as vectors: how CLIP makes a classifier out of words (arXiv 2103.00020, 3.1.4)."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from indexer.errors import UsageError

__all__ = ["EmbedTexts", "class_vectors", "fill"]

Vectors = NDArray[np.float32]
EmbedTexts = Callable[[list[str]], Vectors]
"""Texts to rows (n, dim), L2-normalised."""


def fill(template: str, name: str) -> str:
    """A sentence of a label or of a folder's name, read with blanks for underscores. Raises UsageError."""
    if "{}" not in template:
        raise UsageError(
            f"the template {template!r} has no {{}} for the label; write such as 'a photo of a {{}}'"
        )
    return template.replace("{}", name.replace("_", " "))


def class_vectors(
    phrases: Sequence[Sequence[str]], templates: Sequence[str], embed: EmbedTexts
) -> Vectors:
    """A unit vector for each class (c, dim): the mean of its phrases' unit vectors over all templates.

    Each class has one phrase at least. Raises UsageError for a template without a place for the label.
    """
    owners = np.array([number for number, each in enumerate(phrases) for _ in each])
    flat = [phrase for each in phrases for phrase in each]
    total = sum(embed([fill(template, phrase) for phrase in flat]) for template in templates)
    assert isinstance(total, np.ndarray)
    means = np.zeros((len(phrases), total.shape[1]), np.float32)
    np.add.at(means, owners, total)
    means /= np.bincount(owners)[:, None]
    lengths = np.linalg.norm(means, axis=1, keepdims=True)
    return np.asarray(means / np.maximum(lengths, 1e-6), np.float32)
