import io
import os
import socket
import struct
import sys
import time
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pillow_heif
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageCms

from indexer.decoding import EXTENSIONS, RAW_EXTENSIONS, Limits, decode, load_picture
from indexer.errors import PictureError

pillow_heif.register_heif_opener()

LIMITS = Limits()
SAVABLE = ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "AVIF", "HEIF", "JPEG2000", "PPM")


def scene(width: int = 96, height: int = 64) -> Image.Image:
    """A colourful picture that no turn or mirroring leaves as it is."""
    y, x = np.mgrid[0:height, 0:width]
    red = 255 * x / (width - 1)
    green = 255 * y / (height - 1)
    blue = np.where(x + y < width / 2, 220, 30)
    return Image.fromarray(np.stack([red, green, blue], axis=-1).astype(np.uint8))


def encoded(image: Image.Image, format: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, format, **options)
    return out.getvalue()


def difference(image: Image.Image, other: Image.Image) -> float:
    """Mean absolute difference, in levels of 255."""
    assert (image.mode, image.size) == (other.mode, other.size)
    return float(np.abs(np.asarray(image, float) - np.asarray(other, float)).mean())


def reason(data: bytes, limits: Limits = LIMITS) -> str:
    with pytest.raises(PictureError) as caught:
        decode(data, limits)
    return str(caught.value)


# What is refused


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "an empty file (0 bytes)"),
        (b"0123456789", "not a picture (text)"),
        ("Größe: 3 Bücher\n".encode() * 100, "not a picture (text)"),
        (b"Python is no PPM file", "not a picture (text)"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not a picture (PostScript)"),
        (b'<?xml version="1.0"?>\n<svg xmlns="x"/>', "not a picture (SVG)"),
        (b"%PDF-1.7\n%\xe2\xe3", "not a picture (a PDF document)"),
        (b"\0\0\0\x18ftypmp42" + bytes(40), "not a picture (a video)"),
        (bytes(4000), "not a picture (nothing but zeros)"),
        (b"\x93\x12" * 500, "not a picture"),
        (b"\x89PNG\r\n\x1a\n", "a PNG file that is damaged, or of a kind that is not read"),
    ],
)
def test_what_is_no_picture_is_refused_with_what_it_is(data: bytes, said: str) -> None:
    assert reason(data) == said


@pytest.mark.parametrize("format", ["ICO", "PCX", "TGA", "SGI", "EPS"])
def test_formats_that_are_not_listed_are_refused_though_pillow_reads_them(format: str) -> None:
    assert "picture" in reason(encoded(scene(), format))


@pytest.mark.parametrize("format", SAVABLE)
def test_half_a_file_is_refused(format: str) -> None:
    data = encoded(scene(), format)
    assert reason(data[: len(data) // 2])


def test_a_truncated_jpeg_says_so() -> None:
    data = encoded(scene(), "JPEG")
    assert reason(data[:-200]) == "truncated"


def png_header(width: int, height: int) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(100)))


def test_a_pixel_bomb_is_refused_by_its_header() -> None:
    assert reason(png_header(20_000, 20_000)) == "400 megapixels; the limit is 300 (max_megapixels)"


def test_a_pixel_bomb_of_several_frames_is_refused_by_its_header() -> None:
    data = encoded(scene(), "MPO", save_all=True, append_images=[scene()])
    start = data.index(b"\xff\xc0") + 5
    bomb = data[:start] + struct.pack(">HH", 60_000, 60_000) + data[start + 4 :]
    assert reason(bomb).startswith("3,600 megapixels")


def test_the_limits_are_the_callers() -> None:
    data = encoded(scene(1000, 1000), "PNG")
    assert reason(data, Limits(max_megapixels=0.9)).endswith("the limit is 0.9 (max_megapixels)")
    assert reason(data, Limits(max_file_mb=1e-3)).endswith("the limit is 0.001 (max_file_mb)")
    assert decode(data, Limits(max_megapixels=1)).image.size == (1000, 1000)
    with pytest.raises(PictureError, match="the limit is 0.9"):
        load_picture(scene(1000, 1000), Limits(max_megapixels=0.9))


def test_a_large_picture_within_the_limit_passes_without_pillows_warning() -> None:
    picture = decode(encoded(Image.new("1", (9500, 9500)), "PNG"), LIMITS, at_least=100)
    assert (picture.width, picture.height) == (9500, 9500)


