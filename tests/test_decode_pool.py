import hashlib
import itertools
import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from indexer.decode_pool import DecodePool
from indexer.decoding import Decoded, Limits, decode_file
from indexer.embedders.base import Preprocessing
from indexer.errors import GlimpseError, PictureError

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/stat").exists(), reason="finds processes by /proc"
)

PACKAGES = Path(__file__).resolve().parent.parent
SEEN = Preprocessing(size=32, resize_to=36)
LIMITS = Limits()


def pool_of(workers: int = 1, timeout_s: float = 30, limits: Limits = LIMITS) -> DecodePool:
    return DecodePool(SEEN, limits, workers, timeout_s)


@pytest.fixture
def photos(tmp_path: Path) -> list[bytes]:
    """Twelve small photos."""
    rng = np.random.default_rng(0)
    for number in range(12):
        pixels = rng.integers(0, 256, (60, 80, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number:02}.png")
    return sorted(os.fsencode(path) for path in tmp_path.iterdir())


def parent_of(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return 0


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def workers_of(parent: int) -> list[int]:
    """The processes that decode for a process."""
    return [
        int(folder.name)
        for folder in Path("/proc").iterdir()
        if folder.name.isdigit()
        and parent_of(int(folder.name)) == parent
        and b"decode_worker" in (folder / "cmdline").read_bytes()
    ]


def my_worker(pool: DecodePool, path: bytes) -> int:
    """The process of a pool of one, when it has nothing to do."""
    assert len(list(pool.decode([path]))) == 1
    (worker,) = workers_of(os.getpid())
    return worker


def reasons(answers: Iterable[tuple[bytes, Decoded | PictureError]]) -> dict[bytes, str]:
    """Why files were refused."""
    return {path: str(answer) for path, answer in answers if isinstance(answer, PictureError)}


def wait_until(true: Callable[[], bool], seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


# What comes back


@pytest.mark.parametrize("workers", [1, 3])
def test_every_file_comes_back_as_it_is_decoded_in_this_process(
    photos: list[bytes], workers: int
) -> None:
    with pool_of(workers) as pool:
        answers = dict(pool.decode(photos))
    assert sorted(answers) == photos
    for path, answer in answers.items():
        expected = decode_file(path, SEEN, LIMITS)
        assert isinstance(answer, Decoded)
        assert answer.pixels.shape == (32, 32, 3)
        assert np.array_equal(answer.pixels, expected.pixels)
        assert answer.sha256 == hashlib.sha256(Path(os.fsdecode(path)).read_bytes()).digest()
        assert answer.signature == expected.signature
        assert (answer.width, answer.height, answer.format) == (80, 60, "PNG")


def test_the_signature_and_the_metadata_are_those_of_the_file(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif.update({0x010F: "Box", 0x0110: "Appareil 1", 0x0132: "2020:05:06 07:08:09"})
    path = tmp_path / "a.jpg"
    Image.new("RGB", (9, 9)).save(path, exif=exif)
    with pool_of() as pool:
        ((_, answer),) = pool.decode([os.fsencode(path)])
    assert isinstance(answer, Decoded)
    assert answer.metadata.taken_at == "2020-05-06T07:08:09"
    assert answer.metadata.camera == "Box Appareil 1"
    status = path.stat()
    signature = answer.signature
    assert (signature.size, signature.mtime_ns) == (status.st_size, status.st_mtime_ns)
    assert (signature.ctime_ns, signature.device) == (status.st_ctime_ns, status.st_dev)


def test_a_bad_file_comes_back_with_its_reason_and_the_others_with_their_pictures(
    photos: list[bytes],
) -> None:
    text = photos[5]
    Path(os.fsdecode(text)).write_text("hello")
    with pool_of(2) as pool:
        assert reasons(pool.decode(photos)) == {text: "not a picture (text)"}


def test_names_may_be_any_bytes_and_any_length(tmp_path: Path, photos: list[bytes]) -> None:
    data = Path(os.fsdecode(photos[0])).read_bytes()
    odd = os.fsencode(tmp_path) + b"/caf\xe9\n{}.png"
    Path(os.fsdecode(odd)).write_bytes(data)
    folder = os.open(tmp_path, os.O_RDONLY)
    deep = [b"d" * 250] * 60
    for name in deep:
        os.mkdir(name, dir_fd=folder)
        inside = os.open(name, os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        folder = inside
    with open(os.open(b"a.png", os.O_WRONLY | os.O_CREAT, dir_fd=folder), "wb") as file:
        file.write(data)
    os.close(folder)
    far = os.fsencode(tmp_path) + b"/" + b"/".join([*deep, b"a.png"])
    with pool_of() as pool:
        assert reasons(pool.decode([odd, far, far, odd, far])) == {}


def test_a_relative_path_is_one_from_where_the_parent_is(
    photos: list[bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pool_of() as pool:
        my_worker(pool, photos[0])
        monkeypatch.chdir(tmp_path)
        assert reasons(pool.decode([b"00.png"])) == {}


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))


def test_what_is_no_regular_file_is_refused_without_waiting(tmp_path: Path) -> None:
    made: dict[str, Callable[[Path], object]] = {
        "not a regular file": os.mkfifo,
        "not a regular file ": make_socket,
        "not a regular file  ": Path.mkdir,
        "a link": lambda path: path.symlink_to("/dev/zero"),
        "no longer there": lambda path: path,
    }
    expected = {}
    for number, (said, make) in enumerate(made.items()):
        make(tmp_path / f"{number}.jpg")
        expected[os.fsencode(tmp_path / f"{number}.jpg")] = said.strip()
    with pool_of(timeout_s=5) as pool:
        assert reasons(pool.decode(expected)) == expected


def test_a_file_that_may_not_be_read_is_refused(photos: list[bytes]) -> None:
    os.chmod(photos[0], 0)
    if os.access(photos[0], os.R_OK):
        pytest.skip("this user may read everything")
    with pool_of() as pool:
        assert reasons(pool.decode(photos)) == {photos[0]: "no permission to read it"}


def test_a_file_that_keeps_changing_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "growing.png"
    with open(path, "wb") as file:
        file.truncate(100_000_000)
    stop = threading.Event()

    def touch() -> None:
        for tick in itertools.count():
            os.utime(path, ns=(tick, tick))
            if stop.wait(0.001):
                return

    toucher = threading.Thread(target=touch)
    toucher.start()
    try:
        with pool_of() as pool:
            answers = reasons(pool.decode([os.fsencode(path)]))
    finally:
        stop.set()
        toucher.join()
    assert list(answers.values()) == ["changing while it is read"]


def test_what_libraries_print_reaches_neither_the_answers_nor_the_terminal(
    tmp_path: Path, photos: list[bytes], capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "damaged.tif"
    Image.effect_noise((200, 200), 90).save(path, compression="tiff_lzw")
    data = bytearray(path.read_bytes())
    data[1000:1100] = bytes(100)
    path.write_bytes(data)
    with pytest.raises(PictureError):
        decode_file(os.fsencode(path), SEEN, LIMITS)
    assert capfd.readouterr().err  # libtiff does print
    with pool_of() as pool:
        assert list(reasons(pool.decode([os.fsencode(path), *photos]))) == [os.fsencode(path)]
    assert capfd.readouterr() == ("", "")


# What goes wrong


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


def test_a_strip_of_one_pixel_takes_no_more_memory_than_it_holds(tmp_path: Path) -> None:
    strips = [tmp_path / "tall.png", tmp_path / "wide.png"]
    for strip, size in zip(strips, [(1, 60_000), (60_000, 1)], strict=True):
        Image.new("RGB", size).save(strip)
    with pool_of(limits=Limits(worker_memory_mb=100)) as pool:
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


# How much at once


def test_paths_are_taken_no_faster_than_answers_are(photos: list[bytes]) -> None:
    taken = 0

    def endless() -> Iterator[bytes]:
        nonlocal taken
        for path in itertools.cycle(photos):
            taken += 1
            yield path

    with DecodePool(SEEN, LIMITS, 2, 30, ahead=3) as pool:
        for count, _ in enumerate(itertools.islice(pool.decode(endless()), 40)):
            assert taken <= count + 2 * 3
    assert taken >= 40


def test_several_threads_share_a_pool(photos: list[bytes]) -> None:
    counts: list[int] = []
    with pool_of(2) as pool:
        threads = [
            threading.Thread(target=lambda: counts.append(len(dict(pool.decode(photos)))))
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert counts == [12] * 4


def test_no_process_starts_before_there_is_work(photos: list[bytes]) -> None:
    with pool_of(2) as pool:
        assert list(pool.decode([])) == []
        assert workers_of(os.getpid()) == []
        my_worker(pool, photos[0])


@pytest.mark.parametrize("numbers", [(0, 4), (1, 0)])
def test_a_pool_of_nothing_is_refused(numbers: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="neither can be below 1"):
        DecodePool(SEEN, LIMITS, numbers[0], 30, ahead=numbers[1])


def test_a_worker_imports_nothing_heavy() -> None:
    heavy = {"torch", "sqlalchemy", "faiss", "onnxruntime", "pydantic", "pillow_heif", "rawpy"}
    program = f"import sys, indexer.decode_worker; print({heavy} & set(sys.modules))"
    shown = subprocess.run(
        [sys.executable, "-c", program], cwd=PACKAGES, capture_output=True, text=True, check=True
    )
    assert shown.stdout == "set()\n"


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
from indexer.decode_pool import DecodePool
from indexer.decoding import Decoded
from indexer.embedders.base import Preprocessing
from indexer.limits import Limits
paths = [os.fsencode(name) for name in sys.argv[1:]]
with DecodePool(Preprocessing(32), Limits(), 2, 30) as pool:
    print(sum(isinstance(answer, Decoded) for _, answer in pool.decode(paths)), flush=True)
    {then}
"""


def script(tmp_path: Path, photos: list[bytes], then: str) -> "subprocess.Popen[str]":
    """A user's script that has no main guard, run where a file of the same name as a package lies."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "numpy.py").write_text("raise SystemExit('the working folder was imported')")
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
