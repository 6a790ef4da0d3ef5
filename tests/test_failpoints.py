"""Work on a library is stopped at one system call after another: nothing is lost, and the next one goes on.

Each run of the tests takes some of the calls; with GLIMPSE_LONG=1 it takes every one.
"""

import signal
from itertools import count
from pathlib import Path

import pytest

from benchmarks.mortal import BATCH, Mortal
from benchmarks.promises import litter, sound
from tests.conftest import LONG
from tests.failpoints import command, needs_strace, stopped
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
        with stopped(*scene.work(verb), at=call, when=when, by="signal=SIGKILL") as killed:
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


@pytest.mark.parametrize("error", ["ENOSPC", "EIO"])
@VERBS
@CALLS
def test_a_step_that_the_disk_refuses_is_told_in_one_line(
    scene: Scene, verb: str, call: str, error: str
) -> None:
    contents, _ = scene.undisturbed[verb]
    _, library, folder = scene.work(verb)
    settings = scene.folder / "settings.toml"
    settings.write_text(f"[library]\nkeep_removed_days = 0\n[build]\nbatch_size = {BATCH}\n")
    line = [verb, folder, "--yes", "--library", library, "--config", settings]
    import sys
    for when in count(1, 1 if LONG else STRIDES[call]):
        scene.restore()
        with stopped(command, *line, at=call, when=when, by=f"error={error}") as refused:
            code = refused.end()
        print(verb, call, error, when, code, refused.complaint, file=sys.__stderr__, flush=True)
        try:
            sound(scene.library)
            go_on(scene, verb)
            assert scene.contents() == contents
        except Exception as e: print("XXX", e, file=sys.__stderr__, flush=True)
        if code == 0 and when > 10 * STRIDES[call]: break
