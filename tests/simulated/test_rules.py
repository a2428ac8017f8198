"""The rules of all claims on made tables: how often they err, what they find, and what a budget cannot decide.

The tables are of worlds in which the effect is known (tests/worlds). The slow tests write
docs/rules.md, which changes only if a rule, a world or a budget does.
"""

from __future__ import annotations

from functools import cache

import pytest
from tests.worlds.everything import WORLDS, bought, claims
from tests.worlds.making import RESAMPLES, Where, World

from expzoo.config.homes import HOME
from expzoo.science.statistics import clopper_pearson

BY_NAME = {world.claim.name: world for world in WORLDS}
FALSE_SUPPORT = 0.05
SURE = 0.998  # of the interval for what was counted, so that one test in a thousand fails by chance
PAGE = HOME / "docs" / "rules.md"
OUT_OF_REACH = {"life_depth at laptop": {"life.depth_does_not_help"}}  # unless depth hurts at every width
"""Claims that even a perfect result would not support, by `experiment at budget`."""


def test_every_registered_claim_has_a_world() -> None:
    assert sorted(BY_NAME) == sorted(claims())
    assert len(BY_NAME) == len(WORLDS)


@cache
def supported(name: str, where: Where) -> tuple[int, int]:
    """How many draws of a world are supported, of how many."""
    world = BY_NAME[name]
    outcomes = [world.outcome(where, world.build(), world.seeds, number) for number in range(world.runs)]
    assert "not judged" not in outcomes
    return outcomes.count("supported"), world.runs


@pytest.mark.slow
@pytest.mark.parametrize("name", BY_NAME)
def test_no_claim_is_supported_too_often_where_it_does_not_hold(name: str) -> None:
    """Two in a hundred and a half where intervals are exact; no more than one in twenty anywhere."""
    for where in ("null", "bound"):
        count, runs = supported(name, where)
        assert clopper_pearson(count, runs, level=SURE).low <= FALSE_SUPPORT, f"{count} of {runs} at the {where}"


@pytest.mark.slow
@pytest.mark.parametrize("name", BY_NAME)
def test_every_claim_is_supported_where_it_holds_by_far(name: str) -> None:
    count, runs = supported(name, "beyond")
    assert count > runs / 2


@cache
def perfect() -> dict[str, dict[str, str]]:
    """By `experiment at budget`, what is said of each claim of a perfect result."""
    worlds: dict[str, list[World]] = {}
    for world in WORLDS:
        worlds.setdefault(world.analysis, []).append(world)
    known: dict[tuple[str, int, str], str] = {}
    found: dict[str, dict[str, str]] = {}
    for experiment, budget, seeds, analyses in bought():
        own = found.setdefault(f"{experiment} at {budget}", {})
        for name, analysis in analyses.items():
            options = repr(sorted(vars(analysis).items(), key=lambda item: item[0]))
            for world in worlds.get(name, []):
                same = world.claim.name, seeds, options
                known[same] = known.get(same) or world.outcome("perfect", analysis, seeds, 0)
                if known[same] != "not judged":
                    own[world.claim.name] = known[same]
    return found


@pytest.mark.slow
def test_what_a_budget_cannot_decide_is_known_beforehand() -> None:
    assert _out_of_reach() == OUT_OF_REACH


def _out_of_reach() -> dict[str, set[str]]:
    missed = {
        where: {name for name, outcome in own.items() if outcome != "supported"}
        for where, own in perfect().items()
        if not where.endswith("smoke")
    }
    return {where: names for where, names in missed.items() if names}


@pytest.mark.slow
def test_the_page_is_written() -> None:
    """Last, from what the tests before it counted."""
    rows = []
    for name, world in sorted(BY_NAME.items()):
        shares = [count / runs for count, runs in (supported(name, where) for where in ("null", "bound", "beyond"))]
        cells = [
            name,
            world.claim.rule,
            str(world.seeds),
            str(world.runs),
            *(f"{100 * share:.0f} %" for share in shares),
        ]
        rows.append(f"| {' | '.join(cells)} |")
    smoke = [outcome for where, own in perfect().items() if where.endswith("smoke") for outcome in own.values()]
    missed = [f"- {where}: {', '.join(sorted(names))}" for where, names in sorted(_out_of_reach().items())]
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(TEXT.format(
        resamples=RESAMPLES, rows="\n".join(rows), missed="\n".join(missed) or "- none",
        smoke=f"{smoke.count('supported')} of {len(smoke)}",
    ), encoding="utf-8")  # fmt: skip


TEXT = """# How often the rules are right

Written by `tests/simulated/test_rules.py` (`make test-all`). Every claim's rule is run on made
tables in which its effect is known: where there is none, at the smallest effect that counts, and
well beyond it. A claim that is not true should be supported in at most 5 % of draws; its interval
has 2.5 % or 5 % on that side. Worlds are normal, or binomial for rates, with what seeds share; each
is drawn as often as stated, bootstraps with {resamples} resamples. The test fails where the share is
above 5 % for sure (99.8 %): with 8 draws from 4 on, with 24 from 6 on, with 100 from 14 on.

| claim | rule | n | draws | supported at no effect | at the bound | well beyond |
|---|---|---|---|---|---|---|
{rows}

## What a budget cannot decide

Claims that even a perfect result would not support, with the replicates that an experiment buys at
its budget. `budget=smoke` tries commands: a perfect result would support {smoke} there.

{missed}
"""
