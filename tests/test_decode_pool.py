import hashlib
import itertools
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from indexer.embedders.base import Preprocessing
from indexer.errors import PictureError
from indexer.pictures.decoding import Decoded, decode_file
from indexer.pictures.pool import DecodePool
from tests.decoders import (
    HAS_PROC,
    LIMITS,
    PACKAGES,
    SEEN,
    my_worker,
    noise_photos,
    pool_of,
    reasons,
    workers_of,
)

pytestmark = pytest.mark.skipif(not HAS_PROC, reason="finds processes by /proc")


@pytest.fixture
def photos(tmp_path: Path) -> list[bytes]:
    return noise_photos(tmp_path)


@pytest.mark.parametrize("workers", [1, 3])
def test_every_file_comes_back_as_it_is_decoded_in_this_process(
    photos: list[bytes], workers: int
) -> None:
    with pool_of(workers) as pool:
        answers = dict(pool.decode(photos))
    assert sorted(answers) == photos
    for path, answer in answers.items():
        expected = decode_file(path, SEEN, LIMITS)
        assert isinstance(answer, Decoded)
        assert answer.pixels.shape == (32, 32, 3)
        assert np.array_equal(answer.pixels, expected.pixels)
        assert answer.sha256 == hashlib.sha256(Path(os.fsdecode(path)).read_bytes()).digest()
        assert answer.signature == expected.signature
        assert (answer.width, answer.height, answer.format) == (80, 60, "PNG")


