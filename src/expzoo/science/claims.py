"""What a paper claims, and the rule that turns an estimate into a verdict.

For an effect and a smallest effect of interest that are fixed before the run: `supported` if the
whole interval lies beyond the smallest effect in the claimed direction, `not supported` if all of
it lies on the other side, `inconclusive` otherwise, with the n that would settle it. "No
difference" needs equivalence: the 90 % interval between the bounds. A verdict whose control failed
is `withheld`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import get_args

from expzoo.science.controls import Control, Estimator, known_answer, no_difference
from expzoo.science.statistics import Estimate, Method, n_needed, pair_on_seed, paired_t, tost
from expzoo.science.verdicts import Direction, Outcome, Verdict, dump_verdicts, load_verdicts

__all__ = [
    "Claim",
    "Control",
    "Direction",
    "Estimator",
    "Outcome",
    "Pairs",
    "Verdict",
    "decide",
    "decide_all",
    "decide_each",
    "dump_verdicts",
    "known_answer",
    "load_verdicts",
    "no_difference",
    "paired",
]

DROPPED_AT_MOST = 0.2  # of the units; beyond, those that are left are a selection
LEAST_FOR_T = 5
LEAST_FOR_BOOTSTRAP = 8  # below, its intervals are too narrow


class Pairs:
    """The measure of treatment - baseline, seed -> value, over the seeds of both; `dropped` counts the others."""

    def __init__(self, claim: Claim, treatment: Mapping[int, float], baseline: Mapping[int, float]) -> None:
        """ValueError if the claim is not decided by pairs."""
        _check_choice(f"{claim.name}: the rule of pairs", claim.rule, ["paired t", "TOST"])
        self.claim = claim
        self.treatment, self.baseline, self.dropped = pair_on_seed(treatment, baseline)

    def __call__(self, *, level: float) -> Estimate:
        """The estimate with an interval at this level."""
        if self.claim.rule == "TOST":
            return tost(self.treatment, self.baseline, *self.claim.bounds, level=level)
        return paired_t(self.treatment, self.baseline, level=level)


@dataclass(frozen=True)
class Claim:
    """A statement that can fail, and the rule by which it does, both fixed before anything is trained.

    The effect (in `unit`) is claimed to lie above reference + smallest_effect ("greater"), below
    reference - smallest_effect ("less") or between the two ("equivalent"). `rule` is the method of
    its estimate.
    """

    name: str
    statement: str
    source: str
    published: str
    unit: str
    smallest_effect: float
    direction: Direction
    rule: Method
    note: str = ""
    reference: float = 0.0

    def __post_init__(self) -> None:
        _check_choice(f"{self.name}: direction", self.direction, get_args(Direction))
        _check_choice(f"{self.name}: rule", self.rule, get_args(Method))
        if not 0 <= self.smallest_effect < math.inf:
            raise ValueError(f"{self.name}: smallest_effect {self.smallest_effect} is not a number of at least 0")
        if self.direction == "equivalent" and self.smallest_effect == 0:
            raise ValueError(f"{self.name}: nothing is equivalent within a smallest_effect of 0")
        if self.rule == "TOST" and self.direction != "equivalent":
            raise ValueError(f"{self.name}: TOST decides that two things are equivalent, not {self.direction!r}")

    @property
    def level(self) -> float:
        """The level of the interval that decides, for one condition."""
        return 0.90 if self.direction == "equivalent" else 0.95

    @property
    def bounds(self) -> tuple[float, float]:
        """The effects that are the smallest of interest, on both sides of the reference."""
        return self.reference - self.smallest_effect, self.reference + self.smallest_effect


def decide(claim: Claim, estimate: Estimate, *, control: Control | None = None, dropped: int = 0) -> Verdict:
    """The verdict on a claim from one estimate; `dropped` counts the seeds that it had to leave out.

    Also inconclusive: too few seeds for the method, more than a fifth dropped, or a test whose p
    value (Estimate.p) is above (1 - level) / 2. ValueError if the estimate was made by another rule
    than the claim's, or at a lower level.
    """
    _check_choice(f"{claim.name}: the estimate's method", estimate.method, [claim.rule])
    if estimate.level < claim.level - 1e-9:
        raise ValueError(f"{claim.name}: decided at a level of {claim.level}, not {estimate.level}")
    facts = [claim.note, f"compared with {claim.reference:g} {claim.unit}" if claim.reference else ""]
    if dropped:
        facts.append(f"{dropped} of {estimate.n + dropped} left out: diverged or missing")
    doubts = _doubts(claim, estimate, dropped)
    outcome = "inconclusive" if doubts else _position(claim, estimate)
    verdict = Verdict(
        claim=claim.name,
        statement=claim.statement,
        effect=float(estimate.effect),
        unit=claim.unit,
        interval=(float(estimate.low), float(estimate.high)),
        level=float(estimate.level),
        n=int(estimate.n),
        verdict=outcome,
        published=claim.published,
        source=claim.source,
        smallest_effect=float(claim.smallest_effect),
        direction=claim.direction,
        rule=claim.rule,
        reference=float(claim.reference),
        n_needed=_units_needed(claim, estimate) if outcome == "inconclusive" else None,
        note=_join(*facts, *doubts),
    )
    return _controlled(verdict, control)


def paired(
    claim: Claim,
    treatment: Mapping[int, float],
    baseline: Mapping[int, float],
    *,
    control: Control | None = None,
) -> Verdict:
    """The verdict on treatment - baseline, seed -> value, from the seeds that both have; the rest counts as dropped."""
    pairs = Pairs(claim, treatment, baseline)
    return decide(claim, pairs(level=claim.level), control=control, dropped=pairs.dropped)


def decide_each(
    claim: Claim,
    measures: Mapping[str, Estimator],
    *,
    control: Control | None = None,
    dropped: Mapping[str, int] | None = None,
) -> dict[str, Verdict]:
    """One verdict for each condition, by Holm's step-down: the chance of any error among them stays that of one.

    `dropped` counts the units that each condition left out; `Pairs` know it themselves. Of m
    conditions still open, those that an interval at 1 - (1 - level) / m decides are decided; then m
    shrinks.
    """
    verdicts: dict[str, Verdict] = {}
    while still_open := [name for name in measures if name not in verdicts]:
        level = 1 - (1 - claim.level) / len(still_open)
        tried = {name: _condition(claim, name, measures[name], level, dropped) for name in still_open}
        settled = {name: verdict for name, verdict in tried.items() if verdict.verdict != "inconclusive"}
        verdicts |= settled or tried
    holm = f"Holm over {len(measures)} conditions"
    noted = {name: replace(verdicts[name], note=_join(verdicts[name].note, holm)) for name in measures}
    return {name: _controlled(verdict, control) for name, verdict in noted.items()}


def decide_all(
    claim: Claim,
    measures: Mapping[str, Estimator],
    *,
    control: Control | None = None,
    dropped: Mapping[str, int] | None = None,
) -> Verdict:
    """The verdict on a claim that must hold under every condition (intersection-union test).

    Supported if every condition is, each at the claim's own level; not supported if one is not at 1
    - (1 - level) / m, since one of m is sought. The effect is that of the condition that decides,
    or that is furthest from its bound.
    """
    if not measures:
        raise ValueError(f"{claim.name}: no conditions to decide")
    strict_level = 1 - (1 - claim.level) / len(measures)
    strict = [_condition(claim, name, measure, strict_level, dropped) for name, measure in measures.items()]
    plain = [_condition(claim, name, measure, claim.level, dropped) for name, measure in measures.items()]
    refuted = [verdict for verdict in strict if verdict.verdict == "not supported"]
    unsettled = [
        strict[index] if verdict.verdict == "not supported" else verdict
        for index, verdict in enumerate(plain)
        if verdict.verdict != "supported"
    ]
    shown = min(refuted or unsettled or plain, key=lambda verdict: _clearance(claim, verdict))
    needs = [verdict.n_needed for verdict in unsettled if verdict.n_needed is not None]
    settling = max(needs) if needs and len(needs) == len(unsettled) and not refuted else None
    outcome = "not supported" if refuted else "inconclusive" if unsettled else "supported"
    note = _join(f"all of {len(measures)} conditions must hold" if len(measures) > 1 else "", shown.note)
    return _controlled(replace(shown, verdict=outcome, n_needed=settling, note=note), control)


def _position(claim: Claim, estimate: Estimate) -> Outcome:
    lower, upper = claim.bounds
    beyond, short_of = {
        "greater": (estimate.low > upper, estimate.high < upper),
        "less": (estimate.high < lower, estimate.low > lower),
        "equivalent": (lower < estimate.low and estimate.high < upper, estimate.high < lower or upper < estimate.low),
    }[claim.direction]
    return "supported" if beyond else "not supported" if short_of else "inconclusive"


def _doubts(claim: Claim, estimate: Estimate, dropped: int) -> list[str]:
    """Why this estimate settles nothing, wherever its interval lies."""
    doubts = []
    if estimate.n < (least := _least(estimate.method)):
        doubts.append(f"n = {estimate.n} is below {least}, the least for a {estimate.method} interval")
    elif math.isnan(estimate.low):
        doubts.append("no interval: the values do not vary, or the effect is undefined")
    if dropped > DROPPED_AT_MOST * (estimate.n + dropped):
        doubts.append(f"more than {DROPPED_AT_MOST:.0%} left out")
    if _position(claim, estimate) == "supported" and estimate.p > (1 - estimate.level) / 2 + 1e-9:
        doubts.append(f"p = {estimate.p:.3g}")
    return doubts


def _least(method: Method) -> int:
    if method in ("Clopper-Pearson", "Newcombe", "enumeration"):
        return 1
    return LEAST_FOR_BOOTSTRAP if method in ("BCa bootstrap", "cluster bootstrap") else LEAST_FOR_T


def _units_needed(claim: Claim, estimate: Estimate) -> int | None:
    """The n at which the interval, around the same effect, no longer holds any bound that matters."""
    lower, upper = claim.bounds
    bounds = {"greater": (upper,), "less": (lower,), "equivalent": (lower, upper)}[claim.direction]
    needs = [_least(estimate.method)]
    for bound in bounds:
        if estimate.low <= bound <= estimate.high:
            half = abs(estimate.effect - (estimate.low if bound < estimate.effect else estimate.high))
            if (units := n_needed(estimate.n, half, abs(estimate.effect - bound))) is None:
                return None
            needs.append(max(units, estimate.n + 1))
    return needed if (needed := max(needs)) > estimate.n else None


def _condition(claim: Claim, name: str, measure: Estimator, level: float, dropped: Mapping[str, int] | None) -> Verdict:
    left_out = getattr(measure, "dropped", 0) if dropped is None else dropped.get(name, 0)
    verdict = decide(claim, measure(level=level), dropped=left_out)
    return replace(verdict, note=_join(f"condition {name}", verdict.note))


def _clearance(claim: Claim, verdict: Verdict) -> float:
    """How far the interval lies beyond the nearest bound; negative if it does not, lowest if there is no interval."""
    low, high = verdict.interval
    lower, upper = claim.bounds
    if math.isnan(low):
        return -math.inf
    return {"greater": low - upper, "less": lower - high, "equivalent": min(low - lower, upper - high)}[claim.direction]


def _controlled(verdict: Verdict, control: Control | None) -> Verdict:
    if control is None:
        return verdict
    if control.passed:
        return replace(verdict, control=str(control))
    note = _join(verdict.note, "withheld: the control failed")
    return replace(verdict, verdict="withheld", n_needed=None, control=str(control), note=note)


def _check_choice(what: str, value: str, choices: Sequence[str]) -> None:
    if value not in choices:
        raise ValueError(f"{what} {value!r} is not one of {', '.join(map(repr, choices))}")


def _join(*notes: str) -> str:
    return "; ".join(filter(None, notes))
