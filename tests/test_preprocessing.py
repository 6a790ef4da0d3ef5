import time
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from open_clip.transform import image_transform
from PIL import Image
from timm.data import create_transform

from indexer.embedders.base import Preprocessing
from indexer.pictures.decoding import preprocess

SIZES = [
    (500, 375),
    (375, 500),
    (300, 300),
    (101, 97),
    (64, 64),
    (33, 64),
    (2, 3),
    (1000, 90),
    (64, 900),
]


def noise(size: tuple[int, int]) -> Image.Image:
    width, height = size
    pixels = np.random.default_rng(width * 10_007 + height).integers(0, 256, (height, width, 3))
    return Image.fromarray(pixels.astype(np.uint8))


def seen_by(transform: Any, image: Image.Image) -> NDArray[np.uint8]:
    """What a transform of another library makes of an image, as pixels again."""
    tensor = transform(image)
    scale = 1 if str(tensor.dtype) == "torch.uint8" else 255
    return np.asarray((tensor * scale).round().numpy().transpose(1, 2, 0)).astype(np.uint8)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("mode", ["shortest", "squash", "longest"])
@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
def test_pixels_equal_those_of_open_clip(
    size: tuple[int, int], mode: Any, interpolation: Any
) -> None:
    theirs = image_transform(
        64,
        is_train=False,
        mean=(0.0, 0.0, 0.0),
        std=(1.0, 1.0, 1.0),
        resize_mode=mode,
        interpolation=interpolation,
        fill_color=77,
    )
    ours = Preprocessing(64, mode, interpolation=interpolation, fill=77 if mode == "longest" else 0)
    assert np.array_equal(preprocess(noise(size), ours), seen_by(theirs, noise(size)))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    ("crop_mode", "mode"), [("center", "shortest"), ("squash", "squash"), ("border", "longest")]
)
@pytest.mark.parametrize("crop", [0.875, 0.9, 0.95, 1.0])
def test_pixels_equal_those_of_timm(
    size: tuple[int, int], crop_mode: str, mode: Any, crop: float
) -> None:
    grey = (77 / 255,) * 3
    theirs = create_transform(
        (3, 65, 65),
        crop_pct=crop,
        crop_mode=crop_mode,
        interpolation="bicubic",
        mean=grey,  # timm fills borders with it
        normalize=False,
    )
    ours = Preprocessing(65, mode, int(65 / crop), fill=77)
    assert np.array_equal(preprocess(noise(size), ours), seen_by(theirs, noise(size)))


@pytest.mark.parametrize("size", [(1100, 50), (50, 1100), (2001, 60), (60, 2001)])
def test_strips_come_out_near_those_of_timm(size: tuple[int, int]) -> None:
    y, x = np.mgrid[0 : size[1], 0 : size[0]]
    waves = np.stack([np.sin(x / 9), np.cos(y / 9), np.sin((x + y) / 15)], axis=-1)
    strip = Image.fromarray((waves * 127 + 128).astype(np.uint8))
    theirs = create_transform(
        (3, 64, 64), crop_pct=64 / 72, crop_mode="center", interpolation="bicubic", normalize=False
    )
    change = preprocess(strip, Preprocessing(64, resize_to=72)).astype(float)
    change -= seen_by(theirs, strip)
    assert np.abs(change).mean() < 4


@pytest.mark.parametrize("size", [(1100, 50), (50, 1100), (4000, 90), (90, 4000)])
@pytest.mark.parametrize("mode", ["squash", "longest"])
def test_strips_that_are_kept_whole_come_out_as_in_open_clip(
    size: tuple[int, int], mode: Any
) -> None:
    theirs = image_transform(
        64, is_train=False, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0), resize_mode=mode
    )
    change = preprocess(noise(size), Preprocessing(64, mode)).astype(float)
    change -= seen_by(theirs, noise(size))
    assert np.abs(change).mean() < 1


@pytest.mark.parametrize("size", [(1, 60_000), (60_000, 1), (1, 20_000_000), (3, 5_000_000)])
@pytest.mark.parametrize("mode", ["shortest", "squash", "longest"])
def test_no_strip_becomes_huge_on_the_way(size: tuple[int, int], mode: Any) -> None:
    began = time.monotonic()
    pixels = preprocess(Image.new("RGB", size, "red"), Preprocessing(224, mode, fill=9))
    assert pixels.shape == (224, 224, 3)
    assert pixels.dtype == np.uint8
    assert (pixels == (255, 0, 0)).all(axis=-1).any()
    assert time.monotonic() - began < 2


PLAIN = Preprocessing(64, resize_to=70, plain_resize_to=70)


def drawing(size: tuple[int, int], ground: tuple[int, int, int]) -> Image.Image:
    """Blue from its left to its right edge, on a ground that JPEG has disturbed."""
    width, height = size
    random = np.random.default_rng(0)
    pixels = np.array(ground) + random.integers(-5, 6, (height, width, 3))
    pixels[height * 2 // 5 : height * 3 // 5] = (0, 0, 255)
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


@pytest.mark.parametrize("ground", [(255, 255, 255), (200, 180, 40)])
def test_of_a_picture_on_plain_ground_the_longest_edge_is_seen(
    ground: tuple[int, int, int],
) -> None:
    pixels = preprocess(drawing((300, 100), ground), PLAIN).astype(int)
    assert np.abs(pixels[0] - ground).max() <= 5  # above it there is more of its ground
    blue = np.abs(pixels - (0, 0, 255)).max(axis=2) < 40
    assert blue.any(axis=1).sum() <= 64 / 5  # a fifth of a third, and some more
    assert blue.any(axis=0).all()


@pytest.mark.parametrize("size", [(96, 64), (64, 96), (3, 2), (1000, 90)])
def test_any_other_picture_is_cut_as_ever(size: tuple[int, int]) -> None:
    cut = Preprocessing(64, resize_to=70)
    assert np.array_equal(preprocess(noise(size), PLAIN), preprocess(noise(size), cut))
    plain = Image.new("RGB", size, "white")
    plain.paste("black", (0, 0, size[0], size[1] - 1))  # white below alone
    assert np.array_equal(preprocess(plain, PLAIN), preprocess(plain, cut))


@pytest.mark.parametrize("size", [(1, 60_000), (60_000, 1), (3, 5_000_000)])
def test_no_strip_on_plain_ground_becomes_huge_on_the_way(size: tuple[int, int]) -> None:
    began = time.monotonic()
    assert (preprocess(Image.new("RGB", size, "red"), PLAIN) == (255, 0, 0)).all()
    assert time.monotonic() - began < 2
