"""A build that is told to end, at any time: one line, nothing lost, and the next one goes on."""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks.mortal import BATCH, Mortal
from benchmarks.promises import litter, sound
from indexer.cli.command import SOME_SKIPPED
from indexer.cli.console import INTERRUPTED, STOPPED
from tests.conftest import LONG, environment
from tests.scenes import Scene

TIMES = 200 if LONG else 10


@pytest.fixture(scope="module")
def scene(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return Scene(tmp_path_factory.mktemp("stopping"), template)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_build_that_is_stopped_at_any_time_says_so_and_goes_on(
    scene: Scene, number: signal.Signals
) -> None:
    drawn = random.Random(number)
    contents, embedded = scene.undisturbed["build"]
    for _ in range(TIMES):
        scene.restore()
        with Mortal(*scene.command("build")) as mortal:
            mortal.listen(drawn.choice(["typed", "model", "settling", "snapshot: write"]))
            time.sleep(drawn.uniform(0, 0.05))
            for _ in range(drawn.choice([1, 1, 2])):  # some are impatient
                mortal.send(number)
            code = mortal.end()
        assert_told(code, mortal.complaint)
        sound(scene.library)
        seen = mortal.count("model")
        with Mortal(*scene.work("build")) as mortal:
            assert mortal.end() == 0, mortal.complaint
        assert embedded <= seen + mortal.count("model") <= embedded + 2 * BATCH
        assert litter(scene.library) == []
        assert scene.contents() == contents


def assert_told(code: int, complaint: str) -> None:
    if (
        code == -signal.SIGINT
    ):  # what was told in text that Python was just executing; a shell sees 130, too
        code = INTERRUPTED
    assert code in (0, SOME_SKIPPED, INTERRUPTED), complaint
    assert "Traceback" not in complaint, complaint
    if code == INTERRUPTED:
        assert complaint.splitlines()[-1] == f"glimpse: {STOPPED}"


def test_a_command_that_is_stopped_as_it_starts_says_so(scene: Scene) -> None:
    scene.restore()
    arguments = [str(each) for each in scene.command("build")[1:]]
    for wait_s in (0.25, 0.35, 0.5, 0.7):
        build = subprocess.Popen(
            [sys.executable, "-m", "indexer", *arguments],
            stderr=subprocess.PIPE,
            env=environment(),
            text=True,
        )
        time.sleep(wait_s)
        build.send_signal(signal.SIGTERM)
        complaint = build.communicate(timeout=60)[1]
        if build.returncode != -signal.SIGTERM:  # Python itself was still starting
            assert_told(build.returncode, complaint)
    sound(scene.library)


IN_AN_IMPORT = """
import os, signal, sys, time
from indexer.cli import verbs

def program(arguments):
    try:
        os.kill(os.getpid(), signal.SIGTERM)
    except Exception:  # as packages try whether another is there
        time.sleep(20)

verbs.program = program
verbs.main()
"""


def test_an_interruption_that_meets_an_import_is_not_caught_by_it() -> None:
    began = time.monotonic()
    ended = subprocess.run(
        [sys.executable, "-c", IN_AN_IMPORT], capture_output=True, text=True, env=environment()
    )
    assert (ended.returncode, ended.stderr) == (INTERRUPTED, f"glimpse: {STOPPED}\n")
    assert time.monotonic() - began < 15


IN_A_DESTRUCTOR = """
import os, signal, sys, time
from indexer.cli import building, verbs

class Closing:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.01)

def build():
    Closing()
    time.sleep(20)

building.build = build
sys.argv = ["glimpse", "build"]
verbs.main()
"""


def test_an_interruption_that_meets_a_destructor_is_not_lost() -> None:
    began = time.monotonic()
    ended = subprocess.run(
        [sys.executable, "-c", IN_A_DESTRUCTOR], capture_output=True, text=True, env=environment()
    )
    assert ended.returncode == INTERRUPTED, ended.stderr
    assert ended.stderr == f"glimpse: {STOPPED}\n"
    assert time.monotonic() - began < 15
