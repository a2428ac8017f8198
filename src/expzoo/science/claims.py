"""What a paper claims, and the rule that turns an estimate into a verdict.

For an effect and a smallest effect of interest that are fixed before the run: `supported` if the
whole interval lies beyond the smallest effect in the claimed direction, `not supported` if all of
it lies on the other side, `inconclusive` otherwise, with the n that would settle it. "No
difference" needs equivalence: the 90 % interval between the bounds. A verdict whose control failed
is `withheld`. A network that diverged has an outcome too, the worst one (`records.by_seed`); where
there is no value for it, it counts as a failure.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import get_args

from expzoo.science.controls import Control, Estimator, SelfTest, known_answer, no_difference
from expzoo.science.rules import DROPPED_AT_MOST, doubts, in_reach, needed, outlying, position
from expzoo.science.statistics import Estimate, Method, pair_on_seed, paired_t, tost
from expzoo.science.verdicts import Direction, Outcome, Verdict, dump_verdicts, load_verdicts

__all__ = [
    "Claim",
    "Control",
    "Direction",
    "Estimator",
    "Outcome",
    "Pairs",
    "SelfTest",
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

Controls = Control | Sequence[Control] | None
"""What has to pass for a verdict to be given."""


class Pairs:
    """The measure of treatment - baseline, seed -> value, over the seeds for which both have one.

    `missing` counts the seeds that only one has, `dropped` those of which a network diverged without a value for that.
    """

    def __init__(self, claim: Claim, treatment: Mapping[int, float], baseline: Mapping[int, float]) -> None:
        """ValueError if the claim is not decided by pairs."""
        _check_choice(f"{claim.name}: the rule of pairs", claim.rule, ["paired t", "TOST"])
        self.claim = claim
        self.treatment, self.baseline, left_out = pair_on_seed(treatment, baseline)
        self.missing = len(treatment.keys() ^ baseline.keys())
        self.dropped = left_out - self.missing

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

    def in_reach(self, units: int) -> bool:
        """Whether any result of so many units would support it."""
        return in_reach(self.direction, self.bounds, self.rule, units, self.level)


def decide(
    claim: Claim,
    estimate: Estimate,
    *,
    control: Controls = None,
    dropped: int = 0,
    missing: int = 0,
    seeds: int | None = None,
) -> Verdict:
    """The verdict on a claim from one estimate.

    `dropped` counts the units that have no value because a network diverged: they count as
    failures. `missing` counts those that are left out for a reason that no arm can cause. `seeds`
    is the number of seeds that all units come from, if it is not the number of units: what would
    settle the claim is asked for in seeds. Also inconclusive: too few seeds for the method, more
    than a fifth without a value, support that an outlier decides and the exact sign-flip test does
    not share, or a test whose p value (Estimate.p) is above (1 - level) / 2. ValueError if the
    estimate was made by another rule than the claim's, or at a lower level.
    """
    _check_choice(f"{claim.name}: the estimate's method", estimate.method, [claim.rule])
    if estimate.level < claim.level - 1e-9:
        raise ValueError(f"{claim.name}: decided at a level of {claim.level}, not {estimate.level}")
    units = estimate.n + dropped + missing
    facts = [claim.note, f"compared with {claim.reference:g} {claim.unit}" if claim.reference else ""]
    facts += [f"{dropped} of {units} diverged and have no value: failures"] if dropped else []
    facts += [f"{missing} of {units} left out: missing"] if missing else []
    against = list(doubts(claim.direction, claim.bounds, estimate, dropped, missing))
    outcome = "inconclusive" if against else position(claim.direction, claim.bounds, estimate)
    settling = needed(claim.direction, claim.bounds, estimate) if outcome == "inconclusive" else None
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
        n_needed=_population(settling, estimate.n, seeds or units),
        note=_join(*facts, outlying(estimate), *against),
    )
    return _controlled(verdict, control)


def paired(
    claim: Claim,
    treatment: Mapping[int, float],
    baseline: Mapping[int, float],
    *,
    control: Controls = None,
) -> Verdict:
    """The verdict on treatment - baseline, seed -> value; what only one has is missing, NaN has diverged."""
    pairs = Pairs(claim, treatment, baseline)
    estimate = pairs(level=claim.level)
    return decide(claim, estimate, control=control, dropped=pairs.dropped, missing=pairs.missing)


def decide_each(
    claim: Claim,
    measures: Mapping[str, Estimator],
    *,
    control: Controls = None,
    dropped: Mapping[str, int] | None = None,
) -> dict[str, Verdict]:
    """One verdict for each condition, by Holm's step-down: the chance of any error among them stays that of one.

    `dropped` counts the units of each condition that diverged; `Pairs` know it themselves. Of m
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
    control: Controls = None,
    dropped: Mapping[str, int] | None = None,
    missing: Mapping[str, int] | None = None,
) -> Verdict:
    """The verdict on a claim that must hold under every condition (intersection-union test).

    Supported if every condition is, each at the claim's own level; not supported if one is not at 1
    - (1 - level) / m, since one of m is sought. The effect is that of the condition that decides,
    or that is furthest from its bound.
    """
    if not measures:
        raise ValueError(f"{claim.name}: no conditions to decide")
    plain = {name: _condition(claim, name, measures[name], claim.level, dropped, missing) for name in measures}
    strict_level = 1 - (1 - claim.level) / len(measures)
    strict = {  # only these can be refuted at a higher level, whose interval holds the other one
        name: _condition(claim, name, measures[name], strict_level, dropped, missing)
        for name, verdict in plain.items()
        if verdict.verdict == "not supported"
    }
    refuted = [verdict for verdict in strict.values() if verdict.verdict == "not supported"]
    unsettled = [strict.get(name, verdict) for name, verdict in plain.items() if verdict.verdict != "supported"]
    shown = min(refuted or unsettled or list(plain.values()), key=lambda verdict: _clearance(claim, verdict))
    needs = [verdict.n_needed for verdict in unsettled if verdict.n_needed is not None]
    settling = max(needs) if needs and len(needs) == len(unsettled) and not refuted else None
    outcome = "not supported" if refuted else "inconclusive" if unsettled else "supported"
    note = _join(f"all of {len(measures)} conditions must hold" if len(measures) > 1 else "", shown.note)
    return _controlled(replace(shown, verdict=outcome, n_needed=settling, note=note), control)


