"""Tags: given by a model from a list, given and taken by hand, kept, and asked for."""

import json
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from indexer import BuildOptions, Config, Filter, Library
from indexer.errors import GlimpseError, LibraryLockedError, NoTextError, QueryError, UsageError
from indexer.prompts import class_vectors
from indexer.tagging.labels import default_labels, parse_labels
from indexer.tagging.scoring import MIDDLE, above_words, confidences, proven
from storage.catalog import Catalog
from tests.conftest import MakePicture, Run

pytestmark = pytest.mark.both

COLOURS = ("red", "green", "blue", "yellow")


@pytest.fixture
def colours(library: Library, photos: Path, picture: MakePicture) -> Library:
    """A library with a picture of each of four colours."""
    for colour in COLOURS:
        picture(f"{colour}.png", colour)
    library.build([photos])
    return library


def labels_of(library: Library, name: str) -> list[str]:
    return [tag.label for tag in library.tags_of(id_of(library, name))]


def id_of(library: Library, name: str) -> int:
    return next(photo.id for photo in library.photos() if photo.path.name == name)


def test_each_photo_gets_what_it_shows_and_nothing_else(colours: Library) -> None:
    report = colours.tag(["red", "blue"])
    assert labels_of(colours, "red.png") == ["red"]
    assert labels_of(colours, "blue.png") == ["blue"]
    assert labels_of(colours, "green.png") == []
    assert (report.photos, report.labels) == (4, 2)
    assert report.tags == sum(colours.all_tags().values())


def test_a_photo_may_have_several_tags_surest_first(colours: Library) -> None:
    colours.tag(["green", "yellow", "blue"])
    tags = colours.tags_of(id_of(colours, "yellow.png"))
    assert {tag.label for tag in tags} == {"green", "yellow"}
    sure = [tag.confidence for tag in tags]
    assert sure == sorted(sure, reverse=True)
    assert all(0 < each <= 1 for each in sure)
    assert not any(tag.by_hand for tag in tags)


def test_a_label_of_which_there_is_nothing_is_given_to_nothing(
    library: Library, photos: Path, picture: MakePicture
) -> None:
    picture("red.png")
    library.build([photos])
    assert library.tag(["blue", "green"]).tags == 0
    assert library.all_tags() == {}


def test_a_label_is_looked_for_by_its_phrases(colours: Library) -> None:
    colours.tag(["# what burns", "", "fire = red, yellow", "blue"])
    assert colours.all_tags() == {"fire": 2, "blue": 1}


def test_another_list_replaces_all_that_the_first_gave(colours: Library) -> None:
    colours.tag(["red", "green"])
    colours.tag(["blue"])
    assert colours.all_tags() == {"blue": 1}


def test_a_tag_by_hand_outlives_every_list(colours: Library) -> None:
    red, blue = id_of(colours, "red.png"), id_of(colours, "blue.png")
    colours.add_tag([red, blue], " holiday ")
    colours.add_tag([red], "red")
    colours.tag(["blue", "red"])
    colours.tag(["green"])
    assert labels_of(colours, "blue.png") == ["holiday"]
    assert [(t.label, t.confidence, t.by_hand) for t in colours.tags_of(red)] == [
        ("holiday", 1.0, True),
        ("red", 1.0, True),
    ]


def test_a_tag_that_was_taken_away_is_not_brought_back(colours: Library, photos: Path) -> None:
    colours.tag(["red", "blue"])
    colours.remove_tag([id_of(colours, "blue.png")], "blue")
    colours.tag()
    colours.build([photos], BuildOptions(rebuild=True))
    assert "blue" not in colours.all_tags()
    assert not colours.search("blue", where=Filter(tag=("blue",)))
    colours.add_tag([id_of(colours, "blue.png")], "blue")
    assert labels_of(colours, "blue.png") == ["blue"]


def test_copies_share_their_tags(colours: Library, photos: Path, picture: MakePicture) -> None:
    picture("copy.png", "red")
    colours.build([photos])
    colours.add_tag([id_of(colours, "copy.png")], "dear")
    assert labels_of(colours, "red.png") == ["dear"]
    assert colours.all_tags() == {"dear": 2}


