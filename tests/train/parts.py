"""Small real parts for the methods: a trunk that trains in milliseconds, views, and cosines in plain loops."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

DIM = 8
Rows = NDArray[np.float64]


class TinyTrunk(nn.Module):
    """(n, 3, s, s) -> (n, 8), with a batch norm like any real trunk."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, DIM, 3, stride=2)
        self.norm = nn.BatchNorm2d(DIM)

    def forward(self, pixels: Tensor) -> Tensor:
        return torch.relu(self.norm(self.conv(pixels))).mean(dim=(2, 3))


def trunk(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return TinyTrunk()


def views(count: int = 6, seed: int = 1, noise: float = 0.1) -> tuple[Tensor, Tensor]:
    """Pictures of 8 pixels, and the same with some noise."""
    generator = torch.Generator().manual_seed(seed)
    first = torch.randn(count, 3, 8, 8, generator=generator)
    return first, first + noise * torch.randn(first.shape, generator=generator)


def rows(tensor: Tensor) -> Rows:
    return tensor.detach().double().numpy()


def cosine(a: Rows, b: Rows) -> float:
    return float(a @ b / np.sqrt(a @ a) / np.sqrt(b @ b))


def state(module: nn.Module) -> dict[str, Tensor]:
    """A copy that later steps do not touch."""
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}
