"""The language of queries: what an expression means, and what is refused."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer import Query
from indexer.errors import QueryError


def weights(query: Query) -> list[tuple[str, float]]:
    return [(str(term.what), term.weight) for term in query.terms]


@pytest.mark.parametrize(
    ("expression", "meaning"),
    [
        ("two dogs on a beach", [("two dogs on a beach", 1)]),
        (["two", "dogs"], [("two dogs", 1)]),
        (
            ["2:golden retriever", "+", "./pool.jpg", "-", "fruit"],
            [("golden retriever", 2), ("./pool.jpg", 1), ("fruit", -1)],
        ),
        (
            "2:golden retriever + ./pool.jpg - fruit",
            [("golden retriever", 2), ("./pool.jpg", 1), ("fruit", -1)],
        ),
        ("t-shirt and A+B", [("t-shirt and A+B", 1)]),
        ("- snow", [("snow", -1)]),
        ('"black + white" - dog', [('"black + white"', 1), ("dog", -1)]),
        ('"16:9"', [('"16:9"', 1)]),
        ("0.5:photo:12 + sea", [("photo:12", 0.5), ("sea", 1)]),
        (["./a.jpg", "./b.jpg"], [("./a.jpg", 1), ("./b.jpg", 1)]),
        (
            ["at", "night", "./a.jpg", "-", "photo:3", "rain"],
            [("at night", 1), ("./a.jpg", 1), ("photo:3", -1), ("rain", 1)],
        ),
    ],
)  # fmt: skip
def test_an_expression_is_a_weighted_sum(
    expression: str | list[str], meaning: list[tuple[str, float]]
) -> None:
    assert weights(Query.parse(expression)) == meaning


@pytest.mark.parametrize("nothing", ["", "   ", [], "+", ["-", "+"], '""', "2:"])
def test_a_query_with_nothing_in_it_is_refused(nothing: str | list[str]) -> None:
    with pytest.raises(QueryError, match="nothing in the query|no words"):
        Query.parse(nothing)


def test_a_text_beyond_all_measure_is_refused() -> None:
    with pytest.raises(QueryError, match="10000001 characters; the limit is 10000"):
        Query.text("x" * 10_000_001)


def test_a_path_with_an_operator_in_it_is_one_picture_when_it_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "me - you.jpg").touch()
    assert weights(Query.parse("./me - you.jpg")) == [("./me - you.jpg", 1)]


def test_a_path_longer_than_any_file_name_is_only_a_picture_that_is_not_there() -> None:
    name = "./" + "x" * 300 + ".jpg"
    assert weights(Query.parse(name)) == [(name, 1)]


def test_queries_add_subtract_and_multiply() -> None:
    query = (
        2 * Query.text("a") + Query.image("b.jpg", weight=0.5) - (Query.photo(3) + Query.text("c"))
    )
    assert [term.weight for term in query.terms] == [2, 0.5, -1, -1]
    assert str(query) == "2:a + 0.5:./b.jpg - photo:3 - c"


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["dog", "a red car", "black + white", "3:4", "./x", "/y z", "photo:7"]),
            st.sampled_from([1, 2, 0.25]),
            st.booleans(),
        ),
        min_size=1,
        max_size=5,
    )
)
def test_what_a_query_prints_means_the_same(parts: list[tuple[str, float, bool]]) -> None:
    query = Query()
    for words, weight, minus in parts:
        term = Query.image(words) if words[0] in "./" else Query.text(words)
        query += (-weight if minus else weight) * term
    assert str(Query.parse(str(query))) == str(query)


@given(st.text(max_size=200))
def test_any_text_is_a_query_or_a_clear_refusal(text: str) -> None:
    try:
        assert Query.parse(text).terms
    except QueryError as error:
        assert "\n" not in str(error)
