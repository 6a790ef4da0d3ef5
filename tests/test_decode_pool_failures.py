import itertools
import os
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Literal

import pytest
from PIL import Image

from indexer.embedders.base import Preprocessing
from indexer.errors import GlimpseError
from indexer.pictures.decoding import Limits
from indexer.pictures.pool import DecodePool
from tests.decoders import (
    HAS_PROC,
    PACKAGES,
    is_running,
    my_worker,
    noise_photos,
    pool_of,
    reasons,
    wait_until,
    workers_of,
)

pytestmark = pytest.mark.skipif(not HAS_PROC, reason="finds processes by /proc")


@pytest.fixture
def photos(tmp_path: Path) -> list[bytes]:
    return noise_photos(tmp_path)


def stopped(pool: DecodePool, path: bytes) -> int:
    """The worker, which from now on takes requests and does nothing about them."""
    worker = my_worker(pool, path)
    os.kill(worker, signal.SIGSTOP)
    return worker


def resume(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)


def test_only_the_file_that_takes_too_long_fails(photos: list[bytes]) -> None:
    with pool_of(timeout_s=0.5) as pool:
        stopped(pool, photos[0])
        expected = {photos[0]: "decoding took over 0.5 s (decode_timeout_s)"}
        assert reasons(pool.decode(photos)) == expected
        assert reasons(pool.decode(photos)) == {}


def test_a_file_that_takes_far_too_long_ends_its_worker_with_no_help_of_the_parent(
    tmp_path: Path,
) -> None:
    slow = tmp_path / "slow.ppm"
    slow.write_bytes(b"P3 2000 2000 255\n" + b"1 " * 12_000_000)
    with pool_of(timeout_s=0.3) as pool:
        answers = pool.decode([b"/nonexistent", os.fsencode(slow)])
        next(answers)
        (worker,) = workers_of(os.getpid())
        wait_until(lambda: not is_running(worker))
        assert str(next(answers)[1]) == "decoding took over 0.3 s (decode_timeout_s)"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT])
def test_only_the_file_that_crashes_the_decoder_fails(photos: list[bytes], number: int) -> None:
    with pool_of() as pool:
        worker = stopped(pool, photos[0])
        timer = threading.Timer(0.3, os.kill, (worker, number))
        timer.start()
        threading.Timer(0.4, resume, (worker,)).start()
        expected = {photos[0]: f"the decoder crashed (signal {int(number)})"}
        assert reasons(pool.decode(photos)) == expected
        timer.join()


def test_a_worker_leaves_ctrl_c_to_its_parent(photos: list[bytes]) -> None:
    with pool_of() as pool:
        worker = my_worker(pool, photos[0])
        os.kill(worker, signal.SIGINT)
        assert reasons(pool.decode(photos)) == {}
        assert workers_of(os.getpid()) == [worker]


def test_no_file_fails_for_a_worker_that_was_killed_while_it_was_idle(photos: list[bytes]) -> None:
    with pool_of() as pool:
        worker = my_worker(pool, photos[0])
        os.kill(worker, signal.SIGKILL)
        os.waitid(os.P_PID, worker, os.WEXITED | os.WNOWAIT)
        assert reasons(pool.decode(photos)) == {}


def test_a_picture_that_takes_too_much_memory_is_refused(
    tmp_path: Path, photos: list[bytes]
) -> None:
    large = tmp_path / "large.png"
    Image.new("RGB", (8000, 8000)).save(large, compress_level=1)
    with pool_of(limits=Limits(worker_memory_mb=150)) as pool:
        answers = reasons(pool.decode([os.fsencode(large), *photos]))
    expected = "decoding it takes more memory than allowed (worker_memory_mb)"
    assert answers == {os.fsencode(large): expected}


@pytest.mark.parametrize("mode", ["shortest", "squash", "longest"])
def test_a_strip_of_one_pixel_takes_little_more_memory_than_it_holds(
    tmp_path: Path, mode: Literal["shortest", "squash", "longest"]
) -> None:
    strips = [tmp_path / "tall.png", tmp_path / "wide.png"]
    for strip, size in zip(strips, [(1, 10_000_000), (10_000_000, 1)], strict=True):
        Image.new("L", size).save(strip, compress_level=1)
    limits = Limits(worker_memory_mb=400)
    with DecodePool(Preprocessing(224, mode), limits, 1, timeout_s=30) as pool:
        assert reasons(pool.decode(os.fsencode(strip) for strip in strips)) == {}


