"""Several spaces asked at once."""

from pathlib import Path

import pytest

from indexer import BuildOptions, Config, Library, Query
from indexer.errors import NoTextError, UsageError
from tests.conftest import RGB, MakePicture


@pytest.fixture
def two_spaces(library: Library, photos: Path, picture: MakePicture) -> Library:
    """The spaces `tiny`, which reads words, and `tiny-blind`, which does not."""
    for number, colour in enumerate(RGB):
        for copy in range(3):
            picture(f"{colour} {copy}.png", colour, mark=64 * number + 9 * copy + 1)
    library.build([photos])
    library.build([photos], BuildOptions(model="tiny:blind"))
    return library


def ids(library: Library, query: Query | str, space: str) -> list[int]:
    return [hit.photo_id for hit in library.search(query, 100, space=space)]


def test_words_are_asked_where_they_are_read_and_pictures_where_only_pictures_are(
    two_spaces: Library,
) -> None:
    photo = two_spaces.photos()[0].id
    both = "tiny,tiny-blind"
    assert ids(two_spaces, "red", both) == ids(two_spaces, "red", "tiny")
    assert ids(two_spaces, Query.photo(photo), both) == ids(
        two_spaces, Query.photo(photo), "tiny-blind"
    )
    (notice,) = two_spaces.search("red", space=both).notices
    assert notice == "space tiny-blind has no part in this query"


def test_rankings_are_fused_by_reciprocal_ranks(two_spaces: Library) -> None:
    photo = two_spaces.photos()[0].id
    places: dict[int, float] = {}
    for query, space, weight in (("green", "tiny", 1), (Query.photo(photo), "tiny-blind", 3)):
        for place, id in enumerate(ids(two_spaces, query, space), start=1):
            places[id] = places.get(id, 0) + weight / 4 / (60 + place)
    query = Query.text("green") + Query.photo(photo)
    answer = two_spaces.search(query, 100, space="tiny,3:tiny-blind", include_self=False)
    assert {hit.photo_id: hit.score for hit in answer} == pytest.approx(
        {id: places[id] for id in places if id != photo}, abs=2e-4
    )
    scores = [hit.score for hit in answer]
    assert scores == sorted(scores, reverse=True)
    assert answer.space == "tiny,tiny-blind"


def test_fused_answers_come_in_pages_and_none_is_lost(two_spaces: Library) -> None:
    query = Query.text("green") + Query.photo(two_spaces.photos()[0].id)
    whole = ids(two_spaces, query, "tiny,tiny-blind")
    assert len(whole) == 11
    page = two_spaces.search(query, 4, offset=3, space="tiny,tiny-blind")
    assert [hit.photo_id for hit in page] == whole[3:7]
    assert page.total == 11


def test_scores_may_be_fused_instead(two_spaces: Library) -> None:
    config = Config.from_mapping({"search": {"fusion": "scores"}}, "test")
    query = Query.text("green") + Query.photo(two_spaces.photos()[0].id)
    with Library.open(two_spaces.folder, config=config) as library:
        answer = library.search(query, 100, space="tiny,tiny-blind")
    scores = [hit.score for hit in answer]
    assert scores == sorted(scores, reverse=True)
    assert len(answer) == 11


@pytest.mark.parametrize(
    ("space", "complaint"),
    [
        ("tiny,timy", "no space is called timy; did you mean tiny"),
        ("tiny,0:tiny-blind", "weight 0; it must be above 0"),
        ("tiny,", "no space is called ;"),
    ],
)
def test_spaces_that_make_no_sense_are_refused(
    two_spaces: Library, space: str, complaint: str
) -> None:
    with pytest.raises(UsageError, match=complaint):
        two_spaces.search("red", space=space)


def test_words_need_a_space_that_reads_them(two_spaces: Library, photos: Path) -> None:
    two_spaces.build([photos], BuildOptions(model="tiny:blind", space="other"))
    with pytest.raises(NoTextError, match="none of these spaces"):
        two_spaces.search("red", space="tiny-blind,other")
