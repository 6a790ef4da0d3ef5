"""Answers that are kept until the catalog changes."""

import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from indexer import Config, Filter, Library
from indexer.kept import Kept
from storage.points import Point
from tests.conftest import MakePicture


def test_a_question_is_worked_out_once_for_each_moment() -> None:
    kept, asked = Kept(2), list[int]()

    def ask(seq: int) -> int:
        return kept.get(Point(seq), "key", lambda: asked.append(seq) or len(asked))  # type: ignore[func-returns-value]

    assert [ask(1), ask(1), ask(2), ask(2)] == [1, 1, 2, 2]


def test_a_reader_of_an_earlier_moment_gets_its_own_answer_and_changes_nothing() -> None:
    kept = Kept(2)
    assert kept.get(Point(2), "key", lambda: "new") == "new"
    assert kept.get(Point(1), "key", lambda: "old") == "old"
    assert kept.get(Point(2), "key", lambda: "again") == "new"


def grown(point: Point, batches: int) -> Point:
    for _ in range(batches):
        point = Point.of(point.following())
    return point


def test_a_copy_that_was_put_back_is_not_taken_for_what_came_before_of_its_number() -> None:
    copied = grown(Point(3), 2)
    before, after = grown(copied, 4), grown(copied, 4)
    assert before.seq == after.seq
    assert after.follows(copied)
    assert not any(after.follows(each) or each.follows(after) for each in (before, Point(3)))
    kept = Kept(2)
    points = [before, after, copied]
    assert [kept.get(each, "key", partial(hash, each)) for each in points] == [*map(hash, points)]


def test_of_a_library_of_an_earlier_glimpse_the_number_tells() -> None:
    assert Point.of({"change_seq": "7"}).follows(Point(6))
    assert not Point(6).follows(Point(7))
    assert Point.of(Point(6).following() | {"change_seq": "9"}) == Point(9)


def test_no_more_is_kept_than_was_said() -> None:
    kept = Kept(2)
    for key in "abc":
        kept.get(Point(1), key, lambda: "first")
    assert [kept.get(Point(1), key, lambda: "anew") for key in "cba"] == ["first", "first", "anew"]


def test_who_asks_meanwhile_waits_for_the_first() -> None:
    kept, asked, go_on = Kept(2), list[str](), threading.Event()

    def work_out() -> int:
        asked.append("once")
        go_on.wait(10)
        return 1

    with ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(kept.get, Point(1), "key", work_out) for _ in range(8)]
        go_on.set()
        assert [answer.result() for answer in answers] == [1] * 8
    assert asked == ["once"]


def test_what_failed_is_tried_anew() -> None:
    kept = Kept(2)
    with pytest.raises(ZeroDivisionError):
        kept.get(Point(1), "key", lambda: 1 // 0)
    assert kept.get(Point(1), "key", lambda: 1) == 1


def test_counts_and_orders_follow_what_another_program_writes(
    library: Library, picture: MakePicture
) -> None:
    root = picture("a.png").parent
    library.build([root])
    before = (library.moment(), library.count(), library.facets().tag, library.digest())
    with Library.open(library.folder, config=Config()) as other:
        picture("b.png", "blue")
        other.build([root])
        other.add_tag([photo.id for photo in other.photos()], "mine")
    assert before[1:3] == (1, {})
    assert library.moment() > before[0]
    assert (library.count(), library.facets().tag, library.all_tags()) == (
        2,
        {"mine": 2},
        {"mine": 2},
    )
    assert library.digest() != before[3]
    assert [photo.path.name for photo in library.browse(order="added")] == ["b.png", "a.png"]
    assert library.status().roots[0].counts == {"present": 2}
    assert library.facets(Filter(tag=("mine",))).format == {"PNG": 2}
