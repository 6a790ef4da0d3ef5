"""Vectors whose model is not at hand, or is another one here."""

import json
from pathlib import Path

import pytest

from indexer import BuildOptions, Config, ExportOptions, ImportOptions, Library, Query
from indexer.errors import GlimpseError, ModelError, ModelUnavailableError
from tests.conftest import MakePicture
from tests.exchange.parts import clip_shard, unit_rows

FAR = ImportOptions(model="tiny:far")
NEAR = "GLIMPSE_TINY_NEAR"


@pytest.fixture
def imported(picture: MakePicture, tmp_path: Path) -> Library:
    """A library that holds nothing but vectors of a model that is on no machine."""
    paths = [str(picture(f"{i}.png", "red" if i else "green", mark=i + 1)) for i in range(3)]
    clip_shard(tmp_path / "in", 0, unit_rows(3), {"image_path": paths})
    library = Library.open(tmp_path / "new", create=True, config=Config())
    said = list[str]()
    library.import_vectors(tmp_path / "in", FAR, notify=said.append)
    assert said[0] == "tiny:far is not on this machine; `tiny` is"
    assert "words can be asked once tiny:far is on this machine" in said[1]
    return library


def test_photos_are_asked_without_the_model_and_words_say_what_to_do(imported: Library) -> None:
    first = imported.photos()[0].id
    assert len(imported.search(Query.photo(first))) == 2
    with pytest.raises(ModelError, match="glimpse build --model tiny:far"):
        imported.search("red")
    [space] = imported.status().spaces
    assert (space.name, space.vectors, space.dim) == ("tiny-far", 3, 48)


def test_the_model_is_taken_in_as_soon_as_it_is_at_hand(
    imported: Library, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ModelUnavailableError):
        imported.build([photos])
    monkeypatch.setenv(NEAR, "1")
    assert imported.build([photos]).embedded == 0
    assert len(imported.search("red")) == 3
    assert imported.space().reads_text


def test_an_import_takes_the_model_in_too(
    imported: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(NEAR, "1")
    report = imported.import_vectors(tmp_path / "in", FAR)
    assert (report.embedded, len(imported.status().spaces)) == (0, 1)
    assert len(imported.search("red")) == 3


def test_vectors_that_the_model_cannot_have_made_are_refused_when_it_comes(
    picture: MakePicture, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip_shard(tmp_path / "in", 0, unit_rows(1, dim=5), {"image_path": [str(picture("a.png"))]})
    with Library.open(tmp_path / "new", create=True, config=Config()) as library:
        library.import_vectors(tmp_path / "in", FAR)
        monkeypatch.setenv(NEAR, "1")
        with pytest.raises(ModelError, match="have 5 numbers, and those of tiny:far have 48"):
            library.build([photos])


def test_an_export_brings_its_space_to_a_machine_without_the_model(
    built: Library, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(NEAR, "1")
    built.build([photos], BuildOptions(model="tiny:far"))
    built.export_vectors(tmp_path / "out", space="tiny-far")
    monkeypatch.delenv(NEAR)
    with Library.open(tmp_path / "new", create=True, config=Config()) as library:
        library.import_vectors(tmp_path / "out")
        asked = library.search(Query.photo(library.photos()[0].id))
        with pytest.raises(ModelUnavailableError, match="tiny:far is not on this machine"):
            library.search("red")
        monkeypatch.setenv(NEAR, "1")
        assert len(library.search("red", 20)) == 7
    before = built.search(Query.photo(built.photos()[0].id), space="tiny-far")
    assert [hit.path for hit in asked] == [hit.path for hit in before]


def test_vectors_of_other_weights_by_the_same_name_are_refused(
    built: Library, empty: Library, tmp_path: Path
) -> None:
    manifest = tmp_path / "out" / "_manifest.json"
    built.export_vectors(tmp_path / "out", ExportOptions(layout="clip-retrieval"))
    told = json.loads(manifest.read_text())
    told["origin"]["fingerprint"] = "0" * 64
    manifest.write_text(json.dumps(told))
    with pytest.raises(ModelError, match=r"not those of space tiny \(tiny\)"):
        empty.import_vectors(tmp_path / "out")
    with pytest.raises(ModelError, match="tiny is another model here than the one that made"):
        empty.import_vectors(tmp_path / "out", space="theirs")
    assert [space.name for space in empty.status().spaces] == ["tiny"]


def test_files_of_two_exports_are_not_taken_for_one(
    built: Library, empty: Library, tmp_path: Path
) -> None:
    manifest = tmp_path / "out" / "_manifest.json"
    built.export_vectors(tmp_path / "out")
    told = json.loads(manifest.read_text())
    told["origin"]["fingerprint"] = "0" * 64
    manifest.write_text(json.dumps(told))
    with pytest.raises(GlimpseError, match="is of another space than the manifest beside it"):
        empty.import_vectors(tmp_path / "out")


def test_an_export_of_another_model_does_not_join_a_space(
    built: Library, empty: Library, photos: Path, tmp_path: Path
) -> None:
    built.build([photos], BuildOptions(model="tiny:blind"))
    built.export_vectors(tmp_path / "out", space="tiny-blind")
    with pytest.raises(ModelError, match="made by tiny:blind at weights .* import them without"):
        empty.import_vectors(tmp_path / "out", ImportOptions(model="tiny"))
    assert not empty.photos()
