"""Where relevance ends: answers are told from the least bad."""

from pathlib import Path

import numpy as np
import pytest

from indexer import Config, Filter, Library
from indexer.errors import QueryError
from indexer.results import Answer, Relevance
from indexer.search import answering
from indexer.search.relevance import BLOCK, Cut, grade
from tests.conftest import MakePicture

EVERYTHING = 1000


def names(answer: Answer) -> set[str]:
    return {hit.path.parent.name for hit in answer}


@pytest.mark.parametrize(
    ("query", "folders"), [("musical instrument", {"music"}), ("insect", {"insects", "plants"})]
)
def test_what_is_relevant_answers_the_query(
    examples: Library, query: str, folders: set[str]
) -> None:
    answer = examples.search(query, EVERYTHING, relevant=True)
    assert names(answer) == folders
    assert len(answer) == answer.total == answer.relevant


def test_a_query_that_nothing_answers_says_so(examples: Library) -> None:
    answer = examples.search("a page of an accountant's tax return")
    assert (answer.likely, answer.relevant) == (0, 0)
    assert len(answer) == 20  # the least bad, for those who want to see them
    assert {hit.relevance for hit in answer} == {Relevance.UNLIKELY}


def test_grades_are_counted_over_all_results_not_over_a_page(examples: Library) -> None:
    whole = examples.search("bird", EVERYTHING)
    grades = [hit.relevance for hit in whole]
    assert whole.likely == grades.count(Relevance.LIKELY) > 1
    assert whole.relevant == whole.likely + grades.count(Relevance.MAYBE)
    page = examples.search("bird", 1, offset=2)
    assert (page.likely, page.relevant) == (whole.likely, whole.relevant)
    assert page[0] == whole[2]


def test_the_relevant_ones_come_in_pages_too(examples: Library) -> None:
    whole = list(examples.search("bird", EVERYTHING, relevant=True))
    assert list(examples.search("bird", 3, offset=2, relevant=True)) == whole[2:5]


def test_by_date_only_what_is_relevant_is_sorted(examples: Library) -> None:
    relevant = {hit.photo_id for hit in examples.search("bird", EVERYTHING, relevant=True)}
    newest = examples.search("bird", EVERYTHING, sort="newest")
    oldest = examples.search("bird", EVERYTHING, sort="oldest")
    assert {hit.photo_id for hit in newest} == relevant
    dates = [hit.photo.taken_at for hit in newest if hit.photo.taken_at]
    assert dates == sorted(dates, reverse=True)
    assert [h.photo.taken_at for h in oldest if h.photo.taken_at] == sorted(dates)
    assert newest[0].rank == 1


def test_a_photo_without_a_date_is_sorted_by_its_files(
    library: Library, photos: Path, picture: MakePicture
) -> None:
    import os

    for year, mark in ((2001, 1), (2020, 2), (2010, 3)):
        path = picture(f"{year}.png", "red", mark=mark)
        os.utime(path, (1e9 + (year - 2001) * 31.6e6,) * 2)
    library.build([photos])
    assert [hit.path.stem for hit in library.search("red", sort="oldest")] == [
        "2001",
        "2010",
        "2020",
    ]


def test_grades_do_not_depend_on_a_filter_that_leaves_the_best(examples: Library) -> None:
    best = examples.search("bird", EVERYTHING, relevant=True)
    some = Filter(only=tuple(hit.photo_id for hit in best[:3]))
    assert examples.search("bird", where=some).relevant == 3


def test_a_picture_that_is_asked_with_does_not_set_the_mark(examples: Library) -> None:
    kitten = examples.search("kitten", 1)[0].photo_id
    answer = examples.neighbors(kitten, 5)
    assert answer[0].relevance in (Relevance.LIKELY, Relevance.MAYBE)


def test_a_library_too_small_to_tell_shows_all_and_says_so(
    library: Library, photos: Path, picture: MakePicture
) -> None:
    picture("a.png", "red")
    picture("b.png", "blue")
    library.build([photos])
    answer = library.search("red", relevant=True)
    assert len(answer) == answer.total == 2
    assert answer.relevant is None
    assert "too little is known" in answer.notices[0]


def test_an_unknown_order_is_refused(examples: Library) -> None:
    with pytest.raises(QueryError, match=r"sort 'best' is not known; there are: relevance, newest"):
        examples.search("bird", sort="best")  # type: ignore[arg-type]


@pytest.mark.parametrize("damage", [b"", b"\x93NUMPY\x01\x00garbage"])
def test_the_models_background_is_kept_and_made_anew_when_damaged(
    examples_folder: Path, damage: bytes
) -> None:
    def grades() -> list[Relevance | None]:
        with Library.open(examples_folder, config=Config()) as library:
            return [hit.relevance for hit in library.search("bird")]

    before = grades()
    (kept,) = examples_folder.glob("models/*/background-*.npy")
    whole = kept.read_bytes()
    kept.write_bytes(damage)
    assert grades() == before
    assert kept.read_bytes() == whole


def test_a_photo_is_an_answer_only_above_the_floor() -> None:
    deviations = np.array([2.9, 1.0], np.float32)
    assert grade(2, lambda rows: deviations[rows], Cut(0.5, 3)) == [Relevance.UNLIKELY] * 2
    assert grade(2, lambda rows: deviations[rows], Cut(0.5, 2)) == [
        Relevance.LIKELY,
        Relevance.UNLIKELY,
    ]


def test_grading_goes_on_as_far_as_there_are_answers() -> None:
    deviations = np.full(5 * BLOCK, 1, np.float32)
    deviations[:5] = 10
    deviations[BLOCK + 3], deviations[2 * BLOCK + 3], deviations[4 * BLOCK] = 9, 8, 10
    grades = grade(len(deviations), lambda rows: deviations[rows], Cut(0.67, 3))
    answers = [row for row, found in enumerate(grades) if found is not Relevance.UNLIKELY]
    assert answers == [0, 1, 2, 3, 4, BLOCK + 3, 2 * BLOCK + 3]


def test_counts_say_when_more_may_be_relevant(
    examples: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = examples.search("bird", 1)
    assert not whole.may_go_on
    monkeypatch.setattr(answering, "BLOCK", 3)
    monkeypatch.setattr(answering, "LAST", 2)
    start = examples.search("bird", 1)
    assert start.may_go_on
    assert start.relevant is not None
    assert whole.relevant is not None
    assert start.relevant < whole.relevant
    all_of_them = examples.search("bird", 1, relevant=True)
    assert (all_of_them.relevant, all_of_them.may_go_on) == (whole.relevant, False)
