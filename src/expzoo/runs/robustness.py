"""The same claims under other settings of the optimizer: whether a verdict stands or falls with one of them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from expzoo.spec.component import Component

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from expzoo.analysis.contract import Setting
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


def varied(setting: Setting, wanted: Iterable[str]) -> dict[str, Setting]:
    """The setting under each of the wanted schedules and rates; one that the experiment has itself is left out."""
    return {word: again for word in wanted if (again := _varied(setting, word)).base != setting.base}


def _varied(setting: Setting, word: str) -> Setting:
    rate, fixed = RATES.get(word, 1.0), () if word in RATES else ("schedule",)
    return replace(setting, base=_changed(setting.base, word), rate=rate, fixed=fixed)


def _changed(base: Spec, word: str) -> Spec:
    if word in RATES:
        return base.replace(optimizer={"lr": RATES[word] * base.optimizer.option("lr", float)})
    return base.replace(schedule=Component.of("schedule", word))


def beside(verdicts: Sequence[Verdict], others: Mapping[str, Sequence[Verdict]]) -> list[Verdict]:
    """The verdicts, each with what the same claim came to under the other settings."""
    found = []
    for verdict in verdicts:
        rows = [
            (setting, other.verdict, other.effect, *other.interval)
            for setting, again in others.items()
            for other in again
            if other.claim == verdict.claim
        ]
        found.append(replace(verdict, robustness=tuple(rows)))
    return found
