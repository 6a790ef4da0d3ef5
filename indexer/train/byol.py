"""BYOL: Grill et al., Bootstrap Your Own Latent, arXiv 2006.07733."""

import copy
from dataclasses import replace

import torch
from lightly.loss import NegativeCosineSimilarity
from lightly.models.modules.heads import BYOLPredictionHead, BYOLProjectionHead
from lightly.models.utils import deactivate_requires_grad, update_momentum
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from indexer.train.augmentations import Augmentation, Views
from indexer.train.method import Augment, PictureMethod
from indexer.train.schedules import Recipe, cosine
from indexer.train.settings import Count, Share, ShareAboveZero

__all__ = ["BYOL", "RECIPE", "BYOLConfig", "decay"]

RECIPE = Recipe("lars", learning_rate=0.2, weight_decay=1.5e-6)
"""Section 3.3, for 1,000 epochs."""


@dataclass(frozen=True, slots=True)
class BYOLConfig:
    """Section and table numbers are the paper's."""

    size: Count = 224
    """Edge of the views, in pixels."""
    min_scale: ShareAboveZero = 0.08
    """The least share of the picture's area that a crop takes (appendix B, table 6)."""
    base_decay: Share = 0.996
    """tau_base (3.3), for 1,000 epochs; 0.99 for 300 (appendix)."""
    hidden_dim: Count = 4096
    """Of projector and predictor (3.3)."""
    output_dim: Count = 256
    """Of projector and predictor (3.3)."""


class BYOL(PictureMethod):
    """The online network predicts what its own moving average, the target, makes of the other view."""

    def __init__(self, trunk: nn.Module, dim: int, config: BYOLConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or BYOLConfig()
        self.trunk = trunk
        self.projector = BYOLProjectionHead(dim, config.hidden_dim, config.output_dim)
        self.predictor = BYOLPredictionHead(config.output_dim, config.hidden_dim, config.output_dim)
        self.target_trunk = copy.deepcopy(self.trunk)
        self.target_projector = copy.deepcopy(self.projector)
        deactivate_requires_grad(self.target_trunk)
        deactivate_requires_grad(self.target_projector)
        self._negative_cosine = NegativeCosineSimilarity()

    def views(self) -> Augment:
        """Table 6: the first view is always blurred, the second now and then solarised."""
        both = Augmentation(
            self.config.size,
            jitter=(0.4, 0.4, 0.2, 0.1),
            min_scale=self.config.min_scale,
            normalisation=self.normalisation,
        )
        first, second = replace(both, blur=1.0, solarise=0.0), replace(both, blur=0.1, solarise=0.2)
        return Views((first.view(), second.view()))

    def loss(self, batch: tuple[Tensor, ...]) -> Tensor:
        """Equation (2) both ways round, over two views, each (n, 3, size, size)."""
        first, second = batch
        # Each view in a pass of its own, and so with its own batch norm, as in the authors' code.
        online = [self.projector(self.trunk(view)) for view in (first, second)]
        predictions = [self.predictor(projection) for projection in online]
        with torch.no_grad():
            targets = [self.target_projector(self.target_trunk(view)) for view in (second, first)]
        self.watch.see(online[0])
        pairs = zip(predictions, targets, strict=True)
        # |p - t|^2 of normalised p and t is 2 - 2 cos(p, t).
        halves = [2 + 2 * self._negative_cosine(p.float(), t.float()) for p, t in pairs]
        return torch.stack(halves).sum()

    def after_step(self, progress: float) -> None:
        """Equation (1), of the parameters; the target's batch norm has statistics of its own."""
        tau = decay(self.config.base_decay, progress)
        update_momentum(self.trunk, self.target_trunk, tau)
        update_momentum(self.projector, self.target_projector, tau)


def decay(base: float, progress: float) -> float:
    """The target decay rate: 1 - (1 - tau_base) (cos(pi k / K) + 1) / 2, from `base` to 1 (section 3.3)."""
    return 1 - (1 - base) * cosine(progress)
