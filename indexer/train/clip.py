"""CLIP: Radford et al., arXiv 2103.00020; towers locked as in LiT: Zhai et al., arXiv 2111.07991."""

import math
from collections.abc import Iterable
from typing import Any, ClassVar, Self

import torch
from lightly.utils.dist import rank, world_size
from open_clip.constants import OPENAI_DATASET_MEAN, OPENAI_DATASET_STD
from open_clip.loss import ClipLoss
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from torch.nn.functional import normalize
from torchvision.transforms import InterpolationMode, v2

from indexer.errors import UsageError
from indexer.train.augmentations import Views, to_tensor
from indexer.train.method import Augment, Method, PictureMethod, full_precision
from indexer.train.schedules import Recipe
from indexer.train.settings import Count

__all__ = ["CLIP", "RECIPE", "CLIPConfig", "HeadsConfig", "HeadsOnly", "reset_scale"]

RECIPE = Recipe("adamw", learning_rate=5e-4, weight_decay=0.2, batch=None)
"""Tables 18 and 20, for ViT-B/32 and batches of 32,768; fine-tuning wants a tenth or less."""

MAX_LOG_SCALE = math.log(100)
"""Section 2.5: logits are never scaled by more than 100."""
TEMPERATURE = 0.07
"""At the start (section 2.5)."""


@dataclass(frozen=True, slots=True)
class CLIPConfig:
    """Which towers learn."""

    lock_image: bool = False
    """Whether the image tower stays as it is (LiT, section 3)."""
    lock_text: bool = False


@dataclass(frozen=True, slots=True)
class HeadsConfig:
    """Two heads over vectors that other models made."""

    image_dim: Count
    text_dim: Count
    dim: Count
    """Of the space in which both meet."""
    hidden_dim: Count | None = None
    """None: the heads are linear, as CLIP's projections (section 2.3)."""
    lock_text: bool = False
    """Whether text vectors are taken as they are; `dim` must be `text_dim` then."""


class CLIP(PictureMethod):
    """A picture agrees with its text, and with no other in the batch."""

    def __init__(self, model: Any, config: CLIPConfig | None = None) -> None:
        """`model` is one of open_clip's, at random weights or with some to go on from."""
        super().__init__()
        self.config = config = config or CLIPConfig()
        if config.lock_image and config.lock_text:
            raise UsageError("with both towers locked nothing is left to learn; lock one")
        self.model = model
        self._locked = list(self._towers())
        for name, parameter in model.named_parameters():
            # A bias of the logits (SigLIP) changes nothing in a softmax. What the model itself does
            # not train, such as positions made of sines, stays so.
            if name == "logit_bias" or self._locks(name):
                parameter.requires_grad_(False)

    @property
    def trunk(self) -> nn.Module:  # type: ignore[override]
        """The image tower, its projection included."""
        return self.model.visual  # type: ignore[no-any-return]

    def train(self, mode: bool = True) -> Self:
        """Locked towers stay in evaluation, or the statistics of their batch norm would move."""
        super().train(mode)
        for tower in self._locked:
            tower.eval()
        return self

    def views(self) -> Augment:
        """A random square of the resized picture, the only augmentation (section 2.3)."""
        visual = self.model.visual
        size = visual.image_size[0] if isinstance(visual.image_size, tuple) else visual.image_size
        mean = getattr(visual, "image_mean", None) or OPENAI_DATASET_MEAN
        std = getattr(visual, "image_std", None) or OPENAI_DATASET_STD
        resize = v2.Resize(size, interpolation=InterpolationMode.BICUBIC)
        return Views((v2.Compose([resize, v2.RandomCrop(size), to_tensor(mean, std)]),))

    def loss(self, batch: tuple[Tensor, ...]) -> Tensor:
        """Figure 3, over pixels (n, 3, size, size) and int64 token ids (n, length)."""
        pixels, token_ids = batch
        images, texts = self.model.encode_image(pixels), self.model.encode_text(token_ids)
        self.watch.see(images)
        return _info_nce(images, texts, self.model.logit_scale)

    def after_step(self, progress: float) -> None:
        """Clip the scale of the logits."""
        _clip(self.model.logit_scale)

    def figures(self) -> dict[str, float]:
        """Also `logit_scale`, 1 / temperature."""
        return {**super().figures(), "logit_scale": _scale(self.model.logit_scale)}

    def _towers(self) -> Iterable[nn.Module]:
        """Modules of locked towers; open_clip's first model keeps its text tower in loose parts."""
        return (child for name, child in self.model.named_children() if self._locks(name))

    def _locks(self, name: str) -> bool:
        if name in ("logit_scale", "logit_bias"):
            return False
        is_image = name.split(".")[0] == "visual"
        return self.config.lock_image if is_image else self.config.lock_text


class HeadsOnly(Method):
    """CLIP's objective over vectors, with nothing but a head for each kind to learn."""

    shares_batch_norm: ClassVar[bool] = False

    def __init__(self, config: HeadsConfig) -> None:
        super().__init__()
        self.config = config
        if config.lock_text and config.dim != config.text_dim:
            raise UsageError(
                f"locked texts are {config.text_dim} wide; dim must be so, not {config.dim}"
            )
        self.image_head = _head(config.image_dim, config.hidden_dim, config.dim)
        self.text_head = (
            nn.Identity()
            if config.lock_text
            else _head(config.text_dim, config.hidden_dim, config.dim)
        )
        self.logit_scale = nn.Parameter(torch.tensor(-math.log(TEMPERATURE)))

    def loss(self, batch: tuple[Tensor, ...]) -> Tensor:
        """Figure 3, over vectors (n, image_dim) of pictures and (n, text_dim) of their texts."""
        images, texts = self.image_head(batch[0]), self.text_head(batch[1])
        self.watch.see(images)
        return _info_nce(images, texts, self.logit_scale)

    def after_step(self, progress: float) -> None:
        """Clip the scale of the logits."""
        _clip(self.logit_scale)

    def figures(self) -> dict[str, float]:
        """Also `logit_scale`, 1 / temperature."""
        return {**super().figures(), "logit_scale": _scale(self.logit_scale)}


def reset_scale(model: Any) -> None:
    """Begin with the paper's temperature, for open_clip's models that begin elsewhere, for another loss."""
    nn.init.constant_(model.logit_scale, -math.log(TEMPERATURE))


def _info_nce(images: Tensor, texts: Tensor, log_scale: Tensor) -> Tensor:
    """The symmetric cross entropy of figure 3 over rows (n, dim), normalised here.

    Texts and pictures of the other processes are gathered, with their gradient.
    """
    contrast = ClipLoss(
        local_loss=True, gather_with_grad=True, rank=rank(), world_size=world_size()
    )
    with full_precision(images):
        images, texts = normalize(images.float(), dim=1), normalize(texts.float(), dim=1)
        loss: Tensor = contrast(images, texts, log_scale.float().exp())
    return loss


@torch.no_grad()
def _clip(log_scale: Tensor) -> None:
    log_scale.clamp_(max=MAX_LOG_SCALE)


def _scale(log_scale: Tensor) -> float:
    return float(log_scale.detach().exp())


def _head(inputs: int, hidden: int | None, outputs: int) -> nn.Module:
    if hidden is None:
        return nn.Linear(inputs, outputs, bias=False)
    return nn.Sequential(nn.Linear(inputs, hidden), nn.GELU(), nn.Linear(hidden, outputs))
