"""The rules of all claims on made tables: how often they err, what they find, and what a budget cannot decide.

The tables are of worlds in which the effect is known (tests/worlds). The slow tests write
docs/rules.md, which changes only if a rule, a world or a budget does.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import jaxtyping
import numpy as np
import pytest
from tests.worlds.counting import ALLOWED, ERRS, MISSES, TOO_OFTEN, Count, at_most
from tests.worlds.everything import WORLDS, bought, claims, in_files, named_in_files
from tests.worlds.kinds import KINDS
from tests.worlds.making import RESAMPLES, Simulated, Where

from expzoo.analysis.reach import out_of_reach
from expzoo.analysis.studies.contrast.judging import peak
from expzoo.analysis.studies.contrast.words import SUBJECTS
from expzoo.config.homes import HOME
from expzoo.config.registry import build
from expzoo.config.settings import BUDGETS
from expzoo.science.statistics import clopper_pearson

if TYPE_CHECKING:
    from collections.abc import Iterator

NAMES = [*sorted({world.name for world in WORLDS} | named_in_files()), *(world.name for world in KINDS)]
FEW = 10  # draws of the quick test
POWER_DRAWS = 24
PAGE = HOME / "docs" / "rules.md"
OUT_OF_REACH: dict[str, set[str]] = {}
"""Claims that even a perfect result would not support, by `experiment at budget`; at smoke hardly any would be."""


@pytest.fixture(autouse=True, scope="module")
def _unchecked() -> Iterator[None]:
    """Shapes are checked by all other tests; here it would take three times as long as the statistics."""
    before = jaxtyping.config.jaxtyping_disable
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", before)


def test_every_registered_claim_has_a_world() -> None:
    assert {world.name for world in WORLDS} == claims()
    assert len({(world.name, world.analysis) for world in WORLDS}) == len(WORLDS)


def test_every_claim_of_a_file_has_a_world_and_is_judged_in_it() -> None:
    """Made from its words: a new one has its own without anything more."""
    assert {world.name for world in in_files("laptop")} == named_in_files()
    for world in in_files("laptop"):
        assert world.outcome("perfect", world.build(), world.seeds, 0) == "supported"


def test_every_kind_of_claim_has_a_world() -> None:
    said = {word for world in KINDS for claim in world.options["claims"].values() for word in claim}
    assert said >= {*SUBJECTS, "greater", "less", "equal", "between", "for_all", "for_each", "control", "scale"}


def test_the_count_tells_rules_that_err_too_often() -> None:
    """One in twenty is allowed, one in eight is not; 200 rules of each."""
    for rate, often in ((ALLOWED, 0.02), (TOO_OFTEN, 0.9)):
        found = []
        for rule in range(200):
            errs = np.random.default_rng(rule).random(600) < rate
            found.append(at_most(lambda number, errs=errs: bool(errs[number])).too_often)
        share = np.mean(found)
        assert share <= often if rate == ALLOWED else share >= often


def test_flat_curves_have_no_peak() -> None:
    """Twenty seeds that choose the levels for one another: by a plain t interval one curve in ten had one."""
    rng, draws = np.random.default_rng(0), 1500
    found = sum(peak(rng.standard_normal((20, 6)), level=0.95).low > 0 for _ in range(draws))
    assert clopper_pearson(found, draws, level=0.998).low <= ALLOWED


@cache
def worlds() -> dict[str, list[Simulated]]:
    """The worlds of each claim; several if experiments differ in what they buy for it."""
    found: dict[str, list[Simulated]] = {name: [] for name in NAMES}
    for world in [*WORLDS, *in_files("laptop"), *KINDS]:
        found[world.name].append(world)
    return found


@cache
def falsely(world: Simulated, where: Where, most: int | None = None) -> Count:
    """How often a claim is supported where it does not hold."""
    analysis = world.build()

    def supported(number: int) -> bool:
        outcome = world.outcome(where, analysis, world.seeds, number)
        assert outcome != "not judged"
        return outcome == "supported"

    return at_most(supported, most) if most else at_most(supported)


@cache
def rightly(world: Simulated) -> Count:
    """How often a claim is supported that holds by far."""
    analysis = world.build()
    found = [world.outcome("beyond", analysis, world.seeds, number) for number in range(POWER_DRAWS)]
    return Count(found.count("supported"), POWER_DRAWS, too_often=False)


@pytest.mark.parametrize("name", NAMES[::10])
def test_a_tenth_of_the_claims_on_few_draws(name: str) -> None:
    for world in worlds()[name]:
        for where in ("null", "bound"):
            count = falsely(world, where, FEW)
            surely = clopper_pearson(count.happened, count.draws, level=0.998).low
            assert surely <= ALLOWED, f"{count.happened} of {count.draws} at the {where}"
        assert world.outcome("perfect", world.build(), world.seeds, 0) == "supported"


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_no_claim_is_supported_too_often_where_it_does_not_hold(name: str) -> None:
    """Two in a hundred and a half where intervals are exact; no more than one in twenty anywhere."""
    for world in worlds()[name]:
        for where in ("null", "bound"):
            count = falsely(world, where)
            assert not count.too_often, f"{count.happened} of {count.draws} at the {where}"


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_every_claim_is_supported_where_it_holds_by_far(name: str) -> None:
    for world in worlds()[name]:
        assert rightly(world).percent > 50


@cache
def perfect() -> dict[str, dict[str, str]]:
    """By `experiment at budget`, what is said of each claim of a perfect result."""
    known: dict[tuple[str, int, str], str] = {}
    found: dict[str, dict[str, str]] = {}
    for budget in BUDGETS:
        of_files = in_files(budget)
        for experiment, seeds, analyses in bought(budget):
            own = found.setdefault(f"{experiment} at {budget}", {})
            for name, options in analyses.items():
                analysis = build("analysis", name, **options)
                mine = [w for w in of_files if experiment in w.experiments] if name == "contrast" else []
                for world in [*mine, *(world for world in WORLDS if world.analysis == name)]:
                    judge = world.build() if world in mine else analysis
                    same = world.name, seeds, repr(sorted(options.items()))
                    known[same] = known.get(same) or _perfect(world, judge, seeds)
                    if known[same] != "not judged":
                        own[world.name] = known[same]
    return found


def _perfect(world: Simulated, judge: Any, seeds: int) -> str:
    """What is said of a perfect result; its controls fail once in a hundred draws, and then it is drawn again."""
    found = world.outcome("perfect", judge, seeds, 0)
    return world.outcome("perfect", judge, seeds, 1) if found == "withheld" else found


@pytest.mark.slow
def test_what_a_budget_cannot_decide_is_known_beforehand() -> None:
    assert named_in_files() <= {name for own in perfect().values() for name in own}
    missed = _out_of_reach()
    assert {where: {*names} for where, names in missed.items() if not where.endswith("smoke")} == OUT_OF_REACH


@pytest.mark.slow
def test_what_cannot_be_supported_is_said_before_a_run_and_nothing_else_is() -> None:
    """By the line that `expzoo show` and the first lines of a run have."""
    for budget in BUDGETS:
        for experiment, seeds, analyses in bought(budget):
            said = {
                claim
                for name, options in analyses.items()
                for claim in out_of_reach(build("analysis", name, **options), seeds)
            }
            own = perfect()[f"{experiment} at {budget}"]
            missed = {name for name, outcome in own.items() if outcome != "supported"}
            assert said & own.keys() == missed, f"{experiment} at {budget}"


def _out_of_reach() -> dict[str, list[str]]:
    missed = {
        where: sorted(name for name, outcome in own.items() if outcome != "supported")
        for where, own in perfect().items()
    }
    return {where: names for where, names in missed.items() if names}


@pytest.mark.slow
def test_the_page_is_written() -> None:
    """Last, from what the tests before it counted."""
    PAGE.write_text(
        TEXT.format(
            rows="\n".join(row for name in NAMES for world in worlds()[name] for row in _rows(world)),
            missed="\n".join(_lists()),
            resamples=RESAMPLES,
            draws=POWER_DRAWS,
            **{"allowed": 100 * ALLOWED, "often": 100 * TOO_OFTEN, "errs": 100 * ERRS, "misses": 100 * MISSES},
        ),
        encoding="utf-8",
    )


def _rows(world: Simulated) -> Iterator[str]:
    """One row for each claim, with the numbers of seeds of the experiments that ask it."""
    said = world.verdicts("perfect", world.build(), world.seeds, 0)[0]
    counts = [str(falsely(world, "null")), str(falsely(world, "bound")), f"{rightly(world).percent:.0f} %"]
    cells = [world.name, _experiments(world), said.rule, f"{100 * said.level:.4g} %", str(world.seeds), *counts]
    yield f"| {' | '.join(cells)} |"


def _experiments(world: Simulated) -> str:
    """Those that ask the claim at laptop; in brackets how many seeds they buy, where that is another number."""
    asking = [
        (experiment, seeds)
        for experiment, seeds, analyses in bought("laptop")
        if world.analysis in analyses and world.name in perfect()[f"{experiment} at laptop"]
    ]
    told = ", ".join(name if seeds == world.seeds else f"{name} ({seeds})" for name, seeds in asking)
    return told or ("words" if world in KINDS else "none at laptop")


def _lists() -> Iterator[str]:
    missed, all_claims = _out_of_reach(), perfect()
    for where in sorted(missed, key=lambda where: (BUDGETS.index(where.rpartition(" ")[2]), where)):
        every = len(missed[where]) == len(all_claims[where])
        yield f"- {where}: {'all ' * every}{len(missed[where]) if every else ', '.join(missed[where])}"


TEXT = """# How often the rules are right

