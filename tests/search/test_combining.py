"""Words and pictures in one query: each pulls as much as its weight says."""

import numpy as np
import pytest
from numpy.typing import NDArray

from indexer import Library, Query
from indexer.search.background import Background
from indexer.search.direction import Kind, Part, combine


def spread(vectors: NDArray[np.float32], part: Part) -> float:
    return float((vectors @ (part.weight * part.vector)).std())


@pytest.mark.parametrize("weight", [1, 2.5, -0.5])
def test_each_part_moves_the_scores_by_its_weight(weight: float) -> None:
    generator = np.random.default_rng(0)
    photos = (generator.normal(size=(200, 12)) * np.linspace(0.2, 3, 12)).astype(np.float32)
    photos /= np.linalg.norm(photos, axis=1, keepdims=True)
    words, picture = np.eye(12, dtype=np.float32)[[0, 11]]  # one hardly moves scores, one much
    parts = [Part(words, 1, Kind.WORDS), Part(picture, weight, Kind.PICTURE)]
    direction = combine(parts, Background(photos[:0], photos), "it")
    assert np.linalg.norm(direction.vector) == pytest.approx(1)
    text, image = direction.parts
    assert spread(photos, image) / spread(photos, text) == pytest.approx(abs(weight), rel=1e-4)


def test_words_are_heard_beside_a_picture(examples: Library) -> None:
    bird = examples.search("bird", 1)[0].photo_id
    query = Query.photo(bird) + Query.text("musical instrument")
    folders = [hit.path.parent.name for hit in examples.search(query, 10)]
    assert {"birds", "music"} <= set(folders)
