"""The command, as a shell runs it: what is printed where, and the exit code."""

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from indexer import Library
from tests.conftest import MakePicture, Run, environment


@pytest.fixture
def built(glimpse: Run, photos: Path, picture: MakePicture) -> Run:
    for i, colour in enumerate(("red", "green", "blue")):
        picture(f"{colour}.png", colour, mark=i)
    assert glimpse("build", photos).returncode == 0
    return glimpse


def one_line(stderr: bytes) -> str:
    """The only line of an error."""
    (line,) = stderr.decode().splitlines()
    assert line.startswith("glimpse: ")
    return line


def test_build_says_what_it_did_on_standard_error(
    glimpse: Run, photos: Path, picture: MakePicture
) -> None:
    picture("a.png")
    first = glimpse("build", photos)
    assert (first.returncode, first.stdout) == (0, b"")
    assert b"1 embedded" in first.stderr
    again = glimpse("build", photos).stderr  # within two seconds of its making a file is read again
    assert b"1 known already" in again or b"1 unchanged" in again


def test_build_ends_with_3_when_files_were_skipped_and_errors_lists_them(
    glimpse: Run, photos: Path, picture: MakePicture
) -> None:
    picture("good.png")
    (photos / "bad.jpg").write_text("no picture")
    built = glimpse("build", photos)
    assert built.returncode == 3
    assert b"1 files were skipped; see: glimpse errors" in built.stderr
    listed = glimpse("errors")
    path, reason = listed.stdout.decode().strip().split("\t")
    assert (path, listed.returncode) == (str(photos / "bad.jpg"), 0)
    assert reason
    assert json.loads(glimpse("errors", "--json").stdout)[0]["path"] == path


def test_search_prints_scores_and_paths(built: Run, photos: Path) -> None:
    lines = built("search", "red", "-t", "2").stdout.decode().splitlines()
    score, path = lines[0].split("\t")
    assert (len(lines), path) == (2, str(photos / "red.png"))
    assert 0.9 < float(score) <= 1


def test_search_prints_paths_alone_for_other_programs(built: Run, photos: Path) -> None:
    red = os.fsencode(photos / "red.png")
    assert built("search", "red", "-t", "1", "-f").stdout == red + b"\n"
    assert built("search", "red", "-t", "1", "-0").stdout == red + b"\0"


def test_search_prints_one_json_object(built: Run, photos: Path) -> None:
    answer = json.loads(built("search", "2:red", "-", "blue", "--json").stdout)
    assert (answer["query"], answer["space"], answer["total"]) == ("2:red - blue", "tiny", 3)
    first = answer["results"][0]
    assert (first["rank"], first["path"]) == (1, str(photos / "red.png"))
    assert {"score", "photo_id", "width", "height", "format"} <= first.keys()


def test_search_takes_pictures_and_leaves_the_same_one_out(built: Run, photos: Path) -> None:
    ran = built("search", str(photos / "red.png"), "-f")
    assert len(ran.stdout.splitlines()) == 2
    assert str(photos / "red.png").encode() not in ran.stdout


