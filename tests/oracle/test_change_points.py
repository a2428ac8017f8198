"""Lines with breaks against an exhaustive search with NumPy's own fits, and on curves whose breaks are known."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from expzoo.science.numerics.change_points import FEWEST, segmented


def exhaustive(x: np.ndarray, y: np.ndarray, segments: int) -> tuple[float, tuple[int, ...]]:
    """The smallest sum of squares over all places of the breaks."""
    found = []
    for breaks in itertools.combinations(range(1, len(x)), segments - 1):
        ends = (0, *breaks, len(x))
        parts = list(itertools.pairwise(ends))
        if min(b - a for a, b in parts) >= FEWEST:
            left = (y[a:b] - np.polyval(np.polyfit(x[a:b], y[a:b], 1), x[a:b]) for a, b in parts)
            found.append((sum(float(np.square(part).sum()) for part in left), breaks))
    return min(found)


@pytest.mark.parametrize("segments", [1, 2, 3, 4])
def test_the_best_breaks_are_those_of_an_exhaustive_search(segments: int) -> None:
    for draw in range(4):
        rng = np.random.default_rng(draw)
        x = np.sort(rng.random(13))
        y = rng.standard_normal(13)
        squares, breaks = exhaustive(x, y, segments)
        found = segmented(x, y, segments)
        assert found.squares == pytest.approx(squares, abs=1e-9)
        assert found.breaks == breaks
        expected = 13 * np.log(squares / 13) + (2 * segments + 3 * (segments - 1) + 1) * np.log(13)
        assert found.bic == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("true", [1, 2, 3])
def test_it_counts_the_lines_of_a_curve(true: int) -> None:
    """Falling, rising from another level, flat: the right number wins in nearly all draws."""
    x = np.arange(16.0)
    shapes = {1: -0.3 * x, 2: np.where(x < 8, -0.3 * x, 1 + 0.2 * x)}
    shapes[3] = np.where(x < 6, -0.3 * x, np.where(x < 11, 0.2 * x, 3.0))
    won = []
    for draw in range(40):
        y = shapes[true] + 0.05 * np.random.default_rng(draw).standard_normal(16)
        fits = {number: segmented(x, y, number) for number in (1, 2, 3)}
        won.append(min(fits, key=lambda number: fits[number].bic))
        if true == 3:
            assert fits[3].breaks == (6, 11)
    assert won.count(true) >= 32


def test_what_is_exact_does_not_win_by_rounding() -> None:
    """A curve of one line without any noise: nothing is gained by a second one."""
    x = np.arange(12.0)
    bics = [segmented(x, 2 * x, number).bic for number in (1, 2, 3)]
    assert bics == sorted(bics)
    with pytest.raises(ValueError, match="8 points are too few for 3 lines"):
        segmented(x[:8], x[:8], 3)
