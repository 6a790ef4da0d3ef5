import math

import numpy as np
import pytest
import torch
from torch import Tensor

from indexer.train.collapse import Watch, dimensions, spread
from tests.train.parts import rows


def outputs(count: int = 64, dim: int = 12, used: int = 12) -> Tensor:
    """Random outputs, all but some of whose dimensions are 0."""
    drawn = torch.randn(count, dim, generator=torch.Generator().manual_seed(count))
    return drawn * (torch.arange(dim) < used)


def watched(each_step: Tensor, steps: int = 200) -> Watch:
    watch = Watch()
    for _ in range(steps):
        watch.see(each_step)
    return watch


def test_spread_is_the_deviation_of_normalised_outputs_times_the_root_of_their_dimension() -> None:
    unit = rows(outputs() / outputs().norm(dim=1, keepdim=True))
    deviations = [
        math.sqrt(sum((x - column.mean()) ** 2 for x in column) / 64) for column in unit.T
    ]
    expected = sum(deviations) / 12 * math.sqrt(12)
    assert float(spread(outputs())) == pytest.approx(expected, abs=1e-5)
    assert float(spread(outputs(5000, 128, 128))) == pytest.approx(1, abs=0.01)
    assert float(spread(torch.ones(64, 12))) == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("count", [8, 64], ids=["fewer rows than columns", "more"])
def test_dimensions_are_the_participation_ratio_of_the_covariance(count: int) -> None:
    unit = rows(outputs(count) / outputs(count).norm(dim=1, keepdim=True))
    eigenvalues = np.linalg.eigvalsh(np.cov(unit.T))
    expected = eigenvalues.sum() ** 2 / (eigenvalues**2).sum()
    assert float(dimensions(outputs(count))) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("used", [2, 5])
def test_unused_dimensions_do_not_count(used: int) -> None:
    assert float(dimensions(outputs(5000, 12, used))) == pytest.approx(used, abs=0.05)


def test_outputs_at_one_point_are_reported_with_what_to_do() -> None:
    warning = watched(torch.ones(32, 12)).warning() or ""
    assert warning.startswith("collapsed: all pictures look alike to the model (spread 0.0")
    assert warning.endswith("lower the learning rate, or take larger batches")


def test_outputs_on_one_line_are_reported_though_they_lie_apart() -> None:
    watch = watched(outputs(used=1))
    assert watch.figures()["spread"] > 0.2
    warning = watch.warning() or ""
    assert warning.startswith(
        "collapsed: all pictures lie on one line to the model (1.0 dimensions"
    )


def test_a_few_bad_steps_are_not_reported() -> None:
    watch = watched(outputs())
    for _ in range(10):
        watch.see(torch.ones(64, 12))
    assert watch.figures()["spread"] == pytest.approx(0, abs=1e-5)
    assert watch.warning() is None


def test_batches_too_small_to_span_dimensions_are_not_reported_for_that() -> None:
    assert watched(outputs(2)).warning() is None


def test_there_are_figures_of_the_same_names_before_the_first_step() -> None:
    assert Watch().figures().keys() == watched(outputs(), 1).figures().keys()
    assert Watch().warning() is None
