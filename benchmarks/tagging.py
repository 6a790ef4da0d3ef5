"""Tags on photos with known answers: precision, recall and F1, and tags for labels that no photo shows.

    python -m benchmarks.tagging PHOTOS CATEGORIES.json [--model starter] [--library DIR] [--out FILE]

CATEGORIES.json maps a label to the names of all files that show it. Of the labels in alphabetical order, every other
one chooses (a threshold for each way of scoring, and the curve from z to confidence), the rest measures. A photo
often shows what CATEGORIES.json does not say of it, so that precision is understated. ABSENT are labels of which
the 500 photos that the published figures come from show nothing. Prints one JSON object, and writes it to --out.
"""

import sys
import tempfile
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from benchmarks.report import over_photos, publish
from indexer import BuildOptions, Library
from indexer.annotations import read_categories
from indexer.prompts import class_vectors
from indexer.search.background_words import BACKGROUND_WORDS
from indexer.tagging.labels import default_labels
from indexer.tagging.run import TEMPLATES, THRESHOLD
from indexer.tagging.scoring import above_words, confidences, proven

Scores = NDArray[np.float32]
Truth = NDArray[np.bool_]

ABSENT = [
    "giraffe",
    "rhinoceros",
    "fireworks",
    "birthday cake",
    "snowman",
    "passport",
    "credit card",
    "pizza",
    "hamburger",
    "sushi",
    "tattoo",
    "skateboard",
    "surfboard",
    "helicopter",
    "rocket",
    "ferris wheel",
    "roller coaster",
    "Christmas tree",
    "jack-o'-lantern",
    "northern lights",
    "lightning",
    "rainbow",
    "receipt",
    "x-ray",
    "QR code",
    "wedding cake",
    "chess board",
    "tennis racket",
    "windmill",
    "lighthouse",
    "igloo",
    "sunflower",
    "tulip",
    "strawberry",
    "banana",
    "grapes",
    "penguin",
    "flamingo",
    "ostrich",
    "giant panda",
    "tiger",
    "rabbit",
    "pyramid",
    "wristwatch",
    "umbrella",
    "scissors",
    "globe",
    "telescope",
    "swimming pool",
    "teddy bear",
]


def main() -> None:
    """Measure and print."""
    arguments = over_photos(__doc__, "categories").parse_args()
    categories = read_categories(arguments.categories)
    with tempfile.TemporaryDirectory() as scratch:
        folder = arguments.library or Path(scratch) / "library"
        with Library.open(folder, create=True) as library:
            library.build(
                [arguments.photos],
                BuildOptions(model=arguments.model),
                notify=lambda line: print(line, file=sys.stderr),
            )
            figures = {"model": arguments.model, **measured(library, categories)}
            figures["our_list"] = our_list(library)
    publish(figures, arguments.out)


def measured(library: Library, categories: dict[str, list[str]]) -> dict[str, Any]:
    """All figures but times."""
    ids, photos = library.vectors()
    names = [library.photo(id).path.name for id in ids]
    labels = sorted(categories)
    truth = np.array([[name in set(categories[each]) for each in labels] for name in names])
    embedder = library.embedder()
    words = embedder.embed_texts(BACKGROUND_WORDS)

    def vectors(phrases: Sequence[Sequence[str]]) -> Scores:
        return class_vectors(phrases, TEMPLATES, embedder.embed_texts)

    asked = vectors([[label] for label in (*labels, *ABSENT)])
    everyday = vectors([label.phrases for label in default_labels()])
    z = above_words(photos, asked, words)
    lists = {"alone": asked, "long": np.concatenate([asked, everyday])}
    return {
        "photos": len(photos),
        "labels": len(labels),
        "absent_labels": len(ABSENT),
        "ways": {
            f"{way}, {which} list": compared(scores[:, : len(asked)], truth)
            for which, rows in lists.items()
            for way, scores in ways(photos, rows, words).items()
        },
        "curve": curve(z, truth),
        "shipped": shipped(z, truth),
    }


def ways(photos: Scores, labels: Scores, words: Scores) -> dict[str, Scores]:
    """Scores (n, c) of a list of labels, by each way that was thought of."""
    cosines = photos @ labels.T
    return {
        "z among words": above_words(photos, labels, words),
        "cosine": cosines,
        "softmax over the list": _softmax(cosines, 50, cosines),
        "softmax over list and words": _softmax(
            cosines, 50, np.hstack([cosines, photos @ words.T])
        ),
        "z over the library": _centred(cosines, cosines.mean(0), cosines.std(0)),
        "z over the library, robust": _robust(cosines, axis=0),
        "z over the library, robust, then over the list": _centred(
            _robust(cosines, axis=0),
            _robust(cosines, axis=0).mean(1, keepdims=True),
            _robust(cosines, axis=0).std(1, keepdims=True),
        ),
    }


