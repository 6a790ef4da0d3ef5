"""What every method of contrastive learning is to the loop that trains it."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

from PIL import Image
from timm.optim import param_groups_weight_decay
from torch import Tensor, autocast, nn

from indexer.train.augmentations import MEAN, STD, Normalisation
from indexer.train.collapse import Watch

__all__ = ["Augment", "Method", "PictureMethod", "full_precision", "parameter_groups"]

Augment = Callable[[Image.Image], tuple[Tensor, ...]]
"""Makes of an RGB picture its views, each float32 (3, size, size); it can be pickled for workers."""


class Method(nn.Module, ABC):
    """Parameters, a loss over a batch, and what happens between steps.

    Its `state_dict` is all that going on needs: momentum copies and queues are in it.
    """

    shares_batch_norm: ClassVar[bool] = True
    """Whether several processes normalise their batches together (SyncBatchNorm)."""

    def __init__(self) -> None:
        super().__init__()
        self.watch = Watch()

    @abstractmethod
    def loss(self, batch: tuple[Tensor, ...]) -> Tensor:
        """Scalar, with its gradient, in float32 even where the rest runs in half precision.

        In a distributed run every process calls it with as many rows, and the loss is over the rows
        of all; averaged over the processes, as DistributedDataParallel does, the gradient is that of
        one process with all the rows.
        """

    def after_step(self, progress: float) -> None:
        """What follows each step of the optimiser; `progress` is the share of training done, 0 to 1."""

    def figures(self) -> dict[str, float]:
        """What to log: always the same names, read from the latest batch."""
        return self.watch.figures()

    def warning(self) -> str | None:
        """One line for the user where training goes wrong."""
        return self.watch.warning()


class PictureMethod(Method):
    """A method that learns from pixels, and whose trunk is what is kept."""

    trunk: nn.Module
    """float32 (n, 3, size, size) -> float32 (n, dim), without heads."""
    normalisation: Normalisation = (MEAN, STD)
    """Of the views, which the trunk's preprocessing must repeat."""

    @abstractmethod
    def views(self) -> Augment:
        """The augmentation: of one picture its parts of a batch, as `loss` takes them."""


def parameter_groups(method: Method, weight_decay: float) -> list[dict[str, Any]]:
    """Two groups, the one of biases, norms and scales with no weight decay.

    SimCLR, BYOL (LARS leaves those out too, which lightly's does where the decay is 0) and CLIP
    (section 2.5: "all weights that are not gains or biases") agree on this.
    """
    groups: list[dict[str, Any]] = param_groups_weight_decay(method, weight_decay)
    return groups


def full_precision(tensor: Tensor) -> autocast:
    """A context without autocast: a loss divides by a small temperature, which half precision blurs."""
    return autocast(tensor.device.type, enabled=False)
