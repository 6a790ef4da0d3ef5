"""What is asked about held-out pictures, of vectors whose answers are plain."""

from collections.abc import Sequence

import numpy as np
import pytest
from PIL import Image

from indexer.evaluation.compare import Measurement
from indexer.evaluation.ranking import Vectors
from indexer.learning.heldout import HeldOut, figures, is_better
from indexer.library import Library
from tests.conftest import RGB

EYE = np.eye(4, dtype=np.float32)


def words(rows: dict[str, int]) -> object:
    """Texts by the axis that they point along."""
    return lambda texts: EYE[[rows[text] for text in texts]]


def measured(
    held: HeldOut, vectors: Vectors, rows: dict[str, int] | None = None
) -> dict[str, float]:
    return figures(held.measure(vectors, words(rows) if rows else None))  # type: ignore[arg-type]


def test_captions_find_their_pictures_and_pictures_their_captions() -> None:
    held = HeldOut(captions=[["a"], ["b"], ["c"]])
    found = measured(held, EYE[:3], {"a": 0, "b": 1, "c": 0})  # c says the same as a
    assert found["words to pictures, recall@1"] == pytest.approx(2 / 3)
    assert found["pictures to words, recall@1"] == pytest.approx(1 / 3)  # a and c tie: wrong first


def test_equal_captions_are_one_query_that_any_of_their_pictures_answers() -> None:
    held = HeldOut(captions=[["dog"], ["dog"], ["cat"]])
    found = measured(held, EYE[[0, 0, 1]], {"dog": 0, "cat": 1})
    assert found["words to pictures, mAP"] == 1.0


def test_a_picture_without_a_caption_is_not_asked_about() -> None:
    held = HeldOut(captions=[["a"], []])
    assert measured(held, EYE[:2], {"a": 0})["pictures to words, recall@1"] == 1.0


def test_pictures_of_a_folder_ask_for_each_other() -> None:
    held = HeldOut(labels=["x", "x", "y", "y"])
    found = measured(held, EYE[[0, 0, 1, 1]])
    assert found == {
        "pictures of the same folder, mAP": 1.0,
        "pictures of the same folder, recall@1": 1.0,
        "pictures of the same folder, recall@5": 1.0,
        "pictures of the same folder, recall@10": 1.0,
    }


@pytest.mark.parametrize("labels", [["x", "x", "x"], ["", "", ""], ["x", "x", "y", "z", "a", "b"]])
def test_folders_that_tell_nothing_apart_are_not_asked_for(labels: list[str]) -> None:
    assert measured(HeldOut(labels=labels), np.tile(EYE[:1], (len(labels), 1))) == {}


def test_an_embedder_is_asked_for_pictures_by_altered_copies(library: Library) -> None:
    pictures = [Image.new("RGB", (60, 40), rgb) for rgb in RGB.values()]
    found = figures(HeldOut(pictures=pictures).ask(library.embedder()))
    assert found["pictures from altered copies, recall@5"] == 1.0


def test_nothing_held_out_is_nothing_measured(library: Library) -> None:
    assert HeldOut().ask(library.embedder()) == []


def better(one: Sequence[int], other: Sequence[int]) -> bool:
    """Whether pictures whose captions point along `one` are found better than along `other`."""
    first, second = (pointing(to) for to in (one, other))
    return is_better(first, second, seed=0)


def pointing(to: Sequence[int]) -> list[Measurement]:
    axes = np.eye(len(to), dtype=np.float32)
    held = HeldOut(captions=[[str(i)] for i in range(len(to))])
    return held.measure(axes, lambda texts: axes[[to[int(text)] for text in texts]])


def test_better_means_beyond_chance() -> None:
    right, shifted = list(range(30)), [*range(1, 30), 0]
    nearly = [1, 0, *range(2, 30)]
    assert better(right, shifted)
    assert not better(shifted, right)
    assert not better(right, right)
    assert not better(right, nearly)  # two of thirty differ: chance


def test_what_was_not_asked_of_both_decides_nothing() -> None:
    one = HeldOut(labels=["x", "x", "y", "y"]).measure(EYE[[0, 0, 1, 1]], None)
    assert not is_better(one, [], seed=0)
