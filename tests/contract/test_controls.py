"""Every claim of every analysis has a control that training could fail, and it says what it would have seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.worlds.everything import WORLDS, bought

from expzoo.config.registry import build

if TYPE_CHECKING:
    from tests.worlds.making import World

PROVED = {"life.exact_construction", "repro.float_addition_not_associative"}
"""Claims that an enumeration decides: nothing is trained that could fail."""

BOUNDED = (
    "with no sign flipped more than half of the runs succeed",
    "networks of one size that stand for eight have no peak",
    "no peak with ridge",
    "twice the steps do not fit the size below",
    "an unseeded generator is seen",
    "no seeded pair of one thread differs",
    "a grid search with ordinary networks finds no lower loss",
)
"""Controls that pass on one side of a bound which they say; the others are intervals around a known answer."""


@pytest.mark.parametrize("world", WORLDS, ids=lambda world: f"{world.analysis}-{world.claim.name}")
def test_each_claim_has_a_control_that_training_could_fail(world: World) -> None:
    analysis = world.build()
    judged = analysis.judge(*world.drawn("beyond", analysis, world.seeds, 0))
    [verdict] = [verdict for verdict in judged if verdict.claim == world.claim.name + world.suffix]
    if verdict.claim in PROVED:
        assert verdict.rule == "enumeration"
        assert verdict.self_test
        return
    known = [bound for bound in BOUNDED if f"{bound}: " in verdict.control]
    assert known or "found with 80% power" in verdict.control, verdict.control


def test_each_claim_in_words_names_a_control_or_has_its_baseline_again() -> None:
    without = [
        f"{experiment}: {name}"
        for experiment, _, analyses in bought("laptop", analysis="contrast")
        for analysis in [build("analysis", "contrast", **analyses["contrast"])]
        for name, claim in analysis.words.claims.items()
        if claim.control is None
        and not any(
            cell.again and cell.arm == analysis.root(claim.conditions[0].cells()[-1]).arm for cell in analysis.cells
        )
    ]
    assert without == []