def test_a_picture_that_cannot_be_asked_with_is_named(built: Run, tmp_path: Path) -> None:
    (tmp_path / "half.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    ran = built("search", "./half.png")
    assert one_line(ran.stderr).startswith("glimpse: half.png: ")
    assert one_line(ran.stderr).endswith("; ask with another picture")
    assert ran.returncode == 1


@pytest.mark.parametrize("name", ["red.png", "some/red.png"])
def test_words_that_name_a_file_get_a_hint(built: Run, tmp_path: Path, name: str) -> None:
    (tmp_path / "some").mkdir()
    (tmp_path / name).touch()
    hint = f"{name} is also a file here; to search by it, write ./{name}"
    assert hint.encode() in built("search", name).stderr


@pytest.mark.parametrize(
    ("query", "is_told"),
    [("some/none.png", True), ("rock/paper", False), ("night and/or day at St. Ives", False)],
)
def test_words_that_look_like_a_path_to_nothing_are_said_to_be_words(
    built: Run, query: str, is_told: bool
) -> None:
    hint = f"{query} is no file here, and was taken for words"
    ran = built("search", query)
    assert ran.returncode == 0
    assert (hint.encode() in ran.stderr) == is_told


def test_a_name_that_is_not_text_comes_out_byte_for_byte(
    glimpse: Run, photos: Path, picture: MakePicture
) -> None:
    odd = os.path.join(os.fsencode(photos), b"caf\xe9.png")
    picture("a.png").rename(os.fsdecode(odd))
    glimpse("build", photos)
    assert glimpse("search", "red", "-f").stdout == odd + b"\n"
    assert (
        os.fsencode(json.loads(glimpse("search", "red", "--json").stdout)["results"][0]["path"])
        == odd
    )


@pytest.mark.parametrize(
    ("arguments", "code", "complaint"),
    [
        (["build", "nowhere"], 2, "nowhere is not there"),
        (
            ["export", "x", "--layout", "csv"],
            2,
            "Invalid value for '--layout': 'csv' is not one of",
        ),
        (["build", "empty"], 2, "no pictures in"),
        (["build", ""], 2, "an empty name is no folder"),
        (["status", "--library", "file"], 1, "file is a file; a library is a folder"),
        (["build", "empty", "--model", "openclip:ViT-B-32"], 2, "no pictures in"),
        (["build", "--shards", "--yes"], 2, "--shards needs a value, and --yes is an option"),
        (["search", ""], 2, "nothing in the query"),
        (["search", "./nothing.jpg"], 2, "nothing.jpg is not a picture that is there"),
        (["search", "red", "-t", "0"], 2, "the least is 1"),
        (["search", "red", "-t", "many"], 2, "valid integer"),
        (["search", "red", "--space", "tinny"], 2, "did you mean tiny"),
        (["ui", "--space", "tinny", "--port", "8599"], 2, "did you mean tiny"),
        (["search", "red", "--after", "yesterday"], 2, "is not a date"),
        (["search", "red", "--library", "missing"], 4, "no library at missing"),
        (["status", "--library", "missing"], 4, "no library at missing"),
        (["status", "--config", "missing.toml"], 2, "missing.toml cannot be read"),
        (["serch", "red"], 2, "Did you mean 'search'"),
        (["remove", "elsewhere", "--yes"], 2, "is no root of this library"),
    ],
)
def test_bad_input_is_one_line_with_a_remedy(
    glimpse: Run, tmp_path: Path, arguments: list[str], code: int, complaint: str
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    ran = glimpse(*arguments)
    assert complaint in one_line(ran.stderr)
    assert (ran.returncode, ran.stdout) == (code, b"")


def test_an_unknown_model_names_the_nearest(
    glimpse: Run, photos: Path, picture: MakePicture
) -> None:
    picture("a.png")
    ran = glimpse("build", photos, "--model", "startre")
    assert "starter" in one_line(ran.stderr)
    assert ran.returncode == 2


def test_debug_shows_where_an_error_arose(glimpse: Run) -> None:
    assert b"Traceback" in glimpse("search", "", "--debug").stderr


def test_the_version_is_told() -> None:
    command = [sys.executable, "-m", "indexer", "--version"]
    told = subprocess.run(command, capture_output=True, env=environment())
    assert (told.returncode, told.stderr) == (0, b"")
    assert re.fullmatch(rb"glimpse \d+\.\d+\.\d+\n", told.stdout)


def test_status_counts_photos_and_names_spaces(built: Run, photos: Path) -> None:
    printed = built("status").stdout.decode()
    assert str(photos) in printed
    assert "tiny" in printed
    state = json.loads(built("status", "--json").stdout)
    assert state["roots"][0]["counts"] == {"present": 3}
    assert (state["spaces"][0]["vectors"], state["spaces"][0]["recall"]) == (3, 1.0)


def test_remove_asks_and_somebody_who_is_not_there_says_no(built: Run, photos: Path) -> None:
    assert built("remove", photos, stdin=subprocess.DEVNULL).returncode == 1
    assert len(built("search", "red").stdout.splitlines()) == 3
    assert b"3 photos forgotten" in built("remove", photos, "--yes").stderr
    assert (photos / "red.png").exists()


def test_remove_looks_before_it_asks_and_says_how_many(built: Run, photos: Path) -> None:
    asked = built("remove", "elsewhere", stdin=subprocess.DEVNULL)
    assert (asked.returncode, one_line(asked.stderr)[:26]) == (2, "glimpse: elsewhere is no r")
    master, terminal = os.openpty()
    os.write(master, b"n\n")
    kept = built("remove", photos, stdin=terminal)
    os.close(terminal)
    os.close(master)
    assert b"what is known of its 3 photos? [y/N]" in kept.stderr


def test_what_a_build_did_is_told_as_an_object(built: Run, photos: Path) -> None:
    (photos / "no.jpg").write_text("no picture")
    photos.joinpath("red.png").unlink()
    ran = built("build", photos, "--json")
    told = json.loads(ran.stdout)
    assert ran.returncode == 3
    assert ran.stderr == b""
    assert told["unchanged"] + told["known"] == 2  # those of the last two seconds are read again
    assert (told["removed"], told["failed"]) == (1, 1)
    photos.rename(photos.with_name("away"))
    told = json.loads(built("build", "--json").stdout)
    assert told["offline_roots"] == {str(photos): "is not there"}
    told = json.loads(built("build", photos.with_name("away"), "--dry-run", "--json").stdout)
    assert told["pending"] == 3


def test_skipped_files_go_to_other_programs(built: Run, photos: Path) -> None:
    for name in ("a\nb.jpg", "c.jpg"):
        (photos / name).write_text("no picture")
    built("build", photos)
    *told, after = built("errors", "-0").stdout.split(b"\0")
    assert sorted(told) == [os.fsencode(photos / name) for name in ("a\nb.jpg", "c.jpg")]
    assert after == b""


def test_words_that_are_no_text_are_one_line(built: Run) -> None:
    ran = built("search", "red", "--path", "\udcff")
    assert (ran.returncode, one_line(ran.stderr)) == (
        2,
        r"glimpse: \xff is not UTF-8, and cannot be used here",
    )


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_an_answer_that_cannot_be_written_is_the_disks_fault(
    built: Run, library_folder: Path
) -> None:
    command = [sys.executable, "-m", "indexer", "search", "red", "--library", str(library_folder)]
    with open("/dev/full", "wb") as full:
        ran = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, env=environment())
    assert ran.returncode == 1
    assert one_line(ran.stderr) == "glimpse: No space left on device (--debug tells more)"


def test_no_name_commands_the_terminal(
    library: Library, glimpse: Run, photos: Path, picture: MakePicture
) -> None:
    picture("red.png").rename(photos / "\x1b[31mred.png")
    library.build([photos])
    expected = os.fsencode(photos) + b"/\x1b[31mred.png\n"
    assert glimpse("search", "red", "-f").stdout == expected
    master, terminal = os.openpty()
    command = [sys.executable, "-m", "indexer", "search", "red", "--library", str(library.folder)]
    subprocess.run(command, stdout=terminal, env=environment(), check=True)
    os.close(terminal)
    shown = os.read(master, 10_000)
    os.close(master)
    assert b"\x1b" not in shown
    assert shown.rstrip().endswith(b"\t" + os.fsencode(photos) + rb"/\x1b[31mred.png")


def test_a_reader_that_leaves_early_is_no_error(built: Run, library_folder: Path) -> None:
    command = [sys.executable, "-m", "indexer", "search", "red", "--library", str(library_folder)]
    read, write = os.pipe()
    os.close(read)
    ran = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, env=environment())
    os.close(write)
    assert (ran.returncode, ran.stderr) == (0, b"")


