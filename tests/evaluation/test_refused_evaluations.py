"""What cannot be measured, and what the user is told."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from indexer import Library
from indexer.errors import NoTextError, UsageError
from indexer.evaluation import EvaluationOptions
from tests.evaluation.parts import BY_FOLDER, root, write


def test_words_cannot_be_asked_of_a_space_without_text(settled: Library, tmp_path: Path) -> None:
    file = write(tmp_path / "c.tsv", "filename\tcaption\nred/0.png\tred\n")
    with pytest.raises(NoTextError, match="tiny-blind .*reads no words.*ask with --space tiny"):
        settled.evaluate(EvaluationOptions(captions=file), space="tiny-blind")


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        ("c.tsv", "name\tcaption\nred/0.png\tred\n", "no column 'filename' .it has: name, caption"),
        ("c.csv", "filename,words\nred/0.png,red\n", "no column 'caption'"),
        ("c.tsv", "filename\tcaption\n", "is empty"),
        (
            "c.tsv",
            "filename\tcaption\na.png\tred\n",
            "none of the file names fits a picture.*'a.png'",
        ),
        ("c.tsv", "filename\tcaption\n0.png\tred\n", "'0.png' fits several"),
        ("c.txt", "red/0.png red", "give .tsv, .csv or .jsonl"),
        ("c.jsonl", "{'file': 1}", "line 1 is no valid JSON"),
        ("c.jsonl", '{"filename": 1, "caption": "red"}', "line 1: .* must be strings"),
        ("c.jsonl", '["red/0.png", "red"]', "no column 'filename'"),
        (
            "c.csv",
            "filename,caption\nred/0.png," + "x" * 10_001,
            "10001 characters; the limit is 10000",
        ),
    ],
)
def test_captions_that_cannot_be_used_say_why(
    settled: Library, tmp_path: Path, name: str, text: str, complaint: str
) -> None:
    with pytest.raises(UsageError, match=complaint):
        settled.evaluate(EvaluationOptions(captions=write(tmp_path / name, text)))


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ({}, "is empty"),
        ([], "is no JSON object"),
        ({"red": "red/0.png"}, "'red' has no list of file names"),
        ({"red": []}, "names no files"),
        ({" ": ["red/0.png"]}, "' ' has no list"),
    ],
)
def test_categories_that_cannot_be_used_say_why(
    settled: Library, tmp_path: Path, content: object, complaint: str
) -> None:
    file = write(tmp_path / "q.json", json.dumps(content))
    with pytest.raises(UsageError, match=complaint):
        settled.evaluate(EvaluationOptions(categories=file))


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"labels": "nowhere.tsv"}, "nowhere.tsv cannot be read"),
        ({"labels": "nowhere.xml"}, "give .tsv, .csv or .json"),
        ({"templates": ("a photo",)}, "has no {} for the label"),
        ({"queries": 0}, "the least is 1"),
        ({"folder": Path("/nowhere")}, "no photo below /nowhere"),
        ({"against": "tiny"}, "space tiny against itself"),
        ({"against": "tinny"}, "no space is called tinny; did you mean tiny"),
    ],
)
def test_what_makes_no_sense_is_refused(
    settled: Library, change: dict[str, object], complaint: str
) -> None:
    with pytest.raises(UsageError, match=complaint):
        settled.evaluate(replace(BY_FOLDER, **change))  # type: ignore[arg-type]


def test_one_label_or_labels_of_one_photo_cannot_be_measured(
    settled: Library, tmp_path: Path
) -> None:
    red = root(settled) / "red"
    with pytest.raises(UsageError, match="all 4 labelled photos have the label 'red'"):
        settled.evaluate(replace(BY_FOLDER, folder=red))
    file = write(tmp_path / "labels.json", json.dumps({"red/0.png": "a", "blue/0.png": "b"}))
    with pytest.raises(UsageError, match="each of the 2 labels has one photo alone"):
        settled.evaluate(replace(BY_FOLDER, labels=file))


def test_a_library_without_photos_says_what_to_do(library: Library, photos: Path) -> None:
    with pytest.raises(UsageError, match="no photo has a vector in tiny.*glimpse build"):
        library.evaluate()
