"""`watch`, as a user has it: the real command beside folders that change."""

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from filelock import FileLock

from indexer import BuildReport, Config, Library, watching
from tests.conftest import MakePicture, environment

PATIENCE_S = 120  # a machine may be slow and busy; nothing here waits for it to pass


class Watched:
    """A running `glimpse watch`, the lines that it wrote so far, and its library."""

    def __init__(self, library: Library, command: list[str | Path]) -> None:
        self.library = library
        self.lines: list[str] = []
        self.process = subprocess.Popen(
            command, stderr=subprocess.PIPE, text=True, env=environment(), start_new_session=True
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(line.rstrip())

    def until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            assert self.process.poll() is None, self.lines
            assert time.monotonic() < deadline, self.lines
            time.sleep(0.05)

    def until_it_holds(self, *names: str) -> None:
        self.until(lambda: self.names() == sorted(names))

    def until_it_says(self, text: str) -> None:
        self.until(lambda: any(text in line for line in self.lines))

    def names(self) -> list[str]:
        return sorted(self.ids())

    def ids(self) -> dict[str, int]:
        return {photo.path.name: photo.id for photo in self.library.photos()}

    def end(self, how: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(how)
        code = self.process.wait(timeout=PATIENCE_S)
        self._reader.join()
        return code


Start = Callable[..., Watched]


@pytest.fixture
def start(library_folder: Path, library: Library) -> Iterator[Start]:
    """Starts watching, and returns once the first build is done."""
    running: list[Watched] = []

    def begin(*arguments: str | Path, first: str = " in ", before: tuple[str, ...] = ()) -> Watched:
        command = [*before, sys.executable, "-m", "indexer", "watch", *arguments]
        command += ["--debounce", "0.3", "--library", library_folder]
        running.append(Watched(library, command))
        running[-1].until_it_says(first)
        return running[-1]

    yield begin
    for watched in running:
        if watched.process.poll() is None:
            watched.end(signal.SIGKILL)
        assert watched.process.stderr is not None
        watched._reader.join()
        watched.process.stderr.close()


@pytest.fixture
def watched(start: Start, photos: Path, picture: MakePicture) -> Watched:
    for number in range(1, 4):
        picture(f"{number}.png", mark=number)
    return start(photos)


def test_builds_stand_back_behind_what_else_the_machine_does(
    start: Start, photos: Path, picture: MakePicture, tmp_path: Path
) -> None:
    picture("1.png")
    settings = tmp_path / "nice.toml"
    settings.write_text("[build]\nnice = 7\n")
    watching = start(photos, "--config", settings)
    ours = os.getpriority(os.PRIO_PROCESS, 0)
    assert os.getpriority(os.PRIO_PROCESS, watching.process.pid) == min(19, ours + 7)


def test_a_new_picture_is_found_and_its_build_is_one_line_with_the_time(
    watched: Watched, picture: MakePicture
) -> None:
    picture("new.png", "green")
    watched.until_it_holds("1.png", "2.png", "3.png", "new.png")
    watched.until(lambda: len(watched.lines) == 2)
    assert re.fullmatch(r"\d\d:\d\d:\d\d  1 embedded, .* in \d+\.\d s", watched.lines[1])


def test_a_picture_that_changed_is_embedded_again(watched: Watched, picture: MakePicture) -> None:
    picture("1.png", "blue", mark=99)
    watched.until(lambda: watched.library.search("blue", 1)[0].path.name == "1.png")


def test_what_is_deleted_is_forgotten_and_what_moves_keeps_its_id(
    watched: Watched, photos: Path
) -> None:
    ids = watched.ids()
    (photos / "1.png").unlink()
    watched.until_it_holds("2.png", "3.png")
    (photos / "album").mkdir()
    (photos / "2.png").rename(photos / "album" / "moved.png")
    watched.until_it_holds("3.png", "moved.png")
    assert watched.ids() == {"3.png": ids["3.png"], "moved.png": ids["2.png"]}


def test_a_burst_of_files_is_few_builds(watched: Watched, picture: MakePicture) -> None:
    for number in range(50):
        picture(f"burst/b{number}.png", mark=100 + number)
    watched.until(lambda: len(watched.names()) == 53)
    watched.until_it_says("embedded")
    assert len(watched.lines) <= 6


def test_a_folder_that_is_moved_away_and_one_that_is_moved_in_are_noticed(
    watched: Watched, picture: MakePicture, photos: Path, tmp_path: Path
) -> None:
    picture("album/a.png", mark=11)
    watched.until(lambda: "a.png" in watched.names())
    (photos / "album").rename(tmp_path / "album")
    watched.until(lambda: "a.png" not in watched.names())
    (tmp_path / "album").rename(photos / "again")
    watched.until(lambda: "a.png" in watched.names())


def test_what_an_ignore_file_names_goes_and_starts_no_build(
    watched: Watched, picture: MakePicture, photos: Path
) -> None:
    (photos / ".glimpseignore").write_text("private/\n1.png\n")
    watched.until_it_holds("2.png", "3.png")
    watched.until_it_says("1 excluded")  # the line comes after the build that it tells of
    told = len(watched.lines)
    picture("private/secret.png", mark=20)
    picture(".hidden.png", mark=21)
    (photos / "notes.txt").write_text("nothing to see")
    picture("last.png", mark=22)
    watched.until_it_holds("2.png", "3.png", "last.png")
    watched.until(lambda: len(watched.lines) == told + 1)


def test_a_file_that_is_still_written_is_taken_when_it_is_whole(
    watched: Watched, picture: MakePicture, photos: Path, tmp_path: Path
) -> None:
    data = picture("../slow.png", "yellow").read_bytes()
    with open(photos / "slow.png", "wb", buffering=0) as file:
        for part in (data[:40], data[40:80], data[80:]):
            file.write(part)
            time.sleep(0.1)
    watched.until(lambda: "slow.png" in watched.names())
    watched.until(lambda: watched.library.search("yellow", 1)[0].path.name == "slow.png")


def test_a_name_that_is_not_text_is_noticed(watched: Watched, photos: Path) -> None:
    odd = os.path.join(os.fsencode(photos), b"caf\xe9.png")
    shutil.copy(photos / "1.png", os.fsdecode(odd))
    watched.until(lambda: os.fsdecode(b"caf\xe9.png") in watched.names())
    shutil.copy(photos / "1.png", photos / "plain.png")
    watched.until(lambda: "plain.png" in watched.names())


def test_a_root_that_goes_and_comes_back_is_noticed(
    watched: Watched, picture: MakePicture, photos: Path, tmp_path: Path
) -> None:
    photos.rename(tmp_path / "unplugged")
    watched.until_it_says("is not there: its photos are kept, as offline")
    (tmp_path / "unplugged").rename(photos)
    watched.until(lambda: watched.library.status().roots[0].offline_reason is None)
    picture("late.png", mark=30)
    watched.until_it_holds("1.png", "2.png", "3.png", "late.png")


def test_another_writer_is_waited_for(
    watched: Watched, picture: MakePicture, library_folder: Path
) -> None:
    with FileLock(library_folder / "writer.lock"):
        picture("new.png", "green")
        watched.until_it_says("is locked by process")
    watched.until(lambda: "new.png" in watched.names())


def test_a_library_inside_its_root_does_not_wake_itself(
    start: Start, picture: MakePicture, photos: Path, library_folder: Path
) -> None:
    picture("1.png", mark=1)
    watched = start(photos.parent)
    picture("2.png", mark=2)
    watched.until(lambda: len(watched.lines) == 2)
    picture("3.png", mark=3)
    watched.until(lambda: "3.png" in watched.names() and len(watched.lines) == 3)


def test_where_the_system_tells_of_no_more_changes_it_looks_by_itself(
    start: Start, picture: MakePicture, photos: Path
) -> None:
    limit = "echo 2 > /proc/sys/user/max_inotify_watches"
    limited = ("unshare", "-Ur", "sh", "-c", f'{limit} && exec "$0" "$@"')
    if subprocess.run([*limited, "true"], capture_output=True).returncode:
        pytest.skip("no limit can be set here: needs unshare and user namespaces")
    for number in range(1, 6):
        picture(f"{number}/{number}.png", mark=number)
    watched = start(photos, before=limited)
    watched.until_it_says("looking every 5 s instead")
    picture("6/6.png", mark=6)
    watched.until(lambda: "6.png" in watched.names())


def test_what_can_be_neither_heard_nor_looked_at_is_looked_through_now_and_then(
    library: Library, photos: Path, picture: MakePicture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHFILES_FORCE_POLLING", "1")
    monkeypatch.setattr(watching, "UNTOLD_S", 0.1)
    picture("1.png", mark=1)
    (photos / "loop").symlink_to(photos)  # a poll follows it without end
    stop = threading.Event()
    said: list[str] = []
    built: list[int] = []

    def hear(report: BuildReport) -> None:
        built.append(report.embedded)
        if len(built) == 1:
            picture("2.png", mark=2)
        else:
            stop.set()

    deadline = threading.Timer(PATIENCE_S, stop.set)
    deadline.start()
    library.watch([photos], debounce_s=0.1, stop=stop, on_build=hear, notify=said.append)
    deadline.cancel()
    assert built == [1, 1]
    assert [line for line in said if "cannot be noticed at once" in line] == said[1:]


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_well_when_it_is_told_to(watched: Watched, how: signal.Signals) -> None:
    assert watched.end(how) == 0
    assert watched.lines[1:] == ["glimpse: no longer watching; what was finished is kept"]


def test_a_program_watches_until_it_says_stop(
    library: Library, photos: Path, picture: MakePicture
) -> None:
    picture("a.png")
    stop = threading.Event()
    embedded: list[int] = []

    def hear(report: BuildReport) -> None:
        embedded.append(report.embedded)
        stop.set()

    library.watch([photos], stop=stop, on_build=hear)
    assert embedded == [1]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("nowhere",), "nowhere is not there"),
        ((), "no folder was named"),
        ((".", "--debounce", "-1"), "from 0 to 60"),
    ],
)
def test_what_cannot_be_watched_is_one_line(
    glimpse: Callable[..., "subprocess.CompletedProcess[bytes]"],
    arguments: tuple[str, ...],
    complaint: str,
) -> None:
    ran = glimpse("watch", *arguments)
    (line,) = ran.stderr.decode().splitlines()
    assert (ran.returncode, complaint in line) == (2, True), line


def test_a_root_that_is_forgotten_while_its_build_waits_stays_forgotten(
    library: Library, photos: Path, picture: MakePicture
) -> None:
    picture("kept/a.png", mark=1)
    picture("gone/b.png", mark=2)
    library.build([photos / "kept", photos / "gone"])
    stop, built = threading.Event(), threading.Semaphore(0)

    def watch() -> None:
        with Library.open(library.folder, config=Config()) as watching:
            watching.watch(debounce_s=3, stop=stop, on_build=lambda report: built.release())

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        assert built.acquire(timeout=PATIENCE_S)
        picture("gone/new.png", mark=3)
        time.sleep(1)  # it is told of that, and waits for quiet
        library.remove(photos / "gone")
        picture("kept/new.png", mark=4)
        while "new.png" not in {photo.path.name for photo in library.photos()}:
            assert built.acquire(timeout=PATIENCE_S)
    finally:
        stop.set()
        thread.join()
    assert [root.path for root in library.status().roots] == [photos / "kept"]
