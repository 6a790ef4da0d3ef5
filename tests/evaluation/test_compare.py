"""Intervals and differences: what they cover, and that they are paired."""

import numpy as np
import pytest

from indexer.evaluation.compare import Measurement, Sample, compare, figures

NAMES = ("a", "b")


def measured(values: object, **options: object) -> Measurement:
    sample = Sample(np.asarray(values, float), **options)  # type: ignore[arg-type]
    return Measurement("task", "how", {"figure": sample})


def coins(count: int, seed: int = 0) -> np.ndarray:
    return (np.random.default_rng(seed).random(count) < 0.7).astype(float)


def test_the_interval_of_a_share_is_that_of_the_normal_approximation() -> None:
    values = coins(900)
    figure = figures(measured(values), seed=0)["figure"]
    assert figure.value == values.mean()
    assert figure.low is not None
    assert figure.high is not None
    half = 1.96 * values.std() / np.sqrt(900)
    assert figure.low == pytest.approx(figure.value - half, abs=0.08 * half)
    assert figure.high == pytest.approx(figure.value + half, abs=0.08 * half)


def test_nineteen_intervals_in_twenty_hold_the_truth() -> None:
    held = 0
    for seed in range(100):
        figure = figures(measured(coins(100, seed)), seed=0)["figure"]
        held += figure.low <= 0.7 <= figure.high  # type: ignore[operator]
    assert 88 <= held <= 99


def test_a_difference_is_paired_so_queries_that_are_hard_in_both_cost_nothing() -> None:
    values = np.random.default_rng(0).random(50)
    (each,) = compare(measured(values + 0.01), measured(values), NAMES, seed=3)
    assert (each.low, each.high) == pytest.approx((0.01, 0.01))
    assert each.better == "a"


def test_a_difference_that_may_be_none_names_nobody() -> None:
    values = coins(60)
    (each,) = compare(measured(values), measured(coins(60, seed=1)), NAMES, seed=0)
    assert each.low is not None
    assert each.high is not None
    assert each.low < 0 < each.high
    assert each.better is None


def test_where_less_is_better_the_lower_one_is() -> None:
    one, other = measured(np.ones(9), lower_is_better=True), measured(np.zeros(9))
    assert compare(one, other, NAMES, seed=0)[0].better == "b"
    assert compare(other, one, NAMES, seed=0)[0].better == "b"


def test_the_logarithm_is_taken_of_the_mean() -> None:
    figure = figures(measured([1, 3], is_log=True), seed=0)["figure"]
    assert (figure.value, figure.low, figure.high) == pytest.approx((np.log(2), 0, np.log(3)))


def test_queries_of_one_cluster_count_as_one() -> None:
    values = coins(80)
    alone = figures(measured(values), seed=0)["figure"]
    sample = {"figure": Sample(np.repeat(values, 5))}
    clusters = np.repeat(np.arange(80), 5)
    together = figures(Measurement("task", "how", sample, clusters=clusters), seed=0)["figure"]
    assert (together.low, together.high) == pytest.approx((alone.low, alone.high))


def test_a_plain_figure_has_no_interval_and_no_winner() -> None:
    quick, slow = (Measurement("speed", "how", plain={"ms": ms}) for ms in (1.0, 9.0))
    (each,) = compare(quick, slow, NAMES, seed=0)
    assert (each.value, each.other, each.low, each.better) == (1.0, 9.0, None, None)