@pytest.mark.parametrize("format", ["GIF", "WEBP"])
def test_only_the_first_of_ten_thousand_frames_is_decoded(format: str) -> None:
    data = encoded(scene(), format, save_all=True, append_images=[Image.new("RGB", (96, 64))])
    start = data.rindex(b"\x21\xf9" if format == "GIF" else b"ANMF")
    end = -1 if format == "GIF" else len(data)
    many = data[:start] + data[start:end] * 10_000 + data[end:]
    began = time.monotonic()
    assert difference(decode(many, LIMITS).image, scene()) < 15
    assert time.monotonic() - began < 1


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    format=st.sampled_from(SAVABLE),
    where=st.floats(0, 1, exclude_max=True),
    junk=st.binary(min_size=1, max_size=8),
)
def test_a_damaged_file_is_decoded_or_refused_and_nothing_else(
    format: str, where: float, junk: bytes
) -> None:
    data = bytearray(DAMAGEABLE[format])
    start = int(where * len(data))
    data[start : start + len(junk)] = junk
    try:
        mode = decode(bytes(data), Limits(max_megapixels=10)).image.mode
    except PictureError as error:
        mode = "RGB" if 0 < len(str(error)) < 150 else str(error)
    assert mode == "RGB"


DAMAGEABLE = {format: encoded(scene(), format) for format in SAVABLE}


# What is right side up


def stored_as(orientation: int) -> Image.Image:
    """The scene as a camera stores it that relies on the EXIF orientation."""
    upright = np.asarray(scene())
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: np.rot90(upright, 2),
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: np.rot90(upright, 1),
        7: np.rot90(upright, 2).transpose(1, 0, 2),
        8: np.rot90(upright, -1),
    }[orientation]
    return Image.fromarray(np.ascontiguousarray(stored))


def orientation_exif(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif.tobytes()


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF", "HEIF", "MPO"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_come_upright_from_every_orientation(format: str, orientation: int) -> None:
    data = encoded(stored_as(orientation), format, exif=orientation_exif(orientation), quality=95)
    picture = decode(data, LIMITS)
    assert difference(picture.image, scene()) < 6
    assert (picture.width, picture.height) == (96, 64)


def test_a_loaded_picture_is_not_turned_again_when_loaded_again() -> None:
    data = encoded(stored_as(6), "JPEG", exif=orientation_exif(6), quality=95)
    assert difference(load_picture(load_picture(data)), scene()) < 6


def test_an_unknown_orientation_is_no_orientation() -> None:
    data = encoded(scene(), "PNG", exif=orientation_exif(99))
    assert difference(decode(data, LIMITS).image, scene()) == 0


def test_damaged_exif_neither_fails_nor_warns() -> None:
    damaged = b"Exif\0\0II*\0\x08\0\0\0\x05\0\x12\x01"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert decode(encoded(scene(), "JPEG", exif=damaged), LIMITS).image.size == (96, 64)


# What colours come out


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


# How much is decoded


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "HEIF"])
@pytest.mark.parametrize("edge", [100, 110, 202])
def test_detail_is_left_out_but_never_below_what_is_asked(format: str, edge: int) -> None:
    picture = decode(encoded(scene(1203, 811), format), LIMITS, at_least=edge)
    assert edge <= min(picture.image.size) < 811
    assert (picture.width, picture.height) == (1203, 811)
    assert picture.image.width / picture.image.height == pytest.approx(1203 / 811, rel=0.01)


def test_a_jpeg_takes_less_time_when_less_is_needed() -> None:
    data = encoded(Image.effect_noise((3000, 2000), 50).convert("RGB"), "JPEG")

    def seconds(edge: int | None) -> float:
        began = time.perf_counter()
        load_picture(data, LIMITS, edge)
        return time.perf_counter() - began

    assert min(seconds(100) for _ in range(3)) < 0.7 * min(seconds(None) for _ in range(3))


def test_a_transparent_colour_is_not_blended_into_the_others() -> None:
    board = np.indices((800, 800)).sum(axis=0) % 2
    data = encoded(Image.fromarray(board.astype(np.uint8)), "PNG", transparency=1)
    assert np.asarray(load_picture(data, at_least=50)).mean() == pytest.approx(127, abs=2)


def test_without_being_asked_no_detail_is_left_out() -> None:
    assert load_picture(encoded(scene(1203, 811), "JPEG")).size == (1203, 811)


