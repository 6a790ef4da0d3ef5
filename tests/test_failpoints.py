"""Work on a library is stopped at one system call after another: nothing is lost, and the next one goes on.

Each run of the tests takes some of the calls; with GLIMPSE_LONG=1 it takes every one.
"""

import re
import signal
from itertools import count
from pathlib import Path

import pytest

from benchmarks.mortal import BATCH, Mortal
from benchmarks.promises import litter, sound
from indexer.cli.command import SOME_SKIPPED
from tests.conftest import LONG
from tests.failpoints import needs_strace, stopped, struck
from tests.scenes import Scene

pytestmark = needs_strace

STRIDES = {"fsync": 1, "fdatasync": 1, "rename": 5, "unlink": 4, "ftruncate": 1, "pwrite64": 19}
"""Of so many calls, one is stopped; all of those that are few."""
MOST = 1000
CALLS = pytest.mark.parametrize("call", STRIDES)
VERBS = pytest.mark.parametrize("verb", ["build", "remove"])


@pytest.fixture(scope="module")
def scene(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return Scene(tmp_path_factory.mktemp("failpoints"), template)


@VERBS
@CALLS
def test_work_that_is_killed_at_a_step_is_taken_up_again(
    scene: Scene, verb: str, call: str
) -> None:
    contents, embedded = scene.undisturbed[verb]
    for when in count(1, 1 if LONG else STRIDES[call]):
        scene.restore()
        with stopped(
            *scene.work(verb), at=call, when=when, by="signal=SIGKILL", log=scene.log
        ) as killed:
            code = killed.end()
        if code == 0:
            break
        assert code == -signal.SIGKILL, killed.complaint
        sound(scene.library)
        seen = killed.count("model") + go_on(scene, verb)
        assert embedded <= seen <= embedded + BATCH
        assert scene.contents() == contents
    assert when > 1


def go_on(scene: Scene, verb: str) -> int:
    """Do the same, undisturbed, unless all of it was done; how many pictures a model has seen."""
    with Mortal(*scene.work(verb)) as mortal:
        assert mortal.end() == 0 or "is no root of this library" in mortal.complaint
    sound(scene.library)
    assert litter(scene.library) == []
    return mortal.count("model")


@pytest.mark.parametrize(
    ("verb", "error"),
    [("build", "ENOSPC"), ("remove", "EIO"), *([("build", "EIO"), ("remove", "ENOSPC")] * LONG)],
)
@CALLS
def test_a_step_that_the_disk_refuses_is_told_in_one_line(
    scene: Scene, verb: str, call: str, error: str
) -> None:
    for when in count(1, 1 if LONG else 2 * STRIDES[call]):
        scene.restore()
        with stopped(
            *scene.command(verb), at=call, when=when, by=f"error={error}", log=scene.log
        ) as refused:
            code = refused.end()
        if not struck(scene.log):
            break
        lines = refused.complaint.splitlines()
        assert lines, when
        assert not re.search("Traceback|a fault in Glimpse", refused.complaint), refused.complaint
        if code == 1:
            assert re.fullmatch("glimpse: .*(again|room)", lines[-1]), lines
        else:  # what is only convenient was left out
            assert code in (0, SOME_SKIPPED)
        sound(scene.library)
        go_on(scene, verb)
        assert scene.contents() == scene.undisturbed[verb][0]
    assert when > 1


def test_what_a_killed_removal_left_is_removed_by_the_next_build(scene: Scene) -> None:
    secrets = [path.name.encode() for path in scene.shelf.iterdir()]
    for stage in (
        "forgetting thumbnails",
        "purging",
        "snapshot: record",
        "vacuuming",
        "dropping copies",
    ):
        assert any(was_killed(scene, stage, secrets) for _ in range(20)), stage
        go_on(scene, "build")
        assert not any(secret in data for data in everything(scene) for secret in secrets), stage
        assert scene.contents() == scene.undisturbed["build after remove"][0]


def was_killed(scene: Scene, stage: str, secrets: list[bytes]) -> bool:
    """Kill a removal as it tells this stage; whether that was before it was done with it."""
    scene.restore()
    with Mortal(*scene.work("remove")) as killed:
        killed.listen(stage)
        killed.send(signal.SIGKILL)
    return any(secret in data for data in everything(scene) for secret in secrets)


def everything(scene: Scene) -> list[bytes]:
    return [path.read_bytes() for path in scene.library.rglob("*") if path.is_file()]
