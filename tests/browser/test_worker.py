"""The process that does the page's long tasks, by the lines that go in and come out."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from indexer import Library
from tests.conftest import MakePicture, environment

Worker = subprocess.Popen[str]


@pytest.fixture
def worker(library_folder: Path) -> Iterator[Worker]:
    command = [sys.executable, "-m", "search_ui.worker", f"--library={library_folder}"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment()) as worker:
        yield worker
        if worker.stdin and not worker.stdin.closed:
            worker.stdin.close()


def say(worker: Worker, line: str) -> None:
    assert worker.stdin
    worker.stdin.write(f"{line}\n")
    worker.stdin.flush()


def told(worker: Worker) -> Iterator[dict[str, Any]]:
    yield from map(json.loads, worker.stdout or ())


@pytest.mark.parametrize(("answer", "left"), [("yes", 1), ("no", 3)])
def test_a_build_asks_before_it_forgets(
    worker: Worker, library: Library, picture: MakePicture, photos: Path, answer: str, left: int
) -> None:
    pictures = [picture(f"{mark}.png", "red", mark) for mark in (1, 2, 3)]
    library.build([photos])
    for path in pictures[:2]:
        path.unlink()
    say(worker, json.dumps({"build": []}))
    for message in told(worker):
        if "question" in message:
            assert message["question"].startswith("2 of the 3 photos")
            say(worker, answer)
        if "done" in message:
            break
    assert sum(sum(root.counts.values()) for root in library.status().roots) == left


def test_it_stops_when_nobody_wants_it_any_more(
    worker: Worker, library: Library, picture: MakePicture, photos: Path
) -> None:
    pictures = [picture(f"{mark}.png", "red", mark) for mark in (1, 2, 3)]
    library.build([photos])
    for path in pictures[:2]:
        path.unlink()
    say(worker, json.dumps({"build": []}))
    messages = told(worker)
    assert any("question" in message for message in messages)
    assert worker.stdin
    worker.stdin.close()
    assert list(messages)[-1] == {"stopped": True}
    assert worker.wait(20) == 0


def test_what_cannot_be_built_is_one_line(worker: Worker) -> None:
    say(worker, json.dumps({"build": ["/nowhere"]}))
    assert list(told(worker)) == [{"failed": "/nowhere is not there; name a folder with pictures"}]