def test_leaving_out_detail_changes_the_small_picture_little() -> None:
    data = encoded(scene(2000, 1500), "JPEG", quality=92)
    whole, reduced = (load_picture(data, LIMITS, edge) for edge in (None, 100))
    assert difference(whole.resize((200, 150)), reduced.resize((200, 150))) < 1


# Where pictures come from


def test_a_picture_is_a_path_or_bytes_or_a_stream_or_an_image(tmp_path: Path) -> None:
    data = encoded(scene(), "PNG")
    path = tmp_path / "scene.png"
    path.write_bytes(data)
    stream = io.BytesIO(data)
    stream.seek(0, io.SEEK_END)
    for source in (path, str(path), data, stream, Image.open(path)):
        assert difference(load_picture(source), scene()) == 0


def test_an_open_image_is_left_as_it_was() -> None:
    image = scene()
    image.info["note"] = "mine"
    loaded = load_picture(image, at_least=10)
    loaded.paste(0, (0, 0, 50, 50))
    assert difference(image, scene()) == 0
    assert image.info == {"note": "mine"}


def test_a_path_may_be_a_link_for_it_was_named_by_the_user(tmp_path: Path) -> None:
    (tmp_path / "scene.png").write_bytes(encoded(scene(), "PNG"))
    (tmp_path / "link").symlink_to("scene.png")
    assert load_picture(tmp_path / "link").size == (96, 64)


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (os.mkfifo, "not a regular file"),
        (make_socket, "not a regular file"),
        (Path.mkdir, "not a regular file"),
        (lambda path: path.symlink_to("/dev/zero"), "not a regular file"),
        (lambda path: path.symlink_to("nowhere"), "no longer there"),
        (lambda path: path.symlink_to(path), "a link"),
    ],
    ids=["FIFO", "socket", "folder", "device", "broken link", "link to itself"],
)
def test_a_path_to_no_regular_file_is_refused_without_waiting(
    tmp_path: Path, make: Callable[[Path], object], said: str
) -> None:
    make(tmp_path / "a.jpg")
    with pytest.raises(PictureError, match=f"^{said}$"):
        load_picture(tmp_path / "a.jpg")


def test_a_file_over_the_limit_is_not_read(tmp_path: Path) -> None:
    with open(tmp_path / "large.tif", "wb") as file:
        file.truncate(10**12)
    with pytest.raises(PictureError, match=r"^1,000,000 MB; the limit is 1000 \(max_file_mb\)$"):
        load_picture(tmp_path / "large.tif")


# RAW


def directory(entries: list[tuple[int, str, Any]], at: int) -> bytes:
    """A TIFF directory that lies `at` bytes into the file; values as struct packs them."""
    types = {"B": 1, "H": 3, "I": 4, "i": 10}
    head, tail = struct.pack("<H", len(entries)), b""
    for tag, code, values in sorted(entries):
        packed = struct.pack(f"<{len(values)}{code}", *values)
        count = len(values) // 2 if code == "i" else len(values)
        head += struct.pack("<HHI", tag, types[code], count)
        if len(packed) <= 4:
            head += packed.ljust(4, b"\0")
        else:
            head += struct.pack("<I", at + 2 + 12 * len(entries) + 4 + len(tail))
            tail += packed + bytes(len(packed) % 2)
    return head + bytes(4) + tail


def raw_file(preview: bytes, orientation: int, width: int = 640, height: int = 480) -> bytes:
    """A DNG: a preview if there is one, and a uniformly lit sensor."""
    sensor = np.full((height, width), 2000, "<u2").tobytes()
    colours = (1, 1, 0, 1, 0, 1, 0, 1, 1, 1, 0, 1, 0, 1, 0, 1, 1, 1)

    def layout(second: int, preview_at: int, sensor_at: int) -> tuple[bytes, bytes]:
        first: list[tuple[int, str, Any]] = [
            *[(254, "I", (1,)), (271, "B", b"Glimpse\0"), (272, "B", b"G1\0")],
            *[(274, "H", (orientation,)), (330, "I", (second,)), (50706, "B", (1, 4, 0, 0))],
            *[
                (18246, "H", (4,)),
                (50708, "B", b"Glimpse G1\0"),
                (50721, "i", colours),
                (50778, "H", (21,)),
            ],
        ]
        if preview:
            size = Image.open(io.BytesIO(preview)).size
            first += [(256, "I", size[:1]), (257, "I", size[1:]), (258, "H", (8, 8, 8))]
            first += [(259, "H", (7,)), (262, "H", (6,)), (273, "I", (preview_at,))]
            first += [(277, "H", (3,)), (278, "I", size[1:]), (279, "I", (len(preview),))]
        mosaic: list[tuple[int, str, Any]] = [
            *[(254, "I", (0,)), (256, "I", (width,)), (257, "I", (height,)), (258, "H", (16,))],
            *[(259, "H", (1,)), (262, "H", (32803,)), (273, "I", (sensor_at,)), (277, "H", (1,))],
            *[(278, "I", (height,)), (279, "I", (len(sensor),)), (33421, "H", (2, 2))],
            *[(33422, "B", (0, 1, 1, 2)), (50717, "I", (4095,))],
        ]
        head = directory(first, 8)
        return head, directory(mosaic, 8 + len(head))

    head, tail = layout(0, 0, 0)
    second = 8 + len(head)
    preview_at = second + len(tail)
    parts = layout(second, preview_at, preview_at + len(preview))
    return b"II*\0\x08\0\0\0" + b"".join(parts) + preview + sensor


