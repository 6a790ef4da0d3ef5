"""A short run of the crash test, whose long one is `make crash`."""

from pathlib import Path

import pytest

from benchmarks.crash import survive

KILLS = 100


@pytest.mark.slow
def test_work_that_is_killed_at_random_times_loses_nothing(tmp_path: Path) -> None:
    figures = survive(kills=KILLS, seed=1, scratch=tmp_path, pictures=200)
    assert figures.kills == sum(figures.kills_by_stage.values()) == KILLS
    assert len(figures.kills_by_stage) > 10
    assert figures.acknowledged > 0
