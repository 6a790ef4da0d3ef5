"""Retrieval on the pictures that were held out: how well a model finds them, before training and after."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance

from indexer.embedders.base import Embedder
from indexer.evaluation.compare import Measurement, Sample, compare
from indexer.evaluation.metrics import average_precision, hit
from indexer.evaluation.ranking import Vectors, rankings
from indexer.pictures.preprocessing import preprocess

__all__ = ["HeldOut", "figures", "is_better"]

BATCH = 32
K = (1, 5, 10)
FEWEST_LABELLED = 0.5
"""Share of the pictures that must ask by their folder for folders to be labels."""


EmbedTexts = Callable[[Sequence[str]], Vectors]


@dataclass(frozen=True)
class HeldOut:
    """What is known of pictures that nothing was learned from, each list as long, or empty."""

    labels: Sequence[str] = ()
    captions: Sequence[Sequence[str]] = ()
    pictures: Sequence[Image.Image] = ()
    """RGB, upright."""

    def ask(self, embedder: Embedder) -> list[Measurement]:
        """All that can be asked of an embedder; what decides is first."""
        if not self.pictures:
            return []
        vectors = _embed(embedder, self.pictures)
        copies = [_altered(each, number) for number, each in enumerate(self.pictures)]
        texts = embedder.embed_texts if embedder.reads_text else None
        return [*self.measure(vectors, texts), _copies(_embed(embedder, copies), vectors)]

    def measure(self, vectors: Vectors, embed_texts: EmbedTexts | None) -> list[Measurement]:
        """What the pictures' vectors (n, dim) alone can tell, and their captions where words can be embedded.

        Captions ask for their pictures, and pictures for one of their captions; each picture asks for those in the
        same folder, where there are folders.
        """
        found = []
        if any(self.captions) and embed_texts is not None:
            found += _captions(self.captions, vectors, embed_texts)
        if labelled := _labelled(self.labels):
            found.append(_labels(labelled, vectors))
        return found


def is_better(one: Sequence[Measurement], other: Sequence[Measurement], seed: int) -> bool:
    """Whether the first is better than the second at what decides, beyond chance (a paired bootstrap at 95 %)."""
    theirs = {each.task: each for each in other}
    task = next((each for each in one if each.task in theirs), None)
    if task is None:
        return False
    compared = compare(task, theirs[task.task], ("one", "other"), seed)
    return compared[0].better == "one"


def figures(measured: Sequence[Measurement]) -> dict[str, float]:
    """Every figure by task and name."""
    return {
        f"{each.task}, {name}": float(sample.values.mean())
        for each in measured
        for name, sample in each.samples.items()
    }


def _captions(
    captions: Sequence[Sequence[str]], pictures: Vectors, embed: EmbedTexts
) -> list[Measurement]:
    """Equal captions are one query, which any of their pictures answers."""
    unique = list(dict.fromkeys(text for said in captions for text in said))
    texts = embed(unique)
    rows = {text: row for row, text in enumerate(unique)}
    said_of = [
        np.array([rows[text] for text in dict.fromkeys(said)], np.int64) for said in captions
    ]
    asking = [picture for picture, said in enumerate(said_of) if len(said)]
    answering = [
        np.array([picture for picture in asking if row in said_of[picture]])
        for row in range(len(unique))
    ]
    return [
        _ranked("words to pictures", texts, pictures, answering),
        _ranked("pictures to words", pictures[asking], texts, [said_of[each] for each in asking]),
    ]


def _labelled(labels: Sequence[str]) -> dict[int, NDArray[np.int64]]:
    """For each picture that shares its folder the others there; empty where folders tell nothing."""
    named = np.array(labels)
    others = {
        i: np.flatnonzero((named == label) & (np.arange(len(named)) != i))
        for i, label in enumerate(labels)
        if label
    }
    asking = {i: rows for i, rows in others.items() if len(rows)}
    if len({labels[i] for i in asking}) < 2 or len(asking) < FEWEST_LABELLED * len(labels):
        return {}
    return asking


def _labels(labelled: Mapping[int, NDArray[np.int64]], vectors: Vectors) -> Measurement:
    asking = np.array(list(labelled))
    return _ranked(
        "pictures of the same folder", vectors[asking], vectors, list(labelled.values()), asking
    )


def _copies(copies: Vectors, vectors: Vectors) -> Measurement:
    own = [np.array([i]) for i in range(len(copies))]
    return _ranked("pictures from altered copies", copies, vectors, own)


def _altered(picture: Image.Image, number: int) -> Image.Image:
    """A part of the picture, half as large, mirrored and in other light; the same for a number."""
    rng = np.random.default_rng(number)
    width, height = (max(1, round(edge * 0.7)) for edge in picture.size)
    left, top = (
        int(rng.integers(edge - part + 1))
        for edge, part in zip(picture.size, (width, height), strict=True)
    )
    cut = picture.crop((left, top, left + width, top + height))
    cut = cut.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    cut = ImageEnhance.Brightness(cut).enhance(rng.uniform(0.6, 1.4))
    return ImageEnhance.Color(cut).enhance(rng.uniform(0.3, 1.7))


def _ranked(
    task: str,
    queries: Vectors,
    gallery: Vectors,
    relevant: Sequence[NDArray[np.int64]],
    own: NDArray[np.int64] | None = None,
) -> Measurement:
    ranks = [
        ranking.ranks(rows)
        for ranking, rows in zip(rankings(queries, gallery, own), relevant, strict=True)
    ]
    samples = {"mAP": Sample(np.array([average_precision(r) for r in ranks]))}
    samples |= {f"recall@{k}": Sample(np.array([hit(r, k) for r in ranks])) for k in K}
    return Measurement(task, "held-out pictures", samples)


def _embed(embedder: Embedder, pictures: Sequence[Image.Image]) -> Vectors:
    rows = []
    for start in range(0, len(pictures), BATCH):
        batch = [
            preprocess(each, embedder.preprocessing) for each in pictures[start : start + BATCH]
        ]
        rows.append(embedder.embed_images(np.stack(batch)))
    return np.concatenate(rows)
