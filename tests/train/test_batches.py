import os
from collections import Counter
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import pytest
import torch
from torch import Tensor

from indexer.train.augmentations import Augmentation
from indexer.train.augmentations import Views as Drawn
from indexer.train.batches import (
    Batch,
    Batches,
    CaptionedViews,
    Epochs,
    Examples,
    VectorPairs,
    Views,
)
from indexer.train.store import PictureStore
from tests.train.test_store import square


class Keys(Examples):
    """Examples that say who they are."""

    def __init__(self, count: int) -> None:
        self._count = count

    def __len__(self) -> int:
        return self._count

    def __getitems__(self, keys: Sequence[tuple[int, int]]) -> Batch:
        return (torch.tensor(keys),)


def first(batches: Batches, count: int, start: int = 0) -> list[list[tuple[int, int]]]:
    taken = islice(iter(batches.starting(start)), count)
    return [[(epoch, number) for epoch, number in batch[0].tolist()] for batch in taken]


def views(folder: Path, seed: int = 0) -> Views:
    store = PictureStore.write(folder, [(bytes([65 + i]), square(20 * i)) for i in range(10)])
    view = Augmentation(32, (0.4, 0.4, 0.4, 0.1), blur=0.5, solarise=0.5).view()
    return Views(store, range(10), Drawn((view, view)), seed)


def test_every_example_comes_once_an_epoch_and_in_another_order_in_the_next() -> None:
    one: list[int] = []
    two: list[int] = []
    for batch in first(Batches(Keys(10), 5, seed=0), 4):
        (one if batch[0][0] == 0 else two).extend(number for _, number in batch)
    assert sorted(one) == sorted(two) == list(range(10))
    assert one != two


def test_what_fills_no_batch_is_left_out_of_its_epoch_only() -> None:
    seen = Counter(n for batch in first(Batches(Keys(7), 3, seed=0), 20) for _, n in batch)
    assert len(seen) == 7


def test_starting_in_the_middle_gives_the_batches_that_would_have_followed() -> None:
    batches = Batches(Keys(10), 3, seed=5)
    assert first(batches, 4, start=5) == first(batches, 9)[5:]


def test_processes_share_every_batch_between_them() -> None:
    whole = first(Batches(Keys(8), 4, seed=1), 4)
    halves = [first(Batches(Keys(8), 4, seed=1, rank=r, world=2), 4) for r in range(2)]
    for batch, one, other in zip(whole, *halves, strict=True):
        assert len(one) == len(other) == 2
        assert sorted(one + other) == sorted(batch)


def test_a_batch_that_processes_cannot_share_evenly_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot share a batch of 5"):
        Batches(Keys(10), 5, seed=0, world=2)


def test_views_are_the_same_whoever_draws_them(tmp_path: Path) -> None:
    examples = views(tmp_path)
    alone = examples.__getitems__([(3, 7)])
    torch.manual_seed(99)
    among = examples.__getitems__([(3, 1), (3, 7)])
    assert all(torch.equal(a[0], b[1]) for a, b in zip(alone, among, strict=True))


def test_views_differ_by_epoch_by_picture_and_by_seed(tmp_path: Path) -> None:
    examples = views(tmp_path)
    drawn = examples.__getitems__([(0, 7), (1, 7), (0, 8)])[0]
    other = views(tmp_path, seed=1).__getitems__([(0, 7)])[0]
    pairs = [(drawn[0], drawn[1]), (drawn[0], drawn[2]), (drawn[0], other[0])]
    assert not any(torch.equal(a, b) for a, b in pairs)


def test_worker_processes_draw_the_same_views(tmp_path: Path) -> None:
    def drawn(workers: int) -> list[Tensor]:
        batches = Batches(views(tmp_path), 4, seed=0, workers=workers)
        return [batch[0] for batch in islice(iter(batches.starting(0)), 3)]

    assert all(torch.equal(a, b) for a, b in zip(drawn(0), drawn(2), strict=True))


def test_what_fails_in_a_worker_is_raised_by_name() -> None:
    class Torn(Keys):
        def __getitems__(self, keys: Sequence[tuple[int, int]]) -> Batch:
            raise OSError("the store is gone")

    with pytest.raises(OSError, match="the store is gone"):
        first(Batches(Torn(10), 5, seed=0, workers=1), 1)


def test_a_picture_comes_with_one_of_its_own_captions(tmp_path: Path) -> None:
    captions = [torch.tensor([[i, 0], [i, 1]]) for i in range(10)]
    examples = CaptionedViews(views(tmp_path), captions, seed=0)
    keys = [(epoch, 4) for epoch in range(20)]
    texts = examples.__getitems__(keys)[-1]
    assert set(texts[:, 0].tolist()) == {4}
    assert set(texts[:, 1].tolist()) == {0, 1}


def test_a_vector_comes_with_the_vector_of_one_of_its_captions() -> None:
    examples = VectorPairs(torch.eye(3), [torch.full((2, 4), float(i)) for i in range(3)], seed=0)
    pictures, texts = examples.__getitems__([(0, 2), (0, 1)])
    assert torch.equal(pictures, torch.eye(3)[[2, 1]])
    assert texts[:, 0].tolist() == [2, 1]


def test_an_epoch_has_as_many_batches_as_are_full() -> None:
    assert Epochs(examples=10, batch=4, seed=0).per_epoch == 2


def test_those_that_draw_give_way_to_those_that_train() -> None:
    class Priorities(Keys):
        def __getitems__(self, keys: Sequence[tuple[int, int]]) -> Batch:
            return (torch.tensor([os.nice(0)]),)

    (priority,) = next(iter(Batches(Priorities(10), 5, seed=0, workers=1).starting(0)))
    assert priority.item() == min(19, os.nice(0) + 19) > os.nice(0)
