"""`verify` of thumbnails."""

import random
import shutil
from pathlib import Path

from PIL import Image

from indexer import Config, Filter, Library
from indexer.config import BuildConfig
from indexer.pictures.jpegs import unsealed
from tests.verify.damaging import flip
from tests.verify.libraries import answers, look, verify


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