def bare_jpeg(image: Image.Image, orientation: int | None = None) -> bytes:
    """As cameras embed it: EXIF comes first or not at all, and never JFIF."""
    exif = orientation_exif(orientation) if orientation else b""
    data = encoded(image, "JPEG", quality=95, exif=exif)
    return data[:2] + data[20:]


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_a_raw_preview_is_turned_as_the_raw_file_says(orientation: int) -> None:
    data = raw_file(bare_jpeg(stored_as(orientation)), orientation)
    picture = decode(data, LIMITS)
    assert difference(picture.image, scene()) < 6
    assert picture.format == "RAW"
    turned = orientation in (6, 8)
    assert (picture.width, picture.height) == ((480, 640) if turned else (640, 480))


def test_a_raw_preview_is_turned_by_its_own_orientation_first() -> None:
    data = raw_file(bare_jpeg(stored_as(8), orientation=8), orientation=6)
    assert difference(decode(data, LIMITS).image, scene()) < 6


def test_a_raw_preview_whose_exif_has_no_orientation_is_turned_as_the_raw_file_says() -> None:
    preview = encoded(stored_as(6), "JPEG", quality=95, exif=b"Exif\0\0II*\0\x08\0\0\0" + bytes(6))
    assert difference(decode(raw_file(preview[:2] + preview[20:], 6), LIMITS).image, scene()) < 6


def test_the_metadata_of_a_raw_file_are_its_own() -> None:
    metadata = decode(raw_file(bare_jpeg(scene()), 1), LIMITS).metadata
    assert metadata.camera == "Glimpse G1"
    assert metadata.rating == 4
    assert metadata.taken_at is None


@pytest.mark.parametrize("preview", [b"", bare_jpeg(scene())], ids=["none", "too small"])
def test_a_raw_file_without_a_useful_preview_is_developed(preview: bytes) -> None:
    image = decode(raw_file(preview, 6), LIMITS, at_least=224).image
    assert image.size == (240, 320)
    assert np.asarray(image).std() < 1


def test_a_raw_file_is_held_to_the_limit() -> None:
    data = raw_file(bare_jpeg(scene()), 1)
    assert reason(data, Limits(max_megapixels=0.2)).endswith("the limit is 0.2 (max_megapixels)")


def test_a_raw_file_without_rawpy_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rawpy", None)
    assert reason(raw_file(bare_jpeg(scene()), 1)) == 'RAW files need `pip install "glimpse[raw]"`'


def test_a_damaged_raw_file_is_refused() -> None:
    assert "damaged RAW file" in reason(b"IIRO\x08\0\0\0" + bytes(range(256)) * 8)


def test_a_plain_tiff_is_no_raw_file() -> None:
    assert decode(encoded(scene(), "TIFF"), LIMITS).format == "TIFF"


def test_suffixes_are_lower_case_and_tell_raw_files_apart() -> None:
    assert {b".jpg", b".heic", b".avif", b".tiff", b".jp2", b".pgm"} <= EXTENSIONS
    assert {b".cr2", b".cr3", b".nef", b".arw", b".dng", b".raf"} <= RAW_EXTENSIONS
    assert not EXTENSIONS & RAW_EXTENSIONS
    assert all(s.startswith(b".") and s == s.lower() for s in EXTENSIONS | RAW_EXTENSIONS)
