"""`verify`: whatever happened to a derived file is found and repaired; a damaged catalog is told, and left alone."""

import io
import json
import math
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from indexer import BuildOptions, Config, Filter, Library, VerifyReport, sealed
from indexer.config import BuildConfig
from indexer.errors import LibraryLockedError, ModelUnavailableError, StorageError
from indexer.pictures.jpegs import unsealed
from indexer.runtime.half import _keep_agreement
from storage import snapshots
from storage.catalog import Catalog
from storage.engine import CATALOG
from storage.locking import writer_lock
from tests.conftest import RGB, Run, environment

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
    publish(folder)
    _keep_agreement(next(folder.glob("models/*")), 0.9999)
    return folder


def publish(folder: Path) -> None:
    """All vectors, few as they are, as one snapshot."""
    catalog = Catalog.open(folder)
    with catalog.view() as view:
        spaces = view.spaces()
    with catalog.writer():
        for space in spaces:
            snapshots.publish(catalog, space, everything=True)
    catalog.close()


@pytest.fixture
def folder(sound: Path, tmp_path: Path) -> Path:
    shutil.copytree(sound, tmp_path / "mine")
    return tmp_path / "mine"


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


def look(thumbnail: bytes) -> tuple[int, str, bool]:
    """Its edge, the name of its colour, and whether it is that colour."""
    with Image.open(io.BytesIO(thumbnail)) as image:
        pixel = image.getpixel((5, 5))
        assert isinstance(pixel, tuple)
        apart = {name: math.dist(pixel, colour) for name, colour in RGB.items()}
        return max(image.size), min(apart, key=lambda name: apart[name]), min(apart.values()) < 8


def verify(folder: Path, *, dry_run: bool = False) -> VerifyReport:
    with Library.open(folder, deferred=True, config=Config()) as library:
        return library.verify(dry_run=dry_run)


def truncate(path: Path, rng: random.Random) -> None:
    data = path.read_bytes()
    path.unlink()  # to be cut under a process that has it mapped is another matter: it ends that process
    path.write_bytes(data[: rng.randrange(len(data))])


def flip(path: Path, rng: random.Random) -> None:
    with path.open("r+b") as file:
        at = rng.randrange(path.stat().st_size)
        file.seek(at)
        (byte,) = file.read(1)
        file.seek(at)
        file.write(bytes([byte ^ 1 << rng.randrange(8)]))


def fill_with_garbage(path: Path, rng: random.Random) -> None:
    path.unlink()
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


def test_a_library_without_photos_is_sound(template: Path, tmp_path: Path) -> None:
    shutil.copytree(template, tmp_path / "library")
    report = verify(tmp_path / "library")
    assert report.is_sound
    assert report.checked["photos"] == 0


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


def test_missing_thumbnails_are_counted_together_and_all_made_again(folder: Path) -> None:
    before = answers(folder)
    shutil.rmtree(folder / "thumbnails")
    report = verify(folder)
    ((part, what, count),) = {(f.part, f.what, f.count) for f in report.findings}
    assert (part, what, count) == ("thumbnails", "missing", 32)
    assert len(report.findings[0].examples) == 20
    assert len(list(folder.glob("thumbnails/*/*"))) == 32
    assert answers(folder) == before


def test_a_thumbnail_is_not_made_of_a_photo_that_is_gone_or_another(
    folder: Path, tmp_path: Path
) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for name in ("gone", "changed", "there"):
        Image.new("RGB", (30, 20 + len(name)), "blue").save(photos / f"{name}.png")
    with Library.open(folder, config=Config()) as library:
        library.build([photos])
        hashes = {p.path.name: p.sha256 for p in library.photos(Filter(folder=str(photos)))}
    (photos / "gone.png").unlink()
    Image.new("RGB", (30, 20), "red").save(photos / "changed.png")
    for digest in hashes.values():
        next(folder.glob(f"thumbnails/*/{digest}-640.jpg")).unlink()
    report = verify(folder)
    assert not report.is_repaired
    assert {f.done for f in report.findings} == {
        "made again from their photos",
        "not made again: its photo has changed since; build first",
        "not made again: its photo is not there",
    }
    made = {str(path.name)[:64] for path in folder.glob("thumbnails/*/*-640.jpg")}
    assert hashes["there.png"] in made
    assert not made & {hashes["gone.png"], hashes["changed.png"]}


