"""One space, asked everything that the user's knowledge allows."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from indexer.embedders.base import Embedder, Notify
from indexer.evaluation import speed, tasks
from indexer.evaluation.compare import Measurement, Sample
from indexer.evaluation.gallery import Gallery
from indexer.evaluation.questions import LabelQuestions, Questions, WordQuestions
from indexer.evaluation.ranking import Ids, Vectors, rankings
from indexer.evaluation.results import Answered, Example
from indexer.progress import Watch
from indexer.prompts import class_vectors
from indexer.query import Query
from indexer.results import Photo, SpaceStatus

if TYPE_CHECKING:
    from indexer.library import Library

__all__ = ["Asking", "Measured"]

Measured = tuple[Measurement, tuple[Example, ...]]

Asked = Callable[[int], tuple[str, int | None]]
"""The words of a query, or the name and id of the photo that asks."""

INDEX_QUERIES = 300
TEXT_BATCH = 256
EXAMPLES = 8
ANSWERS = 6


@dataclass(frozen=True)
class Asking:
    """A space with its model and its vectors of the gallery."""

    library: "Library"
    space: SpaceStatus
    gallery: Gallery
    seed: int
    watch: Watch
    tell: Notify
    """Gets what belongs to the result."""
    notify: Notify
    """Gets what only passes by."""

    @property
    def images(self) -> Vectors:
        """The gallery's vectors (n, dim)."""
        return self.gallery.vectors[self.space.name]

    def quality(self, questions: Questions) -> Iterator[Measured]:
        """How well it answers."""
        if questions.labels:
            yield from self._labels(questions.labels)
        if questions.captions:
            yield from self._captions(questions.captions)
        if questions.categories:
            yield self._categories(questions.categories)

    def speed(self, questions: Questions) -> Iterator[Measured]:
        """What its index loses, and how quick it is."""
        name, embedder = self.space.name, self._embedder()
        rows = np.random.default_rng(self.seed).permutation(len(self.gallery))[:INDEX_QUERIES]
        asked = [Query.photo(self.gallery.photos[row].id) for row in rows]
        yield (
            speed.index_recall(self.library, name, "photos", asked, self.images[rows], self.watch),
            (),
        )
        texts = questions.words()[:INDEX_QUERIES] or speed.TEXTS
        if embedder.reads_text:
            asked = [Query.text(text) for text in texts]
            vectors = embedder.embed_texts(texts)
            yield speed.index_recall(self.library, name, "words", asked, vectors, self.watch), ()
        yield speed.speed(self.library, name, embedder, texts, self.seed, self.watch), ()

    def _labels(self, questions: LabelQuestions) -> Iterator[Measured]:
        labels, asked = questions.labels, questions.asked
        vectors = self.images[labels.rows]
        photos = [self.gallery.photos[row] for row in labels.rows]
        retrieval = tasks.by_label(vectors, labels, asked)

        def query(number: int) -> tuple[str, int | None]:
            row = asked[number]
            return f"{labels.names[labels.codes[row]]}: {photos[row].path.name}", photos[row].id

        yield self._ranked(retrieval, photos, query)
        yield tasks.neighbours(vectors, labels, asked, self.watch), ()
        yield self._probe(vectors, questions), ()
        yield tasks.geometry(vectors, labels, asked, self.watch), ()
        if self.space.reads_text:
            classes = self._classes(questions)
            shot = tasks.retrieve(tasks.zero_shot(vectors, classes, labels.codes), self.watch)
            yield replace(shot, first=None), ()  # a curve over k says nothing of a classifier
        else:
            self.tell(f"space {self.space.name} reads no words, so zero shot is left out")

    def _probe(self, vectors: Vectors, questions: LabelQuestions) -> Measurement:
        # Imports torch, which nothing else here needs.
        from indexer.evaluation.probe import LinearProbe, stratified_split

        codes = questions.labels.codes
        train, test = stratified_split(codes, self.seed)
        probe = LinearProbe().fit(vectors[train], codes[train], self.watch)
        how = "logistic regression on four fifths of each label's photos, asked for the others"
        right = np.asarray(probe.predict(vectors[test]) == codes[test], np.float64)
        return Measurement("linear probe", how, {"accuracy": Sample(right)})

    def _captions(self, questions: WordQuestions) -> Iterator[Measured]:
        asked = questions.asked
        texts = self._embed(questions.texts, "captions")
        forth, back = tasks.by_caption(
            texts, self.images, questions.photos, (asked, questions.asked_photos)
        )
        yield self._ranked(
            forth, self.gallery.photos, lambda query: (questions.texts[asked[query]], None)
        )
        yield tasks.retrieve(back, self.watch), ()

    def _categories(self, questions: WordQuestions) -> Measured:
        asked = questions.asked
        texts = self._embed([questions.texts[i] for i in asked], "categories")
        retrieval = tasks.by_category(texts, self.images, [questions.photos[i] for i in asked])
        return self._ranked(
            retrieval, self.gallery.photos, lambda query: (questions.texts[asked[query]], None)
        )

    def _ranked(
        self, retrieval: tasks.Retrieval, photos: Sequence[Photo], query: Asked
    ) -> Measured:
        measured = tasks.retrieve(retrieval, self.watch)
        assert measured.first is not None
        return measured, _examples(retrieval, measured.first, photos, query)

    def _classes(self, questions: LabelQuestions) -> Vectors:
        """A unit vector for each label (c, dim)."""
        phrases = [[name] for name in questions.labels.names]
        return class_vectors(
            phrases, questions.templates, lambda texts: self._embed(texts, "labels")
        )

    def _embed(self, texts: Sequence[str], what: str) -> Vectors:
        embedder = self._embedder()
        cut = sum(embedder.cuts(text) for text in texts)
        if cut:
            self.tell(
                f"{cut} {what} are longer than {self.space.model} reads; their ends were left out"
            )
        starts = range(0, len(texts), TEXT_BATCH)
        rows = [
            embedder.embed_texts(texts[start : start + TEXT_BATCH])
            for start in self.watch.over(starts, len(starts), f"batches of {what}")
        ]
        return np.concatenate(rows)

    def _embedder(self) -> Embedder:
        return self.library.embedder(self.space.name, notify=self.notify)


def _examples(
    asked: tasks.Retrieval, first: Ids, photos: Sequence[Photo], query: Asked
) -> tuple[Example, ...]:
    """Examples at even steps from the best answered query to the worst, by the rank of the first right answer.

    `photos` are those of the gallery, in its order; `first` are the ranks (m,).
    """
    order = np.argsort(first, kind="stable")
    chosen = order[np.unique(np.linspace(0, len(order) - 1, EXAMPLES).round().astype(int))]
    own = asked.own[chosen] if asked.own is not None else None
    found = []
    for number, ranking in zip(
        chosen.tolist(), rankings(asked.queries[chosen], asked.gallery, own), strict=True
    ):
        rows, cosines = ranking.first(ANSWERS)
        right = np.isin(rows, asked.relevant(number))
        answers = tuple(
            Answered(photos[row].id, photos[row].path, float(cosine), bool(is_right))
            for row, cosine, is_right in zip(rows, cosines, right, strict=True)
        )
        found.append(Example(*query(number), int(first[number]), answers))
    return tuple(found)
