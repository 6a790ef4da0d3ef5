import struct
import time
import zlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from indexer.errors import PictureError
from indexer.pictures.decoding import Limits, decode, load_picture
from tests.pictures import LIMITS, difference, encoded, scene

SAVABLE = ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "AVIF", "HEIF", "JPEG2000", "PPM")


def reason(data: bytes, limits: Limits = LIMITS) -> str:
    with pytest.raises(PictureError) as caught:
        decode(data, limits)
    return str(caught.value)


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
        (b"\x89PNG\r\n\x1a\n", "damaged, or of a kind that is not read (PNG)"),
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
