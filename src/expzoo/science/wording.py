"""Verdicts in words and digits, the same in the terminal, on the page and in figures. Standard library only."""

from __future__ import annotations

import math
import re
import shlex
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from expzoo.science.verdicts import Verdict

LONG = 1e7  # from here on a number is written by powers of ten
SPECK = 5e-7  # what six decimals show as 0

OUTCOMES = ("supported", "not supported", "inconclusive", "withheld")


def as_verdicts(verdicts: Iterable[Verdict | Mapping[str, object]]) -> list[Verdict]:
    """Verdicts, or the JSON objects they became, as verdicts; ValueError names a field at fault."""
    return [v if isinstance(v, Verdict) else Verdict.from_json(dict(v)) for v in verdicts]


def effect(verdict: Verdict) -> str:
    """The effect with its unit, and its sign if it is a difference, to the digits that its interval gives meaning."""
    if math.isnan(verdict.effect):
        return "none"
    return f"{_signed(verdict, verdict.effect)} {verdict.unit}".rstrip()


def interval(verdict: Verdict) -> str:
    """The interval, to the digits of the effect."""
    if not has_interval(verdict):
        return "none"
    low, high = (_signed(verdict, end) for end in verdict.interval)
    return f"[{low}, {high}]"


def has_interval(verdict: Verdict) -> bool:
    """Whether the values carried an interval."""
    return not math.isnan(verdict.interval[0])


def level(verdict: Verdict) -> str:
    """The level of its interval, such as `97.5 %`: those of equivalence and of one among several conditions differ."""
    return f"{100 * verdict.level:.4g} %"


def robustness(verdict: Verdict) -> str:
    """What the claim comes to under other settings of the optimizer, in one line; "" if it was not looked at."""
    rows = []
    for setting, outcome, found, low, high in verdict.robustness:
        there = replace(verdict, effect=found, interval=(low, high), verdict="inconclusive")
        rows.append(f"{setting.replace('_', ' ')} {outcome} {effect(there)} {interval(there)}")
    stands = sum(outcome == verdict.verdict for _, outcome, *_ in verdict.robustness)
    told = f"the verdict stands under {stands} of {len(rows)} other settings"
    return f"{told}: {'; '.join(rows)}" if rows else ""


def thresholds(verdict: Verdict) -> tuple[float, ...]:
    """The effects that decide: the smallest that matters, on the claimed side or, for equivalence, on both."""
    reference = verdict.reference
    lower, upper = reference - verdict.smallest_effect, reference + verdict.smallest_effect
    return {"greater": (upper,), "less": (lower,), "equivalent": (lower, upper)}[verdict.direction]


def decision(verdict: Verdict) -> str:
    """The rule of this claim in one sentence."""
    ends = [f"{end:{_sign(verdict)}g} {verdict.unit}".rstrip() for end in thresholds(verdict)]
    where = {"greater": "above {0}", "less": "below {0}", "equivalent": "between {0} and {1}"}[verdict.direction]
    return f"supported if the whole {level(verdict)} interval ({verdict.rule}) lies {where.format(*ends)}"


def measured(mean: float, interval: tuple[float, float], n: int, unit: str = "") -> str:
    """A mean over n seeds with its interval, to the digits that this gives meaning; NaN where there is no interval."""
    if not n:
        return "no value"
    low, high = interval
    decimals = _digits(high / 2 - low / 2, mean)
    ends = "no interval" if math.isnan(low) else f"[{low:.{decimals}f}, {high:.{decimals}f}]"
    return f"{mean:.{decimals}f}{' ' * bool(unit)}{unit} {ends}, n = {n}"


def reason(verdict: Verdict) -> str:
    """Why a claim is inconclusive or withheld, with the number of seeds that would settle it; "" if it is decided."""
    last = verdict.note.rpartition("; ")[2]
    if verdict.verdict == "withheld":
        failed = [part for part in verdict.note.split("; ") if part.startswith("withheld: ")]
        return failed[0].removeprefix("withheld: ") if failed else last
    if verdict.verdict != "inconclusive":
        return ""
    low, high = verdict.interval
    held = [f"{end:{_sign(verdict)}g}" for end in thresholds(verdict) if low <= end <= high]
    told = f"holds {' and '.join(held)}" if held else last
    settling = f"n = {verdict.n_needed:,} would settle it" if verdict.n_needed else ""
    return "; ".join(filter(None, [told, settling])) or "these seeds cannot tell"


def brief(published: str) -> str:
    """What was published in few words, for a table: the first value, without what is said about it in brackets."""
    first = re.sub(r"\s*\([^()]*(\)|$)", "", published.split(";")[0]).strip() or published
    return textwrap.shorten(first, 40, placeholder=" ...")


def tally(verdicts: Sequence[Verdict]) -> list[tuple[str, int]]:
    """How many claims came out in each way, those that occur, in a fixed order."""
    counts = [(outcome, sum(verdict.verdict == outcome for verdict in verdicts)) for outcome in OUTCOMES]
    return [(outcome, count) for outcome, count in counts if count]


def settling_command(command: str, n: int) -> str:
    """The command of the run with `n` seeds instead; only the new ones are trained."""
    try:
        words = shlex.split(command)
    except ValueError:
        words = command.split()
    kept = [word for word in words if not word.lstrip("+").startswith("population.size=")]
    return shlex.join([*kept, f"population.size={n}"])


def _signed(verdict: Verdict, value: float) -> str:
    """One of its numbers, by powers of ten where it is too long to be read."""
    sign, decimals = _sign(verdict), _decimals(verdict)
    return f"{value:{sign}.2e}" if abs(value) >= LONG else f"{round(value, decimals) + 0.0:{sign}.{decimals}f}"


def _sign(verdict: Verdict) -> str:
    """How a number's sign is formatted: a rate that is compared with another one has none, as a difference has."""
    is_level = verdict.reference > 0 and "point" not in verdict.unit
    return "-" if is_level else "+"


def _decimals(verdict: Verdict) -> int:
    """One or two digits of the half-width (tenths for 0.5 to 5); three digits of an effect without interval."""
    return _digits(verdict.interval[1] / 2 - verdict.interval[0] / 2, verdict.effect)


def _digits(half: float, value: float) -> int:
    """Decimals of a value whose interval reaches `half` to either side, NaN if it has none."""
    half = min(half, 1e300)  # which overflows nowhere
    if half > SPECK:
        return min(max(1 - math.floor(math.log10(half / 0.5)), 0), 6)
    size = abs(value)
    return min(max(2 - math.floor(math.log10(size)), 0), 6) if size > SPECK else 1
