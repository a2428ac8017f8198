"""From records to verdicts: what each claim in words measures, and the rule that decides it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from expzoo.analysis.studies.contrast.arms import AGAIN
from expzoo.analysis.studies.contrast.pictures import TUNING
from expzoo.analysis.studies.contrast.selecting import Term
from expzoo.analysis.studies.contrast.words import CHANCE, METHODS, ClaimWords, Condition
from expzoo.science.claims import Claim, Pairs, decide_all, decide_each
from expzoo.science.controls import Control, known_answer, no_difference, same_rate
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
from expzoo.spec.measure import LOSS
from expzoo.store import records

if TYPE_CHECKING:
    from jaxtyping import Float

    from expzoo.analysis.studies.contrast.seen import Seen
    from expzoo.science.controls import Estimator
    from expzoo.science.verdicts import Verdict


def judge(claims: Mapping[str, ClaimWords], seen: Seen) -> Iterator[Verdict]:
    """A verdict on every claim whose cells were trained; of a part that was not, the note says so."""
    for claim in claims.values():
        there = tuple(c for c in claim.conditions if all(seen.has(cell) for cell in c.cells()))
        if there:
            yield from _judge(replace(claim, conditions=there), seen, len(claim.conditions) - len(there))


def _judge(words: ClaimWords, seen: Seen, missing: int) -> Iterator[Verdict]:
    claim = _claim(words, seen)
    found = {condition.name: _measured(claim, words, condition, seen) for condition in words.conditions}
    measures = {name: measure for name, (measure, _) in found.items()}
    dropped = {name: count for name, (_, count) in found.items()}
    facts = [
        *_won(words, seen),
        *_lost(words, seen),
        *_tuned(words, seen),
        *["each compared with its own chance level"] * _above_chance(words, seen),
        *[f"{missing} of its parts do not fit these data"] * bool(missing),
    ]
    control = _control(words, seen)
    if words.each:
        verdicts = decide_each(claim, measures, control=control, dropped=dropped)
        given = [replace(v, claim=f"{v.claim}.{_slug(name)}") for name, v in verdicts.items()]
    else:
        given = [decide_all(claim, measures, control=control, dropped=dropped)]
    for verdict in given:
        yield replace(verdict, note="; ".join(fact for fact in (verdict.note, *facts) if fact))


def _claim(words: ClaimWords, seen: Seen) -> Claim:
    unit = words.unit or _unit(words, seen)
    if words.reference == CHANCE:
        reference = 0.0 if _above_chance(words, seen) else next(iter(_chances(words, seen)))
    else:
        reference = float(words.reference)
    rule: Method = METHODS[words.form]
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


def _chances(words: ClaimWords, seen: Seen) -> set[float]:
    """The chance levels of what a claim is about: several if its arms have data of several kinds."""
    return {
        round(math.fsum(term.weight * seen.chance(term.cell, term.of or condition.of) for term in condition.plus), 9)
        for condition in words.conditions
    }


def _above_chance(words: ClaimWords, seen: Seen) -> bool:
    """Whether each value is taken less its own chance level, because there is not one for all."""
    return words.reference == CHANCE and len(_chances(words, seen)) > 1


def _unit(words: ClaimWords, seen: Seen) -> str:
    unit = " or ".join(
        dict.fromkeys(seen.unit(term.of) for condition in words.conditions for term in condition.terms())
    )
    if words.form in ("rate", "rates"):
        return "%" if words.form == "rate" else "percentage points"
    if words.form == "ratio":
        return "times"
    if words.per:
        return f"{_on_scale(unit, words)} per unit of {words.per}".strip() if not words.exponent else "exponent"
    if words.scale != "plain":
        return _on_scale(unit, words)
    return "percentage points" if unit == "%" and words.form != "value" else unit


def _on_scale(unit: str, words: ClaimWords) -> str:
    return {"plain": unit, "log": f"log {unit}".strip(), "log_odds": "log-odds"}[words.scale]


def _measured(claim: Claim, words: ClaimWords, condition: Condition, seen: Seen) -> tuple[Estimator, int]:
    """What a condition measures, and how many seeds it had to leave out."""
    of, scale = condition.of, words.scale
    if words.form in ("rate", "rates"):
        return _rates(words, condition, seen)
    if words.form == "peak":
        return _peak(condition, seen, scale)
    plus = seen.sum(condition.plus, of, scale, above_chance=_above_chance(words, seen))
    if words.form == "value":
        [values], dropped = complete([*plus.values()])
        measure = partial(_equivalent, values, claim) if claim.rule == "TOST" else partial(mean_t, values)
        return measure, dropped
    minus = seen.sum(condition.minus, of, scale)
    if words.form == "ratio":
        pairs = Pairs(replace(claim, reference=0.0, smallest_effect=0.0, direction="greater"), plus, minus)
        return partial(_ratio, pairs), pairs.dropped
    pairs = Pairs(claim, plus, minus)
    return pairs, pairs.dropped


def _equivalent(values: np.ndarray, claim: Claim, *, level: float) -> Estimate:
    """The mean of values, tested to be within the smallest effect of the claim's reference."""
    fixed, within = np.full_like(values, claim.reference), claim.smallest_effect
    found = tost(values, fixed, -within, within, level=level)
    low, high = found.low + claim.reference, found.high + claim.reference
    return replace(found, effect=found.effect + claim.reference, low=low, high=high)


