import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import tracemalloc
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from indexer.discovery import Candidate, Rules, Walk
from indexer.errors import UsageError


def plant(root: Path, *paths: str | bytes) -> Path:
    """Create empty files, with the folders above them; a path that ends in "/" is a folder."""
    for path in paths:
        target = os.path.join(os.fsencode(root), path if isinstance(path, bytes) else path.encode())
        os.makedirs(os.path.dirname(target), exist_ok=True)
        if not target.endswith(b"/"):
            with open(target, "wb"):
                pass
    return root


def walk_of(root: Path, rules: Rules | None = None) -> Walk:
    return Walk(os.fsencode(root), rules or Rules())


def paths_of(walk: Walk) -> list[bytes]:
    return [candidate.path for candidate in walk]


def found(root: Path, **rules: object) -> list[bytes]:
    return paths_of(walk_of(root, Rules(**rules)))  # type: ignore[arg-type]


# Candidates and their order


def test_a_candidate_carries_what_stat_says(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"12345")
    os.utime(tmp_path / "a.jpg", ns=(0, -2_177_452_800_000_000_123))  # the year 1901
    status = os.stat(tmp_path / "a.jpg")
    [candidate] = walk_of(tmp_path)
    assert candidate == Candidate(
        b"a.jpg", 5, status.st_mtime_ns, status.st_ctime_ns, status.st_dev
    )
    assert candidate.mtime_ns < 0


def test_only_files_with_the_suffix_of_a_picture_are_candidates(tmp_path: Path) -> None:
    plant(tmp_path, "a.JPG", "b.jpeg", "c.txt", "jpg", "d.jpg.part", "e", "f.png/", "g.mp4")
    assert found(tmp_path) == [b"a.JPG", b"b.jpeg"]


def test_the_files_of_a_folder_come_sorted_and_before_its_folders(tmp_path: Path) -> None:
    plant(tmp_path, "b/z.jpg", "b/a/q.jpg", "b/c.jpg", "z.jpg", "c/a.jpg", "B/a.jpg", "a.jpg")
    order = [b"a.jpg", b"z.jpg", b"B/a.jpg", b"b/c.jpg", b"b/z.jpg", b"b/a/q.jpg", b"c/a.jpg"]
    assert found(tmp_path) == order


@pytest.mark.parametrize(
    "name",
    [
        b"caf\xe9.jpg",
        b"two\nlines.jpg",
        b"trailing\n/a.jpg",
        b"n" * 251 + b".jpg",
        "é.jpg".encode(),
        "e\N{COMBINING ACUTE ACCENT}.jpg".encode(),
        b"<img onerror=x>.jpg",
        b" .jpg",
        b"back\\slash.jpg",
    ],
)
def test_any_name_is_carried_byte_for_byte(tmp_path: Path, name: bytes) -> None:
    plant(tmp_path, name)
    assert found(tmp_path, exclude=("*.tmp", "/x/y")) == [name]


def test_composed_and_decomposed_names_are_two_files(tmp_path: Path) -> None:
    plant(tmp_path, "é.jpg", "e\N{COMBINING ACUTE ACCENT}.jpg")
    assert len(found(tmp_path)) == 2


# Depth and size


