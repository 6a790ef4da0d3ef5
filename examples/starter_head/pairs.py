"""Pairs of what the tower says of a picture and its texts, those made up for the ImageNet classes among them."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from open_clip.zero_shot_metadata import IMAGENET_CLASSNAMES
from rich.progress import track
from timm.data import ImageNetInfo
from torch import Tensor
from torch.nn.functional import normalize

from indexer.embedders import starter
from indexer.embedders.tokenization import TextEncoder

__all__ = ["Classes", "Pairs", "Words", "made_up"]

HELD_OUT = 10
"""One text in so many is held out, by its hash."""


@dataclass
class Words:
    """Texts, each once, by number."""

    number: dict[str, int] = field(default_factory=dict)

    def add(self, texts: Sequence[str]) -> list[int]:
        """The numbers of the texts."""
        return [self.number.setdefault(text[:300], len(self.number)) for text in texts]

    @torch.inference_mode()
    def vectors(self) -> Tensor:
        """Unit vectors (texts, 384) by number; texts of like length share a batch."""
        tower, encoder = starter.sentences(), TextEncoder(starter.tokenization())
        texts = list(self.number)
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        vectors = torch.empty(len(texts), starter.DIM)
        for start in track(range(0, len(order), 64), "texts"):
            rows = order[start : start + 64]
            vectors[rows] = tower(torch.from_numpy(encoder.encode([texts[i] for i in rows])))
        return normalize(vectors, dim=1).clone()


@dataclass
class Pairs:
    """Features (n, 1280) of pictures, and for each the numbers of its texts, the plainest first."""

    features: Tensor
    texts: list[list[int]]

    def __add__(self, more: "Pairs") -> "Pairs":
        return Pairs(torch.cat([self.features, more.features]), self.texts + more.texts)

    def __mul__(self, times: int) -> "Pairs":
        """Each so many times as likely."""
        return Pairs(self.features.repeat(times, 1), self.texts * times)

    def only(self, rows: Sequence[int]) -> "Pairs":
        """Those of the numbers."""
        return Pairs(self.features[list(rows)], [self.texts[row] for row in rows])

    def held_out(self, words: Words) -> list[int]:
        """The rows whose first text is not learned from."""
        texts = list(words.number)
        return [row for row, numbers in enumerate(self.texts) if _is_held_out(texts[numbers[0]])]


class Classes:
    """What the ImageNet classes are called and how WordNet defines them."""

    def __init__(self, words: Words) -> None:
        info = ImageNetInfo("imagenet-1k")
        self.names: list[int] = []
        self.definitions: list[int] = []
        self.texts: list[list[int]] = []
        """All of each, the plainest first."""
        for i, name in enumerate(IMAGENET_CLASSNAMES):
            lemmas, _, definition = info.index_to_description(i, detailed=True).partition(": ")
            synonyms = lemmas.split(", ")
            texts = [synonyms[0], name, name, *synonyms[:3], f"{name}: {definition}", definition]
            self.texts.append(words.add(texts))
            self.names += words.add([name])
            self.definitions += words.add([definition])

    def meanings(self, vectors: Tensor) -> Tensor:
        """Unit vectors (1000, 384): first synonym, name and definition."""
        first = [numbers[0] for numbers in self.texts]
        return normalize(
            vectors[first] + vectors[self.names] + 2 * vectors[self.definitions], dim=1
        )


def made_up(grounds: Tensor, weight: Tensor, classes: Classes, copies: int, seed: int) -> Pairs:
    """Features that pictures of the classes could have: others, moved along the weights of a class and another."""
    random = torch.Generator().manual_seed(seed)
    count = copies * len(classes.texts)
    ground = grounds[torch.randint(len(grounds), (count,), generator=random)]
    first = torch.arange(len(classes.texts)).repeat(copies)
    second = torch.randint(len(classes.texts), (count,), generator=random)
    share, near, far = (torch.rand(count, 1, generator=random) for _ in range(3))
    towards = normalize(weight, dim=1)
    moved = (
        (0.3 + 0.6 * share) * ground + (1 + 4 * near) * towards[first] + 5 * far * towards[second]
    )
    texts = [classes.texts[kind] for kind in first.tolist()]
    return Pairs(moved.clamp(0, 6), texts)  # as ReLU6 does


def _is_held_out(text: str) -> bool:
    return hashlib.sha256(text.encode()).digest()[0] % HELD_OUT == 0
