import io
import struct
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms

from indexer.pictures.decoding import decode, load_picture
from tests.pictures import LIMITS, difference, encoded, scene


def matrix_profile(
    primaries: list[tuple[float, float, float]], gamma: float | None = None
) -> bytes:
    """An ICC profile of an RGB (three primaries, as XYZ under D50) or grey (none) workspace.

    Without a gamma, it has the curve of sRGB.
    """

    def xyz(values: tuple[float, float, float]) -> bytes:
        return b"XYZ \0\0\0\0" + b"".join(struct.pack(">i", round(v * 65536)) for v in values)

    if gamma:
        curve = b"curv\0\0\0\0" + struct.pack(">IHxx", 1, round(gamma * 256))
    else:
        x = np.linspace(0, 1, 1024)
        y = np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4)
        curve = b"curv\0\0\0\0" + struct.pack(">I", 1024) + (y * 65535).astype(">u2").tobytes()
    tags = [(b"wtpt", xyz((0.9642, 1.0, 0.8249)))]
    tags += [
        (name, xyz(p)) for name, p in zip((b"rXYZ", b"gXYZ", b"bXYZ"), primaries, strict=False)
    ]
    tags += [(name, curve) for name in ((b"rTRC", b"gTRC", b"bTRC") if primaries else (b"kTRC",))]
    return icc_profile(b"RGB " if primaries else b"GRAY", b"XYZ ", b"mntr", tags)


def icc_profile(
    space: bytes, connection: bytes, kind: bytes, tags: list[tuple[bytes, bytes]]
) -> bytes:
    offset = 128 + 4 + 12 * len(tags)
    table, body = struct.pack(">I", len(tags)), b""
    for name, data in tags:
        table += name + struct.pack(">II", offset + len(body), len(data))
        body += data
    head = struct.pack(">I4xI4s4s4s12x", offset + len(body), 0x02400000, kind, space, connection)
    head += b"acsp" + bytes(28) + struct.pack(">iii", 63190, 65536, 54061)
    return head.ljust(128, b"\0") + table + body


DISPLAY_P3 = matrix_profile(
    [(0.5151, 0.2412, -0.0011), (0.2919, 0.6922, 0.0419), (0.1572, 0.0666, 0.7841)], 2.2
)
ADOBE_RGB = matrix_profile(
    [(0.6097, 0.3111, 0.0195), (0.2053, 0.6257, 0.0609), (0.1492, 0.0632, 0.7446)], 2.2
)
NEARLY_SRGB = matrix_profile(
    [(0.4361, 0.2225, 0.0141), (0.3851, 0.7169, 0.0973), (0.1431, 0.0606, 0.7143)]
)
LINEAR_GREY = matrix_profile([], 1.0)


def ink_profile() -> bytes:
    """An ICC profile of a press whose cyan ink prints red, black black, and the others nothing."""
    identity = b"".join(struct.pack(">i", 65536 * (i % 4 == 0)) for i in range(9))
    ramp = bytes(range(256))
    white, red, black = bytes([255, 128, 128]), bytes([136, 208, 195]), bytes([0, 128, 128])
    nodes = b"".join(black if n & 1 else red if n & 8 else white for n in range(16))  # L*, a*, b*
    lut = b"mft1\0\0\0\0" + bytes([4, 3, 2, 0]) + identity + ramp * 4 + nodes + ramp * 3
    return icc_profile(b"CMYK", b"Lab ", b"prtr", [(b"A2B0", lut)])


@pytest.mark.parametrize("profile", [DISPLAY_P3, ADOBE_RGB], ids=["P3", "Adobe RGB"])
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF", "HEIF"])
def test_wide_colours_come_out_as_srgb(format: str, profile: bytes) -> None:
    srgb = ImageCms.createProfile("sRGB")
    wide = ImageCms.profileToProfile(scene(), srgb, ImageCms.getOpenProfile(io.BytesIO(profile)))
    assert wide is not None
    assert difference(wide, scene()) > 8
    data = encoded(wide, format, icc_profile=profile, quality=95)
    assert difference(decode(data, LIMITS).image, scene()) < 5


def test_a_profile_that_changes_nothing_visible_changes_no_pixel() -> None:
    srgb = ImageCms.createProfile("sRGB")
    changed = ImageCms.profileToProfile(
        scene(), ImageCms.getOpenProfile(io.BytesIO(NEARLY_SRGB)), srgb
    )
    assert changed is not None
    assert 0 < difference(changed, scene()) < 1
    data = encoded(scene(), "PNG", icc_profile=NEARLY_SRGB)
    assert difference(decode(data, LIMITS).image, scene()) == 0


@pytest.mark.parametrize("profile", [b"", b"junk", DISPLAY_P3[:200], DISPLAY_P3[:128] + bytes(400)])
def test_a_broken_profile_is_ignored(profile: bytes) -> None:
    data = encoded(scene(), "PNG", icc_profile=profile)
    assert difference(decode(data, LIMITS).image, scene()) == 0


def test_a_profile_for_another_kind_of_picture_is_ignored() -> None:
    data = encoded(scene(), "PNG", icc_profile=LINEAR_GREY)
    assert difference(decode(data, LIMITS).image, scene()) == 0


@pytest.mark.parametrize("profile", [LINEAR_GREY, matrix_profile([(0.32, 0.33, 0.27)] * 3, 1.0)])
def test_grey_pictures_take_profiles_for_grey_and_for_rgb(profile: bytes) -> None:
    data = encoded(Image.new("L", (8, 8), 55), "PNG", icc_profile=profile)
    level = np.asarray(decode(data, LIMITS).image).mean()
    assert level == pytest.approx(128, abs=3)  # linear 55 is 128 in sRGB


