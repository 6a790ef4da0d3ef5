import pickle
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from indexer.embedders.base import Preprocessing
from indexer.pictures.decoding import decode_file
from indexer.pictures.limits import Limits
from indexer.train.store import PictureStore, edge_to_keep
from tests.conftest import MakePicture


@dataclass(frozen=True)
class Square:
    pixels: NDArray[np.uint8]
    sha256: bytes
    width: int
    height: int


def square(value: int, width: int = 32, height: int = 32, edge: int = 32) -> Square:
    pixels = np.full((edge, edge, 3), value, np.uint8)
    return Square(pixels, bytes([value]), width, height)


def test_pictures_come_back_in_the_order_of_their_paths(tmp_path: Path) -> None:
    store = PictureStore.write(tmp_path, [(b"/b", square(200)), (b"/a", square(100))])
    assert store.paths == [b"/a", b"/b"]
    assert [round(np.asarray(store[i]).mean()) for i in range(2)] == [100, 200]


def test_an_exact_copy_is_kept_once(tmp_path: Path) -> None:
    store = PictureStore.write(
        tmp_path, [(b"/c", square(1)), (b"/b", square(9)), (b"/a", square(1))]
    )
    assert store.paths == [b"/a", b"/b"]


def test_small_pictures_come_back_as_they_were(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    store = PictureStore.write(tmp_path, [(b"/a", Square(pixels, b"a", 64, 64))])
    assert np.array_equal(np.asarray(store[0]), pixels)


def test_a_picture_is_whole_and_has_no_border(picture: MakePicture, tmp_path: Path) -> None:
    path = bytes(picture("wide.png", "red"))  # 64 x 48
    edge = edge_to_keep(96)
    decoded = decode_file(path, Preprocessing(size=edge, resize="longest"), Limits())
    store = PictureStore.write(tmp_path / "store", [(path, decoded)])
    assert store[0].size == (144, 108)
    assert np.abs(np.asarray(store[0], np.int64) - (220, 20, 20)).max() <= 3


def test_a_store_can_be_opened_again_and_sent_to_another_process(tmp_path: Path) -> None:
    PictureStore.write(tmp_path, [(b"/a", square(50))])
    store = PictureStore(tmp_path)
    assert np.asarray(store[0]).mean() == 50  # mapped now, which a pickle must not carry
    assert np.asarray(pickle.loads(pickle.dumps(store))[0]).mean() == 50


def test_small_pictures_are_kept_as_they_are_and_large_ones_with_room_for_crops() -> None:
    assert (edge_to_keep(32), edge_to_keep(224)) == (32, 336)
