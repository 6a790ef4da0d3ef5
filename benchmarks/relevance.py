"""Where relevance ends, and what marking results is worth, on category queries with known answers.

    python -m benchmarks.relevance PHOTOS CATEGORIES.json [--model starter] [--library DIR] [--out FILE]

CATEGORIES.json maps a query to the names of all files that answer it. Everything is asked through `Library.search`.

- Cut: F1 of what is graded likely or maybe, against one threshold for all queries that was chosen on these very
  queries (the best there is), and against other rules that adapt to a query, their parameters chosen the same way.
  `halves` chooses each rule's parameter, ours too, on one half of the queries and measures on the other, 200 times.
  Differences come with a paired bootstrap over queries.
  The same for photos of one category as queries for the others.
- Absent: the same queries, each asked of the library without its answers: how many photos are graded all the same.
- Marks: mean average precision after five results were marked: the first five, right or wrong; or up to five right
  ones of the first page of 24. `whole` ranks all photos, marked ones too, as a user sees it; `rest` only those that
  were not marked, before and after.
"""

import json
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.report import over_photos, publish
from indexer import BuildOptions, Filter, Library, Query
from indexer.search.direction import Kind
from indexer.search.relevance import CUTS

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
MARKED, PAGE, EVERYTHING = 5, 24, 1_000_000


def main() -> None:
    """Measure and print."""
    arguments = over_photos(__doc__, "categories").parse_args()
    with (
        tempfile.TemporaryDirectory() as scratch,
        Library.open(arguments.library or Path(scratch) / "library", create=True) as library,
    ):
        options = BuildOptions(model=arguments.model)
        library.build([arguments.photos], options, notify=lambda line: print(line, file=sys.stderr))
        ids = {photo.path.name: photo.id for photo in library.photos()}
        answers = {
            query: {ids[name] for name in names if name in ids}
            for query, names in json.loads(arguments.categories.read_text()).items()
        }
        asked = Asked(library, {query: found for query, found in answers.items() if found})
        result = {
            "photos": len(ids),
            "queries": len(asked.answers),
            "model": arguments.model,
            "cut": asked.cut(Kind.WORDS),
            "cut_of_pictures": Asked(library, by_picture(asked.answers)).cut(Kind.PICTURE),
            "absent": asked.absent(),
            "marks": asked.marks(),
        }
    publish(result, arguments.out)