def test_a_build_tags_what_is_new_by_the_same_list(
    colours: Library, photos: Path, picture: MakePicture, library_folder: Path, config: Config
) -> None:
    colours.tag(["red", "blue"])
    colours.remove_tag([id_of(colours, "red.png")], "red")
    before = colours.all_tags()
    picture("new.png", "blue", mark=700)
    for exported in library_folder.glob("models/*/text.onnx"):
        exported.unlink()  # the words need not be read again
    with Library.open(library_folder, config=config) as again:
        again.build([photos])
        assert labels_of(again, "new.png") == ["blue"]
        assert again.all_tags() == before | {"blue": 2}


def test_a_build_gives_no_tags_unless_they_were_asked_for(colours: Library, photos: Path) -> None:
    colours.build([photos], BuildOptions(rebuild=True))
    assert colours.all_tags() == {}
    colours.tag(["red"])
    colours.clear_tags()
    colours.build([photos], BuildOptions(rebuild=True))
    assert colours.all_tags() == {}


def test_what_is_left_out_is_as_the_time_before(colours: Library, photos: Path) -> None:
    colours.build([photos], BuildOptions(model="tiny:blind", adopt=True))
    assert colours.tag(["red", "blue"], templates=["{}"], space="tiny").tags == 2
    colours.remove_tag([id_of(colours, "red.png")], "red")
    assert colours.tag(threshold=0.4).tags == 1
    assert colours.all_tags() == {"blue": 1}


def test_clearing_takes_all_but_what_was_done_by_hand(colours: Library) -> None:
    colours.add_tag([id_of(colours, "green.png")], "lawn")
    colours.tag(["red", "green"])
    colours.clear_tags()
    assert colours.all_tags() == {"lawn": 1}
    assert colours.tag().labels == len(default_labels())


def test_an_interrupted_run_leaves_the_tags_as_they_were(colours: Library) -> None:
    colours.tag(["red"])

    def stop(what: str, done: int, total: int) -> None:
        if what == "batches of photos":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        colours.tag(["blue"], on_step=stop)
    assert list(colours.all_tags()) == ["red"]
    assert colours.tag().labels == 1


def test_damaged_vectors_of_labels_are_made_again(colours: Library, library_folder: Path) -> None:
    colours.tag(["red"])
    (kept,) = library_folder.glob("models/*/labels-*.npy")
    whole = kept.read_bytes()
    kept.write_bytes(whole[:40])
    colours.tag()
    assert labels_of(colours, "red.png") == ["red"]
    assert kept.read_bytes() == whole


def test_a_model_waits_for_a_build_and_a_hand_does_not(
    colours: Library, library_folder: Path, config: Config
) -> None:
    catalog = Catalog.open(library_folder, config.library.catalog)
    with closing(catalog), catalog.writer():
        with pytest.raises(LibraryLockedError):
            colours.tag(["red"])
        colours.add_tag([id_of(colours, "red.png")], "mine")
    assert colours.all_tags() == {"mine": 1}


def test_a_space_without_text_cannot_tag(colours: Library, photos: Path) -> None:
    colours.build([photos], BuildOptions(model="tiny:blind"))
    with pytest.raises(NoTextError, match="reads no words; ask with --space tiny"):
        colours.tag(["red"], space="tiny-blind")


REFUSED: list[tuple[dict[str, object], str]] = [
    ({"labels": []}, "list of labels is empty"),
    ({"labels": ["# nothing"]}, "list of labels is empty"),
    ({"labels": ["x" * 101]}, "101 characters; the limit is 100"),
    ({"labels": ["dog\x07"]}, "control characters"),
    ({"labels": "no such file"}, "cannot be read: No such file"),
    ({"templates": ["a photo"]}, "no {} for the label"),
    ({"templates": []}, "no template"),
    ({"threshold": 0.0}, "between 0 and 1"),
    ({"threshold": float("nan")}, "between 0 and 1"),
    ({"space": "tinny"}, "did you mean tiny"),
]


def test_what_cannot_be_done_is_refused_and_changes_nothing(colours: Library) -> None:
    colours.tag(["blue"])
    for options, said in REFUSED:
        with pytest.raises(GlimpseError, match=said) as caught:
            colours.tag(**options)  # type: ignore[arg-type]
        assert "\n" not in str(caught.value)
    assert colours.all_tags() == {"blue": 1}
    assert colours.tag().labels == 1


@pytest.mark.parametrize("label", ["", "  ", "x" * 101, "a\nb", "a\x1b[31m"])
def test_a_hand_writes_plain_short_tags(library: Library, label: str) -> None:
    with pytest.raises(UsageError, match="tag") as caught:
        library.add_tag([], label)
    assert "\n" not in str(caught.value)


