"""A short run of the load test, whose long one is `make load`."""

import asyncio
from pathlib import Path

import pytest

from benchmarks import load
from benchmarks.commands import glimpse
from benchmarks.large import make_library
from benchmarks.served import serving
from tests.conftest import EXAMPLES, environment


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Some hundred photos, for visitors who hardly think and know the words of the model."""
    monkeypatch.setenv("PYTHONPATH", environment()["PYTHONPATH"])
    monkeypatch.setattr(load, "THINKING_S", (0.1, 0.5))
    monkeypatch.setattr(load, "WORDS", ("red", "green + blue"))
    return make_library(tmp_path, 300, EXAMPLES / "birds", model="tiny")


def test_visitors_who_search_and_upload_while_a_library_is_built_meet_no_error(
    library: Path, tmp_path: Path
) -> None:
    with (
        serving(glimpse("ui", "--library", library), tmp_path / "log") as page,
        load.building(library, tmp_path / "arriving") as builds,
    ):
        crowd = load.Crowd(page, load.photo_ids(library), load.large_picture())
        told = asyncio.run(crowd.visit(users=4, seconds=6))
    assert told["errors"] == 0, (told["faults"], (tmp_path / "log").read_text())
    assert all(told[kind]["steps"] > 1 for kind in ("words", "thumbnails", "upload and its answer"))
    assert len(builds) > 0
    assert told["memory_mb_by_minute"][0] > 100


def test_an_error_on_the_page_counts_as_one(library: Path) -> None:
    with serving(glimpse("ui", "--library", library)) as page:
        told = asyncio.run(load.Crowd(page, [10**9], b"no picture").visit(users=2, seconds=4))
    assert told["errors"] > 2
    assert "words" in told
    assert {fault.split(":")[0] for fault in told["faults"]} == {
        "upload and its answer",
        "thumbnails",
    }