class Asked:
    """The category queries, asked once."""

    def __init__(self, library: Library, answers: Mapping[str | Query, set[int]]) -> None:
        self.library = library
        self.answers = answers
        found = [library.search(query, EVERYTHING) for query in answers]
        self.order = [[hit.photo_id for hit in answer] for answer in found]
        self.scores = np.array([[hit.score for hit in answer] for answer in found])
        self.graded = np.array(
            [[hit.relevance in ("likely", "maybe") for hit in answer] for answer in found]
        )
        self.right = np.array(
            [
                [id in wanted for id in order]
                for order, wanted in zip(self.order, answers.values(), strict=True)
            ]
        )

    def cut(self, kind: Kind) -> dict[str, object]:
        """F1 of each rule; ours has a constant for each kind of query."""
        ours = f1(self.graded, self.right)
        fixed = self._sweep(lambda scores: scores)
        best = fixed[fixed.mean(axis=1).argmax()]
        others = {"to the best score": to_best, "deviations within the query": deviations}
        return {
            "ours": round(float(ours.mean()), 4),
            "ours_halves": halves(self._sweep_ours(kind)),
            "best_fixed": round(float(best.mean()), 4),
            "difference_95": bootstrap(ours - best),
            "best_fixed_halves": halves(fixed),
            **{
                name: {
                    "best": round(float(self._sweep(rule).mean(axis=1).max()), 4),
                    "halves": halves(self._sweep(rule)),
                }
                for name, rule in others.items()
            },
            "best_cut_of_each_query": round(float(self._ceiling().mean()), 4),
        }

    def absent(self) -> dict[str, float]:
        """How many photos are graded as answers where there is none."""
        everything = set(self.order[0])
        counts = [
            self.library.search(query, 1, where=Filter(only=tuple(everything - wanted))).relevant
            or 0
            for query, wanted in self.answers.items()
        ]
        return {"median": float(np.median(counts)), "mean": round(float(np.mean(counts)), 2)}

    def marks(self) -> dict[str, object]:
        """Mean average precision before and after marking."""
        return {
            "before": round(float(np.mean([precision(row) for row in self.right])), 4),
            "first five": self._marked(lambda row: np.arange(MARKED)),
            "right ones of the first page": self._marked(
                lambda row: np.flatnonzero(row[:PAGE])[:MARKED]
            ),
        }

    def _marked(self, choose: Callable[[Bools], NDArray[np.intp]]) -> dict[str, float]:
        whole, before, after = [], [], []
        for query, order, row in zip(self.answers, self.order, self.right, strict=True):
            marked = choose(row)
            more = [order[place] for place in marked if row[place]]
            less = [order[place] for place in marked if not row[place]]
            found = self.library.search(query, EVERYTHING, more=more, less=less)
            right = np.array([hit.photo_id in self.answers[query] for hit in found])
            rest = np.array([hit.photo_id not in {*more, *less} for hit in found])
            whole.append(precision(right))
            if right[rest].any():
                before.append(precision(np.delete(row, marked)))
                after.append(precision(right[rest]))
        named = {"whole": whole, "rest_before": before, "rest_after": after}
        return {name: round(float(np.mean(values)), 4) for name, values in named.items()}

    def _sweep(self, rule: Callable[[Floats], Floats]) -> Floats:
        """F1 (thresholds, queries) of a rule over scores (queries, photos)."""
        ruled = rule(self.scores)
        thresholds = np.unique(np.quantile(ruled, np.linspace(0.5, 1, 500)))
        return np.array([f1(ruled >= threshold, self.right) for threshold in thresholds])

    def _sweep_ours(self, kind: Kind) -> Floats:
        """F1 (shares, queries) of our rule with other values for its constant."""
        before, found = CUTS[kind], []
        for share in np.linspace(0.7, 1.3, 13) * before.share:
            CUTS[kind] = before._replace(share=float(share))
            kept = [
                {hit.photo_id for hit in self.library.search(query, EVERYTHING, relevant=True)}
                for query in self.answers
            ]
            graded = [
                [id in ids for id in order] for ids, order in zip(kept, self.order, strict=True)
            ]
            found.append(f1(np.array(graded), self.right))
        CUTS[kind] = before
        return np.array(found)

    def _ceiling(self) -> Floats:
        places = np.arange(self.right.shape[1])
        found = np.array([f1(places <= place, self.right) for place in places])
        return np.asarray(found.max(axis=0))


def by_picture(answers: Mapping[str | Query, set[int]]) -> dict[str | Query, set[int]]:
    """Each photo of just one category as a query for the others of that category."""
    every = [id for wanted in answers.values() for id in wanted]
    return {
        Query.photo(id): wanted - {id}
        for wanted in answers.values()
        for id in sorted(wanted)
        if every.count(id) == 1
    }


def to_best(scores: Floats) -> Floats:
    """Each score as a share of the way from the query's median to its best."""
    median = np.median(scores, axis=1, keepdims=True)
    return np.asarray((scores - median) / (scores.max(axis=1, keepdims=True) - median))


def deviations(scores: Floats) -> Floats:
    """Each score in standard deviations of the query's own scores."""
    mean, spread = scores.mean(axis=1, keepdims=True), scores.std(axis=1, keepdims=True)
    return np.asarray((scores - mean) / spread)


def f1(chosen: Bools, right: Bools) -> Floats:
    """F1 of each query (queries,)."""
    hits = (chosen & right).sum(axis=1)
    both = np.broadcast_to(chosen, right.shape).sum(axis=1) + right.sum(axis=1)
    return np.asarray(2 * hits / np.maximum(both, 1))


def precision(right: Bools) -> float:
    """Average precision of a ranking."""
    places = np.flatnonzero(right)
    return float((np.arange(1, len(places) + 1) / (places + 1)).mean())


def halves(values: Floats, times: int = 200) -> float:
    """F1 where the threshold is chosen on one half of the queries and measured on the other."""
    generator, found = np.random.default_rng(0), []
    for _ in range(times):
        order = generator.permutation(values.shape[1])
        chosen, measured = np.array_split(order, 2)
        found.append(values[values[:, chosen].mean(axis=1).argmax(), measured].mean())
    return round(float(np.mean(found)), 4)


def bootstrap(differences: Floats, times: int = 10_000) -> list[float]:
    """The interval of 95 % of a mean of paired differences."""
    rows = np.random.default_rng(0).integers(len(differences), size=(times, len(differences)))
    low, high = np.quantile(differences[rows].mean(axis=1), [0.025, 0.975])
    return [round(float(low), 4), round(float(high), 4)]


if __name__ == "__main__":
    main()
