"""How far a figure can be trusted: bootstrap intervals over queries, of one space and of two side by side.

The percentile bootstrap of Efron and Tibshirani, An Introduction to the Bootstrap, chapter 13. Queries are
drawn anew, the gallery stays: an interval says how far the figure would move with other queries to the same
library.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from indexer.evaluation.ranking import Ids
from indexer.evaluation.results import Comparison, Figure

__all__ = ["RESAMPLES", "Measurement", "Sample", "compare", "figures"]

Values = NDArray[np.float64]

RESAMPLES = 1000
PERCENTILES = (2.5, 97.5)


@dataclass(frozen=True)
class Sample:
    """A figure query by query; the figure itself is the mean of the values (m,), or its logarithm."""

    values: Values
    is_log: bool = False
    lower_is_better: bool = False

    def figure(self, means: Values) -> Values:
        """The figure for means of the values."""
        return np.log(means) if self.is_log else means


@dataclass(frozen=True)
class Measurement:
    """What one task gave in one space."""

    task: str
    how: str
    samples: Mapping[str, Sample] = field(default_factory=dict)
    first: Ids | None = None
    """The rank of each query's first right answer (m,), where the task ranks."""
    clusters: Ids | None = None
    """Queries with one number belong together, and are drawn together: several captions of one photo."""
    plain: Mapping[str, float] = field(default_factory=dict)
    """Figures that are no mean over queries."""

    @property
    def queries(self) -> int:
        """How many were asked."""
        return max((len(sample.values) for sample in self.samples.values()), default=0)


def figures(measured: Measurement, seed: int) -> dict[str, Figure]:
    """Every figure of a task with its interval."""
    resampled = _resampled(measured, seed)
    found = {
        name: Figure(_value(sample), *_interval(resampled[name]))
        for name, sample in measured.samples.items()
    }
    return found | {name: Figure(value) for name, value in measured.plain.items()}


def compare(
    one: Measurement, other: Measurement, names: tuple[str, str], seed: int
) -> list[Comparison]:
    """Each figure of a task in two spaces, asked the same queries: drawn alike, so the interval is paired."""
    ours, theirs = _resampled(one, seed), _resampled(other, seed)
    compared = []
    for name, sample in one.samples.items():
        low, high = _interval(ours[name] - theirs[name])
        values = _value(sample), _value(other.samples[name])
        better = _better(low, high, sample.lower_is_better, names)
        compared.append(Comparison(one.task, name, *values, low, high, better))
    for name, value in one.plain.items():
        if name in other.plain:
            compared.append(Comparison(one.task, name, value, other.plain[name], None, None, None))
    return compared


def _better(low: float, high: float, lower_is_better: bool, names: tuple[str, str]) -> str | None:
    if low <= 0 <= high:
        return None
    return names[int((high < 0) != lower_is_better)]


def _value(sample: Sample) -> float:
    return float(sample.figure(sample.values.mean()))


def _interval(resampled: Values) -> tuple[float, float]:
    low, high = np.percentile(resampled, PERCENTILES)
    return float(low), float(high)


def _resampled(measured: Measurement, seed: int) -> dict[str, Values]:
    """Each figure (RESAMPLES,) over queries drawn anew; a seed draws the same of as many, whatever the space."""
    if not measured.samples:
        return {}
    values = np.stack([sample.values for sample in measured.samples.values()], axis=1)
    sums, sizes = _by_cluster(values, measured.clusters)
    rng, count = np.random.default_rng(seed), len(sizes)
    means = np.empty((RESAMPLES, values.shape[1]))
    for row in means:
        times = np.bincount(rng.integers(count, size=count), minlength=count)
        row[:] = times @ sums / (times @ sizes)
    return {
        name: sample.figure(means[:, column])
        for column, (name, sample) in enumerate(measured.samples.items())
    }


def _by_cluster(values: Values, clusters: Ids | None) -> tuple[Values, Values]:
    """Sums (c, figures) and sizes (c,) of the clusters of queries."""
    if clusters is None:
        return values, np.ones(len(values))
    _, member = np.unique(clusters, return_inverse=True)
    sizes = np.bincount(member).astype(np.float64)
    sums = np.zeros((len(sizes), values.shape[1]))
    np.add.at(sums, member, values)
    return sums, sizes