def test_where_thumbnails_are_made_when_looked_at_none_is_missed_and_a_damaged_one_goes(
    folder: Path,
) -> None:
    config = Config(build=BuildConfig(thumbnails=False))
    one, another = sorted(folder.glob("thumbnails/*/*"))[:2]
    one.unlink()
    another.write_bytes(b"damaged")
    with Library.open(folder, config=config) as library:
        report = library.verify()
    (finding,) = report.findings
    assert (finding.count, finding.done) == (1, "deleted, and made again when looked at")
    assert not another.exists()


def test_thumbnails_of_an_earlier_glimpse_are_decoded(folder: Path) -> None:
    paths = sorted(folder.glob("thumbnails/*/*"))
    for path in paths:
        path.write_bytes(unsealed(path.read_bytes()))
    assert verify(folder).is_sound
    data = paths[0].read_bytes()
    paths[0].write_bytes(data[:100] + data[-2:])
    (finding,) = verify(folder).findings
    assert finding.what == "not to be decoded"


def test_a_damaged_thumbnail_is_made_again_as_it_is_looked_at(folder: Path) -> None:
    with Library.open(folder, config=Config()) as library:
        for number, photo in enumerate(library.photos()):
            (path,) = folder.glob(f"thumbnails/*/{photo.sha256}-320.jpg")
            flip(path, random.Random(number))
            assert look(library.thumbnail(photo.id, 320))[1] in photo.path.name
    assert verify(folder).is_sound


def test_large_and_small_snapshots_are_each_written_anew(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshots, "LEAST_TAIL", 0)
    monkeypatch.setattr(snapshots, "SMALL_SHARE", 1)
    photos = tmp_path / "photos"
    photos.mkdir()
    Image.new("RGB", (30, 20), "blue").save(photos / "blue.png")
    with Library.open(folder, config=Config()) as library:
        library.build([photos])
    before = answers(folder)
    for number in (1, 0):
        large, small = sorted((folder / "snapshots").iterdir(), key=lambda p: -p.stat().st_size)
        flip((large, small)[number], random.Random(number))
        report = verify(folder)
        assert [f.count for f in report.findings] == [1]
        assert large.exists() == bool(number)
        assert verify(folder).is_sound
        assert answers(folder) == before