def test_the_signature_and_the_metadata_are_those_of_the_file(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif.update({0x010F: "Box", 0x0110: "Appareil 1", 0x0132: "2020:05:06 07:08:09"})
    path = tmp_path / "a.jpg"
    Image.new("RGB", (9, 9)).save(path, exif=exif)
    with pool_of() as pool:
        ((_, answer),) = pool.decode([os.fsencode(path)])
    assert isinstance(answer, Decoded)
    assert answer.metadata.taken_at == "2020-05-06T07:08:09"
    assert answer.metadata.camera == "Box Appareil 1"
    status = path.stat()
    signature = answer.signature
    assert (signature.size, signature.mtime_ns) == (status.st_size, status.st_mtime_ns)
    assert (signature.ctime_ns, signature.device) == (status.st_ctime_ns, status.st_dev)


def test_a_bad_file_comes_back_with_its_reason_and_the_others_with_their_pictures(
    photos: list[bytes],
) -> None:
    text = photos[5]
    Path(os.fsdecode(text)).write_text("hello")
    with pool_of(2) as pool:
        assert reasons(pool.decode(photos)) == {text: "not a picture (text)"}


def test_names_may_be_any_bytes_and_any_length(tmp_path: Path, photos: list[bytes]) -> None:
    data = Path(os.fsdecode(photos[0])).read_bytes()
    odd = os.fsencode(tmp_path) + b"/caf\xe9\n{}.png"
    Path(os.fsdecode(odd)).write_bytes(data)
    folder = os.open(tmp_path, os.O_RDONLY)
    deep = [b"d" * 250] * 60
    for name in deep:
        os.mkdir(name, dir_fd=folder)
        inside = os.open(name, os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        folder = inside
    with open(os.open(b"a.png", os.O_WRONLY | os.O_CREAT, dir_fd=folder), "wb") as file:
        file.write(data)
    os.close(folder)
    far = os.fsencode(tmp_path) + b"/" + b"/".join([*deep, b"a.png"])
    with pool_of() as pool:
        assert reasons(pool.decode([odd, far, far, odd, far])) == {}


def test_a_path_longer_than_a_pipe_holds_stops_nothing(photos: list[bytes]) -> None:
    long = b"/x" * 40_000
    with DecodePool(Preprocessing(200), LIMITS, 1, timeout_s=30) as pool:
        answers = pool.decode([photos[0], long] * 3)
        assert reasons(answers) == {long: "no longer there"}


def test_a_relative_path_is_one_from_where_the_parent_is(
    photos: list[bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pool_of() as pool:
        my_worker(pool, photos[0])
        monkeypatch.chdir(tmp_path)
        assert reasons(pool.decode([b"00.png"])) == {}


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))


def test_what_is_no_regular_file_is_refused_without_waiting(tmp_path: Path) -> None:
    made: dict[str, Callable[[Path], object]] = {
        "not a regular file": os.mkfifo,
        "not a regular file ": make_socket,
        "not a regular file  ": Path.mkdir,
        "a link": lambda path: path.symlink_to("/dev/zero"),
        "no longer there": lambda path: path,
    }
    expected = {}
    for number, (said, make) in enumerate(made.items()):
        make(tmp_path / f"{number}.jpg")
        expected[os.fsencode(tmp_path / f"{number}.jpg")] = said.strip()
    with pool_of(timeout_s=5) as pool:
        assert reasons(pool.decode(expected)) == expected


def test_a_file_that_may_not_be_read_is_refused(photos: list[bytes]) -> None:
    os.chmod(photos[0], 0)
    if os.access(photos[0], os.R_OK):
        pytest.skip("this user may read everything")
    with pool_of() as pool:
        assert reasons(pool.decode(photos)) == {photos[0]: "no permission to read it"}


def test_a_file_that_keeps_changing_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "growing.png"
    with open(path, "wb") as file:
        file.truncate(100_000_000)
    stop = threading.Event()

    def touch() -> None:
        for tick in itertools.count():
            os.utime(path, ns=(tick, tick))
            if stop.wait(0.001):
                return

    toucher = threading.Thread(target=touch)
    toucher.start()
    try:
        with pool_of() as pool:
            answers = reasons(pool.decode([os.fsencode(path)]))
    finally:
        stop.set()
        toucher.join()
    assert list(answers.values()) == ["changing while it is read"]


def test_what_libraries_print_reaches_neither_the_answers_nor_the_terminal(
    tmp_path: Path, photos: list[bytes], capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "damaged.tif"
    Image.effect_noise((200, 200), 90).save(path, compression="tiff_lzw")
    data = bytearray(path.read_bytes())
    data[1000:1100] = bytes(100)
    path.write_bytes(data)
    with pytest.raises(PictureError):
        decode_file(os.fsencode(path), SEEN, LIMITS)
    assert capfd.readouterr().err  # libtiff does print
    with pool_of() as pool:
        assert list(reasons(pool.decode([os.fsencode(path), *photos]))) == [os.fsencode(path)]
    assert capfd.readouterr() == ("", "")


# How much at once


def test_paths_are_taken_no_faster_than_answers_are(photos: list[bytes]) -> None:
    taken = 0

    def endless() -> Iterator[bytes]:
        nonlocal taken
        for path in itertools.cycle(photos):
            taken += 1
            yield path

    with DecodePool(SEEN, LIMITS, 2, 30, ahead=3) as pool:
        for count, _ in enumerate(itertools.islice(pool.decode(endless()), 40)):
            assert taken <= count + 2 * 3
    assert taken >= 40


def test_several_threads_share_a_pool(photos: list[bytes]) -> None:
    counts: list[int] = []
    with pool_of(2) as pool:
        threads = [
            threading.Thread(target=lambda: counts.append(len(dict(pool.decode(photos)))))
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert counts == [12] * 4


def test_no_process_starts_before_there_is_work(photos: list[bytes]) -> None:
    with pool_of(2) as pool:
        assert list(pool.decode([])) == []
        assert workers_of(os.getpid()) == []
        my_worker(pool, photos[0])


@pytest.mark.parametrize("numbers", [(0, 4), (1, 0)])
def test_a_pool_of_nothing_is_refused(numbers: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="neither can be below 1"):
        DecodePool(SEEN, LIMITS, numbers[0], 30, ahead=numbers[1])


def test_a_worker_imports_nothing_heavy() -> None:
    heavy = {"torch", "sqlalchemy", "faiss", "onnxruntime", "pydantic", "pillow_heif", "rawpy"}
    program = f"import sys, indexer.pictures.worker; print({heavy} & set(sys.modules))"
    shown = subprocess.run(
        [sys.executable, "-c", program], cwd=PACKAGES, capture_output=True, text=True, check=True
    )
    assert shown.stdout == "set()\n"
