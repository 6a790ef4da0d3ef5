"""Searches side by side: each keeps to a core of its own."""

import threading
from pathlib import Path

import pytest
from threadpoolctl import threadpool_info

from indexer import Library
from indexer.library.turns import Turns
from indexer.search.asking import Asking
from tests.conftest import MakePicture


def blas_threads() -> set[int]:
    """How many threads numpy, and whatever else brings a BLAS, would share a product out to."""
    return {each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas"}


def test_a_search_keeps_products_to_its_own_thread_and_leaves_them_as_they_were(
    library: Library, photos: Path, picture: MakePicture, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture("red.png", "red")
    library.build([photos])
    found, answer, before = list[set[int]](), Asking.answer, blas_threads()

    def told(*arguments: object) -> object:
        found.append(blas_threads())
        return answer(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Asking, "answer", told)
    library.search("red")
    assert found == [{1}]
    assert blas_threads() == before


def test_the_last_to_end_gives_the_threads_back() -> None:
    turns, before = Turns(2), blas_threads()
    with turns.taken():
        with turns.taken():
            assert blas_threads() == {1}
        assert blas_threads() == {1}
    assert blas_threads() == before


def test_more_than_have_room_wait() -> None:
    turns, began = Turns(1), threading.Event()

    def late() -> None:
        with turns.taken():
            began.set()

    with turns.taken():
        waiting = threading.Thread(target=late)
        waiting.start()
        assert not began.wait(0.2)
    waiting.join(10)
    assert began.is_set()
