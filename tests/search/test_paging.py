"""Pages of one answer: each photo once, however the pages are cut."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.large import make_library
from indexer import Config, Library
from indexer.search.ranking import in_levels
from tests.conftest import EXAMPLES


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thousands of photos, many of them alike to the last digits that are kept."""
    return make_library(tmp_path_factory.mktemp("many"), 2500, EXAMPLES / "birds", model="tiny")


@pytest.mark.parametrize("size", [97, 250])
def test_pages_show_each_photo_once(many: Path, size: int) -> None:
    with Library.open(many, config=Config()) as library:
        total = library.search("red", 1).total
        pages = [library.search("red", size, offset=start) for start in range(0, total, size)]
    shown = [hit.photo_id for page in pages for hit in page]
    assert len(shown) == total > 2500
    assert len(set(shown)) == total


def test_more_of_a_ranking_begins_with_the_same() -> None:
    """Also where a deeper search finds what a shallower one has missed."""
    better = np.arange(10_000)

    def search(k: int) -> tuple[np.ndarray, np.ndarray]:
        found = better[:k] if k > 1000 else better[7 : k + 7]
        return found, -found.astype(np.float32)

    ids, scores = in_levels(5000, len(better), search)
    assert len(set(ids.tolist())) == len(scores) == 5000
    for count in (1, 256, 257, 2000, 4999):
        np.testing.assert_array_equal(in_levels(count, len(better), search)[0], ids[:count])
    assert sorted(in_levels(99_999, len(better), search)[0].tolist()) == better.tolist()
