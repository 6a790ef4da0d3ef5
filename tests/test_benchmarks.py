"""The benchmarks of building run, on a small scale."""

import sys
from pathlib import Path

import pytest
from PIL import Image

from benchmarks.gpu import Clocked, alone, building
from benchmarks.laid import lay_copies, lay_large, photos_in
from benchmarks.parts import compared, decode_alone, embed_alone
from benchmarks.spent import spend
from indexer.embedders import load_model
from indexer.embedders.base import Preprocessing
from tests.conftest import EXAMPLES


@pytest.fixture
def jpegs(tmp_path: Path) -> Path:
    """Twenty files of three pictures."""
    return lay_copies(photos_in(EXAMPLES)[:3], tmp_path / "jpegs", 20)


def test_copies_show_the_same_in_other_bytes(jpegs: Path) -> None:
    files = sorted(jpegs.iterdir())
    assert len({path.read_bytes() for path in files}) == 20
    with Image.open(files[0]) as one, Image.open(files[3]) as other:
        assert one.tobytes() == other.tobytes()


def test_large_photos_are_large(tmp_path: Path) -> None:
    (large,) = lay_large(photos_in(EXAMPLES)[:2], tmp_path / "large", 1).iterdir()
    with Image.open(large) as image:
        assert image.size == (4000, 3000)


def test_a_card_is_timed_alone_and_as_a_library_is_built(jpegs: Path, tmp_path: Path) -> None:
    embedder = Clocked(load_model("tiny", print), "cpu")
    assert alone(embedder, [2, 3], least_s=0.01).keys() == {"2", "3"}
    figures = building(embedder, "tiny", jpegs, tmp_path / "library")
    assert figures["images"] == 20
    assert 0 < figures["busy"] < 1


def test_parts_are_timed_and_rows_compared(jpegs: Path) -> None:
    embedder = Clocked(load_model("tiny", print), "cpu")
    decoding, pixels = decode_alone(jpegs, Preprocessing(size=8, resize="squash"), workers=2)
    assert (decoding.pictures, len(pixels)) == (18, 20)
    embedding, rows = embed_alone(embedder, list(pixels.values()))
    assert (embedding.pictures, rows.shape) == (20, (20, embedder.dim))
    assert compared(rows, rows)["overlap_at_10"] == 1
    assert compared(rows, -rows)["cosine_mean"] == pytest.approx(-1, abs=1e-5)


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_memory_is_that_of_a_command_with_its_children(tmp_path: Path) -> None:
    child = "import time; held = b'x' * 200_000_000; time.sleep(2)"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    spent = spend([sys.executable, "-c", parent], tmp_path)
    assert 200 < spent.peak_mb < 300
    assert spent.seconds > 2
    assert spent.cpu_seconds > 0
