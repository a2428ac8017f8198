"""From records to verdicts: what each claim in words measures, and the rule that decides it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from expzoo.analysis.studies.contrast.arms import AGAIN, Cell
from expzoo.analysis.studies.contrast.claims import CHANCE, ClaimWords, Condition
from expzoo.analysis.studies.contrast.looks import STEPS, unit_of
from expzoo.analysis.studies.contrast.pictures import TUNING
from expzoo.science.claims import Claim, Pairs, decide_all, decide_each
from expzoo.science.controls import Control, known_answer, no_difference
from expzoo.science.statistics import (
    Estimate,
    Method,
    clopper_pearson,
    complete,
    mean_t,
    newcombe,
    paired_t,
    tost,
)
from expzoo.store import records

if TYPE_CHECKING:
    import polars as pl

    from expzoo.analysis.studies.contrast.selecting import Terms
    from expzoo.science.controls import Estimator
    from expzoo.science.verdicts import Verdict

TOP = 99.95  # per cent: log-odds beyond it are those of a handful of test examples
_RULES: dict[str, Method] = {
    "pairs": "paired t",
    "value": "one-sample t",
    "ratio": "paired t",
    "rate": "Clopper-Pearson",
    "rates": "Newcombe",
    "peak": "one-sample t",
}


@dataclass(frozen=True)
class Seen:
    """The records of a contrast: values of a cell by seed, in which a network that diverged counts as the worst."""

    table: pl.DataFrame
    arrays: Mapping[str, np.ndarray]
    drop: bool = False

    def has(self, cell: Cell) -> bool:
        """Whether the cell was trained."""
        return not records.select(self.table, **_columns(self.table, cell)).is_empty()

    def values(self, cell: Cell, of: str) -> dict[int, float]:
        """What was seen of the cell's networks, by seed."""
        found = records.by_seed(self.table, measure=of, **_columns(self.table, cell))
        worst = math.nan if self.drop else self.worst(of)
        return {seed: value if math.isfinite(value) else worst for seed, value in found.items()}

    def lost(self, cell: Cell, of: str) -> int:
        """How many of the cell's networks diverged, or never came where they were waited for."""
        found = records.by_seed(self.table, measure=of, **_columns(self.table, cell))
        return sum(not math.isfinite(value) for value in found.values())

    def worst(self, of: str) -> float:
        """What a network counts as that diverged: chance, the whole training, or the worst value that was seen."""
        known = float(self.arrays[f"worst/{of}"])
        if math.isfinite(known):
            return known
        seen = records.select(self.table, measure=of)["value"].to_numpy()
        finite = seen[np.isfinite(seen)]
        if not len(finite):
            return math.nan
        return float(finite.min() if bool(self.arrays[f"higher/{of}"]) else finite.max())

    def sum(self, terms: Terms, of: str, scale: str) -> dict[int, float]:
        """A weighted sum over cells, by seed."""
        columns = [{s: _scaled(v, scale) for s, v in self.values(cell, of).items()} for _, cell in terms]
        seeds = sorted(set.intersection(*(set(column) for column in columns)))
        weights = [weight for weight, _ in terms]
        return {s: math.fsum(w * c[s] for w, c in zip(weights, columns, strict=True)) for s in seeds}

    def unit(self, of: str) -> str:
        """The unit of a measure."""
        metric = str(records.select(self.table, measure=of)["metric"][0])
        return "steps" if metric.startswith(STEPS) else unit_of(metric)


def judge(claims: Mapping[str, ClaimWords], seen: Seen) -> Iterator[Verdict]:
    """A verdict on every claim whose cells were trained; of a part that was not, the note says so."""
    for claim in claims.values():
        there = tuple(c for c in claim.conditions if all(seen.has(cell) for cell in c.cells()))
        if there:
            yield from _judge(replace(claim, conditions=there), seen, len(claim.conditions) - len(there))


