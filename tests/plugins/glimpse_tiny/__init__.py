"""A model that sees nothing but colour and reads nothing but colours' names.

`tiny` reads text; `tiny:blind` does not, and has other weights. A wholly black picture has no
embedding: its vector is not finite, as a model gone wrong would give.
"""

from collections.abc import Sequence

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from torch import Tensor, nn

from indexer.embedders.base import Model, Notify, Preprocessing, Tokenization
from indexer.errors import UnknownModelError

COLOURS = {
    "red": (1.0, 0.0, 0.0),
    "green": (0.0, 1.0, 0.0),
    "blue": (0.0, 0.0, 1.0),
    "yellow": (1.0, 1.0, 0.0),
}
GRID = 4


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
    if reference not in ("", "blind"):
        raise UnknownModelError(f"tiny:{reference} is not known; try tiny")
    blind = reference == "blind"
    return Model(
        name="tiny:blind" if blind else "tiny",
        dim=3 * GRID * GRID,
        preprocessing=Preprocessing(
            size=8, resize="squash", mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0)
        ),
        image_tower=ColourTower(0.5 if blind else 1.0).eval(),
        licence="none needed",
        text_tower=None if blind else WordTower().eval(),
        tokenization=None if blind else _tokenization(),
    )


def references() -> Sequence[str]:
    return ["", "blind"]


def _tokenization() -> Tokenization:
    vocabulary = {word: i for i, word in enumerate(["[PAD]", "[UNK]", *COLOURS])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return Tokenization(tokenizer.to_str(), context_length=4, clean="lower")
