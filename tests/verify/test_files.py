"""`verify`: whatever happened to a derived file is found and repaired."""

import random
import shutil
from pathlib import Path

import pytest

from tests.verify.damaging import DAMAGE, Damage, delete, flip
from tests.verify.libraries import answers, tree, truth, verify

NEEDED = ("snapshots/*", "thumbnails/*/*-320.jpg", "thumbnails/*/*-640.jpg")
MODEL = ("models/*/model.json", "models/*/image.onnx", "models/*/text.onnx", "models/*/tok*")
KEPT = ("models/*/background-*", "models/*/labels-*", "models/*/half.json", "maps/*", "*.backup")
"""What may be missing, too."""


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
