"""Single pictures, of queries and for thumbnails, are decoded in processes of their own."""

import io
import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from indexer import BuildOptions, Library, Query
from indexer.errors import PictureError, QueryError
from indexer.pictures import decoding
from indexer.pictures.decoding import Limits, load_pixels
from indexer.pictures.regions import Region
from indexer.pictures.viewer import Viewer
from tests.conftest import MakePicture
from tests.decoders import HAS_PROC, LIMITS, SEEN, noise_photos, wait_until, workers_of

pytestmark = pytest.mark.skipif(not HAS_PROC, reason="finds processes by /proc")


@pytest.fixture
def picture_bytes(tmp_path: Path) -> bytes:
    return Path(os.fsdecode(noise_photos(tmp_path)[0])).read_bytes()


@pytest.fixture
def viewer() -> Iterator[Viewer]:
    viewer = Viewer(LIMITS, 20, 2)
    yield viewer
    viewer.close()
    assert workers_of(os.getpid()) == []


def kept(viewer: Viewer, data: bytes) -> int:
    """The process that waits for the next picture."""
    viewer.pixels(data, SEEN)
    (worker,) = workers_of(os.getpid())
    return worker


@pytest.mark.parametrize("region", [None, Region(0.5, 0.25, 0.4, 0.5)])
def test_pixels_are_those_of_decoding_here(
    viewer: Viewer, picture_bytes: bytes, region: Region | None
) -> None:
    expected = load_pixels(picture_bytes, SEEN, LIMITS, region)
    assert np.array_equal(viewer.pixels(picture_bytes, SEEN, region), expected)


def test_a_thumbnail_that_is_still_made_as_its_photo_is_forgotten_is_not_kept(
    library: Library, picture: MakePicture, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = picture("a.png").parent
    library.build([root])
    (photo,) = library.photos()
    for path in library.folder.glob("thumbnails/*/*"):
        path.unlink()
    make = library._viewer.jpeg

    def slowly(*arguments: Any) -> bytes:
        data = make(*arguments)
        library.remove(root)
        return data

    monkeypatch.setattr(library._viewer, "jpeg", slowly)
    assert library.thumbnail(photo.id)
    assert list(library.folder.glob("thumbnails/*/*")) == []


def test_a_jpeg_fits_its_edge(viewer: Viewer, picture_bytes: bytes) -> None:
    image = Image.open(io.BytesIO(viewer.jpeg(picture_bytes, 40)))
    assert (image.format, image.size) == ("JPEG", (40, 30))


def test_one_process_serves_one_picture_after_another(viewer: Viewer, picture_bytes: bytes) -> None:
    first = kept(viewer, picture_bytes)
    with pytest.raises(PictureError, match="no picture|cannot identify|not a picture|unknown"):
        viewer.pixels(b"no picture", SEEN)
    viewer.ahead()
    assert kept(viewer, picture_bytes) == first


def test_a_decoder_that_crashes_costs_its_picture_alone(
    viewer: Viewer, picture_bytes: bytes
) -> None:
    worker = kept(viewer, picture_bytes)
    os.kill(worker, signal.SIGSTOP)
    with ThreadPoolExecutor(1) as aside:
        asked = aside.submit(viewer.pixels, picture_bytes, SEEN)
        wait_until(lambda: viewer._idle is None)  # it was taken
        time.sleep(0.3)  # and asked
        os.kill(worker, signal.SIGSEGV)
        os.kill(worker, signal.SIGCONT)
        with pytest.raises(PictureError, match=r"the decoder crashed \(signal 11\)"):
            asked.result()
    assert viewer.pixels(picture_bytes, SEEN).shape == (32, 32, 3)


def test_a_process_that_ended_while_it_waited_is_replaced(
    viewer: Viewer, picture_bytes: bytes
) -> None:
    worker = kept(viewer, picture_bytes)
    os.kill(worker, signal.SIGKILL)
    wait_until(lambda: viewer._idle is None or not viewer._idle.is_alive())
    assert viewer.pixels(picture_bytes, SEEN).shape == (32, 32, 3)


def test_a_picture_that_takes_too_long_is_given_up(picture_bytes: bytes) -> None:
    viewer = Viewer(LIMITS, 0.5, 1)
    worker = kept(viewer, picture_bytes)
    os.kill(worker, signal.SIGSTOP)
    with pytest.raises(PictureError, match=r"decoding took over 0\.5 s \(decode_timeout_s\)"):
        viewer.pixels(picture_bytes, SEEN)
    assert not Path(f"/proc/{worker}").exists()
    viewer.close()


def test_a_picture_beyond_the_limits_is_refused(picture_bytes: bytes) -> None:
    viewer = Viewer(Limits(max_file_mb=0.01), 20, 1)
    with pytest.raises(PictureError, match="max_file_mb"):
        viewer.pixels(picture_bytes, SEEN)
    viewer.close()
    tight = Viewer(Limits(worker_memory_mb=30), 20, 1)
    large = io.BytesIO()
    Image.new("RGB", (6000, 6000)).save(large, "PNG")
    with pytest.raises(PictureError, match="worker_memory_mb"):
        tight.pixels(large.getvalue(), SEEN)
    tight.close()


def test_many_at_once_have_few_processes(viewer: Viewer, picture_bytes: bytes) -> None:
    most, done = 0, threading.Event()

    def watch() -> None:
        nonlocal most
        while not done.is_set():
            most = max(most, len(workers_of(os.getpid())))

    watching = threading.Thread(target=watch)
    watching.start()

    def look(_: int) -> None:
        viewer.ahead()
        viewer.pixels(picture_bytes, SEEN)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(look, range(40)))
    done.set()
    watching.join()
    assert 1 <= most <= 3  # one may wait while two are begun
    assert len(workers_of(os.getpid())) == 1