Written by `tests/simulated/test_rules.py` (`make test-all`). Every claim's rule is run on made
tables in which its effect is known: where there is none, at the smallest effect that counts, and
well beyond it. Where a claim is of several conditions, one of them does not hold and the others do
by far. A claim that is not true should be supported in at most {allowed:.0f} % of draws; its interval has
2.5 % or 5 % on that side. Worlds are normal, or binomial for rates, with what seeds share;
bootstraps have {resamples} resamples.

Tables are drawn until Wald's sequential test says that a rate of {often:.0f} % is refuted, or that one of
{allowed:.0f} % is, which fails the test. A rule that errs in {allowed:.0f} % of draws fails in {errs:.1f} % of such
tests, and one that errs in {often:.0f} % passes in {misses:.0f} %. The power well beyond is of {draws} draws.

An experiment that buys another number of seeds at laptop has it in brackets; there n counts other
units, or is smaller so that the world takes less time. The claims of YAML files have worlds that
are made from their words; those of `words` are not of an experiment, but one of each kind that a
file can say.

| claim | experiments | rule | level | n | supported at no effect | at the bound | well beyond |
|---|---|---|---|---|---|---|---|
{rows}

## What a budget cannot decide

Claims that even a perfect result would not support, with the replicates that an experiment buys at
its budget. `budget=smoke` tries commands.

{missed}
"""
