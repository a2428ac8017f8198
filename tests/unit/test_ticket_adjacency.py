"""The picture of the masks: the units with most inputs left, and every filled place in its data."""

from __future__ import annotations

import numpy as np
from expzoo.plugins.analyses.ticket_adjacency import _densest, _filled


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
