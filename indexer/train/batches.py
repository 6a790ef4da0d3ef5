"""What a step learns from, drawn from the seed, the epoch and the number of the picture alone.

So a run that is resumed sees what it would have seen, however many processes draw the views.
"""

import gc
import os
import random
import signal
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from indexer.train.method import Augment
from indexer.train.store import PictureStore

__all__ = ["Batches", "CaptionedViews", "Epochs", "Examples", "VectorPairs", "Views"]

LOWEST = 19
"""Of priorities, as `nice` counts."""

Batch = tuple[Tensor, ...]
Key = tuple[int, int]
"""Epoch, and the number of an example."""


class Examples(Dataset[Any]):
    """Examples by (epoch, number), each the same whoever draws it, and whenever."""

    def __len__(self) -> int:
        """How many there are in an epoch."""
        raise NotImplementedError

    def __getitems__(self, keys: Sequence[Key]) -> Batch:
        """A batch of them."""
        raise NotImplementedError


class Views(Examples):
    """Views of the pictures of a store."""

    def __init__(
        self, store: PictureStore, numbers: Sequence[int], augment: Augment, seed: int
    ) -> None:
        """`numbers` are those of the pictures to learn from."""
        self._store = store
        self._numbers = numbers
        self._augment = augment
        self._seed = seed

    def __len__(self) -> int:
        return len(self._numbers)

    def __getitems__(self, keys: Sequence[Key]) -> Batch:
        drawn = [self._draw(key) for key in keys]
        return tuple(torch.stack(views) for views in zip(*drawn, strict=True))

    def _draw(self, key: Key) -> Batch:
        _seed_everything(self._seed, *key)
        return self._augment(self._store[self._numbers[key[1]]])


class CaptionedViews(Examples):
    """A view of a picture, and one of its captions as token ids."""

    def __init__(self, views: Views, captions: Sequence[Tensor], seed: int) -> None:
        """`captions`: for each example int64 (captions, length)."""
        self._views = views
        self._captions = captions
        self._seed = seed

    def __len__(self) -> int:
        return len(self._views)

    def __getitems__(self, keys: Sequence[Key]) -> Batch:
        texts = [_chosen(self._captions[key[1]], self._seed, *key) for key in keys]
        return *self._views.__getitems__(keys), torch.stack(texts)


class VectorPairs(Examples):
    """Vectors of pictures (n, dim), and for each one of the vectors of its captions."""

    def __init__(self, pictures: Tensor, captions: Sequence[Tensor], seed: int) -> None:
        self._pictures = pictures
        self._captions = captions
        self._seed = seed

    def __len__(self) -> int:
        return len(self._pictures)

    def __getitems__(self, keys: Sequence[Key]) -> Batch:
        texts = [_chosen(self._captions[key[1]], self._seed, *key) for key in keys]
        return self._pictures[[number for _, number in keys]], torch.stack(texts)


@dataclass(frozen=True, slots=True)
class Epochs(Sampler[list[Key]]):
    """Batches without end from any of them on; every example once an epoch, in an order of its own.

    Each of `world` processes takes its share of every batch. Examples that make no full batch are left out of that
    epoch.
    """

    examples: int
    batch: int
    """Examples of all processes together."""
    seed: int
    first: int = 0
    """The batch to begin with, counted from the start of training."""
    rank: int = 0
    world: int = 1

    @property
    def per_epoch(self) -> int:
        """Batches in an epoch."""
        return self.examples // self.batch

    def __iter__(self) -> Iterator[list[Key]]:
        current, order = -1, np.empty(0, np.int64)
        for number in count(self.first):
            epoch, position = divmod(number, self.per_epoch)
            if epoch != current:
                order = np.random.default_rng([self.seed, epoch]).permutation(self.examples)
                current = epoch
            chosen = order[position * self.batch : (position + 1) * self.batch]
            yield [(epoch, int(example)) for example in chosen[self.rank :: self.world]]


@dataclass(frozen=True, slots=True)
class Batches:
    """Examples in batches, drawn by worker processes ahead of training."""

    examples: Examples
    batch: int
    seed: int
    workers: int = 0
    rank: int = 0
    world: int = 1

    def __post_init__(self) -> None:
        if self.batch % self.world:
            raise ValueError(f"{self.world} processes cannot share a batch of {self.batch} evenly")

    @property
    def per_epoch(self) -> int:
        """Batches in an epoch."""
        return len(self.examples) // self.batch

    def starting(self, first: int) -> Iterable[Batch]:
        """Batches without end, from the one of that number on."""
        epochs = Epochs(
            len(self.examples), self.batch, self.seed, first, rank=self.rank, world=self.world
        )
        return DataLoader(
            self.examples,
            batch_sampler=epochs,
            num_workers=self.workers,
            collate_fn=_as_it_is,
            worker_init_fn=_be_a_good_worker,
            pin_memory=torch.cuda.is_available(),
        )


def _be_a_good_worker(worker: int) -> None:
    """Give way to the parent's threads, which share each step and would wait for the one that is held up.

    Ctrl-C is for the parent, which ends its workers; what they print as they lose it tells nothing.
    What goes wrong in drawing itself is raised in the parent.
    """
    gc.freeze()  # a model of the parent's that is garbage must not be ended here: its threads were not forked
    os.nice(LOWEST)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)


def _as_it_is(batch: Any) -> Any:
    return batch


def _chosen(captions: Tensor, *key: int) -> Tensor:
    return captions[int(np.random.default_rng(key).integers(len(captions)))]


def _seed_everything(*key: int) -> None:
    """The transforms draw from torch, lightly's from numpy and `random` too."""
    (drawn,) = np.random.SeedSequence(key).generate_state(1)
    # Not torch.manual_seed, which takes as long as a view: it sees to accelerators too, where none is drawn.
    torch.default_generator.manual_seed(int(drawn))
    random.seed(int(drawn))
    np.random.seed(int(drawn))
