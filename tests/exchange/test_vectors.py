"""Vectors as they come and go."""

import numpy as np
import pytest

from indexer.exchange.vectors import checked, unit
from tests.exchange.parts import unit_rows


@pytest.mark.parametrize("dim", [2, 384])
def test_vectors_in_half_precision_come_back_bit_by_bit(dim: int) -> None:
    halves = unit_rows(5000, dim=dim).astype(np.float16)
    came, faults = checked(halves)
    assert faults == [None] * 5000
    np.testing.assert_array_equal(came.astype(np.float16), halves)


def test_vectors_in_single_precision_come_back_bit_by_bit() -> None:
    halves = unit_rows(5000, dim=384).astype(np.float16)
    np.testing.assert_array_equal(checked(unit(halves))[0].astype(np.float16), halves)


def test_vectors_of_any_length_are_brought_to_length_1() -> None:
    for factor in (1e-3, 0.9, 7.0, 1e8):
        came, _ = checked(unit_rows(10) * np.float32(factor))
        np.testing.assert_allclose(came, unit_rows(10), atol=1e-6)


def test_the_lengths_of_large_numbers_do_not_overflow() -> None:
    came, faults = checked(np.full((1, 384), 60_000, np.float16))
    assert faults == [None]
    np.testing.assert_allclose(np.linalg.norm(came, axis=1), 1, atol=1e-6)


def test_what_says_nothing_is_named() -> None:
    rows = unit_rows(4)
    rows[0, 1], rows[1, 2], rows[2] = np.nan, -np.inf, 1e-9
    came, faults = checked(rows)
    infinite = "a vector with NaN or infinity in it"
    assert faults == [infinite, infinite, "a vector of zeros", None]
    assert not came[:3].any()
