"""Rankings and measures against values by hand, plain loops, and scikit-learn."""

import math

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score

from indexer.evaluation import metrics
from indexer.evaluation.ranking import rankings
from tests.evaluation.parts import angles, plain_ranks, random_unit, unit

RANKS = np.array([1, 3, 4])


def test_ranks_count_what_is_nearer_and_leave_the_query_itself_out() -> None:
    gallery = angles(0, 10, 20, 30, 40)
    (ranking,) = rankings(gallery[:1], gallery, own=np.array([0]))
    assert ranking.ranks(np.array([4, 2])).tolist() == [2, 4]
    rows, cosines = ranking.first(2)
    assert rows.tolist() == [1, 2]
    assert cosines == pytest.approx([math.cos(math.radians(10)), math.cos(math.radians(20))])
    assert ranking.first(9)[0].tolist() == [1, 2, 3, 4]


def test_among_equal_cosines_the_wrong_answers_come_first() -> None:
    gallery = angles(10, -10, 10, 50)
    (ranking,) = rankings(angles(0), gallery)
    assert ranking.ranks(np.array([0])).tolist() == [3]
    assert ranking.ranks(np.array([0, 1])).tolist() == [2, 3]
    assert ranking.ranks(np.array([0, 1, 2])).tolist() == [1, 2, 3]
    assert ranking.first(2)[0].tolist() == [0, 1]


def test_ranks_are_those_of_a_plain_sort_across_blocks_and_ties() -> None:
    gallery = random_unit(3000, 3)
    gallery[1500:] = gallery[:1500]
    queries = random_unit(6000, 3, seed=1)  # 18 million cosines are more than a block
    relevant = np.array([5, 1505, 77, 2999, 1234])
    found = {i: r.ranks(relevant) for i, r in enumerate(rankings(queries, gallery)) if not i % 1499}
    assert len(found) == 5
    for i, ranks in found.items():
        assert ranks.tolist() == plain_ranks(queries[i], gallery, relevant.tolist())


def test_the_query_is_left_out_in_every_block() -> None:
    gallery = random_unit(5000, 4)
    first = [r.first(1)[0][0] for r in rankings(gallery, gallery, np.arange(5000))]
    assert not np.any(np.array(first) == np.arange(5000))


def test_the_measures_of_ranks_by_hand() -> None:
    assert [metrics.hit(RANKS[1:], k) for k in (1, 2, 3)] == [0, 0, 1]
    assert [metrics.recall(RANKS, k) for k in (1, 3, 10)] == pytest.approx([1 / 3, 2 / 3, 1])
    assert [metrics.precision(RANKS, k) for k in (1, 5, 10)] == pytest.approx([1, 3 / 5, 3 / 10])
    assert [metrics.capped_precision(RANKS, k) for k in (1, 2, 3, 10)] == [1, 1 / 2, 2 / 3, 1]
    assert metrics.average_precision(RANKS) == pytest.approx((1 + 2 / 3 + 3 / 4) / 3)
    assert metrics.reciprocal_rank(RANKS[1:]) == pytest.approx(1 / 3)


@pytest.mark.parametrize("seed", range(5))
def test_average_precision_is_that_of_scikit_learn(seed: int) -> None:
    gallery, query = random_unit(200, 16, seed), random_unit(1, 16, seed + 99)
    right = np.random.default_rng(seed).random(200) < 0.2
    (ranking,) = rankings(query, gallery)
    expected = average_precision_score(right, gallery @ query[0])
    ranks = ranking.ranks(np.flatnonzero(right))
    assert metrics.average_precision(ranks) == pytest.approx(expected, abs=1e-6)


def test_a_near_neighbour_outvotes_two_that_are_far() -> None:
    far, near = 0.9, 0.9 + 0.07 * math.log(2.1)
    assert metrics.vote(np.array([1, 0, 0]), np.array([near, far, far], np.float32), classes=2) == 1
    near = 0.9 + 0.07 * math.log(1.9)
    assert metrics.vote(np.array([1, 0, 0]), np.array([near, far, far], np.float32), classes=2) == 0
    assert metrics.vote(np.array([2, 1]), np.array([0.5, 0.5], np.float32), classes=3) == 1


def test_alignment_is_the_mean_squared_distance_to_the_others_of_a_label() -> None:
    vectors, codes = random_unit(40, 8), np.arange(40) % 3
    found = metrics.alignment(vectors, codes, np.array([0, 7, 39]))
    for value, i in zip(found, (0, 7, 39), strict=True):
        others = [j for j in range(40) if codes[j] == codes[i] and j != i]
        distances = [np.sum((vectors[i] - vectors[j]) ** 2) for j in others]
        assert value == pytest.approx(np.mean(distances), abs=1e-5)


def test_alignment_of_right_angles_is_2_and_of_one_point_0() -> None:
    assert metrics.alignment(angles(0, 90), np.zeros(2, int), np.arange(2)) == pytest.approx([2, 2])
    assert metrics.alignment(angles(7, 7), np.zeros(2, int), np.arange(2)) == pytest.approx(
        0, abs=1e-6
    )


def test_uniformity_is_that_of_the_paper_over_all_pairs() -> None:
    vectors = random_unit(60, 5)
    expected = torch.pdist(torch.from_numpy(vectors)).pow(2).mul(-2).exp().mean().log()
    found = np.log(metrics.uniformity(vectors, np.arange(60)).mean())
    assert found == pytest.approx(float(expected), abs=1e-5)
    opposite = metrics.uniformity(unit([[1, 0], [-1, 0]]), np.arange(2))
    assert np.log(opposite) == pytest.approx([-8, -8], abs=1e-2)
