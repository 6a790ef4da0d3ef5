"""The towers as they run: from raw input to unit rows, normalisation included."""

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 - the name that PyTorch's own documents use

from indexer.embedders.base import Model, Preprocessing

__all__ = ["ImageGraph", "TextGraph", "image_graph", "text_graph"]


class ImageGraph(nn.Module):
    """uint8 (n, size, size, 3) -> float32 (n, dim), L2-normalised."""

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, tower: nn.Module, preprocessing: Preprocessing) -> None:
        super().__init__()
        self.tower = tower
        for name in ("mean", "std"):
            values = torch.tensor(getattr(preprocessing, name)).view(1, 3, 1, 1)
            self.register_buffer(name, values, persistent=False)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Rows for a batch of pictures."""
        scaled = pixels.permute(0, 3, 1, 2).to(torch.float32) / 255
        return _unit(self.tower((scaled - self.mean) / self.std))


class TextGraph(nn.Module):
    """int64 token ids (n, length) -> float32 (n, dim), L2-normalised."""

    def __init__(self, tower: nn.Module) -> None:
        super().__init__()
        self.tower = tower

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Rows for a batch of texts."""
        return _unit(self.tower(ids))


def image_graph(model: Model) -> ImageGraph:
    """The image side of a model, ready to run."""
    return ImageGraph(model.image_tower, model.preprocessing).eval()


def text_graph(model: Model) -> TextGraph | None:
    """The text side of a model, ready to run; None where it has none."""
    return TextGraph(model.text_tower).eval() if model.text_tower else None


def _unit(rows: torch.Tensor) -> torch.Tensor:
    # In float32 whatever the tower computed in: the squares of half-precision numbers overflow.
    return F.normalize(rows.to(torch.float32), dim=1)
