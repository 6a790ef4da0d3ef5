"""FiftyOne's datasets on the disk."""

import json
import zlib
from base64 import b64decode
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from indexer import ExportOptions, Filter, ImportOptions, Library
from indexer.errors import GlimpseError, UsageError
from tests.conftest import MakePicture
from tests.exchange.conftest import PARIS
from tests.exchange.parts import fiftyone_dataset, packed, unit_rows

TINY = ImportOptions(model="tiny")
FIFTYONE = ExportOptions(layout="fiftyone")


def samples_of(folder: Path) -> dict[str, dict[str, Any]]:
    samples = json.loads((folder / "samples.json").read_text())["samples"]
    return {Path(sample["filepath"]).name: sample for sample in samples}


def kind_of(value: Any) -> str:
    """What FiftyOne would take a value of a sample for."""
    match value:
        case {"$oid": str()}:
            return "ObjectId"
        case {"$date": str()}:
            return "DateTime"
        case {"$binary": {"base64": str(), "subType": "00"}}:
            return "Vector"
        case {"_cls": str()}:
            return "EmbeddedDocument"
    names = {str: "String", int: "Int", float: "Float", list: "List"}
    return names[type(value)]


def test_a_dataset_has_vectors_tags_and_places(built: Library, tmp_path: Path) -> None:
    built.export_vectors(tmp_path / "out", FIFTYONE)
    paris = samples_of(tmp_path / "out")["paris.jpg"]
    packed_bytes = zlib.decompress(b64decode(paris["embedding"]["$binary"]["base64"]))
    ids, vectors = built.vectors()
    [row] = [i for i, id in enumerate(ids) if built.photo(int(id)).path.name == "paris.jpg"]
    np.testing.assert_array_equal(np.load(BytesIO(packed_bytes)), vectors[row])
    assert paris["tags"] == ["holiday"]
    assert paris["location"]["_cls"] == "GeoLocation"
    assert paris["location"]["point"] == {"type": "Point", "coordinates": [PARIS[1], PARIS[0]]}
    [label] = paris["labels"]["classifications"]
    assert (label["_cls"], label["label"], label["confidence"]) == ("Classification", "holiday", 1)
    assert paris["metadata"]["_cls"] == "ImageMetadata"
    assert (paris["metadata"]["width"], paris["taken"]) == (64, {"$date": "2021-05-06T07:08:09Z"})


def test_every_field_of_a_sample_is_described_with_its_type(built: Library, tmp_path: Path) -> None:
    built.export_vectors(tmp_path / "out", FIFTYONE)
    dataset = json.loads((tmp_path / "out" / "metadata.json").read_text())
    kinds = {field["db_field"]: field["ftype"] for field in dataset["sample_fields"]}
    for sample in samples_of(tmp_path / "out").values():
        for name, value in sample.items():
            if value is not None:
                assert kinds[name] == f"fiftyone.core.fields.{kind_of(value)}Field", name
    assert (dataset["version"], dataset["media_type"]) == ("1.0.0", "image")


@pytest.mark.parametrize("pack", [packed, lambda vector: vector.tolist()])
def test_vectors_of_a_dataset_are_taken_in_however_they_are_kept(
    empty: Library, picture: MakePicture, tmp_path: Path, pack: Any
) -> None:
    names = [str(picture(f"{i}.png", mark=i + 1)) for i in range(3)]
    rows = unit_rows(3)
    samples = [
        {"filepath": name, "tags": ["seen"], "embedding": pack(row)}
        for name, row in zip(names, rows, strict=True)
    ]
    fiftyone_dataset(tmp_path / "in", samples)
    report = empty.import_vectors(tmp_path / "in", TINY)
    assert (report.photos, report.embedded, report.offline) == (3, 3, 0)
    np.testing.assert_allclose(empty.vectors()[1], rows, atol=1e-3)
    assert empty.all_tags() == {"seen": 3}


def test_a_relative_path_is_below_the_dataset(
    empty: Library, picture: MakePicture, tmp_path: Path
) -> None:
    fiftyone_dataset(
        tmp_path / "in",
        [{"filepath": "data/a.png", "tags": [], "embedding": packed(unit_rows(1)[0])}],
    )
    (tmp_path / "in" / "data").mkdir()
    picture("a.png").rename(tmp_path / "in" / "data" / "a.png")
    assert empty.import_vectors(tmp_path / "in", TINY).offline == 0
    assert [photo.path for photo in empty.photos()] == [tmp_path / "in" / "data" / "a.png"]


