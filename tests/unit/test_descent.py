"""Contrasts of a curve against size, on curves whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from expzoo.analysis.studies.double_descent import Curves, between, first_minimum, peak, threshold, window

SIZES = 2.0 ** np.arange(8)
TRAIN = np.array([60.0, 50, 40, 25, 5, 0, 0, 0])
PEAKED = np.array([50.0, 40, 36, 45, 46, 40, 35, 33])
FALLING = np.array([60.0, 55, 50, 45, 40, 38, 37, 36])


def curves(test: np.ndarray, seeds: int = 12) -> Curves:
    noise = np.random.default_rng(0).normal(0, 0.3, (seeds, len(SIZES)))
    return Curves(SIZES, np.broadcast_to(TRAIN, noise.shape), test + noise)


def test_the_window_is_read_from_the_training_error_alone() -> None:
    assert window(TRAIN) == (3, 4)
    assert window(np.full(8, 50.0)) == (6, 7)
    assert window(np.zeros(8)) == (0, 1)
    assert window(np.array([30.0, 10.0, 20.0])) == (0, 1)


def test_the_threshold_lies_where_the_training_error_crosses_ten_per_cent() -> None:
    assert threshold(TRAIN) == 3.75
    assert threshold(np.full(8, 50.0)) == 7.0
    assert threshold(np.zeros(8)) == 0.0
    assert between(PEAKED, 3.75) == 45.75


def test_minimum_and_peak_of_a_known_curve() -> None:
    assert first_minimum(PEAKED, 3) == 2
    assert peak(PEAKED, 3) == pytest.approx(3.64, abs=0.01)
    assert peak(FALLING, 3) == 2
    assert peak(np.array([3.0, 1, 2, 3, 2, 1]), 3) == 3.0


def test_a_peak_stands_out_on_both_sides() -> None:
    found = curves(PEAKED)
    tail, first = found.tail_contrast()(level=0.95), found.first_contrast()(level=0.95)
    assert tail.effect == pytest.approx(11.75, abs=0.5)
    assert first.effect == pytest.approx(9.75, abs=0.5)
    assert min(tail.low, first.low) > 8
    assert found.prominence()(level=0.95).effect == pytest.approx(min(tail.effect, first.effect))


def test_a_falling_curve_has_none() -> None:
    assert curves(FALLING).first_contrast()(level=0.95).high < 0
    assert curves(FALLING).prominence()(level=0.95).high < 0


def test_the_peak_is_placed_against_the_threshold() -> None:
    estimate = curves(PEAKED).peak_against_threshold(1.0)(level=0.90)
    assert estimate.effect == pytest.approx(-0.1, abs=0.3)
    assert -1 < estimate.low <= estimate.high < 1


def test_where_there_is_no_peak_it_has_no_place() -> None:
    """A falling curve has a highest value beyond its first minimum too; that is no peak within a factor of two."""
    found = curves(FALLING).peak_against_threshold(1.0)(level=0.90)
    assert found.effect > 1
    assert not found.high < 1
