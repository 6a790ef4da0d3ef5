import pickle
from typing import Any

import numpy as np
import pytest
import torch
from lightly.transforms.gaussian_blur import GaussianBlur
from lightly.transforms.solarize import RandomSolarization
from PIL import Image
from torch import Tensor
from torchvision.transforms import InterpolationMode, v2

from indexer.train.augmentations import MEAN, SMALL, STD, Augmentation, Views
from indexer.train.byol import BYOL, BYOLConfig
from indexer.train.method import PictureMethod
from indexer.train.moco import MoCo, MoCoConfig
from indexer.train.simclr import SimCLR, SimCLRConfig
from tests.train.parts import DIM, trunk


def nothing(size: int, **probabilities: float) -> Augmentation:
    """An augmentation that leaves a square picture as it is, but for what is asked for."""
    never = {"flip": 0.0, "jittering": 0.0, "grayscale": 0.0, "blur": 0.0, "min_scale": 1.0}
    options: dict[str, Any] = {**never, **probabilities}
    return Augmentation(size, jitter=(0.4, 0.4, 0.4, 0.1), **options)


def restored(view: Tensor) -> Tensor:
    """Values from 0 to 255, (3, size, size)."""
    return (view * torch.tensor(STD)[:, None, None] + torch.tensor(MEAN)[:, None, None]) * 255


def square(photo: Image.Image, size: int) -> tuple[Image.Image, Tensor]:
    cut = photo.resize((size, size))
    return cut, torch.from_numpy(np.array(cut)).permute(2, 0, 1).float()


def test_a_view_is_normalised_by_the_mean_and_deviation_that_are_told(photo: Image.Image) -> None:
    picture, pixels = square(photo, 96)
    view = nothing(96).view()(picture)
    assert view.dtype == torch.float32
    assert torch.allclose(restored(view), pixels, atol=0.01)


def test_each_step_does_what_it_is_called(photo: Image.Image) -> None:
    picture, pixels = square(photo, 96)
    flipped = restored(nothing(96, flip=1.0).view()(picture))
    grey = restored(nothing(96, grayscale=1.0).view()(picture))
    solarised = restored(nothing(96, solarise=1.0).view()(picture))
    assert torch.allclose(flipped, pixels.flip(2), atol=0.01)
    assert torch.allclose(grey[0], grey[2], atol=0.01)
    assert torch.allclose(solarised, torch.where(pixels < 128, pixels, 255 - pixels), atol=0.01)


@pytest.mark.parametrize(("size", "is_blurred"), [(64, False), (65, True)])
def test_small_pictures_are_never_blurred(photo: Image.Image, size: int, is_blurred: bool) -> None:
    picture, pixels = square(photo, size)
    np.random.seed(0)
    view = restored(nothing(size, blur=1.0).view()(picture))
    assert torch.allclose(view, pixels, atol=0.01) != is_blurred


METHODS = [
    SimCLR(trunk(), DIM, SimCLRConfig(size=32)),
    MoCo(trunk(), DIM, MoCoConfig(size=32, queue=8)),
    BYOL(trunk(), DIM, BYOLConfig(size=32, hidden_dim=8)),
]


@pytest.mark.parametrize("method", METHODS, ids=lambda method: type(method).__name__)
def test_the_two_views_of_a_picture_are_drawn_one_by_one_and_from_the_seeds_alone(
    method: PictureMethod, photo: Image.Image
) -> None:
    augment = pickle.loads(pickle.dumps(method.views()))  # as a worker gets it

    def draw() -> tuple[Tensor, Tensor]:
        torch.manual_seed(3)
        np.random.seed(3)
        first, second = augment(photo)
        return first, second

    first, second = draw()
    assert first.shape == second.shape == (3, 32, 32)
    assert not torch.equal(first, second)
    assert torch.equal(torch.stack(draw()), torch.stack((first, second)))


def test_views_of_one_picture_may_have_an_augmentation_each() -> None:
    white = Image.new("RGB", (80, 80), (255, 255, 255))
    first, second = Views((nothing(80).view(), nothing(80, solarise=1.0).view()))(white)
    assert restored(first).mean() == pytest.approx(255)
    assert restored(second).mean() == pytest.approx(0, abs=0.01)


def of_torchvision(how: Augmentation) -> v2.Compose:
    """The same distribution, by torchvision's transforms."""
    return v2.Compose(
        [
            v2.RandomResizedCrop(
                how.size,
                scale=(how.min_scale, 1.0),
                interpolation=InterpolationMode(how.interpolation),
            ),
            v2.RandomHorizontalFlip(how.flip),
            v2.RandomApply([v2.ColorJitter(*how.jitter)], p=how.jittering),
            v2.RandomGrayscale(how.grayscale),
            GaussianBlur(prob=how.blur if how.size > SMALL else 0.0, sigmas=(0.1, 2.0)),
            RandomSolarization(prob=how.solarise),
            v2.PILToTensor(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(*how.normalisation),
        ]
    )


HOWS = {
    "small": Augmentation(32, (0.4, 0.4, 0.4, 0.1)),
    "large": Augmentation(96, (0.8, 0.8, 0.8, 0.2), solarise=0.5, interpolation="bilinear"),
    "without hue": Augmentation(32, (0.4, 0.0, 0.4, 0.0), jittering=1.0),
    "no crop fits": Augmentation(32, (0.4, 0.4, 0.4, 0.1), min_scale=1.0),
}


@pytest.mark.parametrize("how", HOWS.values(), ids=HOWS)
@pytest.mark.parametrize("shape", [(160, 120), (32, 32), (200, 20), (20, 200)])
def test_views_are_those_of_torchvisions_transforms_bit_for_bit(
    how: Augmentation, shape: tuple[int, int], photo: Image.Image
) -> None:
    picture, ours, theirs = photo.resize(shape), how.view(), of_torchvision(how)
    for seed in range(20):
        drawn = []
        for transform in (ours, theirs):
            torch.manual_seed(seed)
            np.random.seed(seed)
            drawn.append(transform(picture))
        assert torch.equal(*drawn)
