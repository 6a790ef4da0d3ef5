"""`verify` of whole files that lie in the place of others, or belong to nothing."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from PIL import Image

from indexer import BuildOptions, Config, Library, sealed
from storage.homes import CATALOG
from tests.verify.libraries import answers, publish, tree, verify


def test_files_of_other_libraries_and_models_are_not_taken_for_ours(
    folder: Path, template: Path, shown: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    shutil.copytree(template, other)
    Image.new("RGB", (50, 50), "red").save(tmp_path / "other.png")
    before = answers(folder)
    with Library.open(other, config=Config()) as library:
        library.build([tmp_path], BuildOptions(exclude=("library", "other")))
        library.map()
    publish(other)
    with closing(sqlite3.connect(other / CATALOG)) as database, database:
        database.execute("UPDATE meta SET value = 'other' WHERE key = 'library_id'")
    next((other / "maps").iterdir()).unlink()
    with Library.open(other, config=Config()) as library:
        library.map()
    theirs = {path.name for path in (other / "maps").iterdir()}
    assert theirs == {path.name for path in (folder / "maps").iterdir()}
    for name in ("maps/*", "snapshots/*"):
        shutil.copy(next(other.glob(name)), next(folder.glob(name)))
    one, another = sorted(folder.glob("thumbnails/*/*-320.jpg"))[:2]
    shutil.copy(another, one)
    background = next(folder.glob("models/*/background-*"))
    (tmp_path / "another-model").mkdir()
    sealed.write(tmp_path / "another-model" / background.name, sealed.read(background))
    shutil.copy(tmp_path / "another-model" / background.name, background)
    report = verify(folder)
    assert sorted(finding.part for finding in report.findings) == [
        "maps",
        "models",
        "snapshots",
        "thumbnails",
    ]
    assert verify(folder).is_sound
    assert answers(folder) == before


def test_a_model_of_another_space_in_its_place_is_found(folder: Path, tmp_path: Path) -> None:
    before = answers(folder)
    with Library.open(folder, config=Config()) as library:
        library.build(options=BuildOptions(model="tiny:blind"))
        spaces = {space.model: space for space in library.status().spaces}
    assert len(spaces) == 2
    tiny = next(folder.glob("models/*/text.onnx")).parent
    (blind,) = (path for path in folder.glob("models/*") if path != tiny)
    shutil.rmtree(tiny)
    shutil.copytree(blind, tiny)
    report = verify(folder)
    assert [(f.part, f.what, f.done) for f in report.findings] == [
        ("models", "another model", "exported again")
    ]
    assert answers(folder) == before


def test_what_belongs_to_nothing_is_deleted(folder: Path) -> None:
    strays = [
        folder / "snapshots" / "1-99-0123456789abcdef.vectors",
        folder / "snapshots" / "1-3.tmp",
        folder / "snapshots" / "folder" / "file",
        folder / "thumbnails" / "00" / f"{'00' * 32}-320.jpg",
        folder / "thumbnails" / "00" / "notes.txt",
        folder / "thumbnails" / "elsewhere" / "a.jpg",
        folder / "models" / "0123456789abcdef" / "image.onnx",
        folder / "maps" / "9-0123456789abcdef-01234567.npz",
        folder / f"{CATALOG}.regular-1.backup.tmp",
    ]
    before = tree(folder)
    for stray in strays:
        stray.parent.mkdir(exist_ok=True)
        stray.write_bytes(b"stray")
    report = verify(folder)
    assert report.is_repaired
    assert sum(finding.count for finding in report.findings) == len(strays)
    assert tree(folder) == before


def test_a_space_that_is_added_while_it_looks_keeps_its_model_and_its_map(folder: Path) -> None:
    (folder / "models" / "stray").write_bytes(b"of nothing")
    spaces = set[str]()

    def on_step(step: str, done: int, total: int) -> None:
        if step == "snapshots" and not spaces:
            with Library.open(folder, config=Config()) as other:
                other.build(options=BuildOptions(model="tiny:blind", space="late"))
                other.map(space="late")
                spaces.update(space.name for space in other.status().spaces)

    with Library.open(folder, config=Config()) as library:
        report = library.verify(on_step=on_step)
    assert "late" in spaces
    assert [finding.examples for finding in report.findings] == [("models/stray",)]
    assert len(list((folder / "models").iterdir())) == 2
