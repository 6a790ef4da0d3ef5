"""What is known of a picture without decoding it is what decoding would tell."""

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from indexer.embedders.base import Preprocessing
from indexer.errors import PictureError
from indexer.pictures.decoding import decode_file
from indexer.pictures.headers import read_header
from indexer.pictures.limits import Limits
from indexer.pictures.pool import DecodePool
from tests.conftest import EXAMPLES
from tests.pictures import camera_file, encoded, orientation_exif, stored_as

LIMITS = Limits()
SQUARE = Preprocessing(size=8)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "TIFF", "WEBP", "HEIF", "AVIF"])
@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_a_header_tells_what_decoding_tells(tmp_path: Path, format: str, orientation: int) -> None:
    path = tmp_path / "a.bin"
    exif = orientation_exif(orientation)
    path.write_bytes(encoded(stored_as(orientation), format, exif=exif))
    told = read_header(bytes(path), LIMITS)
    assert told.content() == decode_file(bytes(path), SQUARE, LIMITS).content()


def test_a_header_tells_of_the_camera_and_the_place(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(camera_file("Canon EOS 7D", "EF 50mm", "2021:05:06 07:08:09", (1.5, 2.5)))
    told = read_header(bytes(path), LIMITS)
    assert told.sha256 == hashlib.sha256(path.read_bytes()).digest()
    assert (told.metadata.camera, told.metadata.latitude) == ("Canon EOS 7D", 1.5)
    assert told.pixels.shape == (0, 0, 3)


def test_half_a_picture_has_a_whole_header(tmp_path: Path) -> None:
    whole = (EXAMPLES / "birds" / "owl.jpg").read_bytes()
    (tmp_path / "a.jpg").write_bytes(whole[: len(whole) // 2])
    told = read_header(bytes(tmp_path / "a.jpg"), LIMITS)
    with Image.open(EXAMPLES / "birds" / "owl.jpg") as image:
        assert (told.width, told.height) == image.size


def test_what_is_no_picture_or_too_large_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_text("no picture")
    with pytest.raises(PictureError, match="not a picture"):
        read_header(bytes(tmp_path / "a.jpg"), LIMITS)
    Image.new("1", (2000, 2000)).save(tmp_path / "b.png")
    with pytest.raises(PictureError, match="megapixels"):
        read_header(bytes(tmp_path / "b.png"), replace(LIMITS, max_megapixels=1))


def test_a_pool_without_preprocessing_reads_headers(tmp_path: Path) -> None:
    path = EXAMPLES / "birds" / "owl.jpg"
    (tmp_path / "a.jpg").write_text("no picture")
    with DecodePool(None, LIMITS, workers=1, timeout_s=30) as pool:
        answers = dict(pool.decode([bytes(path), bytes(tmp_path / "a.jpg")]))
    good, bad = answers[bytes(path)], answers[bytes(tmp_path / "a.jpg")]
    assert isinstance(bad, PictureError)
    assert not isinstance(good, PictureError)
    assert good.content() == read_header(bytes(path), LIMITS).content()
    assert good.pixels.size == 0
