"""One picture in many guises: the embedding is that of the upright sRGB picture."""

import io
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms

from indexer import BuildOptions, Config, Library
from tests.conftest import EXAMPLES
from tests.test_colour import ADOBE_RGB, DISPLAY_P3

Guise = Callable[[Image.Image, Path], None]
SIDEWAYS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def turned(orientation: int) -> Guise:
    def save(image: Image.Image, path: Path) -> None:
        exif = Image.Exif()
        exif[0x0112] = orientation
        lying = image.transpose(SIDEWAYS[orientation]) if orientation in SIDEWAYS else image
        lying.save(path.with_suffix(".png"), exif=exif)

    return save


def profiled(profile: bytes) -> Guise:
    def save(image: Image.Image, path: Path) -> None:
        srgb = ImageCms.createProfile("sRGB")
        wide = ImageCms.profileToProfile(image, srgb, ImageCms.getOpenProfile(io.BytesIO(profile)))
        assert wide is not None
        wide.save(path.with_suffix(".png"), icc_profile=profile)

    return save


def converted(mode: str, suffix: str = ".png") -> Guise:
    return lambda image, path: image.convert(mode).save(path.with_suffix(suffix))


def transparent_palette(image: Image.Image, path: Path) -> None:
    """Whose colour 255, which no pixel has, is transparent."""
    image.quantize(255).save(path.with_suffix(".png"), transparency=255)


def deep_grey(image: Image.Image, path: Path) -> None:
    grey = np.asarray(image.convert("L"), np.uint16) * 257
    Image.fromarray(grey).save(path.with_suffix(".png"))


GUISES: dict[str, Guise] = {
    **{f"orientation {n}": turned(n) for n in range(1, 9)},
    "Display P3": profiled(DISPLAY_P3),
    "Adobe RGB": profiled(ADOBE_RGB),
    "CMYK": converted("CMYK", ".tif"),
    "RGBA": converted("RGBA"),
    "palette with transparency": transparent_palette,
}
GREY_GUISES: dict[str, Guise] = {"16 bits": deep_grey, "LA": converted("LA"), "L": converted("L")}


@pytest.fixture(scope="module")
def rows(
    tmp_path_factory: pytest.TempPathFactory, prepared_starter: Path
) -> dict[str, NDArray[np.float32]]:
    """Embeddings by the starter model, by guise; "colour" and "grey" are upright sRGB."""
    home = tmp_path_factory.mktemp("variants")
    (home / "photos").mkdir()
    shutil.copytree(prepared_starter, home / "library" / "models")
    with Image.open(sorted((EXAMPLES / "birds").iterdir())[0]) as image:
        picture = image.convert("RGB")
    grey = picture.convert("L").convert("RGB")
    plain = {"colour": picture, "grey": grey, "fallen": picture.rotate(90)}
    for name, dressed in plain.items():
        dressed.save(home / "photos" / f"{name}.png")
    for name, save in {**GUISES, **GREY_GUISES}.items():
        save(picture, home / "photos" / name)
    with Library.open(home / "library", create=True, config=Config()) as library:
        report = library.build([home / "photos"], BuildOptions(model="starter"))
        assert report.failed == 0
        ids, vectors = library.vectors()
        names = [library.photo(id).path.stem for id in ids.tolist()]
    return dict(zip(names, vectors, strict=True))


@pytest.mark.parametrize("guise", GUISES)
def test_a_picture_in_another_guise_has_the_embedding_of_the_upright_srgb_one(
    rows: dict[str, NDArray[np.float32]], guise: str
) -> None:
    assert rows[guise] @ rows["colour"] > 0.99


@pytest.mark.parametrize("guise", GREY_GUISES)
def test_a_grey_picture_in_another_guise_has_the_embedding_of_the_srgb_one(
    rows: dict[str, NDArray[np.float32]], guise: str
) -> None:
    assert rows[guise] @ rows["grey"] > 0.99


@pytest.mark.parametrize("other", ["grey", "fallen"])
def test_a_picture_that_looks_otherwise_would_be_told_apart(
    rows: dict[str, NDArray[np.float32]], other: str
) -> None:
    assert rows[other] @ rows["colour"] < 0.98
