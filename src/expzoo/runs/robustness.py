"""The same claims under other settings of the optimizer: whether a verdict stands or falls with one of them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from expzoo.spec.component import Component

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from expzoo.analysis.contract import Analysis, Findings, Setting
    from expzoo.science.verdicts import Verdict
    from expzoo.spec.spec import Spec

BETWEEN = "@"  # an analysis and the setting under which it was asked again, in the names of records and arrays
RATES = {"half_rate": 0.5, "double_rate": 2.0}


def name(analysis: str, setting: str) -> str:
    """What the records of an analysis under another setting are called."""
    return f"{analysis}{BETWEEN}{setting}"


def is_variant(analysis: str) -> bool:
    """Whether these are the records of an analysis under another setting."""
    return BETWEEN in analysis


def varied(setting: Setting, wanted: Iterable[str], size: int | None = None) -> dict[str, Setting]:
    """The setting under each of the wanted schedules and rates, with at most `size` of its replicates."""
    found = {}
    for word in wanted:
        rate, fixed = RATES.get(word, 1.0), () if word in RATES else ("schedule",)
        base, seeds = _changed(setting.base, word), setting.seeds[:size]
        found[word] = replace(setting, base=base, seeds=seeds, rate=rate, fixed=fixed)
    return found


def that_differ(
    analyses: Mapping[str, Analysis], findings: Sequence[Findings]
) -> tuple[dict[str, Analysis], list[Findings]]:
    """The analyses and what they found, without those under a setting that changed none of their networks.

    Such is the schedule that an experiment has itself, or that all of its arms were tuned to.
    """
    found = dict(zip(analyses, findings, strict=True))
    keys = {name: {row["key"] for row in own.rows if "tuned" not in row} for name, own in found.items()}
    kept = [name for name in found if not (is_variant(name) and keys[name] <= keys[name.partition(BETWEEN)[0]])]
    return {name: analyses[name] for name in kept}, [found[name] for name in kept]


def _changed(base: Spec, word: str) -> Spec:
    if word in RATES:
        return base.replace(optimizer={"lr": RATES[word] * base.optimizer.option("lr", float)})
    return base.replace(schedule=Component.of("schedule", word))


def beside(verdicts: Sequence[Verdict], others: Mapping[str, Sequence[Verdict]]) -> list[Verdict]:
    """The verdicts, each with what the same claim came to under the other settings, and of how many where n differs."""
    found = []
    for verdict in verdicts:
        rows = [
            (setting + f" (n = {other.n})" * (other.n != verdict.n), other.verdict, other.effect, *other.interval)
            for setting, again in others.items()
            for other in again
            if other.claim == verdict.claim
        ]
        found.append(replace(verdict, robustness=tuple(rows)))
    return found
