"""Neighbours among the inputs of images, and the picture of the masks: all that it fills is in its data."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from expzoo.plugins.analyses.ticket_adjacency import _densest, _filled, adjacent_runs, expected_runs


def test_the_units_with_most_inputs_are_shown_in_order_of_their_mean_position() -> None:
    mask = np.zeros((6, 8), np.uint8)
    mask[1, 5:] = 1  # three inputs, late
    mask[3, :4] = 1  # four, early
    mask[4, 7] = 1  # one
    shown = _densest(mask, 2)
    assert shown.tolist() == [mask[3].tolist(), mask[1].tolist()]
    data = _filled({"ticket": shown})
    assert data.rows() == [("ticket", 0, column) for column in range(4)] + [
        ("ticket", 1, column) for column in (5, 6, 7)
    ]


def test_neighbours_of_pixels_are_beside_above_and_below_in_their_channel() -> None:
    mask = np.zeros((1, 1, 2, 3, 4), np.uint8)
    mask[0, 0, 0, 1] = 1  # a row of four: three pairs, two triples
    mask[0, 0, 1, :, 0] = 1  # a column of three in the other channel, beside nothing: two pairs, one triple
    flat = mask.reshape(1, 1, -1)
    assert [adjacent_runs(flat, length, (2, 3, 4)).item() for length in (2, 3, 4)] == [5, 3, 1]


def test_expected_runs_of_pixels_are_the_mean_over_all_orders() -> None:
    shape, kept = (1, 2, 3), 3
    rows = [[int(place in chosen) for place in range(6)] for chosen in itertools.combinations(range(6), kept)]
    for length in (2, 3):
        mean = np.mean([adjacent_runs(np.array([[row]]), length, shape) for row in rows])
        assert expected_runs(np.array([[rows[0]]]), length, shape).item() == pytest.approx(mean)