def test_a_model_whose_weights_are_not_here_is_deleted_and_that_is_told(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(name: str, notify: object) -> None:
        raise ModelUnavailableError(f"{name} is not on this machine")

    monkeypatch.setattr("indexer.spaces.load_model", refuse)
    flip(next(folder.glob("models/*/image.onnx")), random.Random(0))
    report = verify(folder)
    assert not report.is_repaired
    assert "tiny is not on this machine" in report.findings[0].done
    assert list((folder / "models").iterdir()) == []
    monkeypatch.undo()
    assert verify(folder).is_repaired
    assert verify(folder).is_sound


def test_a_damaged_backup_stays_while_no_new_one_can_be_made(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise StorageError("make room")

    copy = next(folder.glob("*.backup"))
    flip(copy, random.Random(0))
    monkeypatch.setattr("storage.sqlite.back_up", fail)
    report = verify(folder)
    assert not report.is_repaired
    assert (report.findings[0].part, report.findings[0].done) == ("backups", "left: make room")
    assert copy.exists()


def test_a_perceptual_hash_of_another_length_is_computed_again(folder: Path) -> None:
    with closing(sqlite3.connect(folder / CATALOG)) as database, database:
        database.execute("UPDATE contents SET phash = x'0102' WHERE id = 5")
    assert verify(folder).is_repaired
    with Library.open(folder, config=Config()) as library:
        library.duplicates()
    with closing(sqlite3.connect(folder / CATALOG)) as database:
        query = "SELECT length(phash) FROM contents WHERE id = 5"
        assert database.execute(query).fetchone() == (8,)


def test_while_another_process_writes_nothing_is_repaired(folder: Path) -> None:
    (folder / "snapshots" / "1-99.tmp").write_bytes(b"just being written")
    with writer_lock(folder):
        with pytest.raises(LibraryLockedError, match="locked by process"):
            verify(folder)
        report = verify(folder, dry_run=True)
        assert report.is_sound
        assert "another process is writing" in report.notes[0]
    assert not verify(folder).is_sound


def test_readers_go_on_while_a_library_is_repaired(folder: Path) -> None:
    before = answers(folder)
    stop, failed = threading.Event(), list[object]()

    def read() -> None:
        while not stop.is_set():
            with Library.open(folder, config=Config()) as library:
                found = [(hit.path, f"{hit.score:.5f}") for hit in library.search("red")]
                if found != before[0]:
                    failed.append(found)

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(4):
        # Into a copy: a block is held against its hash when it is first read, and not again while it is mapped.
        (snapshot,) = (folder / "snapshots").iterdir()
        bad = folder / "bad"
        shutil.copy(snapshot, bad)
        flip(bad, random.Random(number))
        bad.replace(snapshot)
        shutil.rmtree(folder / "thumbnails")
        assert verify(folder).is_repaired
    stop.set()
    reader.join()
    assert failed == []


AS_NOBODY = """
import os, sys
from pathlib import Path
from indexer import Config, Library
from indexer.config import BuildConfig
def verify():
    config = Config(build=BuildConfig(thumbnails=False))  # nobody may not be allowed to start a decoder
    with Library.open(sys.argv[1], deferred=True, config=config) as library:
        return library.verify()
assert verify().is_sound  # which imports all that it needs
if os.getuid() == 0:
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
for name in sys.argv[2:]:
    os.chmod(name, 0)
for report in (verify(), verify()):
    print(report.is_repaired, sorted((f.part, f.what, f.done) for f in report.findings))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="sets the user of a process")
def test_files_and_folders_without_permission_are_made_again_or_accessible(
    folder: Path, shown: Path, tmp_path: Path
) -> None:
    names = ("snapshots/*", "maps", "thumbnails/*/*-640.jpg", "thumbnails", "models/*/half.json")
    denied = [next(folder.glob(name)) for name in names]
    for path in (folder, *folder.rglob("*")) if os.getuid() == 0 else ():
        os.chown(path, 65534, 65534)
    for path in (shown, *folder.parents, *shown.parents):
        if Path(tempfile.gettempdir()) in path.parents:
            path.chmod(0o755)
    done = subprocess.run(
        [sys.executable, "-c", AS_NOBODY, folder, *denied],
        env=environment(),
        capture_output=True,
        text=True,
    )
    first, second = done.stdout.splitlines() or [done.stderr, ""]
    assert first == (
        "True [('maps', 'may not be entered and written to', 'made accessible'), "
        "('models', 'cannot be read (Permission denied)', 'deleted, and made again when needed'), "
        "('snapshots', 'cannot be read (Permission denied)', 'written anew from the catalog'), "
        "('thumbnails', 'cannot be read (Permission denied)', 'deleted, and made again when looked at'), "
        "('thumbnails', 'may not be entered and written to', 'made accessible')]"
    ), done.stderr
    assert second == "True []"


def test_the_command_tells_what_it_found_and_did(folder: Path, glimpse: Run) -> None:
    def run(*options: str) -> tuple[int, str]:
        done = glimpse("verify", "--library", folder, *options)
        return done.returncode, done.stdout.decode()

    code, said = run()
    assert code == 0
    assert said.startswith("nothing wrong; looked at 16 photos, 16 vectors, 1 model, ")
    thumbnail = next(folder.glob("thumbnails/*/*-320.jpg"))
    thumbnail.unlink()
    code, said = run("--dry-run")
    assert (code, said.splitlines()[:2]) == (
        3,
        [
            "thumbnails: 1 missing; to be made again from their photos",
            f"  {thumbnail.relative_to(folder)}",
        ],
    )
    code, said = run("--json")
    answer = json.loads(said)
    assert (code, answer["sound"], answer["repaired"], answer["damage"]) == (0, False, True, None)
    assert answer["findings"] == [
        {
            "part": "thumbnails",
            "what": "missing",
            "done": "made again from their photos",
            "repaired": True,
            "count": 1,
            "examples": [str(thumbnail.relative_to(folder))],
        }
    ]
    copy = next(folder.glob("*.backup"))
    (folder / CATALOG).write_bytes(b"no catalog")
    code, said = run()
    lines = said.splitlines()
    assert (code, lines[0][:24]) == (1, "the catalog is damaged; ")
    assert f"the newest sound backup is {copy}; to put it back:" in lines
    assert f"  cp {copy} {folder / CATALOG}" in lines
    assert json.loads(run("--json")[1])["damage"]["backup"] == str(copy)
    assert glimpse("verify", "--library", folder / "nowhere").returncode == 4
