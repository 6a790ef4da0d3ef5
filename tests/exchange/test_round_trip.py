"""What leaves a library comes back as it was, and nothing is embedded on the way."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from indexer import ExportOptions, Filter, ImportOptions, Library, Query, State
from indexer.errors import GlimpseError
from storage.catalog import Catalog
from storage.embedded import halves
from tests.conftest import MakePicture, environment

pytestmark = pytest.mark.both

LAYOUTS = ["parquet", "clip-retrieval", "fiftyone"]


def stored(library: Library) -> list[bytes]:
    """The vectors as the catalog has them, by photo."""
    catalog = Catalog.open(library.folder, library._config.library.catalog)
    with catalog.view() as view:
        [space] = view.spaces()
        ids, rows = halves(view, space, after=0)
    catalog.close()
    by_content = dict(zip(ids.tolist(), (row.tobytes() for row in rows), strict=True))
    return sorted(by_content.values())


def answers(library: Library, query: str | Query) -> list[tuple[Path, float]]:
    return [(hit.path, hit.score) for hit in library.search(query, 20)]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_an_export_comes_back_bit_by_bit(
    built: Library, empty: Library, tmp_path: Path, layout: str
) -> None:
    built.export_vectors(tmp_path / "out", ExportOptions(layout=layout, shard_rows=3))  # type: ignore[arg-type]
    report = empty.import_vectors(tmp_path / "out")
    assert (report.photos, report.embedded, report.offline) == (7, 6, 0)
    assert stored(empty) == stored(built)
    assert [p.path for p in empty.photos()] == [p.path for p in built.photos()]
    assert answers(empty, "red") == answers(built, "red")
    first = [library.photos()[0].id for library in (built, empty)]
    assert answers(empty, Query.photo(first[1])) == answers(built, Query.photo(first[0]))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_vectors_in_single_precision_come_back_bit_by_bit_too(
    built: Library, empty: Library, tmp_path: Path, layout: str
) -> None:
    built.export_vectors(tmp_path / "out", ExportOptions(layout=layout, float32=True))  # type: ignore[arg-type]
    empty.import_vectors(tmp_path / "out")
    assert stored(empty) == stored(built)


def test_what_is_known_of_photos_comes_back(built: Library, empty: Library, tmp_path: Path) -> None:
    built.export_vectors(tmp_path / "out")
    empty.import_vectors(tmp_path / "out")
    for before, after in zip(built.photos(), empty.photos(), strict=True):
        assert (before.sha256, before.taken_at, before.camera, before.latitude, before.width) == (
            after.sha256,
            after.taken_at,
            after.camera,
            after.latitude,
            after.width,
        )
        assert built.tags_of(before.id) == empty.tags_of(after.id)
    assert empty.all_tags() == {"holiday": 1}


def test_importing_twice_is_importing_once(built: Library, empty: Library, tmp_path: Path) -> None:
    built.export_vectors(tmp_path / "out")
    empty.import_vectors(tmp_path / "out")
    before = empty.photos()
    again = empty.import_vectors(tmp_path / "out")
    assert (again.photos, again.embedded, again.known) == (7, 0, 7)
    assert empty.photos() == before


def test_a_build_after_an_import_embeds_nothing(
    built: Library, empty: Library, photos: Path, tmp_path: Path
) -> None:
    built.export_vectors(tmp_path / "out")
    empty.import_vectors(tmp_path / "out")
    report = empty.build([photos])
    assert report.embedded == 0
    assert report.known + report.unchanged == 7
    assert not list(empty.folder.glob("thumbnails/*/*"))  # nothing was decoded


def test_photos_whose_drive_is_away_are_offline_until_it_is_back(
    built: Library, empty: Library, photos: Path, tmp_path: Path
) -> None:
    built.export_vectors(tmp_path / "out")
    photos.rename(tmp_path / "away")
    report = empty.import_vectors(tmp_path / "out")
    assert (report.photos, report.offline, report.skipped) == (7, 7, {})
    assert not empty.search("red")
    everywhere = Filter(include_offline=True)
    [paris] = empty.photos(Filter(include_offline=True, camera="canon"))
    assert (paris.state, paris.rating, paris.format) == (State.OFFLINE, 4, "JPEG")
    found = empty.search("red", 20, where=everywhere)
    assert [(hit.path, hit.score) for hit in found] == [
        (hit.path, hit.score) for hit in built.search("red", 20)
    ]
    (tmp_path / "away").rename(photos)
    assert empty.build().embedded == 0
    assert len(empty.search("red", 20)) == 7


def test_a_library_that_moved_is_found_below_its_new_folder(
    built: Library, empty: Library, photos: Path, tmp_path: Path
) -> None:
    built.export_vectors(tmp_path / "out")
    photos.rename(tmp_path / "moved")
    report = empty.import_vectors(tmp_path / "out", ImportOptions(root=tmp_path / "moved"))
    assert (report.photos, report.offline) == (7, 0)
    assert {p.path.parent for p in empty.photos()} == {
        tmp_path / "moved",
        tmp_path / "moved" / "colours",
    }


def test_a_file_that_changed_since_is_left_out_and_named(
    built: Library, empty: Library, picture: MakePicture, tmp_path: Path
) -> None:
    built.export_vectors(tmp_path / "out")
    picture("colours/blue.png", "yellow", mark=77)
    report = empty.import_vectors(tmp_path / "out")
    assert report.photos == 6
    [line] = report.listed
    assert "colours/blue.png" in line
    assert "the vector is of other bytes" in line


@pytest.mark.sqlite
def test_an_import_that_was_killed_goes_on(
    built: Library, empty: Library, photos: Path, picture: MakePicture, tmp_path: Path
) -> None:
    for number in range(40):
        picture(f"more/{number}.png", "blue", mark=100 + number)
    built.build([photos])
    built.export_vectors(tmp_path / "out")
    program = (
        "import os\nfrom indexer import *\nfrom indexer.exchange import importing\n"
        "importing.AT_ONCE = 10\n"
        "def die(what, done, total):\n    if what == 'importing' and done >= 20: os.kill(os.getpid(), 9)\n"
        f"Library.open({str(empty.folder)!r}).import_vectors({str(tmp_path / 'out')!r}, on_step=die)\n"
    )
    killed = subprocess.run([sys.executable, "-c", program], env=environment())
    assert killed.returncode == -9
    assert len(empty.photos()) == 20
    report = empty.import_vectors(tmp_path / "out")
    assert (report.photos, len(empty.photos())) == (47, 47)
    assert stored(empty) == stored(built)


def test_an_export_that_lacks_a_file_or_a_byte_is_refused(
    built: Library, empty: Library, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    built.export_vectors(out, ExportOptions(shard_rows=3))
    shutil.copytree(out, tmp_path / "short")
    os.truncate(tmp_path / "short" / "photos-1.parquet", 100)
    (out / "photos-1.parquet").unlink()
    with pytest.raises(
        GlimpseError, match=r"photos-1\.parquet is missing; the export is not whole"
    ):
        empty.import_vectors(out)
    with pytest.raises(GlimpseError, match=r"photos-1\.parquet has 100 bytes, and had \d+"):
        empty.import_vectors(tmp_path / "short")
    assert not empty.photos()


def test_a_damaged_file_is_named(built: Library, empty: Library, tmp_path: Path) -> None:
    built.export_vectors(tmp_path / "out")
    path = tmp_path / "out" / "photos-0.parquet"
    data = bytearray(path.read_bytes())
    data[-200:] = bytes(200)
    path.write_bytes(data)
    with pytest.raises(GlimpseError, match=r"photos-0\.parquet cannot be read as Parquet"):
        empty.import_vectors(tmp_path / "out")


def test_a_manifest_that_names_files_elsewhere_is_refused(
    built: Library, empty: Library, tmp_path: Path
) -> None:
    built.export_vectors(tmp_path / "out")
    manifest = tmp_path / "out" / "_manifest.json"
    manifest.write_text(manifest.read_text().replace("photos-0", "../out/photos-0"))
    with pytest.raises(GlimpseError, match="which is not in that folder"):
        empty.import_vectors(tmp_path / "out")


def test_a_root_that_is_forgotten_while_an_import_looks_is_not_taken_again(
    built: Library, picture: MakePicture, tmp_path: Path
) -> None:
    private = tmp_path / "private"
    private.mkdir()
    picture(str(private / "mine.png"), mark=99)
    built.build([private])
    built.export_vectors(tmp_path / "out", where=Filter(folder=str(tmp_path / "photos")))
    before = [root.path for root in built.status().roots]

    def on_step(step: str, done: int, total: int) -> None:
        if private in {root.path for root in built.status().roots}:
            built.remove(private)

    report = built.import_vectors(tmp_path / "out", on_step=on_step)
    assert (report.roots, private in before) == ([], True)
    assert [root.path for root in built.status().roots] == [tmp_path / "photos"]