def test_a_search_imports_none_of_the_heavy_frameworks(built: Run, library_folder: Path) -> None:
    program = (
        "import sys; from indexer.cli import program\n"
        f"arguments = ['search', 'red', '--library', {str(library_folder)!r}]\n"
        "program(arguments)(arguments, standalone_mode=False)\n"
        "heavy = {'torch', 'timm', 'open_clip', 'transformers', 'streamlit', 'sklearn', 'umap', 'rich'}\n"
        "heavy &= sys.modules.keys()\n"
        "assert not heavy, heavy"
    )
    subprocess.run(
        [sys.executable, "-c", program], check=True, env=environment(), capture_output=True
    )


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_a_build_that_is_stopped_keeps_what_it_finished_and_goes_on(
    library_folder: Path,
    photos: Path,
    picture: MakePicture,
    glimpse: Run,
    stop: signal.Signals,
    tmp_path: Path,
) -> None:
    for i in range(600):
        picture(f"{i}.png", mark=i + 1)
    (tmp_path / "slow.toml").write_text("[build]\nbatch_size = 4\n")
    command: list[str | Path] = [sys.executable, "-m", "indexer", "build", photos]
    command += ["--library", library_folder, "--config", tmp_path / "slow.toml"]
    build = subprocess.Popen(
        command,
        stderr=subprocess.PIPE,
        env=environment(),
    )
    while not committed(library_folder):
        time.sleep(0.02)
    build.send_signal(stop)
    _, stderr = build.communicate(timeout=30)
    assert (build.returncode, one_line(stderr)) == (
        130,
        "glimpse: stopped; what was finished is kept, and the next run goes on",
    )
    kept = committed(library_folder)
    assert 0 < kept < 600
    assert f"{600 - kept} embedded" in glimpse("build", photos).stderr.decode()


def test_a_command_in_the_background_of_a_script_still_ends_when_it_is_told_to(
    library_folder: Path, photos: Path, picture: MakePicture
) -> None:
    for i in range(600):
        picture(f"{i}.png", mark=i + 1)
    build = subprocess.Popen(
        [sys.executable, "-m", "indexer", "build", photos, "--library", library_folder],
        stderr=subprocess.DEVNULL,
        env=environment(),
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),  # as a shell does with &
    )
    while not committed(library_folder):
        time.sleep(0.02)
    build.terminate()
    assert build.wait(timeout=30) == 130


def committed(library_folder: Path) -> int:
    with sqlite3.connect(library_folder / "catalog.sqlite") as database:
        count: int = database.execute("SELECT count(*) FROM embeddings").fetchone()[0]
    database.close()
    return count
