"""A model that sees nothing but colour and reads nothing but colours' names.

`tiny` reads text; `tiny:blind` does not, and has other weights. `tiny:far` is `tiny` with others again, and is on no
machine but where `GLIMPSE_TINY_NEAR` is set. A wholly black picture has no
embedding: its vector is not finite, as a model gone wrong would give.
"""

import os
from collections.abc import Sequence

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from torch import Tensor, nn

from indexer.embedders.base import Model, Notify, Preprocessing, Tokenization
from indexer.errors import ModelUnavailableError, UnknownModelError

COLOURS = {
    "red": (1.0, 0.0, 0.0),
    "green": (0.0, 1.0, 0.0),
    "blue": (0.0, 0.0, 1.0),
    "yellow": (1.0, 1.0, 0.0),
}
GRID = 4
GAINS = {"": 1.0, "blind": 0.5, "far": 0.9}
"""By which each of the models weighs red."""


class ColourTower(nn.Module):
    """Mean colours of a 4 x 4 grid, (n, 3, 8, 8) -> (n, 48)."""

    gain: Tensor

    def __init__(self, gain: float) -> None:
        super().__init__()
        self.register_buffer("gain", torch.tensor([gain, 1.0, 1.0]).reshape(3, 1, 1))

    def forward(self, pixels: Tensor) -> Tensor:
        blocks = nn.functional.avg_pool2d(pixels * self.gain, 8 // GRID)
        return (blocks / blocks.amax(dim=(1, 2, 3), keepdim=True)).flatten(1)


class WordTower(nn.Module):
    """Ids (n, 4) -> the sum of their colours over the whole grid, (n, 48)."""

    colours: Tensor

    def __init__(self) -> None:
        super().__init__()
        rows = [(0.0, 0.0, 0.0), (0.3, 0.3, 0.3), *COLOURS.values()]
        self.register_buffer("colours", torch.tensor(rows))

    def forward(self, ids: Tensor) -> Tensor:
        colour = self.colours[ids].sum(dim=1)
        return colour.repeat_interleave(GRID * GRID, dim=1)


def load(reference: str, notify: Notify) -> Model:
    if reference not in GAINS:
        raise UnknownModelError(f"tiny:{reference} is not known; try tiny")
    if reference == "far" and not os.environ.get("GLIMPSE_TINY_NEAR"):
        raise ModelUnavailableError("tiny:far is not on this machine; `tiny` is")
    blind = reference == "blind"
    return Model(
        name=f"tiny:{reference}" if reference else "tiny",
        dim=3 * GRID * GRID,
        preprocessing=Preprocessing(
            size=8, resize="squash", mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0)
        ),
        image_tower=ColourTower(GAINS[reference]).eval(),
        licence="none needed",
        text_tower=None if blind else WordTower().eval(),
        tokenization=None if blind else _tokenization(),
    )


def references() -> Sequence[str]:
    return list(GAINS)


def _tokenization() -> Tokenization:
    vocabulary = {word: i for i, word in enumerate(["[PAD]", "[UNK]", *COLOURS])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return Tokenization(tokenizer.to_str(), context_length=4, clean="lower")
