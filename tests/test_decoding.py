import io
import os
import socket
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from indexer.errors import PictureError
from indexer.pictures.decoding import decode, load_picture
from tests.pictures import LIMITS, difference, encoded, orientation_exif, scene, stored_as

# What is right side up


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
        began = time.thread_time()  # of the processor: others may have it in between
        load_picture(data, LIMITS, edge)
        return time.thread_time() - began

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
