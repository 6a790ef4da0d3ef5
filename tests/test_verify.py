"""`verify`: whatever happened to a derived file is found and repaired; a damaged catalog is told, and left alone."""

import io
import json
import math
import random
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from indexer import BuildOptions, Config, Library, VerifyReport, sealed
from indexer.runtime.half import _keep_agreement
from storage import backups
from storage.engine import CATALOG
from tests.conftest import RGB

Damage = Callable[[Path, random.Random], None]

TRUTH = ("roots", "photos", "contents", "spaces", "embeddings", "tags")
NEEDED = ("snapshots/*", "thumbnails/*/*-320.jpg", "thumbnails/*/*-640.jpg")
MODEL = ("models/*/model.json", "models/*/image.onnx", "models/*/text.onnx", "models/*/tok*")
KEPT = ("models/*/background-*", "models/*/labels-*", "models/*/half.json", "maps/*", "*.backup")
"""What may be missing, too."""


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos that no test writes to."""
    folder = tmp_path_factory.mktemp("shown")
    for number, (name, colour) in enumerate(4 * list(RGB.items())):
        Image.new("RGB", (700 + number, 400), colour).save(folder / f"{name}-{number}.png")
    return folder


@pytest.fixture(scope="module")
def sound(template: Path, shown: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library that has one of every derived file."""
    folder = tmp_path_factory.mktemp("sound") / "library"
    shutil.copytree(template, folder)
    with Library.open(folder, config=Config()) as library:
        library.build([shown])
        library.tag(["red", "blue"])
        library.map()
        library.search("red")
    _keep_agreement(next(folder.glob("models/*")), 0.9999)
    return folder


@pytest.fixture
def folder(sound: Path, tmp_path: Path) -> Path:
    shutil.copytree(sound, tmp_path / "library")
    return tmp_path / "library"


def tree(folder: Path) -> dict[str, str]:
    """Every file with its hash; all but SQLite's scratch files."""
    return {
        str(path.relative_to(folder)): sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.endswith("-shm")
    }


def truth(folder: Path) -> dict[str, list[Any]]:
    with closing(sqlite3.connect(folder / CATALOG)) as database:
        return {name: database.execute(f"SELECT * FROM {name}").fetchall() for name in TRUTH}


def answers(folder: Path) -> list[object]:
    """What the library answers, through every kind of derived file."""
    with Library.open(folder, config=Config()) as library:
        photos = library.photos()
        found = [library.search("red"), library.neighbors(photos[0].id)]
        return [
            *([(hit.path, f"{hit.score:.5f}") for hit in answer] for answer in found),
            library.vectors()[1].tobytes(),
            [look(library.thumbnail(photo.id, edge)) for photo in photos for edge in (320, 640)],
            library.map().points.round(5).tolist(),
            library.all_tags(),
        ]


def look(thumbnail: bytes) -> tuple[object, ...]:
    """Its size, and the name of its colour."""
    with Image.open(io.BytesIO(thumbnail)) as image:
        pixel = image.getpixel((5, 5))
        assert isinstance(pixel, tuple)
        apart = {name: math.dist(pixel, colour) for name, colour in RGB.items()}
        return image.size, min(apart, key=lambda name: apart[name]), min(apart.values()) < 8


def verify(folder: Path, *, dry_run: bool = False) -> VerifyReport:
    with Library.open(folder, deferred=True, config=Config()) as library:
        return library.verify(dry_run=dry_run)


def truncate(path: Path, rng: random.Random) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: rng.randrange(len(data))])


def flip(path: Path, rng: random.Random) -> None:
    data = bytearray(path.read_bytes())
    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    path.write_bytes(data)


def fill_with_garbage(path: Path, rng: random.Random) -> None:
    path.write_bytes(rng.randbytes(rng.randrange(1, 5000)))


def put_a_folder(path: Path, rng: random.Random) -> None:
    path.unlink()
    (path / "below").mkdir(parents=True)
    (path / "below" / "file").write_bytes(b"in the way")


def put_a_link(path: Path, rng: random.Random) -> None:
    path.unlink()
    path.symlink_to("/nowhere/at/all")


def delete(path: Path, rng: random.Random) -> None:
    path.unlink()


DAMAGE = (truncate, flip, fill_with_garbage, put_a_folder, put_a_link)


@pytest.mark.parametrize("damage", [*DAMAGE, delete])
@pytest.mark.parametrize("pattern", NEEDED)
def test_what_is_needed_is_found_damaged_and_made_again(
    folder: Path, shown: Path, pattern: str, damage: Damage
) -> None:
    assert_repaired(folder, shown, pattern, damage)


@pytest.mark.parametrize("damage", [*DAMAGE, delete])
def test_a_damaged_model_is_exported_again(folder: Path, shown: Path, damage: Damage) -> None:
    assert_repaired(folder, shown, random.Random(damage.__name__).choice(MODEL), damage)


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("pattern", KEPT)
def test_what_is_only_kept_is_found_damaged_and_deleted(
    folder: Path, shown: Path, pattern: str, damage: Damage
) -> None:
    assert_repaired(folder, shown, pattern, damage)


@pytest.mark.parametrize("pattern", KEPT)
def test_what_is_only_kept_may_be_missing(folder: Path, pattern: str) -> None:
    next(folder.glob(pattern)).unlink()
    assert verify(folder).is_sound


def assert_repaired(folder: Path, shown: Path, pattern: str, damage: Damage) -> None:
    rng = random.Random(f"{pattern} {damage.__name__}")
    before, kept, originals = answers(folder), truth(folder), tree(shown)
    path = rng.choice(sorted(folder.glob(pattern)))
    damage(path, rng)
    damaged = tree(folder)
    looked_at = verify(folder, dry_run=True)
    assert (looked_at.is_sound, looked_at.is_repaired) == (False, False)
    assert tree(folder) == damaged
    report = verify(folder)
    assert report.is_repaired, report
    assert [finding.count for finding in report.findings] == [1]
    assert report.findings[0].examples[0] in (
        str(path.relative_to(folder)),
        str(path.parent.relative_to(folder)),
    )
    assert verify(folder).is_sound
    assert answers(folder) == before
    assert (truth(folder), tree(shown)) == (kept, originals)


def test_a_sound_library_is_not_changed_by_a_byte(folder: Path) -> None:
    before = tree(folder)
    report = verify(folder)
    assert (report.is_sound, report.findings, report.damage) == (True, (), None)
    assert report.checked["photos"] == report.checked["vectors"] == 16
    assert report.checked["thumbnails"] == 32
    assert tree(folder) == before


def test_many_bits_flipped_one_by_one_are_each_found(folder: Path) -> None:
    rng = random.Random(7)
    patterns = [p for p in (*NEEDED, *MODEL, *KEPT) if "backup" not in p]
    for _ in range(60):
        path = rng.choice(sorted(folder.glob(rng.choice(patterns))))
        whole = path.read_bytes()
        flip(path, rng)
        report = verify(folder, dry_run=True)
        assert not report.is_sound, path
        path.write_bytes(whole)
    assert verify(folder).is_sound


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