def _ratio(pairs: Pairs, *, level: float) -> Estimate:
    """The geometric mean of ratios: the mean of paired differences of logarithms, taken back; these are its values."""
    logs = paired_t(pairs.treatment, pairs.baseline, level=level)
    effect, low, high = (math.exp(value) for value in (logs.effect, logs.low, logs.high))
    return replace(logs, effect=effect, low=low, high=high, geometric=True)


def _rates(words: ClaimWords, condition: Condition, seen: Seen) -> tuple[Estimator, int]:
    """The share of seeds that succeed, or the difference of two, in percent."""
    counted = [seen.successes(cell, words.of, words.success) for cell in condition.cells()]
    dropped = sum(lost for _, _, lost in counted)
    (won, of, _), *others = counted
    if not others:
        return lambda *, level: clopper_pearson(won, of, level=level).scaled(100), dropped
    [(less, than, _)] = others
    return lambda *, level: newcombe((won, less), (of, than), level=level).scaled(100), dropped


def _peak(condition: Condition, seen: Seen, scale: str) -> tuple[Estimator, int]:
    """By how much the best level inside beats the better end; which level that is, the other seeds say."""
    columns = [seen.sum((term,), condition.of, scale) for term in condition.plus]
    seeds = sorted(set.intersection(*(set(column) for column in columns)))
    [table], dropped = complete(np.array([[column[seed] for column in columns] for seed in seeds]))
    return partial(peak, table), dropped


def peak(table: Float[np.ndarray, "seeds levels"], *, level: float) -> Estimate:
    """By how much the best level inside beats the better end, each seed's own at the levels that the others choose.

    The seeds choose for one another, so their gains are not independent: Student's interval is
    widened as Nadeau & Bengio (2003, "Inference for the generalization error", section 3) do for
    repeated splits, by the variance 1 / n + 1 / (n - 1) of the mean instead of 1 / n. Without that,
    flat curves have a peak in up to 11 % of runs.
    """
    gains = []
    for index in range(len(table)) if len(table) > 1 else ():
        others = np.delete(table, index, axis=0).mean(0)
        inside = 1 + int(others[1:-1].argmax())
        end = 0 if others[0] >= others[-1] else -1
        gains.append(table[index, inside] - table[index, end])
    found, n = mean_t(np.array(gains), level=level), len(gains)
    wider = math.sqrt(1 + n / (n - 1)) if n > 1 else 1.0
    low, high = (found.effect + wider * (end - found.effect) for end in (found.low, found.high))
    return replace(found, low=low, high=high)


