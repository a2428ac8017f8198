"""Every claim of every analysis has a control that training could fail, and it says what it would have seen."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from tests.worlds.everything import WORLDS, bought, in_files

from expzoo.config.homes import HOME
from expzoo.config.registry import build
from expzoo.science.controls import CONTROL_LEVEL
from expzoo.science.power import detectable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.worlds.making import World

    from expzoo.science.verdicts import Verdict

PAGE = HOME / "docs" / "CONTROLS.md"
OUTCOME = ": (?:passed|failed)"

PROVED = {"life.exact_construction", "repro.float_addition_not_associative"}
"""Claims that an enumeration decides: nothing is trained that could fail."""

BOUNDED = (
    "with no sign flipped more than half of the runs succeed",
    "networks of one size that stand for eight have no peak",
    "no peak with ridge",
    "twice the steps do not fit the size below",
    "linear networks of p parameters satisfy p / 2 examples and never 4 p",
    "the networks lie on both sides",
    "between other starts most lines rise",
    "an unseeded generator is seen",
    "no seeded pair of one thread differs",
    "with rates in random order three lines are no better",
    "planted noise of tail index 1.5 is found",
    "twice the noise is seen as another distribution",
    "where both ends of a step count the exponent is above -0.75",
    "the same training without poison mostly finds no bad minimum",
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
    """Rates need none: every second seed is compared with the others."""
    without = [
        f"{experiment}: {name}"
        for experiment, _, analyses in bought("laptop", analysis="contrast")
        for analysis in [build("analysis", "contrast", **analyses["contrast"])]
        for name, claim in analysis.words.claims.items()
        if claim.control is None
        and not claim.success
        and not any(
            cell.again and cell.arm == analysis.root(claim.conditions[0].cells()[-1]).arm for cell in analysis.cells
        )
    ]
    assert without == []


HEAD = """# What every claim is controlled by

Written by `python -m tests.contract.test_controls`; a test compares it with what the analyses say.
A *control* asks what training could fail, and a verdict is withheld where it does; a *self-test* is
what only the code could fail. Of arms that should not differ it says which bias is found in four of
five runs, in standard deviations of the paired differences, with as many seeds as the claim has
(`docs/rules.md`: n); a report says it in the claim's own unit. The others pass on one side of a
bound that they name.

| claim | controls | what is found | self-tests |
|---|---|---|---|
"""


@pytest.mark.slow
def test_the_page_has_every_claim() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "python -m tests.contract.test_controls"


def page() -> str:
    """The text of docs/CONTROLS.md."""
    found: dict[str, tuple[str, ...]] = {}
    for world in WORLDS:
        analysis = world.build()
        judged = analysis.judge(*world.drawn("beyond", analysis, world.seeds, 0))
        [verdict] = [verdict for verdict in judged if verdict.claim == world.claim.name + world.suffix]
        found.setdefault(world.name, _row(verdict, world.seeds))
    for asked in in_files("laptop"):
        found.setdefault(asked.name, _row(asked.verdicts("perfect", asked.build(), asked.seeds, 0)[0], asked.seeds))
    rows = (f"| {' | '.join([name, *row])} |" for name, row in sorted(found.items()))
    return HEAD + "\n".join(rows) + "\n"


def _row(verdict: Verdict, seeds: int) -> tuple[str, ...]:
    controls = [*_named(verdict.control)]
    bias = f"a bias of {detectable(seeds, CONTROL_LEVEL):.1f} deviations"
    powers = dict.fromkeys(
        bias if "a bias of" in detail else "a difference of rates" if "power" in detail else "a bound"
        for _, detail in controls
    )
    names = "; ".join(dict.fromkeys(re.sub(r" of width \d+", "", name) for name, _ in controls))
    tests = "; ".join(dict.fromkeys(name for name, _ in _named(verdict.self_test)))
    return names or "none: proved by enumeration", "; ".join(powers) or "everything", tests or "-"


def _named(said: str) -> Iterator[tuple[str, str]]:
    """Name and detail of each control of a text."""
    for found in re.finditer(rf"(?:^|; )(?P<name>[^;]+?){OUTCOME}(?P<detail>.*?)(?=; [^;:]+{OUTCOME}|$)", said):
        yield found["name"], found["detail"]


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
