import io
import struct
import sys
from typing import Any

import numpy as np
import pytest
from PIL import Image

from indexer.errors import PictureError
from indexer.pictures.decoding import EXTENSIONS, RAW_EXTENSIONS, Limits, decode
from tests.pictures import LIMITS, difference, encoded, orientation_exif, scene, stored_as


def reason(data: bytes, limits: Limits = LIMITS) -> str:
    with pytest.raises(PictureError) as caught:
        decode(data, limits)
    return str(caught.value)


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
