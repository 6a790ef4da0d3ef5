import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import insert

from indexer import AtlasOptions, Cluster, Filter, Library, Photo, PhotoMap, State
from indexer.atlas.clusters import find_clusters
from indexer.atlas.drawing import brought_up_to_date, draw
from indexer.atlas.naming import unique_names
from indexer.atlas.page import page
from indexer.atlas.projection import needed
from indexer.atlas.records import Layout
from indexer.errors import GlimpseError
from storage.catalog import Catalog
from storage.tables import tags
from storage.vectors import VectorIndex, in_memory
from tests.conftest import RGB, MakePicture, Run

COLOURS = list(RGB)
Fill = Callable[..., None]


@pytest.fixture
def fill(library: Library, picture: MakePicture, photos: Path) -> Fill:
    """Builds a library of so many pictures of each colour."""

    def make(each: int, *colours: str, start: int = 0) -> None:
        for colour in colours or COLOURS:
            for mark in range(start + 1, start + each + 1):
                picture(f"{colour}-{mark}.png", colour, mark)
        library.build([photos])

    return make


def groups(
    count: int, size: int, dim: int = 16, spread: float = 0.05, seed: int = 0
) -> VectorIndex:
    """An index of vectors around `count` centres, one after another, `size` each."""
    rng = np.random.default_rng(seed)
    rows = np.repeat(np.eye(dim)[:count], size, axis=0)
    rows = rows + rng.normal(scale=spread, size=rows.shape)
    return indexed(rows / np.linalg.norm(rows, axis=1, keepdims=True))


def indexed(rows: np.ndarray, first: int = 1) -> VectorIndex:
    return in_memory(np.arange(first, first + len(rows)), rows.astype(np.float32))


FOUR = groups(4, 20)


def colours_of(library: Library, found: PhotoMap) -> list[str]:
    return [library.photo(int(id)).path.name.partition("-")[0] for id in found.ids]


def test_an_empty_library_has_an_empty_map(library: Library) -> None:
    found = library.map()
    assert found.points.shape == (0, 2)
    assert found.clusters == ()


@pytest.mark.parametrize("each", [1, 2, 5])
def test_small_libraries_are_laid_out_with_every_photo_in_the_square(
    library: Library, fill: Fill, each: int
) -> None:
    fill(each)
    found = library.map()
    assert len(found.ids) == 4 * each
    assert (found.ids == library.vectors()[0]).all()
    assert found.points.min() >= 0
    assert found.points.max() <= 1


def test_one_photo_lies_in_the_middle(library: Library, picture: MakePicture, photos: Path) -> None:
    picture("only.png")
    library.build([photos])
    found = library.map()
    assert found.points.tolist() == [[0.5, 0.5]]
    assert found.cluster.tolist() == [-1]


def test_twenty_photos_of_four_colours_are_four_clusters(library: Library, fill: Fill) -> None:
    fill(5)
    found = library.map(labels=())
    assert [cluster.count for cluster in found.clusters] == [5, 5, 5, 5]
    assert len(set(zip(colours_of(library, found), found.cluster.tolist(), strict=True))) == 4
    assert [cluster.name for cluster in found.clusters] == [
        "Group 1",
        "Group 2",
        "Group 3",
        "Group 4",
    ]


def test_exact_copies_lie_on_one_point(
    library: Library, picture: MakePicture, photos: Path
) -> None:
    for name, colour in (("a.png", "red"), ("b.png", "red"), ("c.png", "blue")):
        picture(name, colour)
    library.build([photos])
    found = library.map()
    names = [library.photo(int(id)).path.name for id in found.ids]
    at = dict(zip(names, found.points.tolist(), strict=True))
    assert at["a.png"] == at["b.png"]
    assert at["a.png"] != at["c.png"]


def test_a_filter_shows_part_of_the_same_map(library: Library, fill: Fill) -> None:
    fill(5)
    whole, part = library.map(), library.map(where=Filter(path="red"))
    assert set(colours_of(library, part)) == {"red"}
    assert (part.points == whole.points[np.isin(whole.ids, part.ids)]).all()
    assert [cluster.count for cluster in part.clusters] == [5]


