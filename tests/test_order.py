"""In which order a build writes, flushes, renames and deletes: what a crash of the whole machine must find."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest

from benchmarks.mortal import building
from tests.failpoints import needs_strace, watched
from tests.scenes import Scene

pytestmark = needs_strace

CALLS = "write,pwrite64,fsync,fdatasync,rename,unlink"
TRACED = re.compile(r"(?P<call>\w+)\((?:\d+<(?P<open>[^>]*)>)?(?P<rest>.*)\) += \d")
QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True)
class Call:
    """A system call, on a file by its name."""

    name: str
    path: str
    text: str = ""

    @property
    def writes(self) -> bool:
        return self.name in ("write", "pwrite64")

    @property
    def flushes(self) -> bool:
        return self.name in ("fsync", "fdatasync")

    @property
    def of_wal(self) -> bool:
        return self.path.endswith("catalog.sqlite-wal")


@pytest.fixture(scope="module")
def scene(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return Scene(tmp_path_factory.mktemp("order"), template)


@pytest.fixture(scope="module")
def calls(scene: Scene) -> list[Call]:
    scene.restore()
    with watched(building, scene.library, scene.photos, calls=CALLS, log=scene.log) as mortal:
        assert mortal.end() == 0, mortal.complaint
    return list(traced(scene.log))


def traced(log: Path) -> Iterator[Call]:
    for line in log.read_text(errors="replace").splitlines():
        found = TRACED.match(line)
        if found and found["call"] != "getpgid":
            texts = QUOTED.findall(found["rest"])
            yield Call(found["call"], found["open"] or texts[-1], " ".join(texts))


def last(calls: list[Call], wanted: Callable[[Call], bool]) -> int:
    """The place of the last such call."""
    return max(at for at, call in enumerate(calls) if wanted(call))


def first(calls: list[Call], after: int, wanted: Callable[[Call], bool]) -> int:
    """The place of the first such call after another."""
    return min(at for at, call in enumerate(calls) if at > after and wanted(call))


def test_a_snapshot_is_whole_and_named_for_good_before_it_is_recorded(
    scene: Scene, calls: list[Call]
) -> None:
    folder = str(scene.library / "snapshots")
    written = last(calls, lambda call: call.writes and call.path.startswith(f"{folder}/"))
    flushed = first(calls, written, lambda call: call.flushes and call.path == calls[written].path)
    renamed = first(
        calls, flushed, lambda call: call.name == "rename" and call.path.startswith(folder)
    )
    assert (calls[renamed + 1].flushes, calls[renamed + 1].path) == (True, folder)
    recorded = first(calls, renamed, lambda call: call.writes and call.of_wal)
    committed = first(calls, recorded, lambda call: call.flushes and call.of_wal)
    old = [
        at
        for at, call in enumerate(calls)
        if call.name == "unlink" and call.path.startswith(folder)
    ]
    assert old
    assert min(old) > committed
    assert not any(call.of_wal for call in calls[flushed:renamed])


def test_every_transaction_is_flushed_before_anything_else_is_done(
    scene: Scene, calls: list[Call]
) -> None:
    ends = [
        (this, then)
        for this, then in pairwise(calls)
        if this.writes and this.of_wal and not (then.writes and then.of_wal)
    ]
    assert len(ends) > 5
    for this, then in ends:
        assert (then.flushes, then.of_wal) == (True, True), (this, then)


def test_a_batch_is_acknowledged_after_it_is_flushed(calls: list[Call]) -> None:
    told = [at for at, call in enumerate(calls) if "embedding" in call.text]
    assert len(told) > 1
    for before, at in pairwise([0, *told]):
        wal = [call for call in calls[before:at] if call.of_wal]
        assert wal[-1].flushes


def test_a_copy_of_the_catalog_is_whole_before_it_has_its_name(
    scene: Scene, calls: list[Call]
) -> None:
    named = last(calls, lambda call: call.name == "rename" and call.path.endswith(".backup"))
    written = last(calls, lambda call: call.writes and call.path.endswith(".backup.tmp"))
    aside = calls[written].path
    flushed = last(calls, lambda call: call.flushes and call.path == aside)
    assert written < flushed < named
    assert (calls[named + 1].flushes, calls[named + 1].path) == (True, str(scene.library))
