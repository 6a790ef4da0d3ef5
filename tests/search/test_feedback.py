"""Marks: what is right draws more of its kind, what is wrong goes down."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from indexer import Library, Query
from indexer.errors import QueryError
from indexer.search.feedback import learn_part
from tests.conftest import Run


def ids_of(examples: Library, folder: str) -> list[int]:
    return [photo.id for photo in examples.photos() if photo.path.parent.name == folder]


def mean_place(examples: Library, wanted: set[int], more: list[int], less: list[int]) -> float:
    answer = examples.search("a picture", 1000, more=more, less=less)
    return float(np.mean([hit.rank for hit in answer if hit.photo_id in wanted]))


def test_marks_bring_up_what_is_like_the_right_ones(examples: Library) -> None:
    birds, insects = ids_of(examples, "birds"), ids_of(examples, "insects")
    rest = set(birds[2:])
    before = mean_place(examples, rest, [], [])
    assert mean_place(examples, rest, birds[:2], insects[:2]) < before / 2


def test_marks_take_down_what_is_like_the_wrong_ones(examples: Library) -> None:
    birds = ids_of(examples, "birds")
    rest = set(birds[2:])
    assert mean_place(examples, rest, [], birds[:2]) > mean_place(examples, rest, [], [])


def test_marks_alone_are_a_question(examples: Library) -> None:
    birds = ids_of(examples, "birds")
    found = examples.search(Query(), 5, more=birds[:3])
    assert {hit.path.parent.name for hit in found} == {"birds"}


def test_a_mark_on_no_photo_is_refused(examples: Library) -> None:
    with pytest.raises(QueryError, match="no photo 99999"):
        examples.search("bird", more=[99999])
    with pytest.raises(QueryError, match="nothing in the query"):
        examples.search(Query(), less=[examples.photos()[0].id])


def test_the_command_takes_marks(glimpse: Run, examples: Library, examples_folder: Path) -> None:
    birds = ids_of(examples, "birds")
    marks = [word for id in birds[:2] for word in ("--more", str(id))]
    ran = glimpse("search", "animal", *marks, "-t", "3", "-f", "--library", examples_folder)
    assert ran.returncode == 0, ran.stderr
    assert all(b"/birds/" in line for line in ran.stdout.splitlines())


def test_what_is_learned_parts_right_from_wrong() -> None:
    generator = np.random.default_rng(0)
    centres = np.eye(16, dtype=np.float32)

    def around(centre: int, n: int) -> NDArray[np.float32]:
        rows = centres[centre] + 0.1 * generator.normal(size=(n, 16)).astype(np.float32)
        return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)

    part = learn_part(around(0, 3), around(1, 2), np.concatenate([around(c, 9) for c in range(16)]))
    assert np.linalg.norm(part.vector) == pytest.approx(1)
    assert (around(0, 50) @ part.vector).min() > (around(1, 50) @ part.vector).max()
    assert (around(0, 50) @ part.vector).min() > (around(5, 50) @ part.vector).max()