def test_clusters_are_named_by_the_tags_that_set_them_apart(library: Library, fill: Fill) -> None:
    fill(5)
    tag(library, lambda colour: ["picture", f"{colour} things"])
    found = library.map()
    names = {cluster.number: cluster.name for cluster in found.clusters}
    for colour, number in zip(colours_of(library, found), found.cluster.tolist(), strict=True):
        assert names[number] == f"{colour} things"


def test_a_tag_that_all_photos_have_names_nothing(library: Library, fill: Fill) -> None:
    fill(5)
    tag(library, lambda colour: ["picture"])
    assert {cluster.name for cluster in library.map(labels=()).clusters} == {
        f"Group {n}" for n in (1, 2, 3, 4)
    }


def test_without_tags_clusters_are_named_by_words(library: Library, fill: Fill) -> None:
    fill(5)
    found = library.map(labels=COLOURS)
    names = {cluster.number: cluster.name for cluster in found.clusters}
    for colour, number in zip(colours_of(library, found), found.cluster.tolist(), strict=True):
        assert names[number] == colour


def test_names_that_collide_are_told_apart() -> None:
    names = unique_names([["dog", "snow"], ["dog", "sea"], ["dog", "sea"], ["dog"], [], []])
    assert names == ["dog", "dog, sea", "dog 2", "dog 3", "Group 5", "Group 6"]


def test_a_map_that_is_right_is_not_drawn_again(library: Library, fill: Fill) -> None:
    fill(5)
    library.map()
    steps: list[object] = []
    library.map(on_step=lambda *step: steps.append(step))
    assert steps == []
    assert library.sizes()["maps"] > 0


def test_a_damaged_map_is_drawn_again(library: Library, fill: Fill) -> None:
    fill(5)
    before = library.map()
    (file,) = (library.folder / "maps").iterdir()
    file.write_bytes(file.read_bytes()[:100])
    assert (library.map().points == before.points).all()
    assert len(file.read_bytes()) > 100


def test_a_removed_root_leaves_nothing_on_the_map(
    library: Library, fill: Fill, photos: Path
) -> None:
    fill(5)
    library.map()
    library.remove(photos)
    assert len(library.map().ids) == 0


def test_other_options_replace_the_map_of_before(library: Library, fill: Fill) -> None:
    fill(5)
    library.map()
    library.map(options=AtlasOptions(seed=5))
    assert len(list((library.folder / "maps").iterdir())) == 1


# What follows runs UMAP, whose code is compiled once a process, for some ten seconds: one fixture bears it.


@pytest.fixture(scope="module")
def drawn() -> Layout:
    return draw(FOUR)


@pytest.mark.slow
def test_umap_keeps_groups_apart_and_draws_the_same_twice(drawn: Layout) -> None:
    again = draw(FOUR)
    assert (drawn.points == again.points).all()
    assert (drawn.cluster == again.cluster).all()
    per_group = drawn.cluster.reshape(4, 20)
    assert (per_group == per_group[:, :1]).all()
    assert sorted(per_group[:, 0]) == [0, 1, 2, 3]