def test_a_photo_that_is_unknown_or_unreadable_takes_no_tag(colours: Library, photos: Path) -> None:
    (photos / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 nothing more")
    colours.build([photos])
    (broken,) = [photo.id for photo in colours.errors()]
    for ids in ([broken], [id_of(colours, "red.png"), 999]):
        with pytest.raises(QueryError, match=f"no photo {ids[-1]} in this library"):
            colours.add_tag(ids, "x")
    assert colours.all_tags() == {}


def test_our_own_list_is_sound() -> None:
    labels = default_labels()
    assert 200 <= len(labels) <= 400
    assert all(label.name == label.name.strip() and label.phrases for label in labels)
    assert len({label.name.casefold() for label in labels}) == len(labels)


def test_a_label_that_comes_twice_has_both_lines_phrases() -> None:
    (label,) = parse_labels(["dog", "dog = puppy, dog", "  # dog = cat"])
    assert label.phrases == ("dog", "puppy")


def test_a_class_is_the_mean_of_its_phrases_in_all_templates() -> None:
    vectors = {"cat": (1, 0), "a cat": (0, 1), "dog": (1, 0), "a dog": (1, 0), "lion": (0, 1)}

    def embed(texts: list[str]) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
        return np.array([vectors.get(text, (0, 1)) for text in texts], np.float32)

    found = class_vectors([["dog"], ["cat", "lion"]], ["{}", "a {}"], embed)
    assert found[0].tolist() == [1, 0]
    assert found[1] == pytest.approx(np.array([1, 3]) / np.sqrt(10))


def test_a_label_counts_by_its_place_among_words_of_the_same_photo() -> None:
    photos = np.eye(2, dtype=np.float32)
    words = np.array([[0.1, 0.3], [0.3, 0.3], [0.2, 0.3]], np.float32)
    labels = np.array([[0.2, 0.3], [0.9, 0.9]], np.float32)
    z = above_words(photos, labels, words)
    assert z[0] == pytest.approx([0, 0.7 / np.std([0.1, 0.3, 0.2])], abs=1e-4)
    assert z[1, 1] > 1000  # where all words are one, any difference counts
    assert confidences(np.array([-1e9, MIDDLE, 1e9], np.float32)) == pytest.approx([0, 0.5, 1])


def test_a_label_that_no_photo_shows_for_certain_is_given_to_none() -> None:
    columns = np.array([0, 1, 1, 2])
    sure = np.array([0.6, 0.6, 0.85, 0.6], np.float32)
    assert proven(columns, sure, np.empty(0, np.int64)).tolist() == [False, True, True, False]
    assert proven(columns, sure, np.array([2])).tolist() == [False, True, True, True]


def test_the_command_tags_and_shows_counts(colours: Library, glimpse: Run, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("red\nwarm = red, yellow\n", encoding="utf-8")
    shown = glimpse("tag", "--labels", "mine.txt", "--template", "{}")
    assert shown.returncode == 0
    lines = [line.split() for line in shown.stdout.decode().splitlines()]
    assert lines == [["tag", "photos"], ["warm", "2"], ["red", "1"]]
    assert shown.stderr.decode() == "3 tags on 4 photos, of 2 labels\n"
    listed = json.loads(glimpse("tag", "--list", "--json").stdout)
    assert listed == {"counts": {"warm": 2, "red": 1}}
    assert glimpse("tag", "--clear").stderr == b"no photo has a tag; give some with: glimpse tag\n"


def test_the_command_searches_by_tag_and_tells_them(colours: Library, glimpse: Run) -> None:
    colours.tag(["red", "blue"])
    found = json.loads(glimpse("search", "green", "--tag", "blue", "--json").stdout)
    (hit,) = found["results"]
    assert hit["path"].endswith("blue.png")
    assert [(tag["label"], tag["by_hand"]) for tag in hit["tags"]] == [("blue", False)]
    missed = glimpse("search", "green", "--tag", "Bleu")
    assert (missed.returncode, missed.stdout) == (0, b"")
    assert missed.stderr == b"no photo has the tag 'Bleu'; did you mean 'blue'?\n"


def test_a_list_that_cannot_be_read_is_one_line(glimpse: Run, tmp_path: Path) -> None:
    (tmp_path / "latin.txt").write_bytes("café".encode("latin-1"))
    refused = glimpse("tag", "--labels", "latin.txt")
    assert refused.returncode == 2
    assert refused.stderr == b"glimpse: latin.txt is not UTF-8 text; save it as UTF-8\n"