def _control(words: ClaimWords, seen: Seen) -> Control | None:
    """The control that the file names, or else the baseline again from other starts."""
    control = words.control
    if control is None:
        return _again(words, seen)
    if not all(seen.has(cell) for cell in control.cells()):
        return Control(control.statement or control.name, passed=False, detail="its arms do not fit these data")
    if control.direction == "equivalent" and not control.by:
        claim, [condition] = _claim(control, seen), control.conditions
        return known_answer(claim.statement, _measured(claim, control, condition, seen)[0], claim.reference)
    [verdict] = _judge(control, seen, 0)
    return Control(verdict.statement, verdict.verdict == "supported", f"{verdict.effect:.4g} {verdict.unit}")


def _again(words: ClaimWords, seen: Seen) -> Control | None:
    """The control that the baseline of a claim, trained from other starts, shows no difference.

    Of a rate every second seed is compared with the others, which have other starts, too.
    """
    condition = words.conditions[0]
    last = condition.terms()[-1]
    if words.form in ("rate", "rates"):
        outcomes = seen.outcomes(last.cell, words.of, words.success)
        if len(outcomes) < 2:
            return None
        return same_rate(f"every second seed of {last.cell.words} succeeds as often as the others", outcomes)
    cell = seen.root(last.cell)
    again = replace(cell, again=True)
    if again not in seen.cells or not seen.has(again):
        return None
    name = f"{cell.words} from other starts ({AGAIN})"
    one, other = (seen.sum((Term(1.0, which),), last.of, words.scale) for which in (again, cell))
    return no_difference(name, one, other)


def _won(words: ClaimWords, seen: Seen) -> Iterator[str]:
    """Of a rate, the counts."""
    if words.success:
        counted = {c: seen.successes(c, words.of, words.success) for own in words.conditions for c in own.cells()}
        yield "; ".join(f"{cell.words}: {won} of {of}" for cell, (won, of, _) in counted.items())


def _lost(words: ClaimWords, seen: Seen) -> Iterator[str]:
    """What diverged, and what it counted as."""
    told: dict[str, dict[str, int]] = {}
    for cell, of in dict.fromkeys((term.cell, term.of) for c in words.conditions for term in c.terms()):
        values = [*seen.raw(cell, of).values()]
        worst = "no success" if words.success else f"{seen.worst(cell, of):.4g}"
        never = f"counted as {worst}" if words.success or seen.counts_steps(of) else "left out"
        counts = {never: sum(map(math.isinf, values))}
        lost = "left out" if seen.drop else f"counted as {worst}"
        counts[lost] = counts.get(lost, 0) + sum(map(math.isnan, values))
        for how, count in counts.items():
            if count:
                told.setdefault(how, {})[f"{count} of {cell.words}"] = count
    for how, those in told.items():
        yield f"diverged or never there: {', '.join(those)}, {how}"


def _tuned(words: ClaimWords, seen: Seen) -> Iterator[str]:
    """The settings that the arms of a claim, or those that they are made from, were tuned to."""
    if "best" in seen.table.columns:
        tried = records.select(seen.table, measure=TUNING)
        [(metric, split)] = tried.select("metric", "split").unique().iter_rows()
        data = "training data" if split == "train" else "validation data"
        told = f"by the loss on {data}" if metric == LOSS else f"on {data}"
        best = dict(tried.select("tuned", "best").unique(maintain_order=True).iter_rows())
        roots = dict.fromkeys(seen.root(cell).words for c in words.conditions for cell in c.cells())
        yield f"tuned {told}: {'; '.join(f'{root}: {best[root]}' for root in roots if root in best)}"


def _slug(name: str) -> str:
    return re.sub(r"[^\w.-]+", "_", name).strip("_")