def _judge(words: ClaimWords, seen: Seen, missing: int) -> Iterator[Verdict]:
    claim = _claim(words, seen)
    measures = {condition.name: _estimator(claim, words, condition, seen) for condition in words.conditions}
    dropped = {name: measure.dropped if isinstance(measure, Pairs) else 0 for name, measure in measures.items()}
    facts = [
        *_lost(words, seen),
        *_tuned(words, seen),
        *[f"{missing} of its parts do not fit these data"] * bool(missing),
    ]
    control = _control(words, seen)
    if words.each:
        verdicts = decide_each(claim, measures, control=control, dropped=dropped)
        found = [replace(v, claim=f"{v.claim}.{_slug(name)}") for name, v in verdicts.items()]
    else:
        found = [decide_all(claim, measures, control=control, dropped=dropped)]
    for verdict in found:
        yield replace(verdict, note="; ".join(fact for fact in (verdict.note, *facts) if fact))


def _claim(words: ClaimWords, seen: Seen) -> Claim:
    unit = words.unit or _unit(words, seen)
    reference = float(seen.arrays[f"chance/{words.of}"]) if words.reference == CHANCE else float(words.reference)
    rule: Method = _RULES[words.form]
    if words.direction == "equivalent" and words.by and words.form in ("pairs", "value"):
        rule = "TOST"
    statement = words.statement or words.name
    return Claim(
        name=words.name,
        statement=statement,
        source=words.source,
        published=words.published,
        unit=unit,
        smallest_effect=words.by,
        direction=words.direction if words.by or words.direction != "equivalent" else "greater",
        rule=rule,
        note=words.note,
        reference=reference,
    )


def _unit(words: ClaimWords, seen: Seen) -> str:
    unit = seen.unit(words.of)
    if words.form in ("rate", "rates"):
        return "%" if words.form == "rate" else "percentage points"
    if words.form == "ratio":
        return "times"
    if words.per:
        return f"{unit} per unit of {words.per}".strip() if words.scale == "plain" else "exponent"
    if words.scale != "plain":
        return "log-odds" if words.scale == "log_odds" else f"log {unit}".strip()
    return "percentage points" if unit == "%" and words.form != "value" else unit


def _estimator(claim: Claim, words: ClaimWords, condition: Condition, seen: Seen) -> Estimator:
    of, scale = condition.of, words.scale
    if words.form in ("rate", "rates"):
        return _rates(words, condition, seen)
    if words.form == "peak":
        return _peak(condition, seen, scale)
    plus = seen.sum(condition.plus, of, scale)
    if words.form == "value":
        values, _ = complete([*plus.values()])
        if claim.rule == "TOST":
            return partial(_equivalent, values[0], claim)
        return partial(mean_t, values[0])
    minus = seen.sum(condition.minus, of, scale)
    if words.form == "ratio":
        pairs = Pairs(replace(claim, reference=0.0, smallest_effect=0.0), plus, minus)
        return partial(_ratio, pairs)
    return Pairs(claim, plus, minus)


def _equivalent(values: np.ndarray, claim: Claim, *, level: float) -> Estimate:
    """The mean of values, tested to be within the smallest effect of the claim's reference."""
    fixed, within = np.full_like(values, claim.reference), claim.smallest_effect
    found = tost(values, fixed, -within, within, level=level)
    low, high = found.low + claim.reference, found.high + claim.reference
    return replace(found, effect=found.effect + claim.reference, low=low, high=high)


def _ratio(pairs: Pairs, *, level: float) -> Estimate:
    """The geometric mean of ratios: the mean of paired differences of logarithms, taken back."""
    logs = paired_t(pairs.treatment, pairs.baseline, level=level)
    effect, low, high = (math.exp(value) for value in (logs.effect, logs.low, logs.high))
    return replace(logs, effect=effect, low=low, high=high)


def _rates(words: ClaimWords, condition: Condition, seen: Seen) -> Estimator:
    """The share of seeds that succeed, or the difference of two, in percent."""
    counted = [_successes(words, cell, seen) for cell in condition.cells()]
    if words.form == "rate":
        return lambda *, level: clopper_pearson(*counted[0], level=level).scaled(100)
    (a, n), (b, k) = counted
    return lambda *, level: newcombe((a, b), (n, k), level=level).scaled(100)