@pytest.mark.slow
@pytest.mark.parametrize("kinds", [1, 2])
def test_equal_vectors_make_a_map_all_the_same(kinds: int, drawn: Layout) -> None:
    layout = draw(groups(kinds, 60 // kinds, spread=0))
    assert np.isfinite(layout.points).all()
    assert layout.points.max() <= 1


@pytest.mark.slow
def test_past_a_number_a_part_is_laid_out_and_the_others_lie_with_their_like(drawn: Layout) -> None:
    layout = draw(groups(4, 100), AtlasOptions(fitted=80))
    per_group = layout.cluster.reshape(4, 100)
    assert (per_group == per_group[:, :1]).all()
    assert (layout.points.reshape(4, 100, 2).std(axis=1) < 0.2).all()
    assert layout.drawn == 400


def test_what_came_since_is_placed_and_the_rest_stays() -> None:
    vectors = FOUR.vectors(FOUR.ids())
    now = brought_up_to_date(by_hand(), indexed(np.concatenate([vectors, vectors[::20]])))
    assert now is not None
    assert (now.points[:80] == by_hand().points).all()
    assert now.cluster[80:].tolist() == [0, 1, 2, 3]
    assert now.original.sum() == 80


def test_what_has_gone_leaves_the_map() -> None:
    now = brought_up_to_date(by_hand(), indexed(FOUR.vectors(FOUR.ids())[:75]))
    assert now is not None
    assert now.contents.tolist() == list(range(1, 76))


@pytest.mark.parametrize("kept", [71, 89])
def test_when_over_a_tenth_came_or_went_a_map_is_no_longer_right(kept: int) -> None:
    vectors = FOUR.vectors(FOUR.ids())
    changed = np.concatenate([vectors, vectors])[:kept]
    assert brought_up_to_date(by_hand(), indexed(changed)) is None


def by_hand() -> Layout:
    """A map of `FOUR` that nobody had to compute: each group on a spot of its own."""
    group = np.repeat(np.arange(4), 20)
    points = np.stack([group // 2, group % 2], axis=1).astype(np.float32)
    return Layout(FOUR.ids(), points, group, np.ones(80, np.bool_), 80)


def test_points_without_groups_are_in_none() -> None:
    assert (find_clusters(np.zeros((4, 2), np.float32)) == -1).all()
    scattered = np.array(
        [[0, 0], [9, 1], [2, 30], [70, 7], [3, 200], [500, 9], [8, 1000]], np.float32
    )
    assert (find_clusters(scattered) == -1).all()


def test_a_missing_package_is_named_with_what_installs_it() -> None:
    with pytest.raises(GlimpseError, match=r"package nowhere; .*pip install 'glimpse\[map\]'"):
        needed("nowhere.at_all")


def test_the_page_shows_names_as_text_and_asks_nothing_of_the_network() -> None:
    name = "<!--<script>alert(1)<script>.png"
    photo = Photo(7, Path("/photos") / name, State.PRESENT, 1, 0)
    cluster = Cluster(0, "<b>bold</b>", 1, (0.5, 0.5))
    found = PhotoMap(np.array([7]), np.full((1, 2), 0.5, np.float32), np.array([0]), (cluster,))
    text = page(found, [photo], lambda photo_id, edge: b"jpeg")
    assert "<script>alert" not in text
    assert "<b>bold" not in text
    assert "&lt;b&gt;bold" in text
    assert re.findall(r"https?://", text) == []
    data = re.search(r'<script type="application/json" id="map">(.*?)</script>', text)
    assert data is not None
    assert json.loads(data[1])["names"] == [name]


def test_the_command_prints_clusters_and_writes_a_page(
    fill: Fill, glimpse: Run, tmp_path: Path
) -> None:
    fill(5)
    shown = glimpse("map", "--label", "red", "--out", "map.html")
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.decode().splitlines()[0].split("\t")[0] == "5"
    assert b"5\tred" in shown.stdout
    assert "red-1.png" in (tmp_path / "map.html").read_text()


def test_the_command_gives_the_map_as_json(fill: Fill, glimpse: Run) -> None:
    fill(5)
    answer = json.loads(glimpse("map", "--json").stdout)
    assert answer["total"] == len(answer["photos"]) == 20
    assert [cluster["count"] for cluster in answer["clusters"]] == [5, 5, 5, 5]
    assert set(answer["photos"][0]) == {"photo_id", "path", "x", "y", "cluster"}


def test_a_page_that_cannot_be_written_is_refused_at_once(glimpse: Run) -> None:
    refused = glimpse("map", "--out", "nowhere/map.html")
    assert refused.returncode == 2
    assert refused.stderr.count(b"\n") == 1


def test_a_search_imports_nothing_of_the_map() -> None:
    code = "import sys, indexer.library, indexer.cli; sys.exit('umap' in sys.modules or 'sklearn' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def tag(library: Library, labels: Callable[[str], list[str]]) -> None:
    """Write tags of photos by their colours into the catalog."""
    catalog = Catalog.open(library.folder)
    with catalog.batch() as batch:
        contents = {p.id: batch.content_id(bytes.fromhex(p.sha256 or "")) for p in library.photos()}
        rows = [
            {"content_id": contents[p.id], "label": label, "confidence": 0.9, "by_hand": False}
            for p in library.photos()
            for label in labels(p.path.name.partition("-")[0])
        ]
        batch.connection.execute(insert(tags), rows)
    catalog.close()
