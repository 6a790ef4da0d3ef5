"""Random views of a picture: the one family of augmentations that SimCLR, MoCo and BYOL draw from."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from lightly.transforms.gaussian_blur import GaussianBlur
from lightly.transforms.solarize import RandomSolarization
from PIL import Image
from torch import Tensor
from torchvision.transforms import InterpolationMode, v2

__all__ = ["MEAN", "SMALL", "STD", "Augmentation", "Normalisation", "View", "Views", "to_tensor"]

View = Callable[[Image.Image], Tensor]
Normalisation = tuple[tuple[float, float, float], tuple[float, float, float]]
"""Mean and standard deviation of each channel, over values from 0 to 1."""

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of each channel over values from 0 to 1; ImageNet's, which the trunk's preprocessing must repeat."""
SMALL = 64
"""Edge in pixels up to which a picture is small: no blur, and a stem that keeps its resolution."""


@dataclass(frozen=True, slots=True)
class Augmentation:
    """One distribution of views, in the order of SimCLR's appendix A."""

    size: int
    """Edge of the view, in pixels."""
    jitter: tuple[float, float, float, float]
    """The most that brightness, contrast, saturation and hue change."""
    min_scale: float = 0.08
    """The least share of the picture's area that a crop takes."""
    flip: float = 0.5
    """This and the following are the probabilities of each step."""
    jittering: float = 0.8
    grayscale: float = 0.2
    blur: float = 0.5
    """Gaussian, of 0.1 to 2 pixels; never for small pictures, as in SimCLR's appendix B.9."""
    solarise: float = 0.0
    interpolation: Literal["bilinear", "bicubic"] = "bicubic"
    normalisation: Normalisation = (MEAN, STD)

    def view(self) -> View:
        """The transform: RGB picture -> float32 (3, size, size), normalised.

        Put together here, since lightly's transforms of these names crop bilinearly whatever the
        paper does. Random numbers come from torch and, for blur and solarising, from numpy.
        """
        return v2.Compose(  # type: ignore[no-any-return]
            [
                v2.RandomResizedCrop(
                    self.size,
                    scale=(self.min_scale, 1.0),
                    interpolation=InterpolationMode(self.interpolation),
                ),
                v2.RandomHorizontalFlip(self.flip),
                v2.RandomApply([v2.ColorJitter(*self.jitter)], p=self.jittering),
                v2.RandomGrayscale(self.grayscale),
                GaussianBlur(prob=0.0 if self.size <= SMALL else self.blur, sigmas=(0.1, 2.0)),
                RandomSolarization(prob=self.solarise),
                to_tensor(*self.normalisation),
            ]
        )


@dataclass(frozen=True, slots=True)
class Views:
    """Several views of one picture, each by a transform of its own."""

    transforms: tuple[View, ...]

    def __call__(self, image: Image.Image) -> tuple[Tensor, ...]:
        """Draw them."""
        return tuple(transform(image) for transform in self.transforms)


def to_tensor(mean: tuple[float, ...], std: tuple[float, ...]) -> View:
    """RGB picture -> float32 (3, height, width), normalised."""
    return v2.Compose(  # type: ignore[no-any-return]
        [v2.PILToTensor(), v2.ToDtype(torch.float32, scale=True), v2.Normalize(mean, std)]
    )
