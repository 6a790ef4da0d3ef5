"""A library of colours, measured with a model that knows them."""

import json
import shutil
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from indexer import BuildOptions, Library, Query
from indexer.errors import UsageError
from indexer.evaluation import EvaluationOptions
from indexer.evaluation.gallery import read_gallery
from indexer.evaluation.questions import read_questions
from indexer.evaluation.speed import index_recall
from indexer.progress import Watch
from tests.conftest import MakePicture
from tests.evaluation.parts import BY_FOLDER, WATCH, random_unit, root, told, values, write


def test_folders_are_labels_and_a_model_that_knows_them_answers_all(settled: Library) -> None:
    found = settled.evaluate(BY_FOLDER)
    assert found.photos == 12
    best = {"recall@1": 1, "recall@5": 1, "recall@10": 1, "mAP": 1}
    rest = {"precision@5": 3 / 5, "precision@10": 3 / 10, "capped precision@10": 1}
    assert values(found, "image_to_image") == pytest.approx(best | rest)
    assert values(found, "kNN")["accuracy@20"] == 1
    assert values(found, "linear_probe") == {"accuracy": 1}
    assert values(found, "zero_shot") == {"accuracy@1": 1}
    assert 0 < values(found, "geometry")["alignment"] < 0.1


def test_a_wrong_label_costs_what_it_must(settled: Library, tmp_path: Path) -> None:
    lines = [
        f"{c}/{i}.png\t{c if (c, i) != ('red', 0) else 'blue'}"
        for c in ("red", "blue")
        for i in range(4)
    ]
    file = write(tmp_path / "labels.tsv", "\n".join(["filename\tlabel", *lines]))
    found, notices = told(settled, replace(BY_FOLDER, labels=file))
    assert values(found, "zero_shot") == {"accuracy@1": 7 / 8}
    assert values(found, "image_to_image")["recall@1"] == 7 / 8
    assert any("4 photos have no label" in line for line in notices)


@pytest.mark.parametrize(
    "content",
    [
        {"red/0.png": "warm", "red/1.png": "warm", "blue/0.png": "cold"},
        {"warm": ["red/0.png", "red/1.png"], "cold": ["blue/0.png"]},
    ],
)
def test_labels_may_be_json_either_way_round(
    settled: Library, tmp_path: Path, content: object
) -> None:
    file = write(tmp_path / "labels.json", json.dumps(content))
    found, notices = told(settled, replace(BY_FOLDER, labels=file))
    task = found.spaces[0].tasks[0]
    assert (task.queries, task.figures["recall@1"].value) == (2, 1)
    assert any("alone with their label: 1 of the photos" in line for line in notices)


def test_the_folder_below_the_root_and_the_nearest_folder_are_different_labels(
    library: Library, photos: Path, picture: MakePicture
) -> None:
    for number, name in enumerate(("2023/red/a", "2023/blue/b", "2024/red/c", "2024/blue/d")):
        picture(f"{name}.png", Path(name).parent.name, mark=number + 1)
    library.build([photos])
    assert values(library.evaluate(BY_FOLDER), "image_to_image")["recall@1"] == 0
    parents = library.evaluate(replace(BY_FOLDER, labels="parents"))
    assert values(parents, "image_to_image")["recall@1"] == 1


def test_a_photo_that_lies_in_the_root_itself_has_no_folder_for_a_label(
    known: Library, picture: MakePicture
) -> None:
    picture("loose.png", "red", mark=999)
    known.build()
    found, notices = told(known, BY_FOLDER)
    assert (found.photos, found.spaces[0].tasks[0].queries) == (13, 12)
    assert any("1 photos have no label" in line for line in notices)


def test_exact_copies_count_once_and_torn_labels_not_at_all(known: Library, photos: Path) -> None:
    shutil.copy(photos / "red/0.png", photos / "red/copy.png")
    shutil.copy(photos / "red/1.png", photos / "blue/copy.png")
    known.build([photos])
    found, notices = told(known, BY_FOLDER)
    assert (found.photos, found.spaces[0].tasks[0].queries) == (12, 11)
    assert any("1 photos have several labels" in line for line in notices)


