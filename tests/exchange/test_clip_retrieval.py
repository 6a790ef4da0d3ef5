"""The layout of clip-retrieval, made here by NumPy and Parquet alone, and read by what it reads."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from indexer import ExportOptions, Filter, ImportOptions, Library, Query, State
from indexer.errors import GlimpseError, ModelError, UsageError
from tests.conftest import MakePicture, Run
from tests.exchange.parts import clip_shard, unit_rows

TINY = ImportOptions(model="tiny")
EVERYWHERE = Filter(include_offline=True)


@pytest.fixture
def pictures(photos: Path, picture: MakePicture) -> list[Path]:
    return [picture(f"{i // 2}/{i}.png", mark=i + 1) for i in range(6)]


def by_path(library: Library, where: Filter = EVERYWHERE) -> dict[Path, int]:
    return {photo.path: photo.id for photo in library.photos(where)}


def test_what_is_exported_is_what_clip_retrieval_puts_together_again(
    built: Library, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    built.export_vectors(out, ExportOptions(layout="clip-retrieval", shard_rows=1))
    shards = [np.load(path) for path in sorted((out / "img_emb").glob("*.npy"))]
    # As its `ParquetMetadataProvider` does: by name, whatever the numbers.
    tables = [pd.read_parquet(path) for path in sorted((out / "metadata").glob("*.parquet"))]
    metadata = pd.concat(tables)
    assert {shard.dtype for shard in shards} == {np.dtype(np.float16)}
    np.testing.assert_allclose(np.concatenate(shards), built.vectors()[1], atol=1e-3)
    wanted = [str(p.path) for p in built.photos() if p.path.suffix == ".jpg"]
    assert [path for path in metadata["image_path"] if path.endswith(".jpg")] == wanted
    assert "holiday" in list(metadata["caption"])
    assert list(metadata.columns[:2]) == ["image_path", "caption"]


def test_more_than_ten_shards_are_in_order_by_name(
    built: Library, picture: MakePicture, photos: Path, tmp_path: Path
) -> None:
    for number in range(5):
        picture(f"{number}.png", "blue", mark=50 + number)
    built.build([photos])
    built.export_vectors(tmp_path / "out", ExportOptions(layout="clip-retrieval", shard_rows=1))
    names = sorted(path.name for path in (tmp_path / "out" / "img_emb").iterdir())
    assert (names[0], names[-1]) == ("img_emb_00.npy", "img_emb_11.npy")


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_vectors_of_another_program_are_searched_without_the_model(
    empty: Library, pictures: list[Path], tmp_path: Path, dtype: type
) -> None:
    rows = unit_rows(6)
    clip_shard(
        tmp_path / "in", 0, (rows[:4] * 3).astype(dtype), {"image_path": map(str, pictures[:4])}
    )
    clip_shard(tmp_path / "in", 1, rows[4:].astype(dtype), {"image_path": map(str, pictures[4:])})
    report = empty.import_vectors(tmp_path / "in", TINY)
    assert (report.photos, report.embedded, report.offline) == (6, 6, 0)
    ids, vectors = empty.vectors()
    np.testing.assert_allclose(vectors, rows, atol=2e-3)
    best = empty.neighbors(int(ids[0]), 1)[0]
    assert best.path == pictures[1 + int(np.argmax(rows[1:] @ rows[0]))]
    first = empty.photos()[0]
    assert (first.width, first.height, first.format) == (64, 48, "PNG")


def test_a_build_embeds_only_what_was_not_imported(
    empty: Library, photos: Path, pictures: list[Path], tmp_path: Path
) -> None:
    clip_shard(tmp_path / "in", 0, unit_rows(5), {"image_path": map(str, pictures[:5])})
    empty.import_vectors(tmp_path / "in", TINY)
    assert empty.build([photos]).embedded == 1


def test_pictures_from_another_machine_are_found_below_the_root(
    empty: Library, photos: Path, pictures: list[Path], tmp_path: Path
) -> None:
    theirs = [
        f"/home/ada/pics/{path.relative_to(photos)}" for path in pictures[:2]
    ]  # of one folder
    clip_shard(tmp_path / "in", 0, unit_rows(2), {"image_path": theirs})
    report = empty.import_vectors(tmp_path / "in", ImportOptions(model="tiny", root=photos))
    assert (report.offline, list(by_path(empty))) == (0, pictures[:2])


def test_pictures_that_img2dataset_keeps_by_number_are_found(
    empty: Library, picture: MakePicture, photos: Path, tmp_path: Path
) -> None:
    kept = picture("00003/000030012.jpg")
    columns = {
        "image_path": ["000030012", "000030013"],
        "caption": ["a", "b"],
        "key": ["000030012", "000030013"],
        "url": ["https://a.org/1.jpg", "https://a.org/2.jpg"],
        "sha256": ["0" * 64, "1" * 64],
    }
    clip_shard(tmp_path / "in", "0003", unit_rows(2), columns)
    report = empty.import_vectors(tmp_path / "in", ImportOptions(model="tiny", root=photos))
    assert (report.photos, report.offline) == (2, 1)
    assert set(by_path(empty)) == {kept, photos / "000030013"}


def test_pictures_that_are_not_here_are_offline_photos(empty: Library, tmp_path: Path) -> None:
    columns = {
        "image_path": ["/far/away/a.jpg", "/far/away/b/c.jpg", None],
        "url": [None, None, "https://a.org/x/y.jpg?s=1"],
    }
    clip_shard(tmp_path / "in", 0, unit_rows(3), columns)
    report = empty.import_vectors(tmp_path / "in", TINY)
    assert (report.photos, report.offline) == (3, 3)
    assert not empty.photos()
    photos = empty.photos(EVERYWHERE)
    assert [str(p.path) for p in photos[:2]] == ["/far/away/a.jpg", "/far/away/b/c.jpg"]
    assert str(photos[2].path) == f"{tmp_path}/in/https:/a.org/x/y.jpg?s=1"
    known = {(p.state, p.sha256, p.width, p.format, p.size) for p in photos}
    assert known == {(State.OFFLINE, None, None, None, 0)}
    found = empty.search(Query.photo(photos[0].id), 5, where=EVERYWHERE)
    assert {hit.path for hit in found} == {photos[1].path, photos[2].path}
    assert not empty.photos(Filter(include_offline=True, orientation="square"))
    assert empty.facets(EVERYWHERE).format == {}
    with pytest.raises(GlimpseError, match="no longer there|link"):
        empty.thumbnail(photos[0].id)
    again = empty.import_vectors(tmp_path / "in", TINY)
    assert (again.embedded, empty.photos(EVERYWHERE)) == (0, photos)


def test_photos_that_are_not_here_survive_a_build_and_join_when_they_come(
    empty: Library, photos: Path, picture: MakePicture, tmp_path: Path
) -> None:
    here = picture("here.png")
    later = photos / "later.png"
    clip_shard(tmp_path / "in", 0, unit_rows(2), {"image_path": [str(here), str(later)]})
    options = ImportOptions(model="tiny", root=photos)
    empty.import_vectors(tmp_path / "in", options)
    assert empty.build().removed == 0
    offline_id = by_path(empty)[later]
    picture("later.png", mark=7)
    assert empty.import_vectors(tmp_path / "in", options).offline == 0
    assert by_path(empty, Filter())[later] == offline_id
    assert empty.build().embedded == 0
    np.testing.assert_allclose(empty.vectors()[1], unit_rows(2), atol=1e-3)


def test_rows_that_say_nothing_are_counted_and_named(
    glimpse: Run, pictures: list[Path], photos: Path, tmp_path: Path
) -> None:
    rows = unit_rows(6)
    rows[1, 5] = np.nan
    rows[2] = 0
    rows[3, 0] = np.inf
    (photos / "text.jpg").write_text("no picture")
    names = [*map(str, pictures[:4]), str(photos / "text.jpg"), str(photos / "notes.txt")]
    (photos / "notes.txt").touch()
    clip_shard(tmp_path / "in", 0, rows, {"image_path": names})
    ran = glimpse("import", tmp_path / "in", "--model", "tiny")
    said = ran.stderr.decode()
    assert ran.returncode == 3
    assert "1 photos, 1 vectors new to space tiny" in said
    assert f"metadata_0.parquet, row 1, {pictures[1]}: a vector with NaN or infinity in it" in said
    assert f"row 2, {pictures[2]}: a vector of zeros" in said
    assert "text.jpg: not a picture (text)" in said
    assert "notes.txt: its name is not that of a picture" in said
    assert "5 rows were left out: 2 a vector with NaN or infinity in it" in said


def test_what_was_done_is_told_as_json_too(
    glimpse: Run, pictures: list[Path], photos: Path, tmp_path: Path
) -> None:
    rows = unit_rows(2)
    rows[1] = 0
    sizes: dict[str, list[Any]] = {"width": [float("nan"), 3.0], "height": ["many", None]}
    clip_shard(tmp_path / "in", 0, rows, {"image_path": map(str, pictures[:2]), **sizes})
    told = json.loads(glimpse("import", tmp_path / "in", "--model", "tiny", "--json").stdout)
    assert (told["photos"], told["skipped"]) == (1, {"a vector of zeros": 1})
    assert told["roots"] == [str(photos / "0")]


@pytest.mark.parametrize("path", ["../out.png", "a/../../out.png", "", "a\0b.png"])
def test_paths_that_lead_out_of_the_root_are_left_out(
    empty: Library, picture: MakePicture, photos: Path, tmp_path: Path, path: str
) -> None:
    shutil.copy(picture("in.png"), tmp_path / "out.png")
    clip_shard(tmp_path / "in", 0, unit_rows(2), {"image_path": ["in.png", path]})
    report = empty.import_vectors(tmp_path / "in", ImportOptions(model="tiny", root=photos))
    assert (report.photos, sum(report.skipped.values())) == (1, 1)


def test_a_link_out_of_the_root_is_not_followed(
    empty: Library, picture: MakePicture, photos: Path, tmp_path: Path
) -> None:
    outside = picture("in.png").rename(tmp_path / "outside.png")
    (photos / "link.png").symlink_to(outside)
    clip_shard(tmp_path / "in", 0, unit_rows(1), {"image_path": ["link.png"]})
    report = empty.import_vectors(tmp_path / "in", ImportOptions(model="tiny", root=photos))
    assert list(report.skipped) == ["it leads out of the folders that the pictures lie in"]


def test_shards_that_do_not_go_together_are_refused_by_name(empty: Library, tmp_path: Path) -> None:
    names = {"image_path": ["/a/b/1.jpg", "/a/b/2.jpg"]}
    for shard in ("00", "01"):
        clip_shard(tmp_path / "in", shard, unit_rows(2), names)
    np.save(tmp_path / "in/img_emb/img_emb_01.npy", unit_rows(3))
    refused = r"img_emb_01\.npy has 3 vectors, and metadata_01\.parquet beside it 2 rows"
    with pytest.raises(GlimpseError, match=refused):
        empty.import_vectors(tmp_path / "in", TINY)
    (tmp_path / "in/metadata/metadata_01.parquet").unlink()
    with pytest.raises(GlimpseError, match=r"img_emb_01\.npy has no metadata_01\.parquet"):
        empty.import_vectors(tmp_path / "in", TINY)
    np.save(tmp_path / "in/img_emb/img_emb_00.npy", unit_rows(2, dim=7))
    (tmp_path / "in/img_emb/img_emb_01.npy").unlink()
    with pytest.raises(ModelError, match="the vectors have 7 numbers"):
        empty.import_vectors(tmp_path / "in", TINY)
    os.truncate(tmp_path / "in/img_emb/img_emb_00.npy", 130)
    with pytest.raises(GlimpseError, match=r"img_emb_00\.npy cannot be read as numbers"):
        empty.import_vectors(tmp_path / "in", TINY)
    np.save(tmp_path / "in/img_emb/img_emb_00.npy", np.array([{}]), allow_pickle=True)
    with pytest.raises(GlimpseError, match=r"img_emb_00\.npy cannot be read as numbers"):
        empty.import_vectors(tmp_path / "in", TINY)
    assert not empty.photos(EVERYWHERE)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["in"], "say which model made the vectors"),
        (["in", "--model", "auto"], "auto is no model that made vectors"),
        (["in", "--model", "tinny"], "no model is called 'tinny'"),
        (
            ["in", "--model", "tiny:blind", "--space", "tiny"],
            "holds vectors of tiny, not of tiny:blind",
        ),
        (["in", "--model", "tiny", "--root", "nowhere"], "nowhere is no folder"),
        (["nowhere", "--model", "tiny"], "nowhere is no folder"),
        (["photos", "--model", "tiny"], "holds no vectors that can be read"),
        (["wide", "--model", "tiny"], "have in common is /"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(
    glimpse: Run,
    library: Library,
    photos: Path,
    tmp_path: Path,
    arguments: list[str],
    complaint: str,
) -> None:
    clip_shard(tmp_path / "in", 0, unit_rows(1), {"image_path": ["/a/b/1.jpg"]})
    clip_shard(tmp_path / "wide", 0, unit_rows(2), {"image_path": ["/a/b/1.jpg", "/c/d/1.jpg"]})
    ran = glimpse("import", *arguments)
    [line] = ran.stderr.decode().splitlines()
    assert line.startswith("glimpse: ")
    assert complaint in line
    assert ran.returncode == 2
    assert not library.photos(EVERYWHERE)


def test_vectors_of_two_models_are_two_spaces(
    empty: Library, pictures: list[Path], tmp_path: Path
) -> None:
    clip_shard(tmp_path / "in", 0, unit_rows(6), {"image_path": map(str, pictures)})
    empty.import_vectors(tmp_path / "in", TINY)
    clip_shard(tmp_path / "in", 0, unit_rows(6, seed=1), {"image_path": map(str, pictures)})
    report = empty.import_vectors(tmp_path / "in", ImportOptions(model="tiny:blind"), space="mine")
    assert (report.space, report.embedded, report.known) == ("mine", 6, 0)
    assert [space.name for space in empty.status().spaces] == ["tiny", "mine"]
    with pytest.raises(UsageError):
        empty.import_vectors(tmp_path / "in", ImportOptions(model="tiny"), space="mine")