def test_cmyk_without_a_profile_comes_out_like_the_original() -> None:
    data = encoded(scene().convert("CMYK"), "JPEG", quality=95)
    assert difference(decode(data, LIMITS).image, scene()) < 4


def test_cmyk_with_a_profile_takes_its_colours() -> None:
    cyan = Image.new("CMYK", (8, 8), (255, 0, 0, 0))
    data = encoded(cyan, "TIFF", icc_profile=ink_profile())
    red, green, blue = np.asarray(decode(data, LIMITS).image)[4, 4]
    assert red > 200
    assert max(green, blue) < 60


def test_lab_comes_out_like_the_original() -> None:
    srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    image = ImageCms.profileToProfile(scene(), srgb, lab, outputMode="LAB")
    assert image is not None
    assert difference(decode(encoded(image, "TIFF"), LIMITS).image, scene()) < 4


def ramp(most: float, dtype: str) -> NDArray[Any]:
    return np.tile(np.linspace(0, most, 256), (8, 1)).astype(dtype)


@pytest.mark.parametrize(
    ("values", "format"),
    [
        (ramp(65535, "uint16"), "PNG"),
        (ramp(65535, "uint16"), "TIFF"),
        (ramp(65535, ">u2"), "TIFF"),
        (ramp(65535, "int32"), "TIFF"),
        (ramp(255, "int32"), "TIFF"),
        (ramp(2**31 - 1, "int32"), "TIFF"),
        (ramp(2000, "int32") - 1000, "TIFF"),
        (ramp(1, "float32"), "TIFF"),
        (ramp(255, "float32"), "TIFF"),
        (ramp(1e30, "float32"), "TIFF"),
    ],
)
def test_deep_greys_are_scaled_and_not_clipped(values: NDArray[Any], format: str) -> None:
    eight_bits = Image.fromarray(ramp(255, "uint8")).convert("RGB")
    image = decode(encoded(Image.fromarray(values), format), LIMITS).image
    assert difference(image, eight_bits) < 1


def test_a_dark_picture_of_16_bits_stays_dark() -> None:
    image = decode(encoded(Image.fromarray(ramp(4095, "uint16")), "PNG"), LIMITS).image
    assert np.asarray(image).max() == 15


def test_a_16_bit_pgm_is_scaled() -> None:
    data = b"P5 256 8 65535\n" + ramp(65535, ">u2").tobytes()
    eight_bits = Image.fromarray(ramp(255, "uint8")).convert("RGB")
    assert difference(decode(data, LIMITS).image, eight_bits) < 1


def test_values_that_are_no_numbers_are_black() -> None:
    values = np.array([[np.nan, np.inf, 1.0]], np.float32)
    image = decode(encoded(Image.fromarray(values), "TIFF"), LIMITS).image
    assert np.asarray(image)[0, :, 0].tolist() == [0, 0, 255]


def half_transparent(mode: str) -> Image.Image:
    """The left half opaque black, the right half transparent black."""
    image = Image.new("RGBA", (8, 4), (0, 0, 0, 0))
    image.paste((0, 0, 0, 255), (0, 0, 4, 4))
    return image.convert(mode)


def keyed(mode: str) -> bytes:
    """The same by a transparent colour or palette entry."""
    image = Image.new(mode, (8, 4), 0)
    image.paste(1, (4, 0, 8, 4))
    if mode == "P":
        image.putpalette([0, 0, 0, 10, 10, 10])
    return encoded(image, "PNG", transparency=1)


@pytest.mark.parametrize(
    "data",
    [
        encoded(half_transparent("RGBA"), "PNG"),
        encoded(half_transparent("LA"), "PNG"),
        encoded(half_transparent("RGBA"), "WEBP", lossless=True),
        encoded(half_transparent("RGBA"), "TIFF"),
        encoded(half_transparent("RGBA"), "HEIF", quality=-1),
        encoded(half_transparent("RGBA"), "AVIF", quality=100),
        encoded(half_transparent("RGBA"), "GIF"),
        keyed("P"),
        keyed("L"),
    ],
    ids=["RGBA", "LA", "WebP", "TIFF", "HEIC", "AVIF", "GIF", "palette", "colour key"],
)
def test_transparency_is_laid_on_white(data: bytes) -> None:
    pixels = np.asarray(decode(data, LIMITS).image).astype(int)
    assert pixels[:, :3].max() < 10
    assert pixels[:, 5:].min() > 245


def half_transparent_palette() -> Image.Image:
    image = Image.new("P", (8, 4))
    image.putalpha(half_transparent("RGBA").getchannel("A"))
    return image


@pytest.mark.parametrize(
    "image",
    [
        half_transparent("LA").convert("La"),
        half_transparent("RGBA").convert("RGBa"),
        half_transparent_palette(),
    ],
    ids=lambda image: image.mode,
)
def test_transparency_of_open_images_is_laid_on_white(image: Image.Image) -> None:
    pixels = np.asarray(load_picture(image))
    assert pixels[:, :4].max() == 0
    assert pixels[:, 4:].min() == 255


def test_one_bit_pictures_are_black_and_white() -> None:
    image = Image.fromarray(np.arange(8).reshape(1, 8) > 3)
    pixels = np.asarray(decode(encoded(image, "PNG"), LIMITS).image)
    assert pixels[0, :, 1].tolist() == [0] * 4 + [255] * 4
