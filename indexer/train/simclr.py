"""SimCLR: Chen et al., A Simple Framework for Contrastive Learning, arXiv 2002.05709."""

from typing import Annotated

import torch
from lightly.loss import NTXentLoss
from lightly.models.modules.heads import SimCLRProjectionHead
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor, distributed, nn

from indexer.train.augmentations import SMALL, Augmentation, Views
from indexer.train.method import Augment, PictureMethod, full_precision
from indexer.train.schedules import Recipe
from indexer.train.settings import Count, Positive, ShareAboveZero

__all__ = ["RECIPE", "SimCLR", "SimCLRConfig"]

RECIPE = Recipe("lars", learning_rate=0.3, weight_decay=1e-6)
"""Sections 2.2 and 2.3, which warm up for 10 of 100 epochs."""


@dataclass(frozen=True, slots=True)
class SimCLRConfig:
    """Section numbers are the paper's."""

    size: Count = 224
    """Edge of the views, in pixels."""
    temperature: Positive = 0.5
    """Equation (1); 0.5 is best on CIFAR-10 (B.9), 0.1 on ImageNet with large batches (table 5)."""
    strength: Annotated[float, Field(ge=0, le=2.5)] | None = None
    """Of the colour distortion (A); None: 1, or 0.5 for small pictures (B.9). Beyond 2.5 hues wrap around."""
    min_scale: ShareAboveZero = 0.08
    """The least share of the picture's area that a crop takes (A)."""
    hidden_dim: Count | None = None
    """Of the projection head (4.2); None: as wide as the trunk's features, as in the paper."""
    output_dim: Count = 128
    """Of the projection head (4.2)."""
    batch_norm: bool = True
    """Whether the head has it after both layers, as in the authors' code but not in the text."""


class SimCLR(PictureMethod):
    """Two views of a picture agree; all other views in the batch are negatives."""

    def __init__(self, trunk: nn.Module, dim: int, config: SimCLRConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or SimCLRConfig()
        self.trunk = trunk
        self.head = SimCLRProjectionHead(
            dim, config.hidden_dim or dim, config.output_dim, batch_norm=config.batch_norm
        )
        # Equation (1), averaged over the 2N views. It gathers views from the other processes,
        # with their gradient.
        self._nt_xent = NTXentLoss(
            config.temperature, gather_distributed=distributed.is_available()
        )

    def views(self) -> Augment:
        """Appendix A, the same for both."""
        small = self.config.size <= SMALL
        s = self.config.strength if self.config.strength is not None else (0.5 if small else 1.0)
        view = Augmentation(
            self.config.size,
            jitter=(0.8 * s, 0.8 * s, 0.8 * s, 0.2 * s),
            min_scale=self.config.min_scale,
            normalisation=self.normalisation,
        ).view()
        return Views((view, view))

    def loss(self, batch: tuple[Tensor, ...]) -> Tensor:
        """NT-Xent, equation (1), over two views, each (n, 3, size, size)."""
        # In one pass, so that batch norm sees all 2N views, as in algorithm 1.
        projections = self.head(self.trunk(torch.cat(batch)))
        self.watch.see(projections)
        with full_precision(projections):
            loss: Tensor = self._nt_xent(*projections.float().chunk(2))
        return loss
