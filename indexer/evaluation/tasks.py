"""What is asked of a space: each task is queries, a gallery, and which of its rows answer them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from indexer.evaluation import metrics
from indexer.evaluation.compare import Measurement, Sample
from indexer.evaluation.gallery import Labels
from indexer.evaluation.ranking import Ids, Vectors, blocks, rankings
from indexer.progress import Watch

__all__ = [
    "Retrieval",
    "by_caption",
    "by_category",
    "by_label",
    "geometry",
    "neighbours",
    "retrieve",
    "zero_shot",
]

Measure = Callable[[Ids], float]

HITS: dict[str, Measure] = {f"recall@{k}": partial(metrics.hit, k=k) for k in (1, 5, 10)}
PRECISIONS: dict[str, Measure] = {
    "precision@10": partial(metrics.precision, k=10),
    "capped precision@10": partial(metrics.capped_precision, k=10),
}
NEIGHBOURS = (20, 200)
"""Of Caron et al., arXiv 2104.14294, and of Wu et al., arXiv 1805.01978."""


@dataclass(frozen=True)
class Retrieval:
    """Queries put to a gallery."""

    task: str
    how: str
    queries: Vectors
    gallery: Vectors
    relevant: Callable[[int], Ids]
    """The rows of the gallery, at least one, that answer a query."""
    measures: Mapping[str, Measure]
    own: Ids | None = None
    """The row of the gallery that each query itself is."""
    clusters: Ids | None = None


def retrieve(asked: Retrieval, watch: Watch) -> Measurement:
    """Rank the gallery for every query, and measure where the right answers stand."""
    values = {name: np.empty(len(asked.queries)) for name in asked.measures}
    first = np.empty(len(asked.queries), np.int64)
    ranked = rankings(asked.queries, asked.gallery, asked.own)
    for query, ranking in enumerate(watch.over(ranked, len(asked.queries), asked.task)):
        ranks = ranking.ranks(asked.relevant(query))
        first[query] = ranks[0]
        for name, measure in asked.measures.items():
            values[name][query] = measure(ranks)
    samples = {name: Sample(column) for name, column in values.items()}
    return Measurement(asked.task, asked.how, samples, first, asked.clusters)


def by_label(vectors: Vectors, labels: Labels, asked: Ids) -> Retrieval:
    """Photos asked with photos; `vectors` (m, dim) are the labelled ones, `asked` some of their rows."""
    members = _members(labels.codes)

    def relevant(query: int) -> Ids:
        same = members[labels.codes[asked[query]]]
        others: Ids = same[same != asked[query]]
        return others

    how = "a labelled photo asks for the others of its label, itself left out; recall@k: one at least is among k"
    measures: dict[str, Measure] = {
        **HITS,
        "precision@5": partial(metrics.precision, k=5),
        **PRECISIONS,
        "mAP": metrics.average_precision,
    }
    return Retrieval("image to image", how, vectors[asked], vectors, relevant, measures, own=asked)


def by_category(texts: Vectors, images: Vectors, answers: Sequence[Ids]) -> Retrieval:
    """Words (q, dim) that many photos answer."""
    how = "words ask for all photos of a category, in the whole library; recall@10: the share found among 10"
    measures: dict[str, Measure] = {
        "mAP": metrics.average_precision,
        **PRECISIONS,
        "recall@10": partial(metrics.recall, k=10),
    }
    return Retrieval("categories", how, texts, images, answers.__getitem__, measures)


def by_caption(
    texts: Vectors, images: Vectors, photos_of: Sequence[Ids], asked: tuple[Ids, Ids]
) -> tuple[Retrieval, Retrieval]:
    """Captions (t, dim) that ask for their photos, and photos (n, dim) that ask for their captions.

    `photos_of` are the rows of each caption's photos; `asked` are the captions and the photos that ask.
    """
    captions, photos = asked
    captions_of: dict[int, list[int]] = {}
    for caption, rows in enumerate(photos_of):
        for row in rows.tolist():
            captions_of.setdefault(row, []).append(caption)
    measures: dict[str, Measure] = {**HITS, "MRR": metrics.reciprocal_rank}
    forth = Retrieval(
        "text to image",
        "a caption asks for its photo in the whole library; recall@k: it is among k",
        texts[captions],
        images,
        lambda query: photos_of[captions[query]],
        measures,
        clusters=np.array([photos_of[caption][0] for caption in captions], np.int64),
    )
    back = Retrieval(
        "image to text",
        "a photo asks for its caption among all captions; recall@k: one at least is among k",
        images[photos],
        texts,
        lambda query: np.array(captions_of[int(photos[query])], np.int64),
        measures,
    )
    return forth, back


def zero_shot(images: Vectors, classes: Vectors, codes: Ids) -> Retrieval:
    """Photos (m, dim) that ask for their label among the classes' vectors (c, dim)."""
    how = "a photo asks for its label's words, put into templates (CLIP, arXiv 2103.00020)"
    accuracies: dict[str, Measure] = {
        f"accuracy@{k}": partial(metrics.hit, k=k) for k in (1, 5) if k < len(classes)
    }
    return Retrieval(
        "zero shot", how, images, classes, lambda query: codes[query, None], accuracies
    )


def neighbours(vectors: Vectors, labels: Labels, asked: Ids, watch: Watch) -> Measurement:
    """Accuracy of the weighted vote of the k nearest labelled photos, the photo itself left out."""
    right = {k: np.empty(len(asked)) for k in NEIGHBOURS}
    ranked = rankings(vectors[asked], vectors, asked)
    for query, ranking in enumerate(watch.over(ranked, len(asked), "kNN")):
        rows, cosines = ranking.first(max(NEIGHBOURS))
        for k, values in right.items():
            elected = metrics.vote(labels.codes[rows[:k]], cosines[:k], len(labels.names))
            values[query] = elected == labels.codes[asked[query]]
    how = "the k nearest labelled photos vote, weighted by exp(cosine / 0.07) (arXiv 1805.01978), leave one out"
    samples = {f"accuracy@{k}": Sample(values) for k, values in right.items()}
    return Measurement("kNN", how, samples)


def geometry(vectors: Vectors, labels: Labels, asked: Ids, watch: Watch) -> Measurement:
    """Alignment and uniformity."""
    parts = [asked[rows] for rows in blocks(len(asked), len(vectors))]
    spread = [
        metrics.uniformity(vectors, part) for part in watch.over(parts, len(parts), "geometry")
    ]
    how = "arXiv 2005.10242: alignment over pairs of one label (0 to 4), uniformity over all; less is better"
    samples = {
        "alignment": Sample(metrics.alignment(vectors, labels.codes, asked), lower_is_better=True),
        "uniformity": Sample(np.concatenate(spread), is_log=True, lower_is_better=True),
    }
    return Measurement("geometry", how, samples)


def _members(codes: Ids) -> list[Ids]:
    order: NDArray[np.int64] = np.argsort(codes, kind="stable")
    return np.split(order, np.cumsum(np.bincount(codes))[:-1])