def test_captions_find_their_photos_and_photos_their_captions(
    library: Library, photos: Path, picture: MakePicture, tmp_path: Path
) -> None:
    for colour in ("red", "green", "blue"):
        picture(f"{colour}.png", colour)
    library.build([photos])
    rows = "red.png,red\nred.png,red red\nblue.png,green\n"
    file = write(tmp_path / "c.csv", f"filename,caption\n{rows}")
    found = library.evaluate(EvaluationOptions(captions=file, speed=False))
    task = found.spaces[0].tasks[0]
    assert (task.name, task.queries) == ("text to image", 3)
    assert values(found, "text_to_image")["recall@1"] == pytest.approx(2 / 3)
    assert values(found, "image_to_text")["recall@1"] == 1 / 2
    assert [example.query for example in task.examples] == ["red", "red red", "green"]
    assert [answer.right for answer in task.examples[0].answers] == [True, False, False]


def test_captions_may_be_json_lines_with_several_a_photo(settled: Library, tmp_path: Path) -> None:
    lines = [
        {"file_name": "red/0.png", "text": ["red", "red red"]},
        {"file_name": "blue/0.png", "text": "blue"},
    ]
    file = write(tmp_path / "c.jsonl", "\n".join(map(json.dumps, lines)))
    found = settled.evaluate(EvaluationOptions(captions=file, speed=False))
    assert found.spaces[0].tasks[0].queries == 3


def test_categories_are_answered_by_many(settled: Library, tmp_path: Path) -> None:
    of = {c: [f"{c}/{i}.png" for i in range(4)] for c in ("red", "blue")}
    file = write(tmp_path / "q.json", json.dumps({**of, "no such": ["gone.png"]}))
    found, notices = told(settled, EvaluationOptions(categories=file, speed=False))
    precision = {"precision@10": 4 / 10, "capped precision@10": 1}
    assert values(found, "categories") == {"mAP": 1, **precision, "recall@10": 1}
    assert any(
        "1 file names fit no picture here; the first is 'gone.png'" in line for line in notices
    )
    assert any("1 categories are left out" in line for line in notices)


def test_a_name_may_be_a_path_and_one_that_fits_several_is_left_out(
    settled: Library, tmp_path: Path
) -> None:
    named = f"0.png\tred\n./blue/0.png\tblue\n{root(settled)}/red/0.png\tred\n"
    file = write(tmp_path / "c.tsv", f"filename\tcaption\n{named}")
    found, notices = told(settled, EvaluationOptions(captions=file, speed=False))
    assert found.spaces[0].tasks[0].queries == 2
    assert any("'0.png'" in line and "several pictures" in line for line in notices)


def test_two_spaces_are_asked_the_same_and_the_better_one_is_named(
    settled: Library, tmp_path: Path
) -> None:
    mixed = {"a": ["red/0.png", "green/0.png"], "b": ["red/1.png", "blue/1.png", "green/1.png"]}
    file = write(tmp_path / "labels.json", json.dumps(mixed))
    found, notices = told(settled, replace(BY_FOLDER, labels=file, against="tiny-blind"))
    assert [space.space for space in found.spaces] == ["tiny", "tiny-blind"]
    by_task = [[t.queries for t in space.tasks if t.name != "zero shot"] for space in found.spaces]
    assert by_task[0] == by_task[1] == [5, 5, 2, 5]
    assert "zero shot" not in {each.task for each in found.comparisons}
    assert any(
        "space tiny-blind reads no words, so zero shot is left out" in line for line in notices
    )
    for each in found.comparisons:
        assert each.low is not None
        assert each.high is not None
        assert each.low <= each.value - each.other <= each.high
    apart = next(each for each in found.comparisons if each.figure == "uniformity")
    assert apart.value != apart.other


