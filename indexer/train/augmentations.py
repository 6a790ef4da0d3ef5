"""Random views of a picture: the one family of augmentations that SimCLR, MoCo and BYOL draw from."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from lightly.transforms.gaussian_blur import GaussianBlur
from lightly.transforms.solarize import RandomSolarization
from PIL import Image
from torch import Tensor
from torchvision.transforms.v2.functional import normalize, to_dtype

from indexer.train.drawing import happens, jittered, random_box

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

        Its random numbers come from torch and, for blur and solarising, from numpy.
        """
        return _RandomView(self)


@dataclass(frozen=True, slots=True)
class Views:
    """Several views of one picture, each by a transform of its own."""

    transforms: tuple[View, ...]

    def __call__(self, image: Image.Image) -> tuple[Tensor, ...]:
        """Draw them."""
        return tuple(transform(image) for transform in self.transforms)


class _RandomView:
    """The steps of an augmentation, equal bit for bit to torchvision's transforms of the same names.

    Put together here, since lightly's crop bilinearly whatever the paper does, and torchvision's take
    twice as long to find out what they were given as to work on a small picture.
    """

    def __init__(self, augmentation: Augmentation) -> None:
        self._is = augmentation
        self._kernel = Image.Resampling[augmentation.interpolation.upper()]
        blur = 0.0 if augmentation.size <= SMALL else augmentation.blur
        self._blurred = GaussianBlur(prob=blur, sigmas=(0.1, 2.0))
        self._solarised = RandomSolarization(prob=augmentation.solarise)
        self._tensor = to_tensor(*augmentation.normalisation)

    def __call__(self, image: Image.Image) -> Tensor:
        size = self._is.size
        image = image.crop(random_box(*image.size, self._is.min_scale))
        image = image.resize((size, size), self._kernel)
        if happens(self._is.flip):
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        if happens(self._is.jittering):
            image = jittered(image, self._is.jitter)
        if happens(self._is.grayscale):
            image = image.convert("L").convert("RGB")
        return self._tensor(self._solarised(self._blurred(image)))


class _ToTensor:
    """Each of the 256 values that a channel has is normalised once; pixels look theirs up."""

    def __init__(self, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        values = to_dtype(torch.arange(256, dtype=torch.uint8), torch.float32, scale=True)
        self._normalised = normalize(values.expand(3, 1, -1), mean, std)[:, 0].numpy()

    def __call__(self, image: Image.Image) -> Tensor:
        pixels = np.asarray(image)
        planes = np.empty((3, *pixels.shape[:2]), np.float32)
        for channel, values in enumerate(self._normalised):
            values.take(pixels[:, :, channel], out=planes[channel], mode="clip")
        return torch.from_numpy(planes)


def to_tensor(mean: tuple[float, ...], std: tuple[float, ...]) -> View:
    """RGB picture -> float32 (3, height, width), normalised."""
    return _ToTensor(mean, std)