@pytest.fixture
def deep(tmp_path: Path) -> Iterator[Path]:
    """A folder 1,050 levels deep, whose last path has over 7,000 bytes, with a picture in it."""
    (tmp_path / "root").mkdir()
    folder = os.open(tmp_path / "root", os.O_RDONLY)
    for _ in range(1050):
        os.mkdir("folder", dir_fd=folder)
        below = os.open("folder", os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        folder = below
    os.close(os.open("deep.jpg", os.O_CREAT | os.O_WRONLY, dir_fd=folder))
    os.close(folder)
    yield tmp_path / "root"
    # shutil.rmtree recurses, and so would pytest's own clearing away.
    subprocess.run(["rm", "-rf", tmp_path / "root"], check=True)


def test_depth_is_limited_neither_by_recursion_nor_by_the_longest_path(deep: Path) -> None:
    walk = walk_of(deep)
    assert paths_of(walk) == [b"folder/" * 1050 + b"deep.jpg"]
    assert walk.unreadable == {}


def test_memory_is_bounded_by_the_largest_folder(tmp_path: Path) -> None:
    def peak(root: Path) -> int:
        tracemalloc.start()
        assert sum(1 for _ in walk_of(root)) == 3000
        held = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return held

    one = plant(tmp_path / "one", *(f"{n}.jpg" for n in range(3000)))
    many = plant(tmp_path / "many", *(f"{n % 60}/{n}.jpg" for n in range(3000)))
    assert peak(one) < 3000 * 1000
    assert peak(many) < peak(one) / 5


@pytest.mark.skipif(not os.path.isdir("/dev/fd"), reason="no list of open files here")
def test_a_walk_that_is_given_up_leaves_nothing_open(tmp_path: Path) -> None:
    plant(tmp_path, "a.jpg", "b/c.jpg", "b/d.jpg")
    before = len(os.listdir("/dev/fd"))
    steps = iter(walk_of(tmp_path))
    assert [next(steps).path for _ in range(2)] == [b"a.jpg", b"b/c.jpg"]
    assert len(os.listdir("/dev/fd")) > before
    del steps
    assert len(os.listdir("/dev/fd")) == before


# What is always left out


def test_hidden_files_and_folders_are_left_out_unless_asked_for(tmp_path: Path) -> None:
    plant(tmp_path, ".a.jpg", ".cache/b.jpg", "c.jpg")
    walk = walk_of(tmp_path)
    assert paths_of(walk) == [b"c.jpg"]
    assert walk.excludes(b".a.jpg")
    assert walk.excludes(b".cache/b.jpg")
    assert found(tmp_path, include_hidden=True) == [b".a.jpg", b"c.jpg", b".cache/b.jpg"]


@pytest.mark.parametrize(
    "path",
    [
        "._a.jpg",
        "@eaDir/a.jpg",
        ".git/a.jpg",
        "#recycle/a.jpg",
        "$RECYCLE.BIN/a.jpg",
        "$Recycle.Bin/a.jpg",
        ".Trash/a.jpg",
        ".Trash-1000/files/a.jpg",
        "lost+found/a.jpg",
        "__MACOSX/a.jpg",
        "System Volume Information/a.jpg",
    ],
)
def test_what_systems_strew_about_is_left_out_always(tmp_path: Path, path: str) -> None:
    plant(tmp_path, path, f"below/{path}", "kept.jpg")
    walk = walk_of(tmp_path, Rules(include_hidden=True, exclude=("!*",)))
    assert paths_of(walk) == [b"kept.jpg"]
    assert walk.excludes(path.encode())
    assert walk.excludes(b"below/" + path.encode())


def test_a_library_inside_the_root_is_left_out(tmp_path: Path) -> None:
    plant(tmp_path, "library/catalog.sqlite", "library/thumbnails/t.jpg", "a.jpg")
    walk = walk_of(tmp_path)
    assert paths_of(walk) == [b"a.jpg"]
    assert walk.skipped == {b"library": "a Glimpse library"}
    assert walk.excludes(b"library/thumbnails/t.jpg")


def test_a_root_that_is_itself_a_library_is_walked(tmp_path: Path) -> None:
    assert found(plant(tmp_path, "catalog.sqlite", "a.jpg")) == [b"a.jpg"]


def test_a_path_to_leave_out_is_left_out_with_all_below_it(tmp_path: Path) -> None:
    plant(tmp_path, "own/deep/t.jpg", "owned/b.jpg", "a.jpg")
    (tmp_path / "alias").symlink_to("own")
    walk = walk_of(tmp_path, Rules(leave_out=(os.fsencode(tmp_path / "alias"),)))
    assert paths_of(walk) == [b"a.jpg", b"owned/b.jpg"]
    assert walk.excludes(b"own/deep/t.jpg")
    assert not walk.excludes(b"owned/b.jpg")


def test_a_path_to_leave_out_beside_or_above_the_root_has_no_effect(tmp_path: Path) -> None:
    plant(tmp_path, "root/a.jpg", "root-2/b.jpg")
    beside = tuple(os.fsencode(tmp_path / name) for name in ("root-2", "root", "", "missing"))
    assert found(tmp_path / "root", leave_out=beside) == [b"a.jpg"]


# Patterns


def test_exclude_globs_apply_from_the_root(tmp_path: Path) -> None:
    plant(tmp_path, "a.png", "raw/b.jpg", "x/raw/c.jpg", "x/d.png", "x/e.jpg")
    walk = walk_of(tmp_path, Rules(exclude=("*.png", "/raw")))
    assert paths_of(walk) == [b"x/e.jpg", b"x/raw/c.jpg"]
    assert walk.excludes(b"raw/b.jpg")
    assert walk.excludes(b"x/d.png")
    assert not walk.excludes(b"x/raw/c.jpg")


def test_an_ignore_file_applies_to_its_folder_and_below(tmp_path: Path) -> None:
    plant(tmp_path, "x/a.jpg", "x/y/a.jpg", "a.jpg", "z/a.jpg")
    (tmp_path / "x/.glimpseignore").write_text("# a comment\n\na.jpg\n")
    walk = walk_of(tmp_path)
    assert paths_of(walk) == [b"a.jpg", b"z/a.jpg"]
    assert walk.excludes(b"x/y/a.jpg")
    assert not walk.excludes(b"z/a.jpg")


def test_a_deeper_ignore_file_overrides_those_above(tmp_path: Path) -> None:
    plant(tmp_path, "a.png", "x/a.png", "x/y/a.png")
    (tmp_path / ".glimpseignore").write_text("*.png\n")
    (tmp_path / "x/.glimpseignore").write_text("!*.png\n")
    (tmp_path / "x/y/.glimpseignore").write_text("a.*\n")
    assert found(tmp_path) == [b"x/a.png"]


def test_what_lies_in_an_ignored_folder_cannot_be_brought_back(tmp_path: Path) -> None:
    plant(tmp_path, "x/a.jpg", "y/a.jpg", "y/b.jpg")
    (tmp_path / ".glimpseignore").write_text("x\n!x/a.jpg\ny/**\n!y/b.jpg\n")
    assert found(tmp_path) == [b"y/b.jpg"]


def test_exclude_globs_outrank_ignore_files(tmp_path: Path) -> None:
    plant(tmp_path, "a.jpg", "b.jpg", "b.png")
    (tmp_path / ".glimpseignore").write_text("b.jpg\n!a.jpg\n")
    assert found(tmp_path, exclude=("*.jpg", "*.png", "!b.*")) == [b"b.jpg", b"b.png"]


def test_ignore_files_name_any_bytes(tmp_path: Path) -> None:
    names = b"caf\xe9", "voilà".encode(), "Å".encode(), b" lead", b"two  "
    plant(tmp_path, *(name + b"/a.jpg" for name in names), b"b.jpg", b"caf\xea.jpg")
    lines = b"caf\xe9*", "voilà".encode(), "Å   ".encode(), b" lead", b"two\\ \\ "
    (tmp_path / ".glimpseignore").write_bytes(b"\xef\xbb\xbf" + b"\r\n".join([*lines, b""]))
    assert found(tmp_path) == [b"b.jpg", b"caf\xea.jpg"]


def test_a_pattern_matches_a_name_with_a_newline_whole(tmp_path: Path) -> None:
    plant(tmp_path, "a\n/a.jpg", "a\n/b.jpg", "b\nb.jpg", "a/c.jpg")
    assert found(tmp_path, exclude=("a", "b*")) == [b"a\n/a.jpg"]


@pytest.mark.parametrize("glob", ["!", "a\\", "[z-a].jpg", "[[:digit:]].jpg"])
def test_a_glob_that_cannot_be_understood_is_a_usage_error(tmp_path: Path, glob: str) -> None:
    with pytest.raises(UsageError, match=r"exclude: .* is not a pattern"):
        walk_of(tmp_path, Rules(exclude=(glob,)))


def test_a_line_that_cannot_be_understood_is_logged_and_the_others_hold(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    plant(tmp_path, "a.jpg", "b.jpg")
    (tmp_path / ".glimpseignore").write_text("[z-a]\na.jpg\n")
    assert found(tmp_path) == [b"b.jpg"]
    assert "[z-a]" in caplog.text


def test_an_ignore_file_may_be_a_link_and_is_nothing_if_it_is_not_a_file(tmp_path: Path) -> None:
    plant(tmp_path, "a/a.jpg", "b/a.jpg", "c/a.jpg", "d/a.jpg", "c/.glimpseignore/")
    (tmp_path / "rules").write_text("a.jpg")
    (tmp_path / "a/.glimpseignore").symlink_to("../rules")
    (tmp_path / "b/.glimpseignore").symlink_to("missing")
    os.mkfifo(tmp_path / "d/.glimpseignore")
    assert found(tmp_path) == [b"b/a.jpg", b"c/a.jpg", b"d/a.jpg"]


SEGMENTS = [
    "a",
    "b",
    "*",
    "**",
    "?",
    "a*",
    "*b",
    "[ab]",
    "[!a]",
    "a[^a]*",
    "a.jpg",
    "*.jpg",
    "\\b",
    "a?*",
]
patterns = st.builds(
    lambda negated, rooted, segments, folder: negated + rooted + "/".join(segments) + folder,
    st.sampled_from(["", "", "!"]),
    st.sampled_from(["", "", "/"]),
    st.lists(st.sampled_from(SEGMENTS), min_size=1, max_size=3),
    st.sampled_from(["", "", "/"]),
)
ignore_files = st.dictionaries(
    st.sampled_from(["", "a", "b", "a/b", "a/a"]), st.lists(patterns, max_size=4), max_size=3
)
FOLDERS = ["", "a/", "b/", "ab/", "a/a/", "a/b/", "b/a/", "a/b/a/", "a/a/b/", "b/c.jpg/"]
FILES = [folder + name for folder in FOLDERS for name in ("a.jpg", "b.jpg", "ab.png")]


@pytest.fixture(scope="module")
def git_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not shutil.which("git"):
        pytest.skip("git is not installed")
    bare = tmp_path_factory.mktemp("git")
    subprocess.run(["git", "init", "--quiet", "--bare", bare], check=True)
    return bare


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(files=ignore_files, exclude=st.lists(patterns, max_size=2))
@example(files={"": ["*.jpg", "!a", "!/a/b"]}, exclude=[])
@example(files={"": ["/a[^a]*"]}, exclude=[])
@example(files={"": ["a/**", "!a/a.jpg"], "a": ["b/**/"]}, exclude=[])
@example(files={"": ["/**/", "!a/b/"]}, exclude=[])
def test_patterns_leave_out_what_git_leaves_out(
    git_dir: Path, files: Mapping[str, list[str]], exclude: list[str]
) -> None:
    with tempfile.TemporaryDirectory() as name:
        root = plant(Path(name), *FILES)
        for folder, lines in files.items():
            (root / folder / ".glimpseignore").write_text("\n".join(lines))
        walk = walk_of(root, Rules(exclude=tuple(exclude)))
        kept = set(paths_of(walk))
        assert kept == git_keeps(git_dir, root, exclude)
        assert {path.encode() for path in FILES if not walk.excludes(path.encode())} == kept


def git_keeps(git_dir: Path, root: Path, exclude: list[str]) -> set[bytes]:
    command = ["git", f"--git-dir={git_dir}", f"--work-tree={root}", "ls-files", "-z", "--others"]
    command += [f"--exclude={pattern}" for pattern in exclude]
    command += ["--exclude-per-directory=.glimpseignore"]
    listed = subprocess.run(command, cwd=root, check=True, capture_output=True).stdout
    return {path for path in listed.split(b"\0") if path.endswith((b".jpg", b".png"))}


# Links and special files


def test_links_are_skipped_with_a_reason(tmp_path: Path) -> None:
    plant(tmp_path, "outside/o.jpg", "root/a.jpg")
    targets = {"loop": ".", "broken.jpg": "missing", "out": "../outside", "twice.jpg": "a.jpg"}
    targets |= {"zero.jpg": "/dev/zero", "self.jpg": "self.jpg"}
    for name, target in targets.items():
        (tmp_path / "root" / name).symlink_to(target)
    walk = walk_of(tmp_path / "root")
    assert paths_of(walk) == [b"a.jpg"]
    assert walk.skipped == {name.encode(): "a link" for name in targets}


def test_the_root_itself_may_be_a_link(tmp_path: Path) -> None:
    plant(tmp_path, "real/a.jpg", "real/own/b.jpg")
    (tmp_path / "root").symlink_to("real")
    own = os.fsencode(tmp_path / "real/own")
    assert found(tmp_path / "root", leave_out=(own,)) == [b"a.jpg"]


def test_pipes_and_sockets_named_like_pictures_are_never_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as server, contextlib.chdir(tmp_path):
        server.bind("socket.jpg")
    walk = walk_of(tmp_path)
    assert list(walk) == []
    assert walk.skipped == dict.fromkeys([b"pipe.jpg", b"socket.jpg"], "not a regular file")


# RAW beside JPEG


@pytest.mark.parametrize(
    "developed", ["IMG_1.jpg", "img_1.JPG", "IMG_1.jpeg", "IMG_1.heic", "IMG_1.CR2.jpg"]
)
def test_a_raw_beside_its_jpeg_is_counted_once(tmp_path: Path, developed: str) -> None:
    walk = walk_of(plant(tmp_path, "IMG_1.CR2", developed))
    assert paths_of(walk) == [developed.encode()]
    assert walk.skipped == {b"IMG_1.CR2": "RAW beside its JPEG"}


@pytest.mark.parametrize(
    "other", ["IMG_2.jpg", "IMG_1.png", "IMG_1.xmp", "IMG_1.jpg/", "x/IMG_1.jpg", "IMG_1.a.jpg"]
)
def test_a_raw_without_a_jpeg_is_a_candidate(tmp_path: Path, other: str) -> None:
    assert b"IMG_1.CR2" in found(plant(tmp_path, "IMG_1.CR2", other))


def test_a_raw_whose_jpeg_is_no_candidate_is_one_itself(tmp_path: Path) -> None:
    plant(tmp_path, "a.CR2", "a.jpg", "b.CR2")
    (tmp_path / "b.jpg").symlink_to("a.jpg")
    assert found(tmp_path, exclude=("a.jpg",)) == [b"a.CR2", b"b.CR2"]


# What cannot be read


AS_NOBODY = """
import os, sys
from indexer.discovery import Rules, Walk
os.chdir(sys.argv[1])
if os.getuid() == 0:
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
walk = Walk(os.fsencode(sys.argv[2]), Rules())
try:
    print([[candidate.path for candidate in walk], walk.unreadable])
except OSError as error:
    print(type(error).__name__)
"""


def walk_as_ordinary_user(root: Path, name: str = ".") -> str:
    """What a walk prints in a process that may not read everything, as root may."""
    root.chmod(0o755)
    command = [sys.executable, "-W", "error", "-c", AS_NOBODY, os.fspath(root), name]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    try:
        ran = subprocess.run(command, env=environment, capture_output=True, check=True, text=True)
    finally:
        for path in root.iterdir():
            path.chmod(0o755)
    return ran.stdout.strip()


def test_a_folder_that_may_not_be_read_is_told_and_the_walk_goes_on(tmp_path: Path) -> None:
    plant(tmp_path, "a.jpg", "closed/b.jpg", "open/c.jpg")
    (tmp_path / "a.jpg").chmod(0)
    (tmp_path / "closed").chmod(0)
    expected = [[b"a.jpg", b"open/c.jpg"], {b"closed": "Permission denied"}]
    assert walk_as_ordinary_user(tmp_path) == str(expected)


def test_a_folder_whose_files_cannot_be_examined_counts_as_unreadable(tmp_path: Path) -> None:
    plant(tmp_path, "listed/a.jpg", "listed/b.jpg", "listed/c/d.jpg", "z.jpg")
    (tmp_path / "listed").chmod(0o444)
    denied = {b"listed": "Permission denied", b"listed/c": "Permission denied"}
    assert walk_as_ordinary_user(tmp_path) == str([[b"z.jpg"], denied])


def test_a_folder_whose_ignore_file_cannot_be_read_is_not_indexed(tmp_path: Path) -> None:
    plant(tmp_path, "x/a.jpg", "x/y/b.jpg", "x/.glimpseignore", "z.jpg")
    (tmp_path / "x/.glimpseignore").chmod(0)
    assert walk_as_ordinary_user(tmp_path) == str([[b"z.jpg"], {b"x": "Permission denied"}])


def test_a_root_that_may_not_be_read_raises(tmp_path: Path) -> None:
    plant(tmp_path, "root/a.jpg")
    (tmp_path / "root").chmod(0)
    assert walk_as_ordinary_user(tmp_path, "root") == "PermissionError"


def test_what_lies_in_an_unreadable_folder_was_missed(tmp_path: Path) -> None:
    walk = walk_of(tmp_path)
    walk.unreadable[b"closed"] = "Permission denied"
    assert walk.missed(b"closed/a.jpg")
    assert walk.missed(b"closed/deep/er/a.jpg")
    assert not walk.missed(b"closed-2/a.jpg")
    assert not walk.missed(b"closed.jpg")
    walk.unreadable[b""] = "Input/output error"
    assert walk.missed(b"closed.jpg")


def test_a_missing_root_raises(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        next(iter(walk_of(tmp_path / "missing")))


def test_a_root_that_is_a_file_raises(tmp_path: Path) -> None:
    with pytest.raises(NotADirectoryError):
        next(iter(walk_of(plant(tmp_path, "a.jpg") / "a.jpg")))


def test_an_empty_root_has_no_candidates(tmp_path: Path) -> None:
    walk = walk_of(tmp_path)
    assert list(walk) == []
    assert (walk.unreadable, walk.skipped) == ({}, {})


# What changes during the walk


def test_what_is_removed_during_the_walk_is_simply_gone(tmp_path: Path) -> None:
    plant(tmp_path, "a.jpg", "x/c.jpg", "y/d.jpg", "y/e.jpg")
    walk = walk_of(tmp_path)
    steps = iter(walk)
    assert next(steps).path == b"a.jpg"
    (tmp_path / "y" / "e.jpg").unlink()
    shutil.rmtree(tmp_path / "x")
    assert [candidate.path for candidate in steps] == [b"y/d.jpg"]
    assert walk.unreadable == {}
    assert not walk.missed(b"x/c.jpg")
    assert not walk.excludes(b"x/c.jpg")


def test_a_folder_that_becomes_a_link_during_the_walk_is_not_entered(tmp_path: Path) -> None:
    plant(tmp_path, "outside/secret.jpg", "root/a.jpg", "root/x/y/c.jpg")
    steps = iter(walk_of(tmp_path / "root"))
    next(steps)
    shutil.rmtree(tmp_path / "root/x")
    (tmp_path / "root/x").symlink_to("../outside")
    assert list(steps) == []