@pytest.fixture
def colours(library: Library, photos: Path, picture: MakePicture) -> Library:
    for mark, colour in enumerate(("red", "green", "blue"), 1):
        picture(f"{colour}.png", colour, mark)
    library.build([photos])
    return library


def png(colour: str) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (30, 30), colour).save(out, "PNG")
    return out.getvalue()


def test_neither_a_query_nor_a_thumbnail_is_decoded_in_the_process_that_asks(
    colours: Library, monkeypatch: pytest.MonkeyPatch, photos: Path
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("decoded here")

    monkeypatch.setattr(decoding, "decode", refuse)
    assert colours.search(Query.image(png("red")), 1)[0].path == photos / "red.png"
    (tmp := photos / "asked.png").write_bytes(png("blue"))
    assert colours.search(Query.image(tmp), 1)[0].path == photos / "blue.png"
    part = Query.photo(colours.photos()[0].id, region=(0, 0, 0.5, 0.5))
    assert len(colours.search(part, 3, include_self=True)) == 3
    assert colours.thumbnail(colours.photos()[0].id, 1600).startswith(b"\xff\xd8")


def test_a_query_that_was_seen_is_asked_again_without_its_picture(
    colours: Library, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    query = 2 * Query.image(png("red")) - Query.text("green")
    seen = colours.seen(query)
    assert (str(seen), len(seen.terms)) == (str(query), 2)
    assert png("red") not in repr(seen).encode()
    monkeypatch.setattr(Viewer, "pixels", None)  # nothing is decoded any more
    answer = colours.search(seen)
    assert [hit.path.name for hit in answer] == ["red.png", "blue.png", "green.png"]
    monkeypatch.undo()
    assert [hit.score for hit in answer] == [hit.score for hit in colours.search(query)]


def test_a_picture_that_was_seen_is_left_out_once_the_library_has_it(
    colours: Library, photos: Path
) -> None:
    seen = colours.seen(Query.image((photos / "red.png").read_bytes()))
    assert colours.search(seen)[0].path.name != "red.png"
    other = colours.seen(Query.image(png("yellow")))
    assert len(colours.search(other)) == 3
    (photos / "yellow.png").write_bytes(png("yellow"))
    colours.build([photos])
    assert "yellow.png" not in {hit.path.name for hit in colours.search(other)}


def test_what_was_seen_for_one_space_is_not_asked_of_another(
    colours: Library, photos: Path
) -> None:
    seen = colours.seen(Query.image(png("red")))
    colours.build([photos], BuildOptions(model="tiny:blind"))
    other = next(s.name for s in colours.status().spaces if not s.is_default)
    with pytest.raises(QueryError, match="was not looked at for space .*; ask with it once more"):
        colours.search(seen, space=other)
    both = colours.seen(Query.image(png("red")), space=other)
    assert colours.search(both, space=other)[0].path == photos / "red.png"


def test_a_part_of_a_picture_stays_a_part(colours: Library) -> None:
    part = Query.image(png("red"), region=(0, 0, 0.5, 0.5))
    assert colours.seen(part) == part
