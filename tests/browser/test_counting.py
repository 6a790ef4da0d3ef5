"""The counts beside the filters: never waited for long, and never old once there is time."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from indexer import BuildOptions, Facets, Filter, Library
from indexer.errors import UsageError
from search_ui.search import counting
from search_ui.search.counting import Counting
from tests.conftest import MakePicture

EVERYTHING = Filter()
RED, BLUE = Facets(tag={"red": 1}), Facets(tag={"red": 1, "blue": 1})


class Slow:
    """Stands for a library so large that its facets come only when they are let."""

    def __init__(self) -> None:
        self.found: list[Facets] = []
        self.let = threading.Semaphore(0)
        self.begun = threading.Semaphore(0)

    def facets(self, where: Filter) -> Facets:
        found = self.found[-1]  # as of when it begins
        self.begun.release()
        assert self.let.acquire(timeout=30)
        return found


@pytest.fixture
def slow() -> Iterator[Slow]:
    slow = Slow()
    slow.found.append(RED)
    yield slow
    for _ in range(100):
        slow.let.release()


def counting_of(slow: Slow) -> Counting:
    counts = Counting(slow, patience_s=0.05)  # type: ignore[arg-type]
    slow.let.release()
    assert counts.of(EVERYTHING) == RED  # waited for: there was nothing to show
    return counts


def test_where_counting_takes_long_those_of_a_moment_ago_are_shown(slow: Slow) -> None:
    counts = counting_of(slow)
    slow.found.append(BLUE)
    assert counts.of(EVERYTHING) == RED
    slow.let.release()
    slow.let.release()
    until(lambda: counts.of(EVERYTHING) == BLUE)


def test_a_count_that_began_before_a_change_is_not_taken_for_one_after_it(slow: Slow) -> None:
    counts = counting_of(slow)
    counts.of(EVERYTHING)  # has begun, and sees no change
    assert slow.begun.acquire(timeout=30)
    assert slow.begun.acquire(timeout=30)
    slow.found.append(BLUE)
    waiting = counts._count(EVERYTHING)
    slow.let.release()
    slow.let.release()
    assert waiting.result(30) == BLUE


def test_however_many_ask_at_most_one_count_of_a_filter_waits(slow: Slow) -> None:
    counts = counting_of(slow)
    for _ in range(20):
        counts.of(EVERYTHING)
    begun = 0
    while slow.begun.acquire(timeout=0.2):
        begun += 1
    assert begun <= 3  # the first, and one for each of the two that count


def test_in_a_small_library_counts_are_those_of_now(
    library: Library, photos: Path, picture: MakePicture
) -> None:
    counts = Counting(library, patience_s=30)
    for number in range(1, 4):
        picture(f"{number}.png", mark=number)
        library.build([photos], BuildOptions(model="tiny"))
        assert counts.of(EVERYTHING).format == {"PNG": number}
        assert counts.of(Filter(format="JPEG")).format == {}


def test_what_cannot_be_counted_is_told_each_time(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(where: Filter) -> Facets:
        raise UsageError("no such filter")

    monkeypatch.setattr(library, "facets", refuse)
    counts = Counting(library)
    for _ in range(2):
        with pytest.raises(UsageError, match="no such filter"):
            counts.of(EVERYTHING)


def test_each_library_has_counts_of_its_own(library: Library, tmp_path: Path) -> None:
    with Library.open(tmp_path / "another", create=True) as another:
        assert counting.counting(library) is counting.counting(library)
        assert counting.counting(another) is not counting.counting(library)


def until(is_so: Callable[[], bool]) -> None:
    for _ in range(600):
        if is_so():
            return
    raise AssertionError("it never came")
