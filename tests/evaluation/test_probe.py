"""The linear probe against scikit-learn's logistic regression."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from indexer.evaluation.probe import LinearProbe, stratified_split
from tests.evaluation.parts import WATCH, Vectors, random_unit, unit


def clouds(count: int, classes: int, dim: int, seed: int = 0) -> tuple[Vectors, np.ndarray]:
    codes = np.arange(count) % classes
    noise = np.random.default_rng(seed).standard_normal((count, dim)) * 0.25
    return unit(random_unit(classes, dim, seed)[codes] + noise), codes


@pytest.mark.parametrize("strength", [0.01, 0.1, 1.0])
def test_it_predicts_what_scikit_learn_predicts(strength: float) -> None:
    vectors, codes = clouds(400, 7, 24)
    probe = LinearProbe(strength).fit(vectors[:300], codes[:300], WATCH)
    mean, scale = vectors[:300].mean(axis=0), np.sqrt(vectors[:300].var(axis=0).mean())
    reference = LogisticRegression(C=strength, tol=1e-6, max_iter=1000)
    reference.fit((vectors[:300] - mean) / scale, codes[:300])
    expected = reference.predict((vectors[300:] - mean) / scale)
    assert 0.5 < np.mean(expected == codes[300:]) < 1
    assert np.mean(probe.predict(vectors[300:]) == expected) > 0.98


def test_classes_keep_their_numbers_where_some_are_missing() -> None:
    vectors, codes = clouds(60, 2, 8)
    probe = LinearProbe().fit(vectors, codes * 5 + 3, WATCH)
    assert set(probe.predict(vectors)) == {3, 8}


def test_a_split_takes_a_fifth_of_each_class_and_leaves_single_ones_out() -> None:
    codes = np.array([0] * 50 + [1] * 10 + [2] * 2 + [3])
    train, test = stratified_split(codes, seed=0)
    assert np.bincount(codes[test]).tolist() == [10, 2, 1]
    assert np.bincount(codes[train]).tolist() == [40, 8, 1]
    assert not set(train) & set(test)


def test_a_split_is_the_same_for_a_seed_and_another_for_another() -> None:
    codes = np.arange(200) % 4
    assert stratified_split(codes, 1)[1].tolist() == stratified_split(codes, 1)[1].tolist()
    assert stratified_split(codes, 1)[1].tolist() != stratified_split(codes, 2)[1].tolist()
