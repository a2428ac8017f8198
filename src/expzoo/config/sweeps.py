"""How much a command line may ask for: words that can be read, ranges with an end, and a number of jobs."""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from hydra.core.override_parser.types import ChoiceSweep, Glob, IntervalSweep, RangeSweep
from hydra.errors import HydraException

from expzoo.config.allowed import nesting_fault
from expzoo.config.options import MAX_TEXT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.core.override_parser.types import Override

MAX_JOBS = 10_000
"""The jobs that a sweep can have."""

_LONGEST_KEY = 255  # a group is the name of a folder
_SHOWN = 60  # characters of a word that are said again


def bounded(
    texts: Sequence[str], parser: OverridesParser, *, multirun: bool, searched: bool
) -> tuple[list[str], list[str]]:
    """The words that can be gone through one by one, and what is wrong with the others; nothing is listed for it."""
    kept, swept, faults, jobs = list[str](), list[str](), list[str](), 1
    for text in texts:
        if fault := _unreadable(text):
            faults.append(fault)
            continue
        try:
            [override] = parser.parse_overrides([text])
        except (HydraException, ValueError):
            kept.append(text)  # said when it is read again
            continue
        if fault := _range_fault(override):
            faults.append(fault)
            continue
        kept.append(text)
        if multirun and override.is_discrete_sweep() and not (searched and override.is_range_sweep()):
            swept.append(text)
            jobs *= max(count(override), 1)
    if jobs > MAX_JOBS:
        said = f"{jobs:,}" if jobs < 10**12 else f"10^{math.floor(math.log10(jobs))}"
        faults.append(f"{' '.join(map(cut, swept))}: a sweep has at most {MAX_JOBS:,} jobs, not {said}")
        kept = [text for text in kept if text not in swept]
    return kept, faults


def count(override: Override) -> int:
    """How many values an override sweeps over."""
    value: Any = override.value()
    if isinstance(value, RangeSweep):
        return length(value)
    return len(list(override.sweep_iterator())) if isinstance(value, ChoiceSweep | Glob) else 1


def length(sweep: Any) -> int:
    """How many numbers a range holds, its end not among them, without counting them one by one."""
    return math.ceil((Fraction(sweep.stop) - Fraction(sweep.start)) / Fraction(sweep.step))


def number(sweep: Any, place: int) -> Any:
    """The number at a place of a range, as Hydra's own steps lead to it."""
    if isinstance(sweep.range(), range):
        return sweep.start + place * sweep.step
    return float(Decimal(sweep.start) + place * Decimal(sweep.step))


def meant(sweep: Any, value: float) -> Any:
    """The number of a range that a sampler means, which may have rounded it otherwise."""
    return number(sweep, round((value - sweep.start) / sweep.step))


def cut(text: str) -> str:
    """A word as it is said again, which is not all of it if it is long."""
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."


def _unreadable(text: str) -> str:
    """Why a word is not given to a parser, empty if it is."""
    if len(text) > MAX_TEXT:
        return f"{cut(text)}: a word has at most {MAX_TEXT:,} characters, not {len(text):,}: write a preset for it"
    if len(text.partition("=")[0]) > _LONGEST_KEY:
        return f"{cut(text)}: a key has at most {_LONGEST_KEY} characters"
    fault = nesting_fault(text)
    return f"{cut(text)}: {fault}" if fault else ""


def _range_fault(override: Override) -> str:
    """Why nothing could be tried of what is swept over, empty if something can."""
    match override.value():
        case RangeSweep(start=start, stop=stop, step=step):
            if not step or not all(map(math.isfinite, (start or 0, stop or 0, step))):
                return f"{cut(str(override.input_line))}: a range has finite ends and a step that is not 0"
            if count(override) < 1:
                return f"{override.input_line} holds no number: a range goes from its start to before its stop"
        case IntervalSweep(start=float() | int() as start, end=float() | int() as end, tags=tags):
            if start >= end:
                return f"{override.input_line} holds no number: an interval goes from its smaller end to its larger"
            if "log" in tags and start <= 0:
                return f"{override.input_line}: a logarithmic interval begins above 0"
    return ""
