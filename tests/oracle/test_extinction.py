"""Boards that die out: counted by words against every board by itself, and against the sum over all 5 x 5 boards."""

from __future__ import annotations

import numpy as np
import pytest

from expzoo.analysis.studies.life.extinction import all_dead
from expzoo.analysis.studies.life.rules import CONWAY, LifeRule, World

MOMENTS = (1, 2, 3, 10)


@pytest.mark.parametrize("neighbourhood", ["von_neumann", "moore"])
@pytest.mark.parametrize("edge", ["dead", "torus"])
@pytest.mark.parametrize("rule", [CONWAY, "B1/S012", "B/S"])
def test_all_boards_of_four_by_four(neighbourhood: str, edge: str, rule: str) -> None:
    world = World(LifeRule.parse(rule, neighbourhood), neighbourhood, edge, 1)
    boards = ((np.arange(2**16) >> np.arange(16)[:, None]) & 1).astype(np.uint8).reshape(4, 4, -1)
    expected = [float((world.after(boards, steps).sum((0, 1)) == 0).mean()) for steps in MOMENTS]
    assert all_dead(world, 4, MOMENTS) == expected


def test_the_plateau_of_ten_steps() -> None:
    """51.706 % of the 2^25 boards of 5 x 5 are dead after ten von Neumann steps; a draw of boards is near that."""
    world = World(LifeRule.parse(CONWAY, "von_neumann"), "von_neumann", "dead", 1)
    [share] = all_dead(world, 5, [10])
    assert 100 * share == pytest.approx(51.706, abs=5e-4)
    drawn = np.random.default_rng(1).integers(0, 2, (5, 5, 20_000), np.uint8)
    found = (world.after(drawn, 10).sum((0, 1)) == 0).mean()
    assert abs(found - share) < 4 * np.sqrt(share * (1 - share) / 20_000)


def test_other_boards_are_refused() -> None:
    with pytest.raises(ValueError, match="side 6: boards of 4 x 4 and 5 x 5"):
        all_dead(World(LifeRule.parse(CONWAY, "moore"), "moore", "dead", 1), 6, [1])
