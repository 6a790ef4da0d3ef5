"""What a build makes of the pixels that it decodes anyway: thumbnails and perceptual hashes."""

import io
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from indexer import BuildOptions, Config, Library
from indexer.config import BuildConfig, LibraryConfig
from indexer.embedders.base import Preprocessing
from indexer.pictures.decoding import Limits, decode_file, load_picture
from indexer.pictures.jpegs import encode
from indexer.pictures.pool import DecodePool
from storage.catalog import Catalog
from storage.perceptual import all_hashes
from tests.conftest import EXAMPLES, MakePicture

NO_THUMBNAILS = Config(build=BuildConfig(thumbnails=False))


def kept(library_folder: Path) -> dict[str, Path]:
    """Thumbnails by the end of their names."""
    found = sorted((library_folder / "thumbnails").glob("*/*"))
    return {path.name[64:]: path for path in found}


@pytest.fixture
def photo(photos: Path) -> Path:
    pixels = np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    path = photos / "a.jpg"
    Image.fromarray(pixels).resize((1600, 1200)).save(path)
    return path


def test_a_build_makes_the_thumbnails_that_the_page_shows(
    library: Library, library_folder: Path, photos: Path, photo: Path
) -> None:
    library.build([photos])
    made = kept(library_folder)
    assert list(made) == ["-320.jpg", "-640.jpg"]
    with Image.open(made["-640.jpg"]) as small:
        assert small.size == (640, 480)
    photo.unlink()
    assert library.thumbnail(library.photos()[0].id, 320) == made["-320.jpg"].read_bytes()


def test_a_picture_that_is_smaller_is_not_enlarged(
    library: Library, library_folder: Path, photos: Path, picture: MakePicture
) -> None:
    picture("a.png")
    library.build([photos])
    with Image.open(kept(library_folder)["-640.jpg"]) as small:
        assert small.size == (64, 48)


def test_without_the_setting_a_thumbnail_is_made_when_it_is_looked_at(
    library_folder: Path, photos: Path, photo: Path
) -> None:
    with Library.open(library_folder, config=NO_THUMBNAILS) as library:
        library.build([photos])
        assert kept(library_folder) == {}
        library.thumbnail(library.photos()[0].id, 640)
    assert list(kept(library_folder)) == ["-640.jpg"]


def test_thumbnails_that_are_there_are_not_made_again(
    library: Library, library_folder: Path, photos: Path, photo: Path
) -> None:
    library.build([photos])
    mark = kept(library_folder)["-320.jpg"]
    mark.write_bytes(b"kept")
    kept(library_folder)["-640.jpg"].unlink()
    library.build([photos], BuildOptions(rebuild=True))
    assert list(kept(library_folder)) == ["-320.jpg", "-640.jpg"]
    assert mark.read_bytes() == b"kept"


def test_a_disk_without_room_for_thumbnails_stops_no_build(
    library: Library,
    library_folder: Path,
    photos: Path,
    photo: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    shutil.rmtree(library_folder / "thumbnails")
    (library_folder / "thumbnails").write_bytes(b"a file where a folder should be")
    assert library.build([photos]).embedded == 1
    assert "thumbnails are not kept" in caplog.text


def test_a_file_that_is_no_picture_gets_none(
    library: Library, library_folder: Path, photos: Path
) -> None:
    (photos / "broken.jpg").write_bytes(b"\xff\xd8\xff broken")
    assert library.build([photos]).failed == 1
    assert kept(library_folder) == {}


def test_forgetting_a_root_forgets_its_thumbnails(
    library: Library, library_folder: Path, photos: Path, photo: Path
) -> None:
    library.build([photos])
    library.remove(photos)
    assert kept(library_folder) == {}


def test_when_vectors_of_a_vanished_photo_are_forgotten_so_are_its_thumbnails(
    library_folder: Path, photos: Path, photo: Path, picture: MakePicture
) -> None:
    others = [picture("red.png", "red"), picture("blue.png", "blue")]
    config = Config(library=LibraryConfig(keep_removed_days=0))
    with Library.open(library_folder, config=config) as library:
        library.build([photos])
        photo.unlink()
        assert library.build([photos]).removed == 1
    assert len(list(library_folder.glob("thumbnails/*/*"))) == 2 * len(others)


def test_every_content_gets_a_perceptual_hash(
    library: Library, library_folder: Path, photos: Path, photo: Path, picture: MakePicture
) -> None:
    picture("flat.png")
    library.build([photos])
    catalog = Catalog.open(library_folder)
    with catalog.view() as view:
        hashes = list(all_hashes(view).values())
    catalog.close()
    assert sorted(phash == bytes(8) for phash in hashes if phash) == [False, True]


def test_one_decoding_serves_the_model_and_the_thumbnails(photo: Path, tmp_path: Path) -> None:
    path, folder = os.fsencode(photo), tmp_path / "thumbnails"
    with DecodePool(Preprocessing(32), Limits(), 1, 30, thumbnails=folder) as pool:
        ((_, answer),) = pool.decode([path])
    expected = decode_file(path, Preprocessing(32), Limits(), folder)
    assert not isinstance(answer, Exception)
    assert answer.thumbnails == expected.thumbnails
    assert answer.phash == expected.phash
    sizes = [Image.open(io.BytesIO(data)).size for data in answer.thumbnails.values()]
    assert sorted(sizes) == [(320, 240), (640, 480)]
    assert not folder.exists()


def test_thumbnails_are_as_sharp_as_bicubic_ones() -> None:
    image = load_picture(EXAMPLES / "animals" / "grey-cat.jpg")
    with Image.open(io.BytesIO(encode(image, [320])[320])) as made:
        found = np.asarray(made.convert("L"), float)
        reference = np.asarray(
            image.resize(made.size, Image.Resampling.BICUBIC).convert("L"), float
        )
    assert np.abs(found - reference).mean() < 6  # most of it by the encoding
    assert np.abs(np.diff(found)).mean() > 0.95 * np.abs(np.diff(reference)).mean()
