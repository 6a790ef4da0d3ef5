"""Each task against a plain reading of what it asks."""

from collections import defaultdict

import numpy as np
import pytest

from indexer.evaluation import tasks
from indexer.evaluation.compare import Measurement
from tests.evaluation.parts import WATCH, angles, labels, plain_ranks, random_unit


def means(measured: Measurement) -> dict[str, float]:
    return {name: float(sample.values.mean()) for name, sample in measured.samples.items()}


def test_photos_ask_for_the_others_of_their_label() -> None:
    vectors, known = angles(0, 10, 25, 90), labels("a", "a", "b", "b")
    measured = tasks.retrieve(tasks.by_label(vectors, known, np.arange(4)), WATCH)
    assert measured.first is not None
    assert measured.first.tolist() == [1, 1, 3, 1]
    found = means(measured)
    assert (found["recall@1"], found["recall@5"]) == (0.75, 1)
    assert found["mAP"] == pytest.approx((1 + 1 + 1 / 3 + 1) / 4)
    assert found["precision@5"] == pytest.approx(1 / 5)


def test_photos_that_ask_may_be_some_of_the_labelled_ones() -> None:
    vectors = random_unit(90, 6)
    known = labels(*np.array(list("abc"))[np.arange(90) % 3])
    asked = np.array([3, 50, 89])
    measured = tasks.retrieve(tasks.by_label(vectors, known, asked), WATCH)
    for number, row in enumerate(asked):
        others = np.flatnonzero(known.codes == known.codes[row])
        ranks = plain_ranks(vectors[row], vectors, others[others != row].tolist(), own=row)
        assert measured.samples["precision@10"].values[number] == sum(r <= 10 for r in ranks) / 10
        expected = np.mean([(i + 1) / rank for i, rank in enumerate(ranks)])
        assert measured.samples["mAP"].values[number] == pytest.approx(expected)


def test_a_model_that_maps_all_photos_to_one_point_earns_nothing() -> None:
    vectors, known = angles(*[30] * 60), labels(*"ab" * 30)
    found = means(tasks.retrieve(tasks.by_label(vectors, known, np.arange(60)), WATCH))
    assert (found["recall@1"], found["recall@10"], found["precision@10"]) == (0, 0, 0)
    shot = tasks.zero_shot(vectors, angles(30, 30), known.codes)
    assert means(tasks.retrieve(shot, WATCH))["accuracy@1"] == 0


def test_neighbours_vote_as_in_a_plain_loop() -> None:
    vectors = random_unit(250, 4)
    known = labels(*np.array(list("abcd"))[np.arange(250) % 4])
    measured = tasks.neighbours(vectors, known, np.arange(250), WATCH)
    for k in (20, 200):
        right = []
        for i in range(250):
            others = sorted(
                (j for j in range(250) if j != i), key=lambda j: -vectors[i] @ vectors[j]
            )
            votes: dict[int, float] = defaultdict(float)
            for j in others[:k]:
                votes[known.codes[j]] += np.exp(vectors[i] @ vectors[j] / 0.07)
            right.append(max(votes, key=votes.__getitem__) == known.codes[i])
        assert measured.samples[f"accuracy@{k}"].values.tolist() == right


def test_few_photos_all_vote() -> None:
    measured = tasks.neighbours(angles(0, 1, 90, 91), labels(*"aabb"), np.arange(4), WATCH)
    assert means(measured) == {"accuracy@20": 1, "accuracy@200": 1}


def test_captions_ask_for_their_photo_and_photos_for_one_of_their_captions() -> None:
    photos = angles(0, 45, 90)
    texts = angles(2, 40, 60, 44)  # the first two are of photo 0, then one of photo 2, and one of 1
    photos_of = [np.array([0]), np.array([0]), np.array([2]), np.array([1])]
    forth, back = tasks.by_caption(texts, photos, photos_of, (np.arange(4), np.arange(3)))
    measured = tasks.retrieve(forth, WATCH)
    assert measured.first is not None
    assert measured.first.tolist() == [1, 2, 2, 1]
    assert means(measured)["MRR"] == pytest.approx((1 + 1 / 2 + 1 / 2 + 1) / 4)
    assert measured.clusters is not None
    assert measured.clusters.tolist() == [0, 0, 2, 1]
    answered = tasks.retrieve(back, WATCH).first
    assert answered is not None
    assert answered.tolist() == [1, 1, 1]


def test_some_captions_and_some_photos_may_ask() -> None:
    photos_of = [np.array([0]), np.array([1]), np.array([2])]
    asked = np.array([1, 2]), np.array([2])
    forth, back = tasks.by_caption(angles(0, 45, 50), angles(0, 45, 90), photos_of, asked)
    first = [tasks.retrieve(each, WATCH).first for each in (forth, back)]
    assert [None if ranks is None else ranks.tolist() for ranks in first] == [[1, 2], [1]]


def test_a_caption_of_several_photos_is_answered_by_any_of_them() -> None:
    forth, back = tasks.by_caption(
        angles(80, 0),
        angles(0, 90),
        [np.array([0, 1]), np.array([0])],
        (np.arange(2), np.arange(2)),
    )
    assert means(tasks.retrieve(forth, WATCH))["recall@1"] == 1
    assert means(tasks.retrieve(back, WATCH))["recall@1"] == 1


def test_a_category_is_answered_by_all_of_its_photos() -> None:
    gallery = angles(*range(0, 80, 4))
    asked = tasks.by_category(angles(0), gallery, [np.array([0, 2, 19])])
    found = means(tasks.retrieve(asked, WATCH))
    assert found["mAP"] == pytest.approx((1 + 2 / 3 + 3 / 20) / 3)
    assert (found["precision@10"], found["recall@10"]) == pytest.approx((2 / 10, 2 / 3))
    assert found["capped precision@10"] == pytest.approx(2 / 3)


def test_a_category_of_many_photos_has_one_precision() -> None:
    gallery = angles(*range(0, 80, 4))
    asked = tasks.by_category(angles(0), gallery, [np.array([0, 2, *range(8, 20)])])
    found = means(tasks.retrieve(asked, WATCH))
    assert found["precision@10"] == found["capped precision@10"] == pytest.approx(4 / 10)


def test_zero_shot_takes_the_nearest_label() -> None:
    images, classes = random_unit(300, 8), random_unit(7, 8, seed=1)
    codes = np.arange(300) % 7
    measured = tasks.retrieve(tasks.zero_shot(images, classes, codes), WATCH)
    cosines = images @ classes.T
    assert means(measured)["accuracy@1"] == np.mean(cosines.argmax(axis=1) == codes)
    first_five = np.argsort(-cosines, axis=1)[:, :5]
    assert means(measured)["accuracy@5"] == np.mean((first_five == codes[:, None]).any(axis=1))


def test_five_labels_have_no_accuracy_at_five() -> None:
    asked = tasks.zero_shot(random_unit(9, 8), random_unit(5, 8), np.zeros(9, np.int64))
    assert list(asked.measures) == ["accuracy@1"]
