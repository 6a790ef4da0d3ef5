"""Answers that are kept until the catalog changes."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from indexer import Config, Filter, Library
from indexer.kept import Kept
from tests.conftest import MakePicture


def test_a_question_is_worked_out_once_for_each_moment() -> None:
    kept, asked = Kept(2), list[int]()

    def ask(seq: int) -> int:
        return kept.get(seq, "key", lambda: asked.append(seq) or len(asked))  # type: ignore[func-returns-value]

    assert [ask(1), ask(1), ask(2), ask(2)] == [1, 1, 2, 2]


def test_a_reader_of_an_earlier_moment_gets_its_own_answer_and_changes_nothing() -> None:
    kept = Kept(2)
    assert kept.get(2, "key", lambda: "new") == "new"
    assert kept.get(1, "key", lambda: "old") == "old"
    assert kept.get(2, "key", lambda: "again") == "new"


def test_no_more_is_kept_than_was_said() -> None:
    kept = Kept(2)
    for key in "abc":
        kept.get(1, key, lambda: "first")
    assert [kept.get(1, key, lambda: "anew") for key in "cba"] == ["first", "first", "anew"]


def test_who_asks_meanwhile_waits_for_the_first() -> None:
    kept, asked, go_on = Kept(2), list[str](), threading.Event()

    def work_out() -> int:
        asked.append("once")
        go_on.wait(10)
        return 1

    with ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(kept.get, 1, "key", work_out) for _ in range(8)]
        go_on.set()
        assert [answer.result() for answer in answers] == [1] * 8
    assert asked == ["once"]


def test_what_failed_is_tried_anew() -> None:
    kept = Kept(2)
    with pytest.raises(ZeroDivisionError):
        kept.get(1, "key", lambda: 1 // 0)
    assert kept.get(1, "key", lambda: 1) == 1


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
