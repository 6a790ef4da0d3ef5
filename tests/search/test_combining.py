"""Words and pictures in one query: each pulls as much as its weight says."""

import numpy as np
import pytest
from numpy.typing import NDArray

from indexer import Library, Query
from indexer.search.background import Background
from indexer.search.direction import Kind, Part, combine


def unit(rows: NDArray[np.float64]) -> NDArray[np.float32]:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


@pytest.fixture
def gap() -> Background:
    """A space whose photos lie close together, far from any words: those hardly move a score."""
    generator = np.random.default_rng(0)
    photos = unit(generator.normal(size=(200, 12)) * np.linspace(0.2, 3, 12))
    words = unit(generator.normal(size=(100, 12)) * np.linspace(3, 0.2, 12))
    return Background(words, photos)


def moved(gap: Background, parts: tuple[Part, ...], kind: Kind) -> float:
    return sum(float((gap.photos @ (p.weight * p.vector)).std()) for p in parts if p.kind is kind)


@pytest.mark.parametrize("weight", [1, 2.5])
def test_words_and_pictures_move_scores_as_far_as_their_weights_say(
    gap: Background, weight: float
) -> None:
    ratios = []
    for word, picture in zip(gap.words, gap.photos[:100], strict=True):
        parts = [Part(word, 1, Kind.WORDS), Part(picture, weight, Kind.PICTURE)]
        direction = combine(parts, gap, "it")
        assert np.linalg.norm(direction.vector) == pytest.approx(1, abs=1e-5)
        ratios.append(
            moved(gap, direction.parts, Kind.PICTURE) / moved(gap, direction.parts, Kind.WORDS)
        )
    assert float(np.median(ratios)) == pytest.approx(weight, rel=0.15)


def test_words_alone_are_summed_as_they_are(gap: Background) -> None:
    parts = [Part(gap.words[0], 1, Kind.WORDS), Part(gap.words[1], -2, Kind.WORDS)]
    total = gap.words[0] - 2 * gap.words[1]
    expected = total / np.linalg.norm(total)
    assert combine(parts, gap, "it").vector == pytest.approx(expected, abs=1e-5)


def test_words_are_heard_beside_a_picture(examples: Library) -> None:
    bird = examples.search("bird", 1)[0].photo_id
    query = Query.photo(bird) + Query.text("musical instrument")
    folders = [hit.path.parent.name for hit in examples.search(query, 10)]
    assert {"birds", "music"} <= set(folders)
