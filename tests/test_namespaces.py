"""Faults of the machine itself, each provoked in a namespace: drives that come and go, a full disk, no network."""

import json
import queue
import re
import shutil
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import MakePicture, environment

Command = Callable[..., subprocess.CompletedProcess[str]]


def _may_unshare() -> bool:
    if sys.platform != "linux" or not shutil.which("unshare"):
        return False
    tried = subprocess.run(["unshare", "--mount", "--net", "true"], capture_output=True)
    return tried.returncode == 0


pytestmark = pytest.mark.skipif(not _may_unshare(), reason="namespaces need Linux and root")


@pytest.fixture
def enter() -> Iterator[list[str]]:
    """What leads a command into a namespace of mounts and of the network, where there is nothing but loopback."""
    hold = "ip link set lo up && echo ready && exec cat"
    with subprocess.Popen(
        ["unshare", "--mount", "--net", "--propagation", "private", "sh", "-c", hold],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:  # leaving closes its input, which ends it
        assert holder.stdout
        assert holder.stdout.readline() == b"ready\n"
        yield ["nsenter", "--target", str(holder.pid), "--mount", "--net"]


@pytest.fixture
def inside(enter: list[str]) -> Command:
    """Runs programs there."""

    def run(*program: str | Path, expect: int = 0) -> subprocess.CompletedProcess[str]:
        ran = subprocess.run(
            [*enter, *program], capture_output=True, text=True, env=environment(), timeout=120
        )
        assert ran.returncode == expect, ran.stderr
        return ran

    return run


@pytest.fixture
def command(inside: Command, library_folder: Path) -> Command:
    """Runs the real command there, on the test's library."""

    def run(*arguments: str | Path, expect: int = 0) -> subprocess.CompletedProcess[str]:
        program = [sys.executable, "-m", "indexer"]
        return inside(*program, *arguments, "--library", library_folder, expect=expect)

    return run


def found(command: Command, *options: str) -> set[str]:
    """Names of all the photos that a search gives."""
    answer = json.loads(command("search", "red", "--top", "999", "--json", *options).stdout)
    return {Path(hit["path"]).name for hit in answer["results"]}


@pytest.fixture
def drive(tmp_path: Path, inside: Command, picture: MakePicture) -> Path:
    """A drive with four pictures, mounted in the namespace alone; where it can be mounted again from."""
    folder = tmp_path / "drive"
    folder.mkdir()
    inside("mount", "-t", "tmpfs", "tmpfs", folder)
    for number, colour in enumerate(("red", "green", "blue", "yellow")):
        inside("cp", picture(f"{colour}.png", colour, mark=number + 1), folder)
    return folder


@pytest.fixture
def root(tmp_path: Path, inside: Command, drive: Path) -> Path:
    """Where that drive is mounted."""
    folder = tmp_path / "root"
    folder.mkdir()
    inside("mount", "--bind", drive, folder)
    return folder


def embedded(built: subprocess.CompletedProcess[str]) -> int:
    """How many pictures a build says that it embedded."""
    told = re.search(r"(\d+) embedded", built.stderr)
    return int(told[1]) if told else 0


ON_THE_DRIVE = {"red.png", "green.png", "blue.png", "yellow.png"}


def test_a_drive_that_is_unmounted_keeps_its_photos_and_comes_back_without_embedding(
    inside: Command, command: Command, drive: Path, root: Path
) -> None:
    command("build", root)
    assert found(command) == ON_THE_DRIVE

    inside("umount", root)
    told = command("build", root)
    assert "is empty, as a drive that is not mounted would be" in told.stderr
    assert "its photos are kept" in told.stderr
    assert found(command) == set()
    assert found(command, "--include-offline") == ON_THE_DRIVE

    inside("mount", "--bind", drive, root)
    assert embedded(command("build", root)) == 0
    assert found(command) == ON_THE_DRIVE


def test_a_drive_within_a_root_keeps_its_photos(
    inside: Command, command: Command, drive: Path, picture: MakePicture
) -> None:
    own = picture("root/own.png", "red", mark=99).parent
    (own / "mounted").mkdir()
    inside("mount", "--bind", drive, own / "mounted")
    command("build", own)
    assert found(command) == ON_THE_DRIVE | {"own.png"}

    inside("umount", own / "mounted")
    command("build", own)
    assert found(command) == {"own.png"}
    assert found(command, "--include-offline") == ON_THE_DRIVE | {"own.png"}

    inside("mount", "--bind", drive, own / "mounted")
    assert embedded(command("build", own)) == 0
    assert found(command) == ON_THE_DRIVE | {"own.png"}


def test_another_drive_in_the_place_of_one_removes_nothing(
    inside: Command, command: Command, root: Path, picture: MakePicture
) -> None:
    command("build", root)
    inside("umount", root)
    inside("mount", "-t", "tmpfs", "tmpfs", root)
    inside("cp", picture("other.png", "red", mark=77), root)
    command("build", root)
    assert found(command) == {"other.png"}
    assert found(command, "--include-offline") == ON_THE_DRIVE | {"other.png"}


def test_a_copy_of_a_drive_on_another_one_embeds_nothing(
    inside: Command, command: Command, drive: Path, root: Path
) -> None:
    command("build", root)
    inside("umount", root)
    inside("mount", "-t", "tmpfs", "tmpfs", root)
    inside("sh", "-c", f"cp {drive}/*.png {root}")
    assert embedded(command("build", root)) == 0
    assert found(command) == found(command, "--include-offline") == ON_THE_DRIVE


def test_photos_that_cannot_be_written_to_are_indexed(
    inside: Command, command: Command, root: Path
) -> None:
    inside("mount", "-o", "remount,bind,ro", root)
    inside("touch", root / "new.png", expect=1)
    command("build", root)
    assert found(command) == ON_THE_DRIVE


def test_what_may_not_be_read_is_told_and_what_was_known_of_it_is_not_lost(
    inside: Command, library_folder: Path, picture: MakePicture
) -> None:
    # Root may read everything; without these two rights it may not.
    rights = "--bounding-set=-dac_override,-dac_read_search"
    glimpse = ("setpriv", rights, sys.executable, "-m", "indexer")
    where = ("--library", library_folder)
    root = picture("root/open.png", "red", mark=1).parent
    closed = picture("root/closed/known.png", "red", mark=2).parent
    secret = picture("root/secret.png", "red", mark=3)
    assert embedded(inside(*glimpse, "build", root, *where)) == 3

    closed.chmod(0)
    secret.chmod(0)
    told = inside(*glimpse, "build", root, *where, expect=3).stderr
    assert f"{closed} cannot be listed (Permission denied): what was known there is kept" in told
    assert "secret.png" in inside(*glimpse, "errors", *where).stdout
    found = inside(*glimpse, "search", "red", "--filepath-only", *where).stdout.split()
    assert {Path(path).name for path in found} == {"open.png", "known.png"}

    closed.chmod(0o755)
    secret.chmod(0o644)
    assert embedded(inside(*glimpse, "build", root, *where)) == 0
    found = inside(*glimpse, "search", "red", "--filepath-only", *where).stdout.split()
    assert len(found) == 3


def test_a_full_disk_stops_a_build_and_takes_nothing_that_was_committed(
    tmp_path: Path, inside: Command, library_folder: Path, picture: MakePicture
) -> None:
    for number in range(300):
        root = picture(f"root/{number}.png", "red", mark=number + 1).parent
    disk = tmp_path / "disk"
    disk.mkdir()
    library = disk / "library"
    glimpse = (sys.executable, "-m", "indexer")
    inside("mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", disk)
    inside("cp", "-r", library_folder, library)
    inside("sh", "-c", f"cat /dev/zero > {disk}/filler", expect=1)
    inside("truncate", "--size=-512K", disk / "filler")

    stopped = inside(*glimpse, "build", root, "--library", library, expect=1)
    assert stopped.stderr.splitlines()[-1].startswith("glimpse: ")
    assert "full" in stopped.stderr
    assert "Traceback" not in stopped.stderr
    status = json.loads(inside(*glimpse, "status", "--json", "--library", library).stdout)
    (kept,) = (space["vectors"] for space in status["spaces"])

    inside("rm", disk / "filler")
    done = inside(*glimpse, "build", root, "--library", library)
    assert 0 < embedded(done) <= 300 - kept
    look = "import sqlite3, sys; print(*sqlite3.connect(sys.argv[1]).execute('PRAGMA integrity_check'))"
    sound = inside(sys.executable, "-c", look, library / "catalog.sqlite")
    assert sound.stdout.strip() == "('ok',)"


def test_nothing_is_sent_that_was_not_asked_for(
    enter: list[str],
    inside: Command,
    command: Command,
    picture: MakePicture,
    library_folder: Path,
) -> None:
    root = picture("a.png", "blue").parent
    with wire(enter, inside) as heard:
        inside(sys.executable, "-c", HELLO)
        assert "hello" in heard(), "a wire on which nothing is heard proves nothing"
        command("build", root)
        assert found(command) == {"a.png"}
        command("models")
        assert inside(sys.executable, "-c", VISIT, library_folder).stdout == "200\n200\n"
        assert heard() == ""


HELLO = """
import socket
socket.socket(type=socket.SOCK_DGRAM).sendto(b"hello", ("192.0.2.7", 9))
"""
LISTEN = """
import socket
wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
wire.bind(("out", 0))
print(flush=True)
while True:
    print(wire.recv(65536), flush=True)
"""
VISIT = """
import subprocess, sys, time, urllib.request
ui = ["ui", "--no-browser", "--port", "8599", "--library", sys.argv[1]]
page = subprocess.Popen([sys.executable, "-m", "indexer", *ui])
for _ in range(200):
    try:
        for path in ("", "photos/2/320"):
            print(urllib.request.urlopen("http://127.0.0.1:8599/" + path).status)
        break
    except OSError:
        time.sleep(0.1)
page.terminate()
page.wait()
"""


@contextmanager
def wire(enter: list[str], inside: Command) -> Iterator[Callable[[], str]]:
    """A way out of the namespace that nobody answers on; gives a function for what was heard since it was asked."""
    for step in (
        "link add out type veth peer name far",
        "addr add 198.51.100.1/24 dev out",
        "link set out addrgenmode none",  # or the kernel itself looks for IPv6 routers
        "link set far addrgenmode none",
        "link set out up",
        "link set far up",
        "neigh add 198.51.100.2 lladdr 02:00:00:00:00:02 dev out",
        "route add default via 198.51.100.2",
    ):
        inside("ip", *step.split())
    lines: queue.SimpleQueue[str] = queue.SimpleQueue()
    with subprocess.Popen(
        [*enter, sys.executable, "-c", LISTEN], stdout=subprocess.PIPE, text=True
    ) as listener:
        assert listener.stdout
        out = listener.stdout
        out.readline()
        reading = threading.Thread(target=lambda: deque(map(lines.put, out)))
        reading.start()

        def heard() -> str:
            time.sleep(0.2)
            return "".join(lines.get() for _ in range(lines.qsize()))

        try:
            yield heard
        finally:
            listener.terminate()
            reading.join()


def test_a_library_on_a_medium_that_is_only_read_is_searched(
    inside: Command,
    command: Command,
    library_folder: Path,
    photos: Path,
    picture: MakePicture,
) -> None:
    for number in range(3):
        picture(f"{number}.png", mark=number)
    command("build", photos)
    held = {path.name for path in library_folder.iterdir()}
    inside("mount", "--bind", library_folder, library_folder)
    inside("mount", "-o", "remount,bind,ro", library_folder)
    assert found(command) == {"0.png", "1.png", "2.png"}
    assert "3" in command("status").stdout
    command("export", library_folder.with_name("out"))
    picture("3.png", mark=3)
    refused = command("build", expect=1).stderr
    assert "writer.lock: Read-only file system" in refused
    assert refused.count("\n") == 1
    inside("umount", library_folder)
    assert {path.name for path in library_folder.iterdir()} == held
    command("build")
    assert len(found(command)) == 4