def test_a_worker_that_cannot_start_says_why(
    photos: list[bytes], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "PIL").mkdir()
    (tmp_path / "PIL" / "__init__.py").write_text("raise ImportError('no Pillow today')")
    with pool_of() as pool:
        monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
        with pytest.raises(GlimpseError, match="did not start: ImportError: no Pillow today"):
            list(pool.decode(photos))
        monkeypatch.setattr(sys, "executable", "/nonexistent/python")
        with pytest.raises(GlimpseError, match="can be started"):
            list(pool.decode(photos))


# How it ends


def test_leaving_early_leaves_no_process(photos: list[bytes]) -> None:
    pool = pool_of(2)
    answers = pool.decode(itertools.cycle(photos))
    next(answers)
    assert workers_of(os.getpid())
    answers.close()  # type: ignore[attr-defined]
    assert workers_of(os.getpid()) == []
    assert len(list(pool.decode(photos))) == 12
    pool.close()
    assert workers_of(os.getpid()) == []


def test_an_interruption_leaves_no_process(photos: list[bytes]) -> None:
    def interrupted(pool: DecodePool) -> None:
        with pool:
            for _ in pool.decode(itertools.cycle(photos)):
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted(pool_of(2))
    assert workers_of(os.getpid()) == []


def test_a_file_list_that_fails_leaves_no_process(photos: list[bytes]) -> None:
    def failing() -> Iterator[bytes]:
        yield from photos
        raise LookupError("the list")

    pool = pool_of(2)
    with pytest.raises(LookupError, match="the list"):
        list(pool.decode(failing()))
    assert workers_of(os.getpid()) == []


def test_closing_ends_a_stream_of_another_thread(photos: list[bytes]) -> None:
    pool = pool_of(timeout_s=60)
    stopped(pool, photos[0])
    threading.Timer(0.3, pool.close).start()
    with pytest.raises(GlimpseError, match="closed while decoding"):
        list(pool.decode(photos))


SCRIPT = """
import itertools, os, sys
sys.path.insert(0, {packages!r})  # known to this process only
from indexer.pictures.pool import DecodePool
from indexer.pictures.decoding import Decoded
from indexer.embedders.base import Preprocessing
from indexer.pictures.limits import Limits
paths = [os.fsencode(name) for name in sys.argv[1:]]
with DecodePool(Preprocessing(32), Limits(), 2, 30) as pool:
    print(sum(isinstance(answer, Decoded) for _, answer in pool.decode(paths)), flush=True)
    {then}
"""


def script(tmp_path: Path, photos: list[bytes], then: str) -> "subprocess.Popen[str]":
    """A user's script that has no main guard, run beside a file with the name of a module."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "json.py").write_text("raise SystemExit('the working folder was imported')")
    (folder / "script.py").write_text(
        textwrap.dedent(SCRIPT).format(packages=str(PACKAGES), then=then)
    )
    return subprocess.Popen(
        [sys.executable, "-I", "script.py", *map(os.fsdecode, photos)],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def test_a_script_without_a_main_guard_works_from_any_folder(
    tmp_path: Path, photos: list[bytes]
) -> None:
    output, complaints = script(tmp_path, photos, "pass").communicate(timeout=30)
    assert (output, complaints) == ("12\n", "")


ENDLESS = "list(pool.decode(itertools.cycle(paths)))"


def test_ctrl_c_ends_the_parent_as_it_likes_and_then_the_workers(
    tmp_path: Path, photos: list[bytes]
) -> None:
    process = script(tmp_path, photos, ENDLESS)
    assert process.stdout
    assert process.stdout.readline() == "12\n"
    workers = workers_of(process.pid)
    os.killpg(process.pid, signal.SIGINT)
    _, complaints = process.communicate(timeout=30)
    assert complaints.endswith("KeyboardInterrupt\n")
    assert complaints.count("Traceback") == 1
    assert workers
    assert not any(map(is_running, workers))


@pytest.mark.parametrize("meanwhile", ["pass", "os.fork() or os.system('sleep 20')"])
def test_workers_end_when_their_parent_is_killed(
    tmp_path: Path, photos: list[bytes], meanwhile: str
) -> None:
    process = script(tmp_path, photos, f"{meanwhile}; {ENDLESS}")
    assert process.stdout
    assert process.stdout.readline() == "12\n"
    workers = workers_of(process.pid)
    assert workers
    process.kill()
    wait_until(lambda: not any(map(is_running, workers)))
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=30)
