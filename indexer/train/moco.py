"""MoCo: He et al., Momentum Contrast, arXiv 1911.05722; version 2: Chen et al., arXiv 2003.04297."""

import copy
import logging
from dataclasses import replace
from typing import Annotated, ClassVar

import torch
from lightly.models.modules.heads import MoCoProjectionHead
from lightly.models.utils import (
    batch_shuffle,
    batch_unshuffle,
    concat_all_gather,
    deactivate_requires_grad,
    update_momentum,
)
from lightly.utils.dist import world_size
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize

from indexer.errors import UsageError
from indexer.train.augmentations import Augmentation, Views
from indexer.train.method import Augment, PictureMethod, full_precision
from indexer.train.schedules import Recipe
from indexer.train.settings import Count, Positive, Share

__all__ = ["RECIPE", "KeyQueue", "MoCo", "MoCoConfig"]

RECIPE = Recipe("sgd", learning_rate=0.03, weight_decay=1e-4)
"""Section 4 of version 1; the cosine is version 2's."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class MoCoConfig:
    """Version 2; section numbers are those of version 1, which `v1` gives."""

    size: Count = 224
    """Edge of the views, in pixels."""
    queue: Count = 65536
    """Keys kept as negatives (3.2 and figure 3)."""
    momentum: Share = 0.999
    """m of equation (2); less where training is short, such as 0.99 for a thousand steps."""
    temperature: Positive = 0.2
    """Of equation (1), as in version 2."""
    mlp: bool = True
    """Whether the head has a hidden layer, as wide as the features: version 2, section 3."""
    output_dim: Count = 128
    hue: Annotated[float, Field(ge=0, le=0.5)] = 0.1
    """The most that hue is jittered."""
    jittering: Share = 0.8
    """Probability of jittering colours."""
    blur: Share = 0.5
    """Probability of blur, new in version 2."""
    bn_batch: Count = 32
    """Pictures that batch norm sees together, the share of one of eight GPUs (3.3)."""

    @classmethod
    def v1(cls, size: int = 224, queue: int = 65536) -> "MoCoConfig":
        """Version 1: a linear head, temperature 0.07, always jittered, no blur (3.3)."""
        return cls(size, queue, temperature=0.07, mlp=False, hue=0.4, jittering=1.0, blur=0.0)

    def fitted(self, pictures: int) -> "MoCoConfig":
        """With a queue of at most a quarter of the pictures, so that few meet their own old key.

        A queue of the share s of the pictures holds a picture's key of the epoch before with
        probability s^2 / 2, when it should be told from it: 3 % at a quarter. Raises UsageError
        where there are too few pictures for any queue.
        """
        if pictures < 8:
            raise UsageError(f"MoCo needs at least 8 pictures to learn from, not {pictures}")
        longest = pictures // 4
        if self.queue <= longest:
            return self
        log.warning("MoCo: %d keys queued, not %d, for %d pictures", longest, self.queue, pictures)
        return replace(self, queue=longest)


class KeyQueue(nn.Module):
    """First in, first out: the keys of the latest batches, which are the negatives.

    Its own, since lightly's memory bank throws away the keys that do not fit before its end, and is
    left out of the state_dict.
    """

    keys: Tensor
    position: Tensor
    filled: Tensor

    def __init__(self, length: int, dim: int) -> None:
        super().__init__()
        # Directions at random until real keys come, as in the authors' code.
        self.register_buffer("keys", normalize(torch.randn(length, dim), dim=1))
        self.register_buffer("position", torch.tensor(0))
        self.register_buffer("filled", torch.tensor(0))

    def __len__(self) -> int:
        return len(self.keys)

    @torch.no_grad()
    def enqueue(self, keys: Tensor) -> None:
        """Replace the oldest keys by these (n, dim), the last of which is the newest."""
        count, length = len(keys), len(self)
        positions = (self.position + torch.arange(count, device=keys.device)) % length
        # Of more keys than the queue holds, the first would be gone again.
        self.keys[positions[-length:]] = keys[-length:].to(self.keys.dtype)
        self.position.add_(count).remainder_(length)
        self.filled.add_(count).clamp_(max=length)


class MoCo(PictureMethod):
    """A query agrees with the key of its other view, and with no key of earlier batches."""

    shares_batch_norm: ClassVar[bool] = False  # or the shuffling of keys would be for nothing

    def __init__(self, trunk: nn.Module, dim: int, config: MoCoConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or MoCoConfig()
        self.trunk = trunk
        self.head: nn.Module = (
            MoCoProjectionHead(dim, hidden_dim=dim, output_dim=config.output_dim)
            if config.mlp
            else nn.Linear(dim, config.output_dim)
        )
        self.key_trunk, self.key_head = copy.deepcopy(self.trunk), copy.deepcopy(self.head)
        deactivate_requires_grad(self.key_trunk)
        deactivate_requires_grad(self.key_head)
        self.queue = KeyQueue(config.queue, config.output_dim)

    def views(self) -> Augment:
        """Version 2, section 3; of version 1, section 3.3."""
        config = self.config
        view = Augmentation(
            config.size,
            jitter=(0.4, 0.4, 0.4, config.hue),
            min_scale=0.2,
            jittering=config.jittering,
            blur=config.blur,
            interpolation="bilinear",
            normalisation=self.normalisation,
        ).view()
        return Views((view, view))

    def loss(self, batch: tuple[Tensor, ...]) -> Tensor:
        """InfoNCE, equation (1), of the first views (n, 3, size, size) as queries, the second as keys.

        The keys join the queue afterwards, in training only (algorithm 1).
        """
        queries, keys = self._queries(batch[0]), self._keys(batch[1])
        self.watch.see(queries)
        with full_precision(queries):
            queries, keys = normalize(queries.float(), dim=1), normalize(keys.float(), dim=1)
            positive = (queries * keys).sum(dim=1, keepdim=True)
            # A copy, since the backward pass needs the queue as it was.
            negative = queries @ self.queue.keys.clone().T
            logits = torch.cat([positive, negative], dim=1) / self.config.temperature
            loss = cross_entropy(logits, logits.new_zeros(len(logits), dtype=torch.long))
        if self.training:
            self.queue.enqueue(concat_all_gather(keys) if world_size() > 1 else keys)
        return loss

    def after_step(self, progress: float) -> None:
        """Equation (2), of the parameters; batch norm's statistics are each encoder's own."""
        update_momentum(self.trunk, self.key_trunk, self.config.momentum)
        update_momentum(self.head, self.key_head, self.config.momentum)

    def figures(self) -> dict[str, float]:
        """Also `queue`: the share of it that holds keys, not noise."""
        return {**super().figures(), "queue": float(self.queue.filled) / len(self.queue)}

    def _queries(self, views: Tensor) -> Tensor:
        return torch.cat([self.head(self.trunk(part)) for part in self._parts(views)])

    @torch.no_grad()
    def _keys(self, views: Tensor) -> Tensor:
        """Shuffling BN (3.3): the statistics of a key come from other pictures than its query's.

        Else both tell which batch they are from, and the loss falls without learning. Several
        processes shuffle among each other; within one, groups of the batch stand for GPUs.
        """
        distributed = world_size() > 1
        shuffled, order = batch_shuffle(views, distributed=distributed)
        keys = torch.cat([self.key_head(self.key_trunk(part)) for part in self._parts(shuffled)])
        return batch_unshuffle(keys, order, distributed=distributed)  # type: ignore[no-any-return]

    def _parts(self, views: Tensor) -> tuple[Tensor, ...]:
        fewest = 1 if world_size() > 1 else 2
        return views.tensor_split(max(fewest, len(views) // self.config.bn_batch))
