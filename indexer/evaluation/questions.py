"""What is asked: the user's labels, captions and categories, found among the photos, and what is drawn of them."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from indexer.annotations import match_names, read_captions, read_categories, read_labels
from indexer.embedders.base import Notify
from indexer.errors import UsageError
from indexer.evaluation.gallery import Gallery, Labels, folder_labels, label_rows
from indexer.evaluation.ranking import Ids
from indexer.evaluation.results import FOLDERS, PARENTS, EvaluationOptions
from indexer.prompts import fill
from indexer.terms import MAX_TEXT

__all__ = ["LabelQuestions", "Questions", "WordQuestions", "read_questions"]


@dataclass(frozen=True)
class LabelQuestions:
    """Labelled photos."""

    labels: Labels
    asked: Ids
    """The members of `labels` that ask for the others of their label."""
    templates: tuple[str, ...]


@dataclass(frozen=True)
class WordQuestions:
    """Words that photos answer."""

    texts: tuple[str, ...]
    photos: Sequence[Ids]
    """The rows of the gallery that answer each text, at least one."""
    asked: Ids
    """The texts that ask."""
    asked_photos: Ids
    """The rows of the gallery that ask for their texts."""


@dataclass(frozen=True)
class Questions:
    """All that is asked."""

    labels: LabelQuestions | None = None
    captions: WordQuestions | None = None
    categories: WordQuestions | None = None

    def words(self) -> tuple[str, ...]:
        """The texts among them."""
        given = [each.texts for each in (self.captions, self.categories) if each]
        return sum(given, start=()) or (self.labels.labels.names if self.labels else ())


def read_questions(
    gallery: Gallery, roots: Iterable[Path], options: EvaluationOptions, tell: Notify
) -> Questions:
    """Read what the user knows. Raises UsageError for files that cannot be read or fit nothing."""
    _check(options)
    draw = _Draw(options, tell)
    return Questions(
        _labels(gallery, roots, options, draw) if options.labels else None,
        _captions(gallery, options.captions, draw) if options.captions else None,
        _categories(gallery, options.categories, draw) if options.categories else None,
    )


class _Draw:
    """Keeps the queries of one kind to the number that was asked for."""

    def __init__(self, options: EvaluationOptions, tell: Notify) -> None:
        self._most = options.queries
        self._seed = options.seed
        self.tell = tell

    def __call__(self, candidates: Ids, what: str) -> Ids:
        if len(candidates) <= self._most:
            return candidates
        self.tell(
            f"{self._most} of {len(candidates)} {what} ask, drawn at random (seed {self._seed})"
        )
        rng = np.random.default_rng(self._seed)
        return np.sort(rng.choice(candidates, self._most, replace=False))


def _check(options: EvaluationOptions) -> None:
    if options.queries < 1:
        raise UsageError(f"{options.queries} queries were asked for; the least is 1")
    for template in options.templates:
        fill(template, "")


def _labels(
    gallery: Gallery, roots: Iterable[Path], options: EvaluationOptions, draw: _Draw
) -> LabelQuestions:
    if options.labels in (FOLDERS, PARENTS):
        labels = folder_labels(gallery, roots, str(options.labels), draw.tell)
    else:
        labels = label_rows(gallery, read_labels(Path(str(options.labels))), draw.tell)
    repeated = labels.repeated()
    if alone := len(labels.rows) - len(repeated):
        draw.tell(
            f"alone with their label: {alone} of the photos; they are answers, but do not ask"
        )
    return LabelQuestions(labels, draw(repeated, "labelled photos"), options.templates)


def _captions(gallery: Gallery, path: Path, draw: _Draw) -> WordQuestions:
    return _words(match_names(gallery.files, read_captions(path), draw.tell), draw, "captions")


def _categories(gallery: Gallery, path: Path, draw: _Draw) -> WordQuestions:
    pairs = [(name, query) for query, names in read_categories(path).items() for name in names]
    if not pairs:
        raise UsageError(f"{path} names no files; it maps queries to lists of file names")
    found = _words(match_names(gallery.files, pairs, draw.tell), draw, "categories")
    if lost := len({query for _, query in pairs}) - len(found.texts):
        draw.tell(f"{lost} categories are left out, since none of their files is here")
    return found


def _words(pairs: Iterable[tuple[int, str]], draw: _Draw, what: str) -> WordQuestions:
    """Equal texts are one query, which any of their photos answers."""
    answers: dict[str, set[int]] = defaultdict(set)
    for row, text in pairs:
        if len(text) > MAX_TEXT:
            raise UsageError(
                f"{what} have a text of {len(text)} characters; the limit is {MAX_TEXT}"
            )
        answers[text].add(row)
    photos = [np.array(sorted(rows), np.int64) for rows in answers.values()]
    asked = draw(np.arange(len(photos)), what)
    asked_photos = draw(np.unique(np.concatenate(photos)), f"photos with {what}")
    return WordQuestions(tuple(answers), photos, asked, asked_photos)
