"""Memory that does not grow with the number of photos."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import environment
from tests.exchange.parts import clip_shard, unit_rows

MANY = 100_000
MOST_MB = 80
"""Above what a few rows take: the index, and SQLite's cache. The rows of all would be 28 MB more."""

PROGRAM = """
import sys
from indexer import *
library = Library.open(sys.argv[1], config=Config())
{does}
# Not `ru_maxrss`, which begins with what the process held that started this one.
status = open("/proc/self/status").read().splitlines()
print(next(int(line.split()[1]) / 1e3 for line in status if line.startswith("VmHWM")))
"""
IMPORT = "library.import_vectors(sys.argv[2], ImportOptions(model='tiny'))"
EXPORT = """library.export_vectors(
    sys.argv[2], ExportOptions(layout=sys.argv[3]), where=Filter(include_offline=True))"""


def peak_mb(does: str, *arguments: str | Path) -> float:
    program = PROGRAM.format(does=does)
    ran = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, env=environment()
    )
    assert ran.returncode == 0, ran.stderr.decode()
    return float(ran.stdout)


@pytest.fixture
def copied(template: Path, tmp_path: Path) -> Callable[[str], Path]:
    def copy(name: str) -> Path:
        shutil.copytree(template, tmp_path / name)
        return tmp_path / name

    return copy


@pytest.mark.slow
def test_100_000_photos_come_and_go_in_bounded_memory(
    copied: Callable[[str], Path], tmp_path: Path
) -> None:
    peaks = {}
    for name, count in (("few", 100), ("many", MANY)):
        library = copied(name)
        # Two kinds of picture: cells of near vectors are soon found good, and their tuning is not what is measured.
        rows = np.repeat(unit_rows(2), count // 2, axis=0)
        paths = [f"/far/away/{i // 1000}/{i}.jpg" for i in range(count)]
        clip_shard(tmp_path / f"in-{name}", 0, rows.astype(np.float16), {"image_path": paths})
        peaks[name] = [
            peak_mb(IMPORT, library, tmp_path / f"in-{name}"),
            *(
                peak_mb(EXPORT, library, tmp_path / f"out-{name}-{layout}", layout)
                for layout in ("parquet", "clip-retrieval", "fiftyone")
            ),
        ]
    grown = np.subtract(peaks["many"], peaks["few"])
    assert max(grown) < MOST_MB, grown