def test_a_place_of_a_photo_that_is_not_here_is_kept(empty: Library, tmp_path: Path) -> None:
    point = {"type": "Point", "coordinates": [2.35, 48.85]}
    sample = {
        "filepath": "/far/away/a.jpg",
        "tags": [],
        "metadata": {"_cls": "ImageMetadata", "width": 30, "height": 20},
        "location": {"_cls": "GeoLocation", "point": point},
        "embedding": packed(unit_rows(1)[0]),
    }
    fiftyone_dataset(tmp_path / "in", [sample])
    empty.import_vectors(tmp_path / "in", TINY)
    [photo] = empty.photos(Filter(include_offline=True, near="48.85,2.35,1"))
    assert (photo.width, photo.height, photo.sha256) == (30, 20, None)


def test_which_field_holds_the_vectors_is_asked_where_it_is_not_clear(
    empty: Library, tmp_path: Path
) -> None:
    rows = unit_rows(2)
    sample = {"filepath": "/far/away/a.jpg", "tags": [], "a": packed(rows[0]), "b": packed(rows[1])}
    fiftyone_dataset(tmp_path / "in", [sample], fields=("a", "b"))
    with pytest.raises(UsageError, match="--vectors FIELD; these hold vectors: a, b"):
        empty.import_vectors(tmp_path / "in", TINY)
    with pytest.raises(UsageError, match="no sample in .* has a vector in the field 'c'"):
        empty.import_vectors(tmp_path / "in", ImportOptions(model="tiny", vectors="c"))
    empty.import_vectors(tmp_path / "in", ImportOptions(model="tiny", vectors="b"))
    [photo] = empty.photos(Filter(include_offline=True))
    assert photo.path == Path("/far/away/a.jpg")


def test_samples_without_a_fitting_vector_are_left_out(empty: Library, tmp_path: Path) -> None:
    rows = unit_rows(3)
    vectors = [packed(rows[0]), None, packed(rows[1][:5]), packed(np.full(48, np.nan))]
    samples: list[dict[str, Any]] = [
        {"filepath": f"/far/away/{i}.jpg", "tags": [], "embedding": vector}
        for i, vector in enumerate(vectors)
    ]
    fiftyone_dataset(tmp_path / "in", samples)
    report = empty.import_vectors(tmp_path / "in", TINY)
    assert report.photos == 1
    assert sorted(report.skipped) == [
        "a vector of 5 numbers, not 48",
        "a vector with NaN or infinity in it",
        "no vector in 'embedding'",
    ]


@pytest.mark.parametrize(
    ("samples", "complaint"),
    [
        ('{"samples": [{"filepath": "/a/b.jpg", "embedding": [1', "is damaged"),
        ('{"samples": [{"embedding": [1]}]}', "a sample without a filepath"),
        ('{"samples": []}', "no sample in"),
    ],
)
def test_a_damaged_dataset_is_named(
    empty: Library, tmp_path: Path, samples: str, complaint: str
) -> None:
    fiftyone_dataset(tmp_path / "in", [])
    (tmp_path / "in" / "samples.json").write_text(samples)
    with pytest.raises(GlimpseError, match=complaint):
        empty.import_vectors(tmp_path / "in", TINY)


def test_values_of_other_types_than_expected_tell_nothing(empty: Library, tmp_path: Path) -> None:
    odd = {"metadata": "wide", "location": {"point": [1]}, "tags": "seen", "labels": 3}
    more = {"metadata": {"width": "wide", "height": -1}, "location": 7, "tags": [3, "", None]}
    vector = packed(unit_rows(1)[0])
    samples = [
        {"filepath": f"/far/away/{i}.jpg", "embedding": vector, **fields}
        for i, fields in enumerate((odd, more))
    ]
    fiftyone_dataset(tmp_path / "in", samples)
    assert empty.import_vectors(tmp_path / "in", TINY).photos == 2
    assert empty.all_tags() == {}
