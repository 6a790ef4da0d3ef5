"""The loop that lightly's documentation shows for SimCLR, MoCo and BYOL, over a network that is given.

Every view is read from its file, float32, with the optimiser, heads, losses and momentum that it names.
"""

import copy
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import torch
from lightly.data import LightlyDataset
from lightly.loss import NegativeCosineSimilarity, NTXentLoss
from lightly.models.modules.heads import (
    BYOLPredictionHead,
    BYOLProjectionHead,
    MoCoProjectionHead,
    SimCLRProjectionHead,
)
from lightly.models.utils import deactivate_requires_grad, update_momentum
from lightly.transforms import (
    BYOLTransform,
    BYOLView1Transform,
    BYOLView2Transform,
    MoCoV2Transform,
    SimCLRTransform,
)
from torch import Tensor, nn
from torch.utils.data import DataLoader

__all__ = ["BYOL_HIDDEN", "QUEUE", "RATE", "LightlyLoop"]

RATE, WORKERS = 0.06, 2
QUEUE, BYOL_HIDDEN = 1024, 1024
MOMENTUM = 0.996


@dataclass
class LightlyLoop:
    """One method over the pictures of a folder, begun anew each time that it runs."""

    method: str
    trunk: nn.Module
    dim: int
    folder: Path
    batch: int
    size: int

    def pictures_per_s(self, warm: int, steps: int) -> float:
        """How fast `steps` steps are, after `warm` that do not count."""
        model = _MODELS[self.method](copy.deepcopy(self.trunk), self.dim)
        optimizer = torch.optim.SGD(model.parameters(), lr=RATE, momentum=0.9, weight_decay=5e-4)
        began = 0.0
        for taken, (first, second) in enumerate(self._views(warm + steps), start=1):
            loss = model(first, second)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            if taken == warm:
                began = time.perf_counter()
        return steps * self.batch / (time.perf_counter() - began)

    def _views(self, steps: int) -> Iterable[tuple[Tensor, Tensor]]:
        dataset = LightlyDataset(str(self.folder), transform=_transform(self.method, self.size))
        loader = DataLoader(
            dataset, batch_size=self.batch, shuffle=True, drop_last=True, num_workers=WORKERS
        )
        while True:
            for views, _, _ in loader:
                yield views[0], views[1]
                steps -= 1
                if not steps:
                    return


def _transform(method: str, size: int) -> nn.Module:
    """Without blur, as the documentation advises for small pictures."""
    match method:
        case "simclr":
            return SimCLRTransform(size, cj_strength=0.5, gaussian_blur=0.0)  # type: ignore[no-any-return]
        case "moco":
            return MoCoV2Transform(size, gaussian_blur=0.0)  # type: ignore[no-any-return]
        case _:
            return BYOLTransform(  # type: ignore[no-any-return]
                BYOLView1Transform(size, gaussian_blur=0.0),
                BYOLView2Transform(size, gaussian_blur=0.0),
            )


class _SimCLR(nn.Module):
    def __init__(self, trunk: nn.Module, dim: int) -> None:
        super().__init__()
        self.network = nn.Sequential(trunk, SimCLRProjectionHead(dim, dim, 128))
        self.criterion = NTXentLoss()

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        loss: Tensor = self.criterion(self.network(first), self.network(second))
        return loss


class _MoCo(nn.Module):
    def __init__(self, trunk: nn.Module, dim: int) -> None:
        super().__init__()
        self.network = nn.Sequential(trunk, MoCoProjectionHead(dim, dim, 128))
        self.keys = copy.deepcopy(self.network)
        deactivate_requires_grad(self.keys)
        self.criterion = NTXentLoss(memory_bank_size=(QUEUE, 128))

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        update_momentum(self.network, self.keys, MOMENTUM)
        queries = self.network(first)
        with torch.no_grad():
            keys = self.keys(second)
        loss: Tensor = self.criterion(queries, keys)
        return loss


class _BYOL(nn.Module):
    def __init__(self, trunk: nn.Module, dim: int) -> None:
        super().__init__()
        self.network = nn.Sequential(trunk, BYOLProjectionHead(dim, BYOL_HIDDEN, 256))
        self.predictor = BYOLPredictionHead(256, BYOL_HIDDEN, 256)
        self.target = copy.deepcopy(self.network)
        deactivate_requires_grad(self.target)
        self.criterion = NegativeCosineSimilarity()

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        update_momentum(self.network, self.target, MOMENTUM)
        predictions = [self.predictor(self.network(view)) for view in (first, second)]
        with torch.no_grad():
            targets = [self.target(view) for view in (second, first)]
        losses = [self.criterion(p, t) for p, t in zip(predictions, targets, strict=True)]
        return torch.stack(losses).mean()


_MODELS = {"simclr": _SimCLR, "moco": _MoCo, "byol": _BYOL}