def compared(scores: Scores, truth: Truth) -> dict[str, float]:
    """Figures at the threshold that is best for the choosing half of the labels."""
    count = truth.shape[1]
    choosing, measuring = slice(0, count, 2), slice(1, count, 2)
    candidates = np.unique(np.quantile(scores[:, choosing], np.linspace(0.5, 0.9995, 500)))
    best = max(
        candidates, key=lambda t: quality(scores[:, choosing] >= t, truth[:, choosing])["F1"]
    )
    return {
        **quality(scores[:, measuring] >= best, truth[:, measuring]),
        **false_alarms(scores[:, count : count + len(ABSENT)] >= best),
    }


def shipped(z: Scores, truth: Truth) -> dict[str, Any]:
    """What `glimpse tag` gives, on the measuring half; and how often a confidence is right."""
    count = truth.shape[1]
    sure = confidences(z)
    columns = np.nonzero(sure >= THRESHOLD)[1]
    stand = proven(columns, sure[sure >= THRESHOLD], np.empty(0, np.int64))
    tagged = (sure >= THRESHOLD) & np.isin(np.arange(sure.shape[1]), columns[stand])
    measuring, right = sure[:, 1:count:2], truth[:, 1::2]
    return {
        "threshold": THRESHOLD,
        **quality(tagged[:, 1:count:2], right),
        **false_alarms(tagged[:, count:]),
        "without_proof": {
            **quality(measuring >= THRESHOLD, right),
            **false_alarms(sure[:, count:] >= THRESHOLD),
        },
        "right_by_confidence": {
            f"{low} to {min(high, 1)}": round(
                float(right[(measuring >= low) & (measuring < high)].mean()), 2
            )
            for low, high in pairwise((0.1, 0.3, 0.5, 0.7, 0.9, 1.01))
        },
    }


def curve(z: Scores, truth: Truth) -> dict[str, float]:
    """Where the logistic curve from z to the share that is right has its middle, and its slope."""
    choosing = slice(0, truth.shape[1], 2)
    fit = LogisticRegression(C=1e6).fit(z[:, choosing].reshape(-1, 1), truth[:, choosing].ravel())
    slope = float(fit.coef_[0, 0])
    return {"middle": round(-float(fit.intercept_[0]) / slope, 2), "slope": round(slope, 2)}


def quality(given: Truth, right: Truth) -> dict[str, float]:
    """Of all tags together."""
    hits = int((given & right).sum())
    precision, recall = hits / max(int(given.sum()), 1), hits / int(right.sum())
    f1 = 2 * precision * recall / max(precision + recall, 1e-9)
    return {"precision": round(precision, 3), "recall": round(recall, 3), "F1": round(f1, 3)}


def false_alarms(given: Truth) -> dict[str, float]:
    """Tags by labels that no photo shows."""
    return {
        "tags_an_absent_label": _share(given, given.shape[1]),
        "absent_labels_given": round(float(given.any(axis=0).mean()), 2),
    }


def our_list(library: Library) -> dict[str, float]:
    """How long `tag` with our list takes, when its labels must be embedded and again; how much it gives."""
    library.tag(["one word"])  # so that the list is not there yet
    library.clear_tags()
    began = time.perf_counter()
    library.tag()
    first = time.perf_counter() - began
    report = library.tag()
    again = time.perf_counter() - began - first
    return {
        "labels": report.labels,
        "labels_given": len(library.all_tags()),
        "tags_a_photo": round(report.tags / report.photos, 2),
        "seconds": round(first, 2),
        "seconds_again": round(again, 2),
    }


def _softmax(cosines: Scores, scale: float, among: Scores) -> Scores:
    top = among.max(1, keepdims=True)
    total = np.exp(scale * (among - top)).sum(1, keepdims=True)
    return np.asarray(np.exp(scale * (cosines - top)) / total, np.float32)


def _centred(scores: Scores, middle: Scores, spread: Scores) -> Scores:
    return np.asarray((scores - middle) / spread, np.float32)


def _robust(scores: Scores, axis: int) -> Scores:
    middle = np.median(scores, axis, keepdims=True)
    return _centred(
        scores, middle, 1.4826 * np.median(np.abs(scores - middle), axis, keepdims=True)
    )


def _share(given: Truth, of: int) -> float:
    return round(float(given.sum()) / of, 2)


if __name__ == "__main__":
    main()