def with_divergence(verdict: Verdict, diverged: int, networks: int) -> Verdict:
    """The verdict, saying how many of the networks diverged and so count as the worst that their metrics know.

    Where more than a fifth of them did, arms may be equal because all of them failed, which supports no equivalence.
    """
    if not diverged:
        return verdict
    said = _join(verdict.note, f"{diverged} of {networks} networks diverged: each counts as one that knows nothing")
    equal = verdict.direction == "equivalent" and verdict.verdict == "supported"
    if equal and diverged > DROPPED_AT_MOST * networks:
        said = _join(said, f"more than {DROPPED_AT_MOST:.0%} diverged")
        return replace(verdict, verdict="inconclusive", note=said)
    return replace(verdict, note=said)


def _population(units: int | None, n: int, seeds: int) -> int | None:
    """How many seeds make so many units, if what was seen is what is lost and what is pooled: n units of `seeds`."""
    return units if units is None or not n else math.ceil(units * seeds / n)


def _condition(
    claim: Claim,
    name: str,
    measure: Estimator,
    level: float,
    dropped: Mapping[str, int] | None,
    missing: Mapping[str, int] | None = None,
) -> Verdict:
    lost = getattr(measure, "dropped", 0) if dropped is None else dropped.get(name, 0)
    out = getattr(measure, "missing", 0) if missing is None else missing.get(name, 0)
    verdict = decide(claim, measure(level=level), dropped=lost, missing=out)
    return replace(verdict, note=_join(f"condition {name}", verdict.note))


def _clearance(claim: Claim, verdict: Verdict) -> float:
    """How far the interval lies beyond the nearest bound; negative if it does not, lowest if there is no interval."""
    low, high = verdict.interval
    lower, upper = claim.bounds
    if math.isnan(low):
        return -math.inf
    return {"greater": low - upper, "less": lower - high, "equivalent": min(low - lower, upper - high)}[claim.direction]


def _controlled(verdict: Verdict, control: Controls) -> Verdict:
    asked = [control] if isinstance(control, Control) else list(control or [])
    controls, self_tests = ([one for one in asked if isinstance(one, SelfTest) is which] for which in (False, True))
    said = {"control": _join(*map(str, controls)), "self_test": _join(*map(str, self_tests))}
    failed = [
        kind for kind, some in (("control", controls), ("self-test", self_tests)) for one in some if not one.passed
    ]
    if not failed:
        return replace(verdict, **said)
    note = _join(verdict.note, f"withheld: the {' and the '.join(sorted({*failed}))} failed")
    return replace(verdict, verdict="withheld", n_needed=None, note=note, **said)


def _check_choice(what: str, value: str, choices: Sequence[str]) -> None:
    if value not in choices:
        raise ValueError(f"{what} {value!r} is not one of {', '.join(map(repr, choices))}")


def _join(*notes: str) -> str:
    return "; ".join(filter(None, notes))
