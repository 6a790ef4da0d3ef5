"""A short run of the crash test, whose long one is `make crash`."""

from pathlib import Path

from benchmarks.crash import survive


def test_builds_killed_at_random_times_lose_nothing(tmp_path: Path) -> None:
    figures = survive(kills=6, seed=1, scratch=tmp_path, pictures=150)
    assert figures.kills == 6
    assert figures.acknowledged > 0
