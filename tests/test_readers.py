"""Who asks while a library is built: each answer belongs to one moment, in threads and in other processes."""

import threading
import time
from pathlib import Path

import pytest

from benchmarks.mortal import BATCH, CONFIG, Mortal, Tell
from indexer import Library
from tests.scenes import Scene

READERS = 8
PROCESSES = 3
REST_S = 0.02
"""Between two questions, or eleven who ask without end keep the writer from two cores for minutes."""
GONE = 5


@pytest.fixture(scope="module")
def scene(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return Scene(tmp_path_factory.mktemp("readers"), template)


def reading(tell: Tell, library: Path) -> None:
    """Ask until killed, and tell how many photos there were."""
    with Library.open(library, config=CONFIG) as opened:
        while True:
            tell("photos", ask(opened))
            time.sleep(REST_S)


def ask(library: Library) -> int:
    """How many photos answer; each is there once, and as many as are said to be."""
    answer = library.search("red", k=10_000)
    assert len({hit.photo_id for hit in answer}) == len(answer) == answer.total
    return len(answer)


def test_readers_in_threads_and_processes_see_one_moment_each(scene: Scene) -> None:
    scene.restore()
    with Mortal(*scene.work("build")) as writer:
        assert writer.end() == 0, writer.complaint
    seen, problems, done = set[int](), list[BaseException](), threading.Event()

    def read() -> None:
        try:
            while not done.is_set():
                seen.add(ask(library))
                time.sleep(REST_S)
        except BaseException as error:
            problems.append(error)

    with Library.open(scene.library, config=CONFIG) as library:
        moments = {ask(library)}
        threads = [threading.Thread(target=read) for _ in range(READERS)]
        processes = [Mortal(reading, scene.library) for _ in range(PROCESSES)]
        for process in processes:
            process.listen("photos")
        for thread in threads:
            thread.start()
        try:
            for _ in range(4):
                moments |= changes(scene, ask(library))
        finally:
            done.set()
            for thread in threads:
                thread.join()
        for process in processes:
            process.listen("photos")
        now = ask(library)
    assert not problems
    assert seen <= moments
    assert now in moments
    for process in processes:
        with process:
            pass
        assert {count for stage, count in process.heard[1:]} <= moments, process.complaint
        assert len(process.heard) > 4


def changes(scene: Scene, before: int) -> set[int]:
    """Add pictures in batches, take some away, and build; how many photos there are from moment to moment."""
    for path in sorted(scene.photos.glob("0.*.png"))[:GONE]:
        path.unlink()
    scene.add(scene.photos, 2 * BATCH)
    with Mortal(*scene.work("build")) as writer:
        assert writer.end() == 0, writer.complaint
    grown = [before + batches * BATCH for batches in range(3)]
    return {*grown, grown[-1] - GONE}