def test_only_photos_of_both_spaces_are_asked(
    known: Library, photos: Path, picture: MakePicture
) -> None:
    known.build([photos], BuildOptions(model="tiny:blind"))
    picture("red/new.png", "red", mark=999)
    known.build([photos])
    assert known.evaluate(BY_FOLDER).photos == 13
    assert known.evaluate(replace(BY_FOLDER, against="tiny-blind")).photos == 12


def test_a_folder_and_a_number_of_queries_narrow_it_down(settled: Library) -> None:
    red = EvaluationOptions(folder=root(settled) / "red", speed=False)
    assert settled.evaluate(red).photos == 4
    found, notices = told(settled, replace(BY_FOLDER, queries=5))
    assert found.spaces[0].tasks[0].queries == 5
    assert any("5 of 12 labelled photos ask, drawn at random (seed 0)" in line for line in notices)


def test_no_query_is_drawn_twice(settled: Library) -> None:
    gallery = read_gallery(settled, ["tiny"], None)
    options = replace(BY_FOLDER, queries=11)
    found = read_questions(gallery, [root(settled)], options, lambda line: None)
    assert found.labels is not None
    assert len(set(found.labels.asked.tolist())) == 11


def test_a_seed_gives_the_same_figures_again(settled: Library) -> None:
    options = replace(BY_FOLDER, queries=7, seed=3)
    assert settled.evaluate(options).as_json() == settled.evaluate(options).as_json()


def test_an_exact_index_loses_nothing_and_speed_is_told(settled: Library) -> None:
    found = settled.evaluate()
    assert values(found, "index_photos") == {"recall@10": 1}
    assert values(found, "index_words") == {"recall@10": 1}
    speed = values(found, "speed")
    assert 0 < speed["ms/query p50"] <= speed["ms/query p95"] < 5000
    assert speed["images/s"] > 1


def test_the_recall_of_an_index_is_the_share_of_the_nearest_that_it_finds(
    settled: Library,
) -> None:
    ids, vectors = settled.vectors()
    first = Query.photo(int(ids[0]))
    judge = random_unit(1, vectors.shape[1])  # the answers to one query, judged by another
    measured = index_recall(settled, "tiny", "photos", [first], judge, WATCH)
    answered = [hit.photo_id for hit in settled.search(first, 10, include_self=True)]
    cosines = vectors @ judge[0]
    near = cosines >= np.sort(cosines)[-10] - 1e-6
    expected = np.count_nonzero(near & np.isin(ids, answered)) / 10
    assert measured.samples["recall@10"].values.tolist() == [expected]
    assert expected < 1


def test_the_embedder_of_a_space_embeds_what_is_in_no_library(settled: Library) -> None:
    rows = settled.embedder().embed_texts(["red", "green"])
    ids, vectors = settled.vectors()
    nearest = (rows @ vectors.T).argmax(axis=1)
    assert [settled.photo(int(ids[row])).path.parent.name for row in nearest] == ["red", "green"]
    with pytest.raises(UsageError, match="did you mean tiny"):
        settled.embedder("tinny")


def test_each_step_tells_how_far_it_is(settled: Library) -> None:
    steps: list[tuple[str, int, int]] = []
    settled.evaluate(BY_FOLDER, on_step=lambda *step: steps.append(step))
    assert {"image to image", "kNN", "geometry", "zero shot"} <= {what for what, _, _ in steps}
    assert all(0 <= done < total for _, done, total in steps)


def test_a_listener_is_told_ten_times_a_second_at_most() -> None:
    steps: list[tuple[str, int, int]] = []
    watch = Watch(lambda *step: steps.append(step))
    assert list(watch.over("abc", 3, "reading")) == ["a", "b", "c"]
    assert steps == [("reading", 0, 3)]
    steps.clear()
    for item in watch.over("abc", 3, "reading"):
        time.sleep(0.11 if item == "b" else 0)
    assert steps == [("reading", 0, 3), ("reading", 2, 3)]
