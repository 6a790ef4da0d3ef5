"""What an export writes, and that it is whole or not there."""

import json
import os
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from indexer import Config, ExportOptions, Filter, Library
from indexer.config import UiConfig
from indexer.errors import GlimpseError, UsageError
from tests.conftest import Run, environment
from tests.exchange.conftest import PARIS

SHARDED = ExportOptions(shard_rows=3)
POSITION = (b"latitude", b"longitude", b"altitude", b"location", b"48.85", b"2.35")


def test_parquet_has_what_is_known_of_each_photo_and_its_vector(
    built: Library, tmp_path: Path
) -> None:
    report = built.export_vectors(tmp_path / "out")
    table = pq.read_table(tmp_path / "out" / "photos-0.parquet")
    ids, vectors = built.vectors()
    assert (report.photos, table["id"].to_pylist()) == (7, ids.tolist())
    stored = np.array(table["vector"].to_pylist())
    assert table.schema.field("vector").type == pa.list_(pa.float16(), 48)
    assert np.abs(stored - vectors).max() < 1e-3
    [paris] = [row for row in table.drop(["mtime"]).to_pylist() if row["path"].endswith("s.jpg")]
    photo = next(photo for photo in built.photos() if photo.path.name == "paris.jpg")
    assert paris["taken"] == datetime(2021, 5, 6, 7, 8, 9)
    assert (paris["camera"], paris["lens"], paris["rating"]) == ("Canon EOS 7D", "EF 50mm", 4)
    assert (paris["latitude"], paris["longitude"]) == pytest.approx(PARIS)
    assert (paris["sha256"], paris["size"], paris["width"]) == (photo.sha256, photo.size, 64)
    assert paris["tags"] == [{"label": "holiday", "confidence": 1.0, "by_hand": True}]
    assert paris["root"] == str(tmp_path / "photos")


def test_parquet_says_which_space_its_vectors_are_of(built: Library, tmp_path: Path) -> None:
    built.export_vectors(tmp_path / "out")
    told = json.loads(pq.read_schema(tmp_path / "out" / "photos-0.parquet").metadata[b"glimpse"])
    fingerprint = built.embedder().fingerprint
    assert told == {
        "space": "tiny",
        "model": "tiny",
        "fingerprint": fingerprint,
        "dim": 48,
        "reads_text": True,
    }


def test_a_name_that_is_not_text_keeps_its_bytes(built: Library, tmp_path: Path) -> None:
    built.export_vectors(tmp_path / "out")
    table = pq.read_table(tmp_path / "out" / "photos-0.parquet", columns=["path", "path_bytes"])
    [odd] = [row for row in table.to_pylist() if row["path_bytes"]]
    assert odd["path_bytes"] == os.path.join(os.fsencode(tmp_path), b"photos/caf\xe9.png")
    assert odd["path"].endswith(r"caf\xe9.png")


def test_shards_are_no_larger_than_asked(built: Library, tmp_path: Path) -> None:
    built.export_vectors(tmp_path / "out", SHARDED)
    files = sorted((tmp_path / "out").glob("*.parquet"))
    assert [path.name for path in files] == [f"photos-{i}.parquet" for i in range(3)]
    assert [pq.read_metadata(path).num_rows for path in files] == [3, 3, 1]


def test_vectors_in_single_precision_have_length_1(built: Library, tmp_path: Path) -> None:
    built.export_vectors(tmp_path / "out", ExportOptions(float32=True))
    table = pq.read_table(tmp_path / "out" / "photos-0.parquet")
    assert str(table.schema.field("vector").type.value_type) == "float"
    np.testing.assert_array_equal(np.array(table["vector"].to_pylist()), built.vectors()[1])


def test_only_what_passes_the_filter_is_exported(built: Library, tmp_path: Path) -> None:
    report = built.export_vectors(tmp_path / "out", where=Filter(camera="canon"))
    paths = pq.read_table(tmp_path / "out" / "photos-0.parquet")["path"].to_pylist()
    assert (report.photos, paths) == (1, [str(tmp_path / "photos" / "paris.jpg")])
    with pytest.raises(UsageError, match="no photo passes the filter"):
        built.export_vectors(tmp_path / "none", where=Filter(camera="nikon"))
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("layout", ["parquet", "clip-retrieval", "fiftyone"])
def test_places_left_out_are_nowhere_in_the_bytes(
    built: Library, tmp_path: Path, layout: str
) -> None:
    options = ExportOptions(layout=layout, no_places=True)  # type: ignore[arg-type]
    assert not built.export_vectors(tmp_path / "out", options).places
    for path in (p for p in (tmp_path / "out").rglob("*") if p.is_file()):
        if path.suffix == ".parquet":
            names = " ".join(pq.read_schema(path).names).encode()
            assert not any(name in names for name in POSITION)
        data = path.read_bytes()
        assert not any(word in data for word in POSITION)
        assert not any(np.float64(degrees).tobytes() in data for degrees in PARIS)


def test_a_page_that_tells_no_places_exports_none(
    built: Library, library_folder: Path, tmp_path: Path
) -> None:
    config = Config(ui=UiConfig(places=False))
    with Library.open(library_folder, config=config) as secretive:
        assert not secretive.export_vectors(tmp_path / "out").places
    assert built.export_vectors(tmp_path / "all").places


def test_an_export_that_was_killed_is_no_export_and_is_made_again(
    built: Library, library_folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    program = (
        "import os, sys\nfrom indexer import *\n"
        "def die(what, done, total):\n    if done > 3: os.kill(os.getpid(), 9)\n"
        f"Library.open({str(library_folder)!r}).export_vectors("
        f"{str(out)!r}, ExportOptions(shard_rows=2), on_step=die)\n"
    )
    killed = subprocess.run([sys.executable, "-c", program], env=environment())
    assert killed.returncode == -9
    assert (out / "photos-0.parquet").exists()
    assert not (out / "_manifest.json").exists()
    with pytest.raises(GlimpseError, match="was interrupted; make it again"):
        built.import_vectors(out)
    assert built.export_vectors(out).photos == 7
    assert sorted(path.name for path in out.iterdir()) == ["_manifest.json", "photos-0.parquet"]


def test_nothing_that_was_there_is_written_over(built: Library, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "photos-0.parquet").write_text("mine")
    with pytest.raises(UsageError, match="is not empty; name a new folder"):
        built.export_vectors(tmp_path / "out")
    assert (tmp_path / "out" / "photos-0.parquet").read_text() == "mine"
    built.export_vectors(tmp_path / "new")
    with pytest.raises(UsageError, match="holds an export already"):
        built.export_vectors(tmp_path / "new")


def test_the_command_exports_what_its_filters_leave(
    built: Library, glimpse: Run, tmp_path: Path
) -> None:
    ran = glimpse("export", "out", "--min-rating", "3", "--no-places", "--layout", "parquet")
    assert (ran.returncode, ran.stdout) == (0, b"")
    assert b"1 photos of space tiny in 1 files" in ran.stderr
    assert b"where they were taken is left out" in ran.stderr
    told = json.loads(glimpse("export", "two", "--json").stdout)
    assert (told["photos"], told["places"], told["space"]) == (7, True, "tiny")
    best = glimpse("export", "best", "--query", "blue", "-t", "1")
    assert best.returncode == 0
    assert b"1 photos of space tiny in 1 files" in best.stderr
    [path] = pq.read_table(tmp_path / "best" / "photos-0.parquet")["path"].to_pylist()
    assert path.endswith("blue.png")
    wrong = glimpse("export", "three", "--layout", "csv")
    assert wrong.returncode == 2
    assert b"clip-retrieval" in wrong.stderr