def _successes(words: ClaimWords, cell: Cell, seen: Seen) -> tuple[int, int]:
    sign, _, bound = words.success.partition(" ")
    values = [*replace(seen, drop=True).values(cell, words.of).values()]  # NaN, of one that diverged, is no success
    won = sum(value <= float(bound) if sign == "<=" else value >= float(bound) for value in values)
    return won, len(values)


def _peak(condition: Condition, seen: Seen, scale: str) -> Estimator:
    """By how much the best level inside beats the better end; which level that is, the other seeds say."""
    cells = [cell for _, cell in condition.plus]
    columns = [{s: _scaled(v, scale) for s, v in seen.values(cell, condition.of).items()} for cell in cells]
    seeds = sorted(set.intersection(*(set(column) for column in columns)))
    table = np.array([[column[seed] for column in columns] for seed in seeds])
    gains = []
    for index in range(len(seeds)):
        others = np.delete(table, index, axis=0).mean(0)
        inside = 1 + int(others[1:-1].argmax())
        end = 0 if others[0] >= others[-1] else -1
        gains.append(table[index, inside] - table[index, end])
    return partial(mean_t, np.array(gains))


def _control(words: ClaimWords, seen: Seen) -> Control | None:
    """The control that the file names, or else the baseline again from other starts."""
    control = words.control
    if control and control.direction == "equivalent" and not control.by:
        claim, [condition] = _claim(control, seen), control.conditions
        return known_answer(claim.statement, _estimator(claim, control, condition, seen), claim.reference)
    if control:
        [verdict] = _judge(replace(control, each=False), seen, 0)
        return Control(verdict.statement, verdict.verdict == "supported", f"{verdict.effect:.4g} {verdict.unit}")
    for condition in words.conditions:
        for cell in reversed(condition.cells()):
            again = replace(cell, again=True)
            if seen.has(again):
                return _again(words, condition, cell, again, seen)
    return None


def _again(words: ClaimWords, condition: Condition, cell: Cell, again: Cell, seen: Seen) -> Control:
    name = f"{cell.words} from other starts ({AGAIN})"
    if words.form in ("rate", "rates"):
        pair = Condition(name, ((1.0, again),), ((1.0, cell),), condition.of)
        return known_answer(name, _rates(replace(words, form="rates"), pair, seen))
    one, other = (seen.sum(((1.0, which),), condition.of, words.scale) for which in (again, cell))
    return no_difference(name, one, other)


def _lost(words: ClaimWords, seen: Seen) -> Iterator[str]:
    """What diverged, and what it counted as."""
    of = words.of
    counted = {cell: seen.lost(cell, of) for cell in dict.fromkeys(c for w in words.conditions for c in w.cells())}
    if told := ", ".join(f"{count} of {cell.words}" for cell, count in counted.items() if count):
        worst = seen.worst(of)
        yield f"diverged or never there: {told}, " + ("left out" if seen.drop else f"counted as {worst:.4g}")


def _tuned(words: ClaimWords, seen: Seen) -> Iterator[str]:
    """The settings that the arms of a claim were tuned to."""
    if "best" in seen.table.columns:
        rows = records.select(seen.table, measure=TUNING).select("arm", "tuned", "best").unique(maintain_order=True)
        arms = {cell.arm for condition in words.conditions for cell in condition.cells()}
        own = [f"{tuned}: {best}" for arm, tuned, best in rows.iter_rows() if arm in arms]
        yield f"tuned on validation data: {'; '.join(own or [f'{t}: {b}' for _, t, b in rows.iter_rows()])}"


def _scaled(value: float, scale: str) -> float:
    if scale == "log":
        return math.log(value) if value > 0 else math.nan
    if scale == "log_odds":
        share = float(np.clip(value, 100 - TOP, TOP)) / 100
        return math.log(share / (1 - share))
    return value


def _columns(table: pl.DataFrame, cell: Cell) -> dict[str, str | int | float | bool]:
    columns: dict[str, str | int | float | bool] = {"arm": cell.arm, **cell.columns()}
    return {name: value for name, value in columns.items() if name in table.columns}


def _slug(name: str) -> str:
    return re.sub(r"[^\w.-]+", "_", name).strip("_")
